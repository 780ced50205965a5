//! The array type: a shared buffer, a shape, strides and an offset.

use crate::buffer::Buffer;
use crate::{Element, Shape};
use std::fmt;
use std::sync::Arc;

/// An n-dimensional array of `f32` (the default) or `f64`.
///
/// Cloning and viewing share the buffer; writing ([`Tensor::make_mut`]) copies only where the buffer is shared.
/// Shapes that do not fit are programming errors and panic at the caller's line with the operation and both shapes.
#[derive(Clone)]
pub struct Tensor<E: Element = f32> {
    pub(crate) buffer: Arc<Buffer<E>>,
    pub(crate) shape: Shape,
    pub(crate) strides: Shape,
    pub(crate) offset: usize,
}

impl<E: Element> Tensor<E> {
    /// The sizes of the axes, outermost first.
    #[inline]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of elements that one step along each axis skips.
    #[inline]
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// The number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.shape.numel()
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Bytes of the elements, were they stored contiguously.
    pub fn bytes(&self) -> usize {
        self.len() * size_of::<E>()
    }

    /// Whether the elements lie one after the other in row-major order.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1;
        for axis in (0..self.rank()).rev() {
            if self.shape[axis] != 1 && self.strides[axis] != step {
                return self.is_empty();
            }
            step *= self.shape[axis];
        }
        true
    }

    /// The elements in row-major order, if they lie so.
    #[inline]
    pub fn as_slice(&self) -> Option<&[E]> {
        if self.is_contiguous() { Some(&self.buffer.as_slice()[self.offset..self.offset + self.len()]) } else { None }
    }

    /// The elements of a tensor that is known to be contiguous.
    #[inline]
    #[track_caller]
    pub(crate) fn slice_of(&self) -> &[E] {
        self.as_slice().expect("a contiguous tensor")
    }

    /// The whole buffer from this tensor's first element on; index it with the strides.
    #[inline]
    pub(crate) fn raw(&self) -> &[E] {
        let all = self.buffer.as_slice();
        &all[self.offset.min(all.len())..]
    }

    /// The elements in row-major order, copied.
    pub fn to_vec(&self) -> Vec<E> {
        match self.as_slice() {
            Some(s) => s.to_vec(),
            None => self.contiguous().slice_of().to_vec(),
        }
    }

    /// This tensor with its elements in row-major order; copies only where they are not.
    pub fn contiguous(&self) -> Tensor<E> {
        if self.is_contiguous() {
            return self.clone();
        }
        let mut out = Tensor::scratch(self.shape);
        crate::kernels::strided::copy(self.raw(), &self.strides, &self.shape, out.fresh_mut());
        out
    }

    /// The only element.
    ///
    /// # Panics
    /// Unless there is exactly one.
    #[inline]
    #[track_caller]
    pub fn item(&self) -> E {
        assert!(self.len() == 1, "item: a tensor of shape {} has {} elements, not one", self.shape, self.len());
        self.raw()[0]
    }

    /// The element at a position.
    ///
    /// # Panics
    /// If the position is outside the shape.
    #[track_caller]
    pub fn at(&self, position: &[usize]) -> E {
        let inside = position.len() == self.rank() && position.iter().zip(self.shape.iter()).all(|(p, s)| p < s);
        assert!(inside, "at: position {position:?} is outside shape {}", self.shape);
        self.raw()[position.iter().zip(self.strides.iter()).map(|(p, s)| p * s).sum::<usize>()]
    }

    /// The elements for writing, row-major. Copies first if the buffer is shared or the layout is not row-major.
    pub fn make_mut(&mut self) -> &mut [E] {
        let whole = self.is_contiguous();
        if !whole || Arc::get_mut(&mut self.buffer).is_none() {
            let mut copy = Tensor::scratch(self.shape);
            match self.as_slice() {
                Some(s) => copy.fresh_mut().copy_from_slice(s),
                None => crate::kernels::strided::copy(self.raw(), &self.strides, &self.shape, copy.fresh_mut()),
            }
            *self = copy;
        }
        let (offset, len) = (self.offset, self.len());
        let buffer = Arc::get_mut(&mut self.buffer).expect("a buffer that was just made or found unshared");
        &mut buffer.as_mut_slice()[offset..offset + len]
    }

    /// Whether writing needs no copy.
    pub fn is_unique(&mut self) -> bool {
        self.is_contiguous() && Arc::get_mut(&mut self.buffer).is_some()
    }

    /// Whether two tensors share a buffer.
    pub fn shares_buffer(&self, other: &Tensor<E>) -> bool {
        Arc::ptr_eq(&self.buffer, &other.buffer)
    }

    /// The address of the buffer: two tensors that are both alive share their buffer if, and only if, it is equal.
    pub fn buffer_address(&self) -> usize {
        Arc::as_ptr(&self.buffer) as usize
    }

    /// Bytes of the whole buffer, of which a view shows a part and keeps all alive.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer.len() * size_of::<E>()
    }

    /// The elements of a tensor that was just made by [`Tensor::scratch`].
    #[inline]
    pub(crate) fn fresh_mut(&mut self) -> &mut [E] {
        Arc::get_mut(&mut self.buffer).expect("a tensor that was just made").as_mut_slice()
    }

    /// A tensor with arbitrary content from the pool, for the caller to overwrite wholly.
    ///
    /// The content is initialised memory left over from earlier tensors, so reading it is harmless but meaningless.
    ///
    /// # Panics
    /// If no memory can hold so many elements.
    #[inline]
    #[track_caller]
    pub fn scratch(shape: impl Into<Shape>) -> Tensor<E> {
        let shape = shape.into().checked();
        Tensor::from_buffer(Buffer::scratch(shape.numel()), shape)
    }

    #[inline]
    pub(crate) fn from_buffer(buffer: Buffer<E>, shape: Shape) -> Tensor<E> {
        debug_assert_eq!(buffer.len(), shape.numel());
        Tensor { buffer: Arc::new(buffer), strides: shape.row_major_strides(), shape, offset: 0 }
    }

    /// The same elements as the other precision; exact from `f32` to `f64`, rounded the other way.
    pub fn cast<F: Element>(&self) -> Tensor<F> {
        let source = self.contiguous();
        let mut out = Tensor::scratch(self.shape);
        for (o, x) in out.fresh_mut().iter_mut().zip(source.slice_of()) {
            *o = F::from_f64(x.to_f64());
        }
        out
    }
}

/// Two tensors are equal when their shapes and all elements are; NaN equals nothing.
impl<E: Element> PartialEq for Tensor<E> {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.contiguous().slice_of() == other.contiguous().slice_of()
    }
}

impl<E: Element> fmt::Debug for Tensor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor<{}>{} ", E::NAME, self.shape)?;
        fmt::Debug::fmt(&self.view(), f)
    }
}

impl<E: Element> fmt::Display for Tensor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_copies_only_when_shared() {
        let mut a: Tensor = Tensor::from_slice(&[1.0, 2.0], [2]);
        let b = a.clone();
        a.make_mut()[0] = 9.0;
        assert_eq!((a.to_vec(), b.to_vec()), (vec![9.0, 2.0], vec![1.0, 2.0]));
        let at = a.as_slice().unwrap().as_ptr();
        a.make_mut()[1] = 8.0;
        assert_eq!(a.as_slice().unwrap().as_ptr(), at);
    }

    #[test]
    #[should_panic(expected = "item: a tensor of shape [2] has 2 elements")]
    fn item_of_two_is_refused() {
        Tensor::<f32>::zeros([2]).item();
    }
}
