//! One gradient for each example of a batch.

use super::{Pack, grad};
use crate::Var;
use kniff_tensor::Element;

/// The gradient of each example's own loss, where `f` gives the loss of example i.
///
/// The mean of them is the gradient of the mean loss; their scatter is the noise of a mini-batch's gradient, and an
/// example whose gradient is long is one that the model gets wrong. Costs one forward and one reverse pass for each
/// example: the sum of work is that of one pass over the batch, without the speed of batched products.
///
/// ```
/// use kniff_autograd::{Var, per_example_gradients};
/// use kniff_tensor::Tensor;
/// let (x, t) = ([1.0, 2.0], [3.0, 5.0]);
/// let w = Var::<f64>::constant(Tensor::scalar(2.0));
/// // The loss of example i is (w x_i - t_i)^2, its gradient 2 x_i (w x_i - t_i).
/// let each = per_example_gradients(|w: &Var<f64>, i| (w * x[i] - t[i]).square(), &w, 2);
/// assert_eq!((each[0].item(), each[1].item()), (-2.0, -4.0));
/// ```
///
/// # Panics
/// If `f` gives more than one number.
#[track_caller]
pub fn per_example_gradients<E: Element, P: Pack<E>>(
    f: impl Fn(&P, usize) -> Var<E>,
    at: &P,
    examples: usize,
) -> Vec<P> {
    (0..examples).map(|i| grad(|x: &P| f(x, i), at)).collect()
}
