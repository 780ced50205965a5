//! Products over axes and running products, with exact derivatives where factors are 0.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, one};
use kniff_tensor::{Element, Tensor};

impl<E: Element> Var<E> {
    /// The product over `axes`, which stay with size 1 if `keepdim` is set; 1 of nothing. The derivative to a factor is
    /// the product of the others, also where one or more of them are 0.
    ///
    /// Multiplied pairwise, in a number of passes that grows with the logarithm of the axis.
    ///
    /// # Panics
    /// If an axis is out of range or named twice.
    ///
    /// ```
    /// use kniff_autograd::{Var, grad};
    /// use kniff_tensor::Tensor;
    /// let x = Var::<f64>::constant(Tensor::from_slice(&[2.0, 0.0, 5.0], [3]));
    /// assert_eq!(grad(|x: &Var<f64>| x.prod(&[0], false), &x).value().to_vec(), [0.0, 10.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn prod(&self, axes: &[usize], keepdim: bool) -> Var<E> {
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        let fits = axes.last().is_none_or(|&a| a < self.rank()) && axes.windows(2).all(|w| w[0] != w[1]);
        assert!(fits, "prod: axes {axes:?} of shape {}", self.shape());
        let mut product = self.clone();
        for &axis in axes.iter().rev() {
            product = halved(product, axis);
            if !keepdim {
                product = product.squeeze(axis);
            }
        }
        product
    }

    /// The running product along an axis: entry i is the product of entries 0 to i. Derivatives are exact where factors
    /// are 0.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn cumprod(&self, axis: usize) -> Var<E> {
        assert!(axis < self.rank(), "cumprod: axis {axis} of shape {}", self.shape());
        let n = self.shape()[axis];
        let mut running = self.clone();
        // After each pass an entry is the product of twice as many.
        let mut reach = 1;
        while reach < n {
            let tail = running.slice_axis(axis, reach..n).mul(&running.slice_axis(axis, 0..n - reach));
            running = Var::concat(&[&running.slice_axis(axis, 0..reach), &tail], axis);
            reach *= 2;
        }
        running
    }
}

/// The product along one axis, which stays with size 1.
fn halved<E: Element>(mut x: Var<E>, axis: usize) -> Var<E> {
    loop {
        let n = x.shape()[axis];
        match n {
            0 => {
                let mut shape = x.shape().to_vec();
                shape[axis] = 1;
                return Var::constant(Tensor::ones(shape));
            }
            1 => return x,
            _ => {}
        }
        let half = n / 2;
        let pairs = x.slice_axis(axis, 0..half).mul(&x.slice_axis(axis, half..2 * half));
        x = if n.is_multiple_of(2) { pairs } else { Var::concat(&[&pairs, &x.slice_axis(axis, n - 1..n)], axis) };
    }
}

#[cfg(feature = "cases")]
pub(super) const PROD: Case =
    Case { name: "prod", inputs: |rng| one(rng, -2.0, 2.0, &[]), f: |x| x[0].prod(&[x[0].rank() - 1], false) };
#[cfg(feature = "cases")]
pub(super) const CUMPROD: Case =
    Case { name: "cumprod", inputs: |rng| one(rng, -2.0, 2.0, &[]), f: |x| x[0].cumprod(0) };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_over_axes_are_the_tensors_own() {
        let x = Var::constant(Tensor::<f64>::from_fn([3, 5, 2], |i| 0.5 + (i % 7) as f64));
        for (axes, keepdim) in [(vec![1], false), (vec![2, 0], true), (vec![0, 1, 2], false), (vec![], false)] {
            let (own, by_tensor) = (x.prod(&axes, keepdim), x.value().prod(&axes, keepdim));
            assert_eq!(own.shape(), by_tensor.shape());
            let off = own.value().sub(&by_tensor).div(&by_tensor).abs().max_all().item();
            assert!(off < 1e-14, "{axes:?}: {off}");
        }
        assert_eq!(Var::<f32>::constant(Tensor::zeros([0, 2])).prod(&[0], false).value().to_vec(), [1.0, 1.0]);
        assert_eq!(Var::<f32>::constant(Tensor::zeros([0, 2])).cumprod(0).len(), 0);
    }
}
