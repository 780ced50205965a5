//! What follows a layer in training, handed to it so that it can be done in the layer's own pass.

use kniff_autograd::Var;
use kniff_tensor::Element;

/// A sum and a rectifier that follow a layer: `max(0, y + plus)`, either part left out where it is not asked for.
///
/// A container gives it to [`crate::Layer::forward_train_then`] of a layer instead of running both afterwards; a layer that can
/// do no better has [`Then::apply`], which every layer does unless written otherwise.
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::Then;
/// use kniff_tensor::Tensor;
/// let (y, x) = (Var::<f64>::constant(Tensor::from_slice(&[1.0, -2.0], [2])), Var::constant(Tensor::ones([2])));
/// assert_eq!(Then::relu().with_plus(&x).apply(y.clone()).value().to_vec(), [2.0, 0.0]);
/// assert_eq!(Then::nothing().apply(y).value().to_vec(), [1.0, -2.0]);
/// ```
#[derive(Clone, Copy)]
pub struct Then<'a, E: Element = f32> {
    plus: Option<&'a Var<E>>,
    relu: bool,
}

impl<'a, E: Element> Then<'a, E> {
    /// Neither.
    pub fn nothing() -> Self {
        Self { plus: None, relu: false }
    }

    /// The rectifier alone.
    pub fn relu() -> Self {
        Self { plus: None, relu: true }
    }

    /// With something that is added first, of the shape of the layer's output.
    #[must_use]
    pub fn with_plus<'b>(self, plus: &'b Var<E>) -> Then<'b, E> {
        Then { plus: Some(plus), relu: self.relu }
    }

    /// What is added.
    pub fn plus(&self) -> Option<&'a Var<E>> {
        self.plus
    }

    /// Whether the rectifier comes last.
    pub fn has_relu(&self) -> bool {
        self.relu
    }

    /// Does it to the output of a layer, one after the other.
    ///
    /// # Panics
    /// If what is added has another shape.
    #[track_caller]
    pub fn apply(self, y: Var<E>) -> Var<E> {
        let y = match self.plus {
            Some(plus) => {
                let fits = y.shape() == plus.shape();
                assert!(fits, "Residual: sides of shape {} and {} differ", y.shape(), plus.shape());
                y.add(plus)
            }
            None => y,
        };
        if self.relu { y.relu() } else { y }
    }
}
