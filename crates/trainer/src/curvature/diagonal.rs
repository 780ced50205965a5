//! A learning rate of its own for each parameter, from the curvature along it.

use crate::TrainError;
use kniff_autograd::Gradients;
use kniff_nn::{Module, ModuleExt};
use kniff_tensor::{Element, Tensor};

/// The stochastic diagonal Levenberg-Marquardt method: the rate of parameter k is `rate / (mu + h_k)`.
///
/// h is a running average `h <- (1 - gamma) h + gamma h_batch` of the diagonal of the Gauss-Newton matrix, which is never negative;
/// mu keeps the rate of flat directions finite. [`DiagonalRates::scale`] divides the gradients by `mu + h`, after which
/// any optimiser applies its own rate to them: with [`kniff_optim::Sgd`] it is the method of the paper. The average is updated
/// from a few examples every now and then; it costs little beside the training.
///
/// With `h` exact and mu = 0, a rate of 1 is Newton's step where the curvature is diagonal.
///
/// Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), section 9.1.
///
/// ```
/// use kniff_autograd::{Gradients, Parameter};
/// use kniff_nn::layers::Linear;
/// use kniff_nn::ModuleExt;
/// use kniff_tensor::Tensor;
/// use kniff_trainer::curvature::DiagonalRates;
/// let model = Linear::<f64>::from_parts(Tensor::zeros([1, 2]), None);
/// let mut rates = DiagonalRates::new(0.0, 0.1);
/// rates.observe(&[100.0, 0.01]);
/// let mut gradients = Gradients::default();
/// gradients.set(model.weight(), Tensor::from_slice(&[50.0, 0.005], [1, 2]));
/// rates.scale(&model, &mut gradients)?;
/// assert_eq!(gradients.get(model.weight()).unwrap().to_vec(), [0.5, 0.5]);
/// # Ok::<(), kniff_trainer::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DiagonalRates {
    mu: f64,
    gamma: f64,
    diagonal: Vec<f64>,
}

impl DiagonalRates {
    /// With the damping mu and the weight gamma of a new observation.
    ///
    /// # Panics
    /// If mu is negative or gamma not within 0..=1.
    #[track_caller]
    pub fn new(mu: f64, gamma: f64) -> Self {
        let fits = mu >= 0.0 && (0.0..=1.0).contains(&gamma);
        assert!(fits, "DiagonalRates: mu {mu} is negative, or gamma {gamma} is not within 0..=1");
        Self { mu, gamma, diagonal: Vec::new() }
    }

    /// Takes a diagonal into the average: that of [`Surface::gauss_newton_diagonal`](super::Surface::gauss_newton_diagonal), the
    /// first one as it is.
    ///
    /// # Panics
    /// If it is not as long as the ones before.
    #[track_caller]
    pub fn observe(&mut self, diagonal: &[f64]) {
        if self.diagonal.is_empty() {
            self.diagonal = diagonal.to_vec();
            return;
        }
        let (known, new) = (self.diagonal.len(), diagonal.len());
        assert!(known == new, "DiagonalRates: a diagonal of {new} numbers after one of {known}");
        for (h, new) in self.diagonal.iter_mut().zip(diagonal) {
            *h += self.gamma * (new - *h);
        }
    }

    /// The average, in the order of the model's trainable parameters; empty before the first observation.
    pub fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    /// Divides each gradient by `mu + h`; a parameter with neither damping nor curvature is not moved.
    ///
    /// # Errors
    /// If nothing has been observed, or the model has another number of trainable parameters.
    pub fn scale<E: Element, M: Module<E>>(&self, model: &M, gradients: &mut Gradients<E>) -> Result<(), TrainError> {
        let parameters = model.parameters();
        let trained: Vec<_> = parameters.iter().map(|(_, p)| *p).filter(|p| p.requires_grad()).collect();
        let n: usize = trained.iter().map(|p| p.value().len()).sum();
        if n != self.diagonal.len() {
            let reason = format!(
                "the rates are known for {} parameters, the model trains {n}; observe a diagonal of this model first",
                self.diagonal.len()
            );
            return Err(TrainError::Curvature { reason });
        }
        let mut rest = self.diagonal.as_slice();
        for p in trained {
            let (h, after) = rest.split_at(p.value().len());
            rest = after;
            if let Some(gradient) = gradients.get_mut(p) {
                let damped = |h: f64| if self.mu + h > 0.0 { 1.0 / (self.mu + h) } else { 0.0 };
                let factors = h.iter().map(|h| E::from_f64(damped(*h))).collect();
                *gradient = gradient.mul(&Tensor::from_vec(factors, *gradient.shape()));
            }
        }
        Ok(())
    }
}
