//! Images turned, moved, scaled and sheared.

use crate::augment::image_shape;
use crate::{Border, DataError};
use kniff_tensor::{Element, Tensor, parallel};

/// Which number a place between pixels has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// That of the nearest pixel.
    Nearest,
    /// Between its four neighbours, in proportion.
    #[default]
    Bilinear,
}

/// An affine map of the plane of an image, about its centre.
///
/// A point p (pixels from the centre, x to the right, y down) goes to scale R(degrees) S(shear) p + translate, where R turns
/// counter-clockwise and S = `[1, -tan(sx); -tan(sy), 1 + tan(sx) tan(sy)]`. The same map as torchvision's `affine`, which counts
/// its angle clockwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Counter-clockwise, in degrees.
    pub degrees: f64,
    /// To the right and down, in pixels.
    pub translate: [f64; 2],
    /// Above 1 is larger.
    pub scale: f64,
    /// Along x and along y, in degrees.
    pub shear: [f64; 2],
}

impl Default for Transform {
    /// The map that changes nothing.
    fn default() -> Self {
        Self { degrees: 0.0, translate: [0.0, 0.0], scale: 1.0, shear: [0.0, 0.0] }
    }
}

impl Transform {
    /// The rows of the map from places of the result to places of the image, pixels counted from 0: x = m0 x' + m1 y' + m2.
    pub(crate) fn inverse(&self, height: usize, width: usize) -> [[f64; 3]; 2] {
        let (sin, cos) = (-self.degrees).to_radians().sin_cos();
        let (tx, ty) = (self.shear[0].to_radians().tan(), self.shear[1].to_radians().tan());
        let s = self.scale;
        let shear = [[1.0, -tx], [-ty, 1.0 + tx * ty]];
        let row = |r: [f64; 2], j: usize| s * (r[0] * shear[0][j] + r[1] * shear[1][j]);
        let (a, b) = (row([cos, -sin], 0), row([cos, -sin], 1));
        let (c, d) = (row([sin, cos], 0), row([sin, cos], 1));
        let det = a * d - b * c;
        let (a, b, c, d) = (d / det, -b / det, -c / det, a / det);
        let (cx, cy) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
        let (ox, oy) = (cx + self.translate[0], cy + self.translate[1]);
        [[a, b, cx - a * ox - b * oy], [c, d, cy - c * ox - d * oy]]
    }

    fn check(&self) -> Result<(), DataError> {
        let all = [self.degrees, self.translate[0], self.translate[1], self.shear[0], self.shear[1]];
        let right = self.shear.iter().any(|s| s.abs() >= 90.0);
        if all.iter().any(|x| !x.is_finite()) || right || !(self.scale > 0.0 && self.scale.is_finite()) {
            let expected = "finite numbers, a scale above 0 and shears below 90 degrees";
            return Err(DataError::setting("affine map", expected, format!("{self:?}")));
        }
        Ok(())
    }
}

/// Images `[n, channels, height, width]`, all mapped by `transform`; what comes from outside is what `border` says.
///
/// Differs from PyTorch: where a place is half outside, it is half the constant; torchvision, if told what to fill with, lets the image
/// fade twice there.
///
/// # Errors
/// [`DataError::Shape`] unless there are four axes; [`DataError::Setting`] for a map without an inverse.
///
/// ```
/// use kniff_data::{Border, Sampling, Transform, affine};
/// use kniff_tensor::Tensor;
/// let image: Tensor = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
/// let turn = Transform { degrees: 90.0, ..Transform::default() };
/// assert_eq!(affine(&image, &turn, Sampling::Nearest, Border::ZERO)?.to_vec(), [2.0, 4.0, 1.0, 3.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn affine<E: Element>(
    images: &Tensor<E>,
    transform: &Transform,
    sampling: Sampling,
    border: Border,
) -> Result<Tensor<E>, DataError> {
    transform.check()?;
    let (_, [_, height, width]) = image_shape(images.shape())?;
    let (map, size) = (transform.inverse(height, width), [height, width]);
    let images = images.contiguous();
    let all = images.as_slice().unwrap_or_default();
    let mut out = Tensor::scratch(*images.shape());
    let plane = height * width;
    parallel::row_blocks(out.make_mut(), plane, plane, |first, block| {
        let from = &all[first * plane..first * plane + block.len()];
        warp_planes(from, size, block, size, &map, sampling, border);
    });
    Ok(out)
}

/// Planes whose place (x, y) comes from `map` (x, y, 1) of others.
pub(crate) fn warp_planes<E: Element>(
    from: &[E],
    [h, w]: [usize; 2],
    to: &mut [E],
    [height, width]: [usize; 2],
    map: &[[f64; 3]; 2],
    sampling: Sampling,
    border: Border,
) {
    if from.is_empty() || to.is_empty() {
        return;
    }
    let outside = match border {
        Border::Constant(value) => E::from_f64(value),
        _ => E::ZERO,
    };
    let at = |plane: &[E], y: isize, x: isize| match (border.place(y, h), border.place(x, w)) {
        (Some(y), Some(x)) => plane[y * w + x],
        _ => outside,
    };
    for y in 0..height {
        for x in 0..width {
            // No image is so large; beyond, whole numbers would run over.
            let [sx, sy] = map.map(|m| (m[0] * x as f64 + m[1] * y as f64 + m[2]).clamp(-1e12, 1e12));
            let pairs = from.chunks_exact(h * w).zip(to[y * width + x..].iter_mut().step_by(height * width));
            match sampling {
                Sampling::Nearest => {
                    let (sx, sy) = (sx.round_ties_even() as isize, sy.round_ties_even() as isize);
                    pairs.for_each(|(plane, to)| *to = at(plane, sy, sx));
                }
                Sampling::Bilinear => {
                    let (left, top) = (sx.floor(), sy.floor());
                    let (fx, fy) = (E::from_f64(sx - left), E::from_f64(sy - top));
                    let (left, top) = (left as isize, top as isize);
                    let between = |a: E, b: E, f: E| a * (E::ONE - f) + b * f;
                    for (plane, to) in pairs {
                        let upper = between(at(plane, top, left), at(plane, top, left + 1), fx);
                        let lower = between(at(plane, top + 1, left), at(plane, top + 1, left + 1), fx);
                        *to = between(upper, lower, fy);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (f64, [f64; 2], f64, [f64; 2], Sampling, &'static [f64]);

    #[rustfmt::skip]
    const REFERENCE: &[Case] = &[
        (90.0, [0.0, 0.0], 1.0, [0.0, 0.0], Sampling::Bilinear, &[4.25, 6.5, 2.5, 0.25, 4.75, 7.5, 3.5, 0.75, 5.25, 8.5, 4.5, 1.25]),
        (30.0, [1.0, 0.0], 1.0, [0.0, 0.0], Sampling::Nearest, &[0.0, 4.0, 1.0, 1.0, 0.0, 8.0, 5.0, 6.0, 0.0, 0.0, 10.0, 10.0]),
        (30.0, [1.0, 0.0], 1.0, [0.0, 0.0], Sampling::Bilinear, &[0.0, 2.47853, 2.102885, 1.266747, 2.00962, 7.200962, 6.066987, 4.933013, 0.0, 3.34095, 8.456974, 8.897115]),
        (-20.0, [0.0, -1.0], 1.25, [10.0, 0.0], Sampling::Nearest, &[4.0, 5.0, 6.0, 7.0, 4.0, 9.0, 10.0, 11.0, 8.0, 9.0, 0.0, 0.0]),
        (-20.0, [0.0, -1.0], 1.25, [10.0, 0.0], Sampling::Bilinear, &[2.658303, 4.552768, 6.447232, 8.341697, 5.524258, 7.418723, 9.313188, 8.846508, 7.27154, 5.58436, 3.459396, 0.896642]),
        (15.0, [0.0, 0.0], 0.8, [12.0, -25.0], Sampling::Nearest, &[0.0, 0.0, 1.0, 0.0, 8.0, 5.0, 6.0, 3.0, 0.0, 10.0, 11.0, 0.0]),
        (15.0, [0.0, 0.0], 0.8, [12.0, -25.0], Sampling::Bilinear, &[2.156682, 1.989329, 0.730956, 0.0, 5.208909, 6.763611, 4.236389, 1.953341, 0.0, 4.771032, 9.010671, 2.501285]),
    ];

    /// What torchvision 0.29.2's `affine` printed for 0..12 as 3 x 4, by angle (clockwise), shift, scale, shear.
    #[test]
    fn as_torchvision_printed() {
        let image: Tensor<f64> = Tensor::arange(12).reshape([1, 1, 3, 4]);
        for (clockwise, translate, scale, shear, sampling, expected) in REFERENCE {
            let transform = Transform { degrees: -clockwise, translate: *translate, scale: *scale, shear: *shear };
            let found = affine(&image, &transform, *sampling, Border::ZERO).unwrap().to_vec();
            // torchvision's grid is in f32.
            let near = found.iter().zip(*expected).all(|(a, b)| (a - b).abs() < 2e-5);
            assert!(near, "{transform:?} {sampling:?}: {found:?}");
        }
    }

    #[test]
    fn maps_without_an_inverse_are_refused() {
        let image: Tensor = Tensor::ones([1, 1, 2, 2]);
        let refused = |t: Transform| assert!(affine(&image, &t, Sampling::Nearest, Border::Edge).is_err(), "{t:?}");
        refused(Transform { scale: 0.0, ..Transform::default() });
        refused(Transform { degrees: f64::NAN, ..Transform::default() });
        refused(Transform { shear: [90.0, 0.0], ..Transform::default() });
        let far = Transform { translate: [1e300, -1e300], ..Transform::default() };
        assert_eq!(affine(&image, &far, Sampling::Bilinear, Border::Reflect).unwrap().shape(), &[1, 1, 2, 2]);
    }
}
