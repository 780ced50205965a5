//! Shapes and strides, kept inline so that describing an array never allocates.

use std::fmt;
use std::ops::Deref;

/// The largest number of axes that a tensor may have.
pub const MAX_RANK: usize = 8;

/// The sizes of a tensor's axes, outermost first; at most [`MAX_RANK`] of them, stored inline.
///
/// ```
/// use kniff_tensor::Shape;
/// let s = Shape::from([2, 3, 4]);
/// assert_eq!(s.numel(), 24);
/// assert_eq!(&s[1..], [3, 4]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    axes: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// The shape of a scalar: no axes, one element.
    pub const SCALAR: Shape = Shape { axes: [0; MAX_RANK], rank: 0 };

    /// # Panics
    /// With more than [`MAX_RANK`] axes, or axes whose product no memory can hold (an axis of size 0 counted as 1).
    #[track_caller]
    pub fn new(axes: &[usize]) -> Self {
        assert!(axes.len() <= MAX_RANK, "a tensor has at most {MAX_RANK} axes, the shape {axes:?} has {}", axes.len());
        let mut inline = [0; MAX_RANK];
        inline[..axes.len()].copy_from_slice(axes);
        Self { axes: inline, rank: axes.len() as u8 }.checked()
    }

    /// The shape of axes that come from outside: none with more than [`MAX_RANK`] axes, or more elements than any memory can hold
    /// (an axis of size 0 counted as 1).
    ///
    /// ```
    /// use kniff_tensor::Shape;
    /// assert_eq!(Shape::try_new(&[2, 3]), Some(Shape::from([2, 3])));
    /// assert_eq!(Shape::try_new(&[0, usize::MAX]), None);
    /// assert_eq!(Shape::try_new(&[1; 9]), None);
    /// ```
    pub fn try_new(axes: &[usize]) -> Option<Self> {
        if axes.len() > MAX_RANK {
            return None;
        }
        let mut inline = [0; MAX_RANK];
        inline[..axes.len()].copy_from_slice(axes);
        let shape = Self { axes: inline, rank: axes.len() as u8 };
        shape.fits_memory().then_some(shape)
    }

    /// The shape, if sizes and strides of such an array can be computed and its bytes counted.
    #[track_caller]
    pub(crate) fn checked(self) -> Self {
        assert!(self.fits_memory(), "shape {self} has more elements than any memory can hold");
        self
    }

    fn fits_memory(&self) -> bool {
        let most = isize::MAX as usize / size_of::<f64>();
        let numel = self.iter().try_fold(1_usize, |n, &axis| n.checked_mul(axis.max(1)).filter(|n| *n <= most));
        numel.is_some()
    }

    /// The product of all axes: how many elements there are.
    #[inline]
    pub fn numel(&self) -> usize {
        self.iter().product()
    }

    /// The strides, in elements, of a row-major array of this shape.
    #[inline]
    pub fn row_major_strides(&self) -> Shape {
        let mut strides = *self;
        let mut step = 1;
        for axis in (0..self.len()).rev() {
            strides.axes[axis] = step;
            step *= self.axes[axis];
        }
        strides
    }

    /// This shape with `size` put in before axis `at`.
    #[track_caller]
    pub fn with_axis(&self, at: usize, size: usize) -> Shape {
        assert!(at <= self.len(), "axis {at} is out of range for inserting into shape {self}");
        let mut axes = self.to_vec();
        axes.insert(at, size);
        Shape::new(&axes)
    }

    /// This shape without axis `at`.
    #[track_caller]
    pub fn without_axis(&self, at: usize) -> Shape {
        assert!(at < self.len(), "axis {at} is out of range for shape {self}");
        let mut out = *self;
        out.axes.copy_within(at + 1..self.len(), at);
        out.rank -= 1;
        out.axes[out.rank as usize] = 0;
        out
    }

    /// The shape that `self` and `other` broadcast to by NumPy's rule, or `None` where they do not fit.
    ///
    /// # Panics
    /// If they fit, but to more elements than any memory can hold.
    #[track_caller]
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        if self == other {
            return Some(*self);
        }
        let rank = self.len().max(other.len());
        let mut out = Shape { axes: [0; MAX_RANK], rank: rank as u8 };
        for i in 0..rank {
            let a = self.size_from_end(rank - 1 - i);
            let b = other.size_from_end(rank - 1 - i);
            out.axes[i] = match (a, b) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                _ => return None,
            };
        }
        Some(out.checked())
    }

    fn size_from_end(&self, k: usize) -> usize {
        if k < self.len() { self.axes[self.len() - 1 - k] } else { 1 }
    }

    pub(crate) fn axes_mut(&mut self) -> &mut [usize] {
        &mut self.axes[..self.rank as usize]
    }
}

impl Deref for Shape {
    type Target = [usize];
    #[inline]
    fn deref(&self) -> &[usize] {
        &self.axes[..self.rank as usize]
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    #[track_caller]
    fn from(axes: [usize; N]) -> Self {
        Shape::new(&axes)
    }
}

impl From<&[usize]> for Shape {
    #[track_caller]
    fn from(axes: &[usize]) -> Self {
        Shape::new(axes)
    }
}

impl From<&Vec<usize>> for Shape {
    #[track_caller]
    fn from(axes: &Vec<usize>) -> Self {
        Shape::new(axes)
    }
}

impl From<Vec<usize>> for Shape {
    #[track_caller]
    fn from(axes: Vec<usize>) -> Self {
        Shape::new(&axes)
    }
}

impl From<usize> for Shape {
    fn from(axis: usize) -> Self {
        Shape::new(&[axis])
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        *shape
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, other: &[usize]) -> bool {
        **self == *other
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        **self == other[..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        let b = |a: &[usize], b: &[usize]| Shape::new(a).broadcast(&Shape::new(b)).map(|s| s.to_vec());
        assert_eq!(b(&[3, 1], &[4]), Some(vec![3, 4]));
        assert_eq!(b(&[], &[2, 2]), Some(vec![2, 2]));
        assert_eq!(b(&[0, 1], &[1, 5]), Some(vec![0, 5]));
        assert_eq!(b(&[2, 3], &[2]), None);
    }

    #[test]
    fn strides_are_row_major() {
        assert_eq!(Shape::from([2, 3, 4]).row_major_strides(), [12, 4, 1]);
    }

    #[test]
    #[should_panic(expected = "shape [4294967296, 4294967296] has more elements than any memory can hold")]
    fn what_no_memory_holds_is_refused() {
        let _ = Shape::from([1 << 32, 1 << 32]);
    }

    #[test]
    #[should_panic(expected = "more elements than any memory can hold")]
    fn an_empty_axis_does_not_hide_the_others() {
        let _ = Shape::from([usize::MAX, 2, 0]);
    }

    #[test]
    #[should_panic(expected = "more elements than any memory can hold")]
    fn a_broadcast_can_be_too_large_too() {
        let _ = Shape::from([1 << 40, 1]).broadcast(&Shape::from([1, 1 << 40]));
    }

    #[test]
    #[should_panic(expected = "at most 8 axes")]
    fn nine_axes_are_refused() {
        let _ = Shape::from([1; 9]);
    }
}
