//! The largest under a window that moves over an image, where it was, and the way back.

use super::pool::{PoolWindows, Regular};
use crate::buffer::{Buffer, Pooled};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, Indices, Shape, parallel};
use std::fmt;
use std::sync::Arc;

/// Where the largest element of each window lies, as [`crate::Tensor::max_pool`] found it. Cloning shares the memory.
///
/// One byte a window where the windows are all alike and have at most 256 elements, four bytes otherwise.
#[derive(Clone)]
pub struct PoolPicks {
    places: Places,
    windows: PoolWindows,
    shape: Shape,
}

#[derive(Clone)]
enum Places {
    /// The number of the element in its window, row by row.
    InWindow(Arc<Buffer<u8>>, Regular),
    /// Its position in the plane, row by row.
    InPlane(Arc<Buffer<u32>>),
}

impl PoolPicks {
    /// The largest under every window of `x`, written to `y`, for planes of the shape `[n, channels, rows, columns]`.
    ///
    /// Of several that tie the first counts. A NaN is larger than everything; of several NaN the last counts.
    pub(crate) fn largest<E: Element>(windows: &PoolWindows, x: &[E], y: &mut [E], shape: Shape) -> Self {
        let places = match windows.regular() {
            Some(r) if r.kernel[0] * r.kernel[1] <= 256 => {
                let mut codes = Buffer::<u8>::scratch(y.len());
                planes_of(windows, x, y, codes.as_mut_slice(), |x, y, codes| {
                    dispatch(Largest { windows, regular: r, x, y, codes });
                });
                Places::InWindow(Arc::new(codes), r)
            }
            _ => {
                assert!(u32::try_from(windows.planes().0).is_ok(), "max_pool: a plane has more than 2^32 elements");
                let mut at = Buffer::<u32>::scratch(y.len());
                planes_of(windows, x, y, at.as_mut_slice(), |x, y, at| irregular(windows, x, y, at));
                Places::InPlane(Arc::new(at))
            }
        };
        Self { places, windows: windows.clone(), shape }
    }

    /// The shape of the outputs.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Rows and columns of the planes that were picked from.
    pub fn input(&self) -> [usize; 2] {
        self.windows.input()
    }

    /// The memory that is held.
    pub fn bytes(&self) -> usize {
        match &self.places {
            Places::InWindow(codes, _) => codes.len(),
            Places::InPlane(at) => at.len() * size_of::<u32>(),
        }
    }

    /// The position of every pick in its plane, row by row, as PyTorch's `return_indices` gives it.
    pub fn positions(&self) -> Indices {
        let mut out = vec![0; self.shape.numel()];
        let outputs = self.windows.planes().1.max(1);
        for (plane, out) in out.chunks_exact_mut(outputs).enumerate() {
            self.each(plane * outputs, |o, at| out[o] = at);
        }
        Indices::new(out, self.shape)
    }

    /// `y[p] = x[at p]` in every plane.
    pub(crate) fn pick<E: Element>(&self, x: &[E], y: &mut [E]) {
        let (plane, outputs) = self.windows.planes();
        parallel::row_blocks(y, outputs, plane, |first, y| {
            for (i, y) in y.chunks_exact_mut(outputs).enumerate() {
                let x = &x[(first + i) * plane..][..plane];
                self.each((first + i) * outputs, |o, at| y[o] = x[at]);
            }
        });
    }

    /// The adjoint of [`PoolPicks::pick`]: `x[at p] += y[p]`, from zero.
    pub(crate) fn put<E: Element>(&self, y: &[E], x: &mut [E]) {
        let (plane, outputs) = self.windows.planes();
        parallel::row_blocks(x, plane, plane, |first, x| {
            for (i, x) in x.chunks_exact_mut(plane).enumerate() {
                let from = (first + i) * outputs;
                let y = &y[from..][..outputs];
                match &self.places {
                    Places::InWindow(codes, _) if self.windows.halves() => {
                        let codes = &codes.as_slice()[from..][..outputs];
                        dispatch(PutHalving { columns: self.windows.input()[1], across: self.columns(), y, codes, x });
                    }
                    _ => {
                        x.fill(E::ZERO);
                        self.each(from, |o, at| x[at] += y[o]);
                    }
                }
            }
        });
    }

    fn columns(&self) -> usize {
        self.windows.output()[1]
    }

    /// Calls `f` with the number of every output of the plane whose outputs begin at `from`, and the pick's position.
    #[inline(always)]
    fn each(&self, from: usize, mut f: impl FnMut(usize, usize)) {
        let outputs = self.windows.planes().1;
        match &self.places {
            Places::InPlane(at) => {
                at.as_slice()[from..][..outputs].iter().enumerate().for_each(|(o, &at)| f(o, at as usize));
            }
            Places::InWindow(codes, r) => {
                let columns = self.windows.input()[1];
                let mut offsets = [0_usize; 256];
                for (code, offset) in offsets.iter_mut().enumerate().take(r.kernel[0] * r.kernel[1]) {
                    let (down, across) = (code / r.kernel[1], code % r.kernel[1]);
                    *offset = down * r.dilation[0] * columns + across * r.dilation[1];
                }
                let padding = r.padding[0] * columns + r.padding[1];
                let rows = codes.as_slice()[from..][..outputs].chunks_exact(self.columns());
                for (down, codes) in rows.enumerate() {
                    let row = down * r.stride[0] * columns;
                    for (across, &code) in codes.iter().enumerate() {
                        // The pick lies inside the image, so the padding can be taken off last.
                        let at = row + across * r.stride[1] + offsets[usize::from(code)] - padding;
                        f(down * codes.len() + across, at);
                    }
                }
            }
        }
    }
}

impl fmt::Debug for PoolPicks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolPicks({})", self.shape)
    }
}

/// Calls `f` with planes of the input, the output and the places; in parallel where that pays.
fn planes_of<E: Element, P: Pooled + Send>(
    windows: &PoolWindows,
    x: &[E],
    y: &mut [E],
    places: &mut [P],
    f: impl Fn(&[E], &mut [E], &mut [P]) + Sync,
) {
    let (plane, outputs) = windows.planes();
    if y.is_empty() {
        return;
    }
    let together = (parallel::PIECE / plane.max(1)).max(1);
    let size = outputs * together;
    parallel::chunks2_if(parallel::pays(x.len()), (y, size), (places, size), |block, y, places| {
        let planes = y.chunks_exact_mut(outputs).zip(places.chunks_exact_mut(outputs));
        for (i, (y, places)) in planes.enumerate() {
            f(&x[(block * together + i) * plane..][..plane], y, places);
        }
    });
}

/// One plane, with windows that are not all alike.
fn irregular<E: Element>(windows: &PoolWindows, x: &[E], y: &mut [E], at: &mut [u32]) {
    let columns = windows.input()[1];
    windows.each(|o, down, across| {
        let mut best = E::NEG_INFINITY;
        let mut best_at = down.start * columns + across.start;
        for r in (down.start..down.end).step_by(down.step) {
            for c in (across.start..across.end).step_by(across.step) {
                let v = x[r * columns + c];
                if v > best || v.is_nan() {
                    (best, best_at) = (v, r * columns + c);
                }
            }
        }
        (y[o], at[o]) = (best, best_at as u32);
    });
}

/// One plane, with windows that are all alike.
struct Largest<'a, E> {
    windows: &'a PoolWindows,
    regular: Regular,
    x: &'a [E],
    y: &'a mut [E],
    codes: &'a mut [u8],
}

impl<E: Element> Kernel for Largest<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { windows, regular, x, y, codes } = self;
        let (columns, across) = (windows.input()[1], windows.output()[1]);
        let rows = y.chunks_exact_mut(across).zip(codes.chunks_exact_mut(across)).enumerate();
        if windows.halves() {
            for (o, (y, codes)) in rows {
                halve(&x[2 * o * columns..][..2 * across], &x[(2 * o + 1) * columns..][..2 * across], y, codes);
            }
            return;
        }
        let Regular { kernel, stride, padding, dilation } = regular;
        // For each column of the window the outputs under which it lies inside the image.
        let inside = |k: usize| {
            let (k, input) = (k * dilation[1], columns + padding[1]);
            let from = padding[1].saturating_sub(k).div_ceil(stride[1]).min(across);
            (from, input.saturating_sub(k).div_ceil(stride[1]).clamp(from, across))
        };
        for (o, (y, codes)) in rows {
            let down = windows.rows(o);
            let first = (down.start + padding[0] - o * stride[0]) / dilation[0];
            y.fill(E::NEG_INFINITY);
            for k in (0..kernel[1]).rev() {
                let (from, to) = inside(k);
                codes[from..to].fill((first * kernel[1] + k) as u8);
            }
            for (r, row) in (down.start..down.end).step_by(down.step).enumerate() {
                for k in 0..kernel[1] {
                    let (from, to) = inside(k);
                    if from == to {
                        continue;
                    }
                    let code = ((first + r) * kernel[1] + k) as u8;
                    let start = row * columns + from * stride[1] + k * dilation[1] - padding[1];
                    let (y, codes) = (&mut y[from..to], &mut codes[from..to]);
                    match stride[1] {
                        1 => raise(x[start..][..to - from].iter(), code, y, codes),
                        2 => raise(x[start..].iter().step_by(2), code, y, codes),
                        step => raise(x[start..].iter().step_by(step), code, y, codes),
                    }
                }
            }
        }
    }
}

/// Takes up what is larger than what was found so far.
#[inline(always)]
fn raise<'x, E: Element>(x: impl Iterator<Item = &'x E>, code: u8, y: &mut [E], codes: &mut [u8]) {
    for ((&v, y), c) in x.zip(y).zip(codes) {
        let larger = (v > *y) | v.is_nan();
        *y = if larger { v } else { *y };
        *c = if larger { code } else { *c };
    }
}

/// Two rows, two columns at a time.
#[inline(always)]
fn halve<E: Element>(upper: &[E], lower: &[E], y: &mut [E], codes: &mut [u8]) {
    let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
    for (((a, b), y), c) in pairs.zip(y).zip(codes) {
        let (mut best, mut code) = (a[0], 0);
        for (v, k) in [(a[1], 1), (b[0], 2), (b[1], 3)] {
            let larger = (v > best) | v.is_nan();
            best = if larger { v } else { best };
            code = if larger { k } else { code };
        }
        (*y, *c) = (best, code);
    }
}

/// One plane of the adjoint of halving; what lies under no window is 0.
struct PutHalving<'a, E> {
    columns: usize,
    across: usize,
    y: &'a [E],
    codes: &'a [u8],
    x: &'a mut [E],
}

impl<E: Element> Kernel for PutHalving<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { columns, across, y, codes, x } = self;
        let used = 2 * across;
        let mut pairs = x.chunks_exact_mut(2 * columns);
        for ((x, y), codes) in (&mut pairs).zip(y.chunks_exact(across)).zip(codes.chunks_exact(across)) {
            let (upper, lower) = x.split_at_mut(columns);
            for (first, row) in [upper, lower].into_iter().enumerate() {
                let first = 2 * first as u8;
                for ((x, &y), &code) in row[..used].chunks_exact_mut(2).zip(y).zip(codes) {
                    x[0] = if code == first { y } else { E::ZERO };
                    x[1] = if code == first + 1 { y } else { E::ZERO };
                }
                row[used..].fill(E::ZERO);
            }
        }
        pairs.into_remainder().fill(E::ZERO);
    }
}
