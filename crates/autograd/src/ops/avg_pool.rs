//! The mean under a window that moves over an image.

use super::max_pool::{adaptive, windows};
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Divisor, Element, PoolOptions, PoolWindows, Tensor};

/// The sum under every window over its divisor; its pull-back spreads. Keeps nothing.
#[derive(Clone)]
struct AvgPool {
    windows: PoolWindows,
    divisor: Divisor,
}

impl<E: Element> Op<E> for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].avg_pool(&self.windows, self.divisor)
    }
    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(AvgUnpool(self.clone()), &[g]));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(self.clone(), &[dx]))
    }
}

/// The adjoint of [`AvgPool`].
#[derive(Clone)]
struct AvgUnpool(AvgPool);

impl<E: Element> Op<E> for AvgUnpool {
    fn name(&self) -> &'static str {
        "avg_unpool"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].avg_unpool(&self.0.windows, self.0.divisor)
    }
    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(self.0.clone(), &[g]));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(self.clone(), &[dx]))
    }
}

impl<E: Element> Var<E> {
    /// The mean under every window of images [n, c, h, w]: [n, c, oh, ow].
    ///
    /// `divisor` says whether elements in the padding count. A signal [n, c, l] is an image of one row, which the second
    /// numbers of the options are for.
    ///
    /// ```
    /// use kniff_autograd::Var;
    /// use kniff_tensor::{Divisor, PoolOptions, Tensor};
    /// let x = Var::<f64>::tracked(Tensor::from_slice(&[1.0, 3.0, 5.0], [1, 1, 3]));
    /// let y = x.avg_pool(&PoolOptions { stride: [1, 1], ..PoolOptions::new([1, 2]) }, Divisor::Inside);
    /// assert_eq!(y.value().to_vec(), [2.0, 4.0]);
    /// assert_eq!(y.sum_all().backward().of(&x).unwrap().to_vec(), [0.5, 1.0, 0.5]);
    /// ```
    ///
    /// # Panics
    /// If the window does not fit, or the divisor is fixed at 0.
    #[track_caller]
    pub fn avg_pool(&self, options: &PoolOptions, divisor: Divisor) -> Var<E> {
        assert!(divisor != Divisor::Fixed(0), "avg_pool: a sum cannot be divided by 0");
        self.on_image("avg_pool", |x| apply(AvgPool { windows: windows("avg_pool", x, options), divisor }, &[x]))
    }

    /// The mean under windows that cut images [n, c, h, w] into `output` rows and columns; [1, 1] is the mean of all.
    ///
    /// Output i sees positions `floor(i in / out) .. ceil((i + 1) in / out)` of its axis. A signal [n, c, l] is an image of
    /// one row.
    ///
    /// # Panics
    /// If there is nothing to see.
    #[track_caller]
    pub fn adaptive_avg_pool(&self, output: [usize; 2]) -> Var<E> {
        self.on_image("adaptive_avg_pool", |x| {
            let windows = adaptive("adaptive_avg_pool", x, output);
            apply(AvgPool { windows, divisor: Divisor::Inside }, &[x])
        })
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "avg_pool",
    inputs: |rng| vec![draw(rng, [2, 1, 4, 5], -2.0, 2.0, &[])],
    f: |x| {
        let options = PoolOptions { stride: [1, 2], padding: [1, 1], ceil_mode: true, ..PoolOptions::new([2, 3]) };
        x[0].avg_pool(&options, Divisor::WithPadding).square()
    },
};
#[cfg(feature = "cases")]
pub(super) const ADAPTIVE: Case = Case {
    name: "adaptive_avg_pool",
    inputs: |rng| vec![draw(rng, [1, 2, 3, 5], -2.0, 2.0, &[])],
    f: |x| x[0].adaptive_avg_pool([2, 3]).square(),
};
