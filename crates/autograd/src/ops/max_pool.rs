//! The largest under a window that moves over an image.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::Case;
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, PoolOptions, PoolPicks, PoolWindows, Tensor};

/// The largest under every window; its pull-back gives all to the element that was picked.
#[derive(Clone)]
struct MaxPool {
    windows: PoolWindows,
    picked: Option<PoolPicks>,
}

impl MaxPool {
    fn picked(&self) -> &PoolPicks {
        self.picked.as_ref().expect("places that the value left")
    }
}

impl<E: Element> Op<E> for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let (y, picked) = x[0].max_pool(&self.windows);
        self.picked = Some(picked);
        y
    }

    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(Put { at: self.picked().clone() }, &[g]));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(Pick { at: self.picked().clone() }, &[dx]))
    }

    fn keeps_private(&self) -> bool {
        true
    }

    fn own_bytes(&self) -> usize {
        self.picked.as_ref().map_or(0, PoolPicks::bytes)
    }
}

/// The elements at the places that were picked.
#[derive(Clone)]
struct Pick {
    at: PoolPicks,
}

impl<E: Element> Op<E> for Pick {
    fn name(&self) -> &'static str {
        "pick_in_planes"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].pick_in_planes(&self.at)
    }
    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(Put { at: self.at.clone() }, &[g]));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(self.clone(), &[dx]))
    }
    fn own_bytes(&self) -> usize {
        self.at.bytes()
    }
}

/// The adjoint of [`Pick`].
#[derive(Clone)]
struct Put {
    at: PoolPicks,
}

impl<E: Element> Op<E> for Put {
    fn name(&self) -> &'static str {
        "put_in_planes"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].put_in_planes(&self.at)
    }
    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || apply(Pick { at: self.at.clone() }, &[g]));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| apply(self.clone(), &[dx]))
    }
    fn own_bytes(&self) -> usize {
        self.at.bytes()
    }
}

impl<E: Element> Var<E> {
    /// The largest under every window of images [n, c, h, w]: [n, c, oh, ow].
    ///
    /// The gradient goes to the element that was picked: the first of several that tie, the last NaN if there is one, as
    /// in PyTorch. The padding never wins. A signal [n, c, l] is an image of one row, which the second numbers of the
    /// options are for.
    ///
    /// # Panics
    /// If the window does not fit.
    #[track_caller]
    pub fn max_pool(&self, options: &PoolOptions) -> Var<E> {
        self.on_image("max_pool", |x| x.largest(windows("max_pool", x, options)))
    }

    /// The largest under windows that cut images [n, c, h, w] into `output` rows and columns.
    ///
    /// Output i sees positions `floor(i in / out) .. ceil((i + 1) in / out)` of its axis. A signal [n, c, l] is an image of
    /// one row.
    ///
    /// # Panics
    /// If there is nothing to see.
    #[track_caller]
    pub fn adaptive_max_pool(&self, output: [usize; 2]) -> Var<E> {
        self.on_image("adaptive_max_pool", |x| x.largest(adaptive("adaptive_max_pool", x, output)))
    }

    fn largest(&self, windows: PoolWindows) -> Var<E> {
        apply(MaxPool { windows, picked: None }, &[self])
    }
}

/// The windows of some options on images.
#[track_caller]
pub(super) fn windows<E: Element>(name: &str, x: &Var<E>, options: &PoolOptions) -> PoolWindows {
    match options.windows([x.shape()[2], x.shape()[3]]) {
        Ok(windows) => windows,
        Err(e) => panic!("{name}: an input of shape {}: {e}", x.shape()),
    }
}

/// The windows that cut images into rows and columns.
#[track_caller]
pub(super) fn adaptive<E: Element>(name: &str, x: &Var<E>, output: [usize; 2]) -> PoolWindows {
    match PoolWindows::adaptive([x.shape()[2], x.shape()[3]], output) {
        Ok(windows) => windows,
        Err(e) => panic!("{name}: an input of shape {}: {e}", x.shape()),
    }
}

/// Distinct numbers, at least 0.1 apart, in a random order.
#[cfg(feature = "cases")]
fn distinct(rng: &mut kniff_tensor::Rng, shape: [usize; 4]) -> Vec<Tensor<f64>> {
    let order = rng.permutation(shape.iter().product());
    vec![Tensor::from_fn(shape, |i| order[i] as f64 * 0.1 - 2.0)]
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "max_pool",
    inputs: |rng| distinct(rng, [2, 1, 4, 5]),
    f: |x| {
        let options = PoolOptions { stride: [1, 2], padding: [1, 1], ceil_mode: true, ..PoolOptions::new([2, 3]) };
        x[0].max_pool(&options).square()
    },
};
#[cfg(feature = "cases")]
pub(super) const ADAPTIVE: Case = Case {
    name: "adaptive_max_pool",
    inputs: |rng| distinct(rng, [1, 2, 3, 5]),
    f: |x| x[0].adaptive_max_pool([2, 3]).square(),
};
