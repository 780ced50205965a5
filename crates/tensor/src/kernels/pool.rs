//! The windows that move over an image, and the mean under each.

use crate::{Element, parallel};
use std::sync::Arc;

/// How a pooling window moves over an image; arrays are (down, across).
///
/// ```
/// use kniff_tensor::PoolOptions;
/// let halving = PoolOptions::new([2, 2]);
/// assert_eq!(halving.output_size([5, 4]), Some([2, 2]));
/// assert_eq!(PoolOptions { ceil_mode: true, ..halving }.output_size([5, 4]), Some([3, 2]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// Rows and columns under the window.
    pub kernel: [usize; 2],
    /// How far the window moves from one output to the next.
    pub stride: [usize; 2],
    /// Rows and columns before and after the image; at most half the window.
    pub padding: [usize; 2],
    /// How far the elements of the window are apart.
    pub dilation: [usize; 2],
    /// Whether a last window that is only partly inside counts; it must start inside the image or the padding before it.
    pub ceil_mode: bool,
}

impl PoolOptions {
    /// Windows side by side: stride as long as the kernel, no padding, no dilation, only whole windows.
    pub fn new(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: kernel, padding: [0; 2], dilation: [1; 2], ceil_mode: false }
    }

    /// `(size + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down, or up in ceil mode; `None` where the
    /// window does not fit.
    pub fn output_size(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let along = |a: usize| {
            let (stride, padding) = (self.stride[a].max(1), self.padding[a]);
            let extent = self.dilation[a] * self.kernel[a].checked_sub(1)? + 1;
            let spare = if self.ceil_mode { stride - 1 } else { 0 };
            let outputs = (input[a] + 2 * padding + spare).checked_sub(extent)? / stride + 1;
            // A window that starts in the padding after the image sees nothing.
            let past = self.ceil_mode && (outputs - 1) * stride >= input[a] + padding;
            Some(outputs - usize::from(past)).filter(|&n| n > 0)
        };
        Some([along(0)?, along(1)?])
    }

    /// The windows on an image of a size.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn windows(&self, input: [usize; 2]) -> Result<PoolWindows, String> {
        let PoolOptions { kernel, stride, padding, dilation, .. } = *self;
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err(format!(
                "a window of {kernel:?}, a stride of {stride:?} and a dilation of {dilation:?} are not all above 0"
            ));
        }
        let extent = [0, 1].map(|a| dilation[a] * (kernel[a] - 1) + 1);
        if (0..2).any(|a| padding[a] > extent[a] / 2) {
            return Err(format!("a padding of {padding:?} is more than half of a window that spans {extent:?}"));
        }
        let Some(output) = self.output_size(input) else {
            let padded = [0, 1].map(|a| input[a] + 2 * padding[a]);
            return Err(format!("a window that spans {extent:?} does not fit into a padded image of {padded:?}"));
        };
        let along = |a: usize| -> Arc<[Window]> {
            let window = |o: usize| {
                let (from, step) = (o * stride[a], dilation[a]);
                // Counted from the start of the padding, as `from` is.
                let (first, last) = (padding[a], padding[a] + input[a]);
                let skipped = first.saturating_sub(from).div_ceil(step);
                let start = from + skipped * step - first;
                let end = (from + extent[a]).min(last).saturating_sub(first).max(start);
                let with_padding = (from + extent[a]).min(last + padding[a]) - from;
                Window { start, end, step, with_padding: with_padding.div_ceil(step) }
            };
            (0..output[a]).map(window).collect()
        };
        let regular = Some(Regular { kernel, stride, padding, dilation });
        let windows = PoolWindows { input, along: [along(0), along(1)], regular };
        if windows.along.iter().any(|axis| axis.iter().any(|w| w.len() == 0)) {
            return Err(format!("a window of {kernel:?} at a dilation of {dilation:?} lies between the elements"));
        }
        Ok(windows)
    }
}

/// Positions `start, start + step, ..` below `end` along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) step: usize,
    /// How many positions there are with those in the padding.
    with_padding: usize,
}

impl Window {
    fn len(&self) -> usize {
        (self.end - self.start).div_ceil(self.step)
    }
}

/// Every window of a pooling on images of one size: a product of one list per axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolWindows {
    input: [usize; 2],
    along: [Arc<[Window]>; 2],
    regular: Option<Regular>,
}

/// How windows move that are all alike, some of them partly outside; arrays are (down, across).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Regular {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
}

impl PoolWindows {
    /// Windows that cut an image into a given number of rows and columns: output i sees positions
    /// `floor(i in / out) .. ceil((i + 1) in / out)`, which may overlap.
    ///
    /// # Errors
    /// If there are no outputs, or nothing to see.
    pub fn adaptive(input: [usize; 2], output: [usize; 2]) -> Result<Self, String> {
        if input.contains(&0) || output.contains(&0) {
            return Err(format!("an image of {input:?} cannot be cut into {output:?} windows"));
        }
        let along = |a: usize| -> Arc<[Window]> {
            let (n, m) = (input[a], output[a]);
            let window = |i: usize| {
                let (start, end) = (i * n / m, ((i + 1) * n).div_ceil(m));
                Window { start, end, step: 1, with_padding: end - start }
            };
            (0..m).map(window).collect()
        };
        Ok(Self { input, along: [along(0), along(1)], regular: None })
    }

    /// Rows and columns of the input.
    pub fn input(&self) -> [usize; 2] {
        self.input
    }

    /// Rows and columns of the output.
    pub fn output(&self) -> [usize; 2] {
        [self.along[0].len(), self.along[1].len()]
    }

    /// How the windows move, if they are all alike.
    pub(crate) fn regular(&self) -> Option<Regular> {
        self.regular
    }

    /// Whether every window is two by two elements beside the next, all inside.
    pub(crate) fn halves(&self) -> bool {
        let halving = Regular { kernel: [2; 2], stride: [2; 2], padding: [0; 2], dilation: [1; 2] };
        self.regular == Some(halving) && (0..2).all(|a| 2 * self.along[a].len() <= self.input[a])
    }

    /// The rows that the windows of an output row see.
    pub(crate) fn rows(&self, output: usize) -> Window {
        self.along[0][output]
    }

    /// Elements of one plane of the input, and of the output.
    pub(crate) fn planes(&self) -> (usize, usize) {
        (self.input[0] * self.input[1], self.along[0].len() * self.along[1].len())
    }

    /// Calls `f` with the row and the column windows of every output, in row-major order.
    #[inline(always)]
    pub(crate) fn each(&self, mut f: impl FnMut(usize, &Window, &Window)) {
        let mut at = 0;
        for down in self.along[0].iter() {
            for across in self.along[1].iter() {
                f(at, down, across);
                at += 1;
            }
        }
    }
}

/// What the sum under a window is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Divisor {
    /// The elements with those in the padding, but not those of a last window that are past it.
    #[default]
    WithPadding,
    /// The elements inside the image.
    Inside,
    /// Always this number.
    Fixed(usize),
}

impl Divisor {
    #[inline(always)]
    fn of<E: Element>(self, down: &Window, across: &Window) -> E {
        E::from_usize(match self {
            Divisor::WithPadding => down.with_padding * across.with_padding,
            Divisor::Inside => down.len() * across.len(),
            Divisor::Fixed(n) => n,
        })
    }
}

/// The sum under every window over its divisor.
pub fn mean<E: Element>(w: &PoolWindows, divisor: Divisor, x: &[E], y: &mut [E]) {
    E::pool_mean(w, divisor, x, y);
}

/// [`mean`], where it is compiled.
pub(super) fn mean_here<E: Element>(w: &PoolWindows, divisor: Divisor, x: &[E], y: &mut [E]) {
    let (plane, outputs) = w.planes();
    parallel::row_blocks(y, outputs, plane, |first, y| {
        for (i, y) in y.chunks_exact_mut(outputs).enumerate() {
            let x = &x[(first + i) * plane..][..plane];
            w.each(|o, down, across| {
                let mut sum = E::ZERO;
                for r in (down.start..down.end).step_by(down.step) {
                    let row = &x[r * w.input[1]..][across.start..across.end];
                    sum = row.iter().step_by(across.step).fold(sum, |sum, &x| sum + x);
                }
                y[o] = sum / divisor.of(down, across);
            });
        }
    });
}

/// The adjoint of [`mean`]: spreads every output over its window.
pub fn spread<E: Element>(w: &PoolWindows, divisor: Divisor, y: &[E], x: &mut [E]) {
    E::pool_spread(w, divisor, y, x);
}

/// [`spread`], where it is compiled.
pub(super) fn spread_here<E: Element>(w: &PoolWindows, divisor: Divisor, y: &[E], x: &mut [E]) {
    let (plane, outputs) = w.planes();
    parallel::row_blocks(x, plane, plane, |first, x| {
        x.fill(E::ZERO);
        for (i, x) in x.chunks_exact_mut(plane).enumerate() {
            let y = &y[(first + i) * outputs..][..outputs];
            w.each(|o, down, across| {
                let share = y[o] / divisor.of(down, across);
                for r in (down.start..down.end).step_by(down.step) {
                    let row = &mut x[r * w.input[1]..][across.start..across.end];
                    row.iter_mut().step_by(across.step).for_each(|x| *x += share);
                }
            });
        }
    });
}
