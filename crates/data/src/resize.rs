//! Images in another size, along each axis by itself, and the adjoint of that.

use crate::DataError;
use crate::augment::image_shape;
use kniff_tensor::{Element, Tensor, parallel};

/// How an image in another size is made from the one that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel at floor(i in/out): PyTorch's `nearest`.
    Nearest,
    /// The pixel whose area holds the centre, floor((i + 1/2) in/out): PyTorch's `nearest-exact`.
    NearestExact,
    /// Between the two nearest pixels of each axis; pixels are areas: place (i + 1/2) in/out - 1/2, not below 0.
    ///
    /// Made smaller by more than half, it leaves pixels out; [`Interpolation::BilinearAntialias`] does not.
    Bilinear,
    /// Between the two nearest pixels of each axis; pixels are points, and the outermost ones stay: place i (in-1)/(out-1).
    BilinearAlignCorners,
    /// A triangle around the place of [`Interpolation::Bilinear`] that is widened by the factor of shrinking.
    #[default]
    BilinearAntialias,
}

/// Images `[n, channels, h, w]` as `[n, channels, height, width]`.
///
/// Each axis by itself: `out[i] = sum_j A[i, j] in[j]` with the few weights that [`Interpolation`] describes, which add up to 1.
/// Differs from PyTorch: places of `nearest` are computed in whole numbers and not in f32.
///
/// # Errors
/// [`DataError::Shape`] unless there are four axes and at least one pixel; [`DataError::Setting`] for a size of 0.
///
/// ```
/// use kniff_data::{Interpolation, resize};
/// use kniff_tensor::Tensor;
/// let row: Tensor = Tensor::from_slice(&[0.0, 4.0], [1, 1, 1, 2]);
/// // Centres of four pixels lie at -1/4, 1/4, 3/4, 5/4 of the two.
/// assert_eq!(resize(&row, 1, 4, Interpolation::Bilinear)?.to_vec(), [0.0, 1.0, 3.0, 4.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn resize<E: Element>(
    images: &Tensor<E>,
    height: usize,
    width: usize,
    how: Interpolation,
) -> Result<Tensor<E>, DataError> {
    let (_, [_, h, w]) = image_shape(images.shape())?;
    planes(images, [h, w], [height, width], |from, to| resize_planes(from, [h, w], to, [height, width], how))
}

/// The adjoint of [`resize`]: what a gradient with respect to the resized images means for images of `height` and `width`.
///
/// `in[j] = sum_i A[i, j] out[i]`, for each axis by itself.
///
/// # Errors
/// As [`resize`].
pub fn resize_adjoint<E: Element>(
    gradient: &Tensor<E>,
    height: usize,
    width: usize,
    how: Interpolation,
) -> Result<Tensor<E>, DataError> {
    let (_, [_, oh, ow]) = image_shape(gradient.shape())?;
    planes(gradient, [oh, ow], [height, width], |from, to| {
        let (rows, columns) = (Taps::new(height, oh, how), Taps::new(width, ow, how));
        to.fill(E::ZERO);
        for (from, to) in from.chunks_exact(oh * ow).zip(to.chunks_exact_mut(height * width)) {
            for (y, from) in from.chunks_exact(ow).enumerate() {
                for (yy, a) in rows.of(y) {
                    for (x, &g) in from.iter().enumerate() {
                        for (xx, b) in columns.of(x) {
                            to[yy * width + xx] += E::from_f64(a * b) * g;
                        }
                    }
                }
            }
        }
    })
}

/// The box of `size` rows and columns at `top`, `left` of each image, in the size of the whole image.
///
/// # Errors
/// As [`resize`], and if the box does not lie within the images.
///
/// ```
/// use kniff_data::{Interpolation, zoom};
/// use kniff_tensor::Tensor;
/// let image: Tensor = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
/// assert_eq!(zoom(&image, 1, 0, [1, 1], Interpolation::Bilinear)?.to_vec(), [3.0; 4]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn zoom<E: Element>(
    images: &Tensor<E>,
    top: usize,
    left: usize,
    size: [usize; 2],
    how: Interpolation,
) -> Result<Tensor<E>, DataError> {
    let (_, [_, height, width]) = image_shape(images.shape())?;
    let (bottom, right) = (top.checked_add(size[0]), left.checked_add(size[1]));
    if size.contains(&0) || bottom.is_none_or(|b| b > height) || right.is_none_or(|r| r > width) {
        let expected = format!("a box within the {height} x {width} pixels of the images");
        return Err(DataError::setting("zoom", expected, format!("{} x {} at {top}, {left}", size[0], size[1])));
    }
    let part = images.slice_axis(2, top..top + size[0]).slice_axis(3, left..left + size[1]);
    resize(&part, height, width, how)
}

/// Every image through `f`, in parallel.
fn planes<E: Element>(
    images: &Tensor<E>,
    from: [usize; 2],
    to: [usize; 2],
    f: impl Fn(&[E], &mut [E]) + Sync,
) -> Result<Tensor<E>, DataError> {
    let (n, [channels, ..]) = image_shape(images.shape())?;
    if to.contains(&0) {
        return Err(DataError::setting("size to resize to", "at least 1 x 1", format!("{} x {}", to[0], to[1])));
    }
    if from.contains(&0) {
        let expected = "[n, channels, height, width] with at least one pixel".into();
        return Err(DataError::Shape { what: "images to resize", expected, found: *images.shape() });
    }
    let images = images.contiguous();
    let all = images.as_slice().unwrap_or_default();
    let (before, after) = (from[0] * from[1], to[0] * to[1]);
    let mut out = Tensor::scratch([n, channels, to[0], to[1]]);
    parallel::row_blocks(out.make_mut(), after, before.max(after), |first, block| {
        let count = block.len() / after;
        f(&all[first * before..(first + count) * before], block);
    });
    Ok(out)
}

/// Planes of a size as planes of another: rows first shortened or lengthened, then columns.
pub(crate) fn resize_planes<E: Element>(
    from: &[E],
    [h, w]: [usize; 2],
    to: &mut [E],
    [height, width]: [usize; 2],
    how: Interpolation,
) {
    let (rows, columns) = (Taps::new(h, height, how), Taps::new(w, width, how));
    let mut narrow = vec![E::ZERO; h * width];
    for (from, to) in from.chunks_exact(h * w).zip(to.chunks_exact_mut(height * width)) {
        for (from, narrow) in from.chunks_exact(w).zip(narrow.chunks_exact_mut(width)) {
            for (x, narrow) in narrow.iter_mut().enumerate() {
                let mut sum = E::ZERO;
                columns.of(x).for_each(|(at, weight)| sum += E::from_f64(weight) * from[at]);
                *narrow = sum;
            }
        }
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            to.fill(E::ZERO);
            for (at, weight) in rows.of(y) {
                let weight = E::from_f64(weight);
                let row = &narrow[at * width..(at + 1) * width];
                to.iter_mut().zip(row).for_each(|(to, &x)| *to += weight * x);
            }
        }
    }
}

/// For each place of an axis of the new size: from which place on the old one is looked at, and with which weights.
struct Taps {
    starts: Vec<usize>,
    /// Where the weights of a place begin in `weights`; one more at the end.
    offsets: Vec<usize>,
    weights: Vec<f64>,
}

impl Taps {
    fn new(old: usize, new: usize, how: Interpolation) -> Self {
        let mut taps = Self { starts: Vec::with_capacity(new), offsets: vec![0], weights: Vec::new() };
        let ratio = old as f64 / new as f64;
        for i in 0..new {
            match how {
                Interpolation::Nearest => taps.push(i * old / new, [1.0]),
                Interpolation::NearestExact => taps.push((2 * i + 1) * old / (2 * new), [1.0]),
                Interpolation::Bilinear => taps.between(((i as f64 + 0.5) * ratio - 0.5).max(0.0), old),
                Interpolation::BilinearAlignCorners if new == 1 => taps.push(0, [1.0]),
                Interpolation::BilinearAlignCorners => {
                    taps.between(i as f64 * (old as f64 - 1.0) / (new as f64 - 1.0), old);
                }
                Interpolation::BilinearAntialias => {
                    let (reach, centre) = (ratio.max(1.0), (i as f64 + 0.5) * ratio);
                    let start = (centre - reach + 0.5).max(0.0) as usize;
                    let end = ((centre + reach + 0.5) as usize).min(old);
                    let weight = |j: usize| (1.0 - ((j as f64 + 0.5 - centre) / reach).abs()).max(0.0);
                    let total: f64 = (start..end).map(weight).sum();
                    taps.push(start, (start..end).map(|j| weight(j) / total));
                }
            }
        }
        taps
    }

    fn push(&mut self, start: usize, weights: impl IntoIterator<Item = f64>) {
        self.starts.push(start);
        self.weights.extend(weights);
        self.offsets.push(self.weights.len());
    }

    fn between(&mut self, at: f64, old: usize) {
        let low = (at as usize).min(old - 1);
        match low + 1 < old {
            true => self.push(low, [1.0 - (at - low as f64), at - low as f64]),
            false => self.push(low, [1.0]),
        }
    }

    fn of(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let weights = &self.weights[self.offsets[i]..self.offsets[i + 1]];
        weights.iter().enumerate().map(move |(k, &weight)| (self.starts[i] + k, weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Rng;

    const ALL: [Interpolation; 5] = [
        Interpolation::Nearest,
        Interpolation::NearestExact,
        Interpolation::Bilinear,
        Interpolation::BilinearAlignCorners,
        Interpolation::BilinearAntialias,
    ];

    #[rustfmt::skip]
    const REFERENCE: &[(Interpolation, usize, &[f64])] = &[
        (Interpolation::Nearest, 2, &[0.0, 20.0]),
        (Interpolation::Nearest, 3, &[0.0, 10.0, 40.0]),
        (Interpolation::Nearest, 7, &[0.0, 0.0, 10.0, 20.0, 20.0, 40.0, 80.0]),
        (Interpolation::NearestExact, 2, &[10.0, 40.0]),
        (Interpolation::NearestExact, 3, &[0.0, 20.0, 80.0]),
        (Interpolation::NearestExact, 7, &[0.0, 10.0, 10.0, 20.0, 40.0, 40.0, 80.0]),
        (Interpolation::Bilinear, 2, &[7.5, 50.0]),
        (Interpolation::Bilinear, 3, &[3.333333333333334, 20.0, 66.66666666666669]),
        (Interpolation::Bilinear, 7, &[0.0, 5.7142857142857135, 12.857142857142858, 20.0, 34.28571428571429, 57.14285714285715, 80.0]),
        (Interpolation::BilinearAlignCorners, 2, &[0.0, 80.0]),
        (Interpolation::BilinearAlignCorners, 3, &[0.0, 20.0, 80.0]),
        (Interpolation::BilinearAlignCorners, 7, &[0.0, 6.666666666666666, 13.333333333333332, 20.0, 33.33333333333333, 53.33333333333332, 80.0]),
        (Interpolation::BilinearAntialias, 2, &[10.454545454545455, 46.81818181818181]),
        (Interpolation::BilinearAntialias, 3, &[4.285714285714287, 22.222222222222225, 62.85714285714287]),
        (Interpolation::BilinearAntialias, 7, &[0.0, 5.7142857142857135, 12.857142857142858, 20.0, 34.28571428571429, 57.14285714285715, 80.0]),
    ];

    /// What `torch.nn.functional.interpolate` 2.15.0 printed for `[0, 10, 20, 40, 80]`.
    #[test]
    fn as_pytorch_printed() {
        let row: Tensor<f64> = Tensor::from_slice(&[0.0, 10.0, 20.0, 40.0, 80.0], [1, 1, 1, 5]);
        for (how, width, expected) in REFERENCE {
            let found = resize(&row, 1, *width, *how).unwrap().to_vec();
            let near = found.iter().zip(*expected).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(near && found.len() == expected.len(), "{how:?} to {width}: {found:?}");
        }
    }

    #[test]
    fn the_adjoint_is_the_adjoint() {
        let mut rng = Rng::new(1);
        for how in ALL {
            for size in [[3, 9], [8, 2], [1, 1]] {
                let x: Tensor<f64> = Tensor::randn([2, 2, 5, 4], &mut rng);
                let g: Tensor<f64> = Tensor::randn([2, 2, size[0], size[1]], &mut rng);
                let dot = |a: &Tensor<f64>, b: &Tensor<f64>| -> f64 {
                    a.to_vec().iter().zip(b.to_vec()).map(|(a, b)| a * b).sum()
                };
                let (there, back) = (resize(&x, size[0], size[1], how), resize_adjoint(&g, 5, 4, how));
                assert!((dot(&there.unwrap(), &g) - dot(&x, &back.unwrap())).abs() < 1e-12, "{how:?} {size:?}");
            }
        }
    }

    #[test]
    fn a_constant_stays_and_settings_are_checked() {
        let ones: Tensor = Tensor::ones([1, 2, 5, 7]);
        for how in ALL {
            assert!(resize(&ones, 3, 11, how).unwrap().to_vec().iter().all(|x| (x - 1.0).abs() < 1e-6));
        }
        let e = resize(&ones, 0, 1, Interpolation::Nearest).unwrap_err();
        assert_eq!(e.to_string(), "size to resize to: expected at least 1 x 1, found 0 x 1");
        assert!(zoom(&ones, 4, 0, [2, 2], Interpolation::Bilinear).is_err());
        assert!(zoom(&ones, usize::MAX, 0, [2, 2], Interpolation::Bilinear).is_err());
        assert!(resize(&Tensor::<f32>::ones([5, 7]), 1, 1, Interpolation::Nearest).is_err());
        assert!(resize(&Tensor::<f32>::ones([1, 1, 0, 7]), 1, 1, Interpolation::Nearest).is_err());
    }
}
