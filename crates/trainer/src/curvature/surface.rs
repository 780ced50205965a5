//! The loss of a model as a function of its parameters, with its first and second derivatives.

use super::Estimate;
use super::vector::{add_scaled, dot, scale, signs};
use crate::evaluate::loss_error;
use crate::{Batches, Phase, TrainError};
use kniff_autograd::{Var, hvp, jvp, value_and_grad, vjp};
use kniff_nn::{Head, Layer, Loss, LossError, Model, ModuleExt, summary};
use kniff_tensor::{Element, Rng, Shape, Tensor};
use std::cell::{Cell, RefCell};

/// The loss of a model over its trainable parameters, on one batch or on all batches of a loader's first epoch.
///
/// Vectors over the parameters are plain slices of f64: the trainable parameters in the order of
/// [`ModuleExt::parameters`], each row by row; frozen ones are constants. Over several batches everything is the mean over
/// the examples, however they are cut: each batch's loss counts with what its mean divides by ([`Loss::weight`]).
/// A loss that sums stays a sum over its batch, since that is what a step follows and what bounds its rate: there the batch size
/// counts.
///
/// The network is as at test time: no dropout, batch norm by its running statistics, which are constants here. With batch
/// statistics the loss of an example would depend on its batch, and there would be no one surface.
///
/// The model comes back as it was. The same batches give the same bits at any number of threads.
///
/// ```
/// use kniff_init::HeNormal;
/// use kniff_nn::{Model, layers::Linear, losses::MeanSquaredError};
/// use kniff_tensor::{Rng, Tensor};
/// use kniff_trainer::curvature::{Lanczos, Surface};
/// // y = w x without a bias, on the examples x = 1 and x = 3: the loss is mean (w x - t)^2, its curvature 2 mean x^2 = 10.
/// let mut model = Model::regressor(Linear::<f64>::without_bias(1, 1, HeNormal, &mut Rng::new(0)))?;
/// let x = Tensor::from_slice(&[1.0, 3.0], [2, 1]);
/// let loss = MeanSquaredError::new();
/// let surface = Surface::on_batch(&mut model, &loss, x.clone(), x);
/// let report = surface.report(&Lanczos::default(), Some(0.15), &mut Rng::new(1))?;
/// assert!((report.largest - 10.0).abs() < 1e-9);
/// assert_eq!(report.optimal_rate(), Some(1.0 / report.largest));
/// assert!(!report.exceeds_bound());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Surface<'a, L, H: Head<E>, T, E: Element = f32> {
    model: RefCell<&'a mut Model<L, H, E>>,
    loss: &'a dyn Loss<E, H::Output, T>,
    source: Source<'a, T, E>,
    /// The shape of each parameter and whether it is trained.
    parameters: Vec<(Shape, bool)>,
    products: Cell<usize>,
}

enum Source<'a, T, E: Element> {
    Batch(Tensor<E>, T),
    #[cfg(feature = "linalg")]
    Borrowed(Tensor<E>, &'a T),
    Data(&'a dyn Batches<E, T>),
}

impl<'a, L: Layer<E>, H: Head<E>, T, E: Element> Surface<'a, L, H, T, E> {
    /// On one batch.
    pub fn on_batch(
        model: &'a mut Model<L, H, E>,
        loss: &'a dyn Loss<E, H::Output, T>,
        inputs: Tensor<E>,
        targets: T,
    ) -> Self {
        Self::new(model, loss, Source::Batch(inputs, targets))
    }

    /// On one batch whose targets stay with their owner.
    #[cfg(feature = "linalg")]
    pub(crate) fn on_borrowed(
        model: &'a mut Model<L, H, E>,
        loss: &'a dyn Loss<E, H::Output, T>,
        inputs: Tensor<E>,
        targets: &'a T,
    ) -> Self {
        Self::new(model, loss, Source::Borrowed(inputs, targets))
    }

    /// On all batches of the first epoch, which are read again for every product.
    pub fn on_data(
        model: &'a mut Model<L, H, E>,
        loss: &'a dyn Loss<E, H::Output, T>,
        data: &'a dyn Batches<E, T>,
    ) -> Self {
        Self::new(model, loss, Source::Data(data))
    }

    fn new(model: &'a mut Model<L, H, E>, loss: &'a dyn Loss<E, H::Output, T>, source: Source<'a, T, E>) -> Self {
        let parameters = model.parameters().iter().map(|(_, p)| (*p.value().shape(), p.requires_grad())).collect();
        Self { model: RefCell::new(model), loss, source, parameters, products: Cell::new(0) }
    }

    /// How many numbers are trained: the length of the vectors.
    pub fn dimension(&self) -> usize {
        self.parameters.iter().filter(|(_, trained)| *trained).map(|(shape, _)| shape.numel()).sum()
    }

    /// How many products with a matrix of second derivatives have been asked for.
    pub fn products(&self) -> usize {
        self.products.get()
    }

    /// The loss and its gradient.
    ///
    /// # Errors
    /// If the data cannot be read or do not fit the loss, or a result is not finite.
    pub fn value_and_gradient(&self) -> Result<(f64, Vec<f64>), TrainError> {
        let mut value = 0.0;
        let at = self.point(None);
        let (gradient, weight) = self.total(|batch, n| {
            let (loss, gradient) = value_and_grad(|at: &Vec<Var<E>>| batch.loss_at(at), &at);
            value += n * loss.item().to_f64();
            flat(&gradient)
        })?;
        Ok((value / weight, gradient))
    }

    /// The gradient with the parameters shifted: what [`super::OnlineEigen::update`] asks for.
    ///
    /// # Errors
    /// As [`Surface::value_and_gradient`].
    ///
    /// # Panics
    /// If the shift is not as long as there are parameters.
    pub fn gradient_shifted(&self, shift: &[f64]) -> Result<Vec<f64>, TrainError> {
        let at = self.point(Some(shift));
        self.mean(|batch| flat(&value_and_grad(|at: &Vec<Var<E>>| batch.loss_at(at), &at).1))
    }

    /// The Hessian times a direction, forward over reverse: the cost of a few gradients, whatever the number of parameters.
    ///
    /// # Errors
    /// As [`Surface::value_and_gradient`].
    ///
    /// # Panics
    /// If the direction is not as long as there are parameters.
    pub fn hessian_product(&self, direction: &[f64]) -> Result<Vec<f64>, TrainError> {
        self.count_product();
        let (at, v) = (self.point(None), self.shaped(direction));
        self.mean(|batch| flat(&hvp(|at: &Vec<Var<E>>| batch.loss_at(at), &at, &v)))
    }

    /// `D^-1/2 H D^-1/2` times a direction, for a diagonal D > 0: the symmetric form of D^-1 H, with the same eigenvalues.
    ///
    /// With D what Adam divides by, `sqrt(v) + eps`, its largest eigenvalue stands in [`super::bound::adam`].
    ///
    /// # Errors
    /// As [`Surface::value_and_gradient`].
    ///
    /// # Panics
    /// If a vector is not as long as there are parameters.
    pub fn preconditioned_product(&self, diagonal: &[f64], direction: &[f64]) -> Result<Vec<f64>, TrainError> {
        let scaled: Vec<f64> = direction.iter().zip(diagonal).map(|(v, d)| v / d.sqrt()).collect();
        let product = self.hessian_product(&scaled)?;
        Ok(product.iter().zip(diagonal).map(|(v, d)| v / d.sqrt()).collect())
    }

    /// The Gauss-Newton matrix `J^T H_L J` times a direction: J the derivative of the network's output, H_L the Hessian of the
    /// loss in the output.
    ///
    /// It is the Hessian without the network's own second derivatives, and has no negative eigenvalue where the loss is
    /// convex in the output: cross-entropy on logits, squared error and its kin on values (not on a bounded head's output,
    /// whose tanh counts as part of the loss).
    ///
    /// # Errors
    /// As [`Surface::value_and_gradient`].
    ///
    /// # Panics
    /// If the direction is not as long as there are parameters.
    pub fn gauss_newton_product(&self, direction: &[f64]) -> Result<Vec<f64>, TrainError> {
        self.count_product();
        let (at, v) = (self.point(None), self.shaped(direction));
        self.mean(|batch| {
            let network = |at: &Vec<Var<E>>| batch.network_at(at);
            let (z, u) = jvp(network, &at, &v);
            let w = hvp(|z: &Var<E>| batch.loss_of(z), &z, &u);
            flat(&vjp(network, &at).1(&w))
        })
    }

    /// The diagonal of the Gauss-Newton matrix, from `samples` draws; no entry is negative.
    ///
    /// With S S^T = H_L, example by example, and s random signs, `(J^T S s)^2` has the diagonal as its mean: one reverse pass a
    /// draw. Exact in expectation, over the draws and over the batch. Costs as many products with H_L as one example has
    /// outputs, which touch the loss alone, and one matrix root an example.
    ///
    /// Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), for the diagonal as rates; Martens, Sutskever, Swersky,
    /// "Estimating the Hessian by back-propagating curvature" (2012), for the factors.
    ///
    /// # Errors
    /// As [`Surface::value_and_gradient`].
    pub fn gauss_newton_diagonal(&self, samples: usize, rng: &mut Rng) -> Result<Vec<f64>, TrainError> {
        let at = self.point(None);
        let samples = samples.max(1);
        self.mean(|batch| {
            let (z, pull) = vjp(|at: &Vec<Var<E>>| batch.network_at(at), &at);
            let shape = *z.shape();
            let n = shape.first().copied().unwrap_or(1).max(1);
            let outputs = z.len() / n;
            let roots = batch.loss_roots(&Var::constant(z.into_value()), n, outputs);
            let mut sum = vec![0.0; self.dimension()];
            for _ in 0..samples {
                let s = signs(n * outputs, rng);
                let mut w = vec![E::ZERO; n * outputs];
                for i in 0..n {
                    for c in 0..outputs {
                        let row = &roots[(i * outputs + c) * outputs..][..outputs];
                        w[i * outputs + c] = E::from_f64(dot(row, &s[i * outputs..][..outputs]));
                    }
                }
                let g = flat(&pull(&Var::constant(Tensor::from_vec(w, shape))));
                sum.iter_mut().zip(g).for_each(|(sum, g)| *sum += g * g / samples as f64);
            }
            sum
        })
    }

    /// The batch sharpness: `g^T H g / |g|^2` of each batch's own gradient and Hessian, its mean over the batches.
    ///
    /// It is this that settles at `2 / rate` under stochastic gradient descent, where the largest eigenvalue stays below.
    /// Source: Andreyev, Beneventano, "Edge of stochastic stability" (2024). Batches without a gradient are left out.
    ///
    /// # Errors
    /// As [`Surface::value_and_gradient`].
    pub fn batch_sharpness(&self) -> Result<Estimate, TrainError> {
        let at = self.point(None);
        let mut quotients = Vec::new();
        self.count_product();
        self.mean(|batch| {
            let loss = |at: &Vec<Var<E>>| batch.loss_at(at);
            let (_, g) = value_and_grad(loss, &at);
            let product = flat(&hvp(loss, &at, &g));
            let g = flat(&g);
            let square = dot(&g, &g);
            if square > 0.0 {
                quotients.push(dot(&g, &product) / square);
            }
            product
        })?;
        Ok(Estimate::of(&quotients))
    }

    fn count_product(&self) {
        self.products.set(self.products.get() + 1);
    }

    /// The mean over the examples of what `f` gives for each batch.
    fn mean(&self, mut f: impl FnMut(&Here<'_, 'a, L, H, T, E>) -> Vec<f64>) -> Result<Vec<f64>, TrainError> {
        self.total(|batch, _| f(batch)).map(|(mean, _)| mean)
    }

    /// The same, with what the mean divides by; `f` is told its batch's share of it.
    fn total(
        &self,
        mut f: impl FnMut(&Here<'_, 'a, L, H, T, E>, f64) -> Vec<f64>,
    ) -> Result<(Vec<f64>, f64), TrainError> {
        let (mut sum, mut weight) = (vec![0.0; self.dimension()], 0.0);
        let mut add = |inputs: &Tensor<E>, targets: &T, indices: &[usize]| {
            let here = Here { surface: self, inputs: Var::constant(inputs.clone()), targets, refused: Cell::new(None) };
            if weight == 0.0 {
                let shape = inputs.shape().get(1..).unwrap_or(&[]);
                summary(self.model.borrow().network(), shape)
                    .map_err(|source| TrainError::Shape { phase: PHASE, source })?;
            }
            let n = self.loss.weight(targets);
            if n == 0.0 {
                return Ok(());
            }
            let part = f(&here, n);
            if let Some(error) = here.refused.take() {
                return Err(loss_error(PHASE, error, indices));
            }
            add_scaled(&mut sum, n, &part);
            weight += n;
            Ok(())
        };
        match &self.source {
            Source::Batch(inputs, targets) => add(inputs, targets, &[])?,
            #[cfg(feature = "linalg")]
            Source::Borrowed(inputs, targets) => add(inputs, targets, &[])?,
            Source::Data(data) => {
                for batch in data.epoch(0) {
                    let batch = batch.map_err(|source| TrainError::Data { phase: PHASE, source })?;
                    add(&batch.inputs, &batch.targets, &batch.indices)?;
                }
            }
        }
        if weight == 0.0 {
            return Err(TrainError::NothingCounts { phase: PHASE });
        }
        scale(&mut sum, 1.0 / weight);
        if sum.iter().all(|x| x.is_finite()) {
            return Ok((sum, weight));
        }
        let reason = "a derivative of the loss is not finite; look for a loss that has diverged, or for inputs that are not \
                      finite";
        Err(TrainError::Curvature { reason: reason.to_owned() })
    }

    /// The trainable parameters, shifted if so wished.
    fn point(&self, shift: Option<&[f64]>) -> Vec<Var<E>> {
        let model = self.model.borrow();
        let parameters = model.parameters();
        let values = parameters.iter().filter(|(_, p)| p.requires_grad()).map(|(_, p)| p.value().clone());
        match shift {
            None => values.map(Var::constant).collect(),
            Some(shift) => {
                values.zip(self.shaped(shift)).map(|(value, by)| Var::constant(value.add(by.value()))).collect()
            }
        }
    }

    /// A long vector cut into the shapes of the trainable parameters.
    #[track_caller]
    fn shaped(&self, v: &[f64]) -> Vec<Var<E>> {
        let n = self.dimension();
        assert!(v.len() == n, "Surface: a vector of {} numbers for {n} trainable parameters", v.len());
        let mut rest = v;
        let trained = self.parameters.iter().filter(|(_, trained)| *trained);
        trained
            .map(|(shape, _)| {
                let (part, after) = rest.split_at(shape.numel());
                rest = after;
                Var::constant(Tensor::from_vec(part.iter().map(|x| E::from_f64(*x)).collect(), *shape))
            })
            .collect()
    }
}

const PHASE: Phase = Phase::Evaluation;

/// One batch of a surface.
struct Here<'s, 'a, L, H: Head<E>, T, E: Element> {
    surface: &'s Surface<'a, L, H, T, E>,
    inputs: Var<E>,
    targets: &'s T,
    refused: Cell<Option<LossError>>,
}

impl<L: Layer<E>, H: Head<E>, T, E: Element> Here<'_, '_, L, H, T, E> {
    /// The network's output with the trainable parameters at `at`.
    fn network_at(&self, at: &[Var<E>]) -> Var<E> {
        let mut model = self.surface.model.borrow_mut();
        let mut trained = at.iter();
        let all: Vec<Var<E>> = model
            .parameters()
            .iter()
            .map(|(_, p)| match p.requires_grad() {
                true => trained.next().cloned().unwrap_or_else(|| p.var()),
                false => Var::constant(p.value().clone()),
            })
            .collect();
        model.with_parameters(&all, |model| model.network().forward(&self.inputs))
    }

    /// The loss of an output; what it refuses is told after the walk.
    fn loss_of(&self, z: &Var<E>) -> Var<E> {
        self.surface.loss.loss(&H::wrap(z.clone()), self.targets).unwrap_or_else(|error| {
            self.refused.set(Some(error));
            Var::scalar(E::ZERO)
        })
    }

    fn loss_at(&self, at: &[Var<E>]) -> Var<E> {
        self.loss_of(&self.network_at(at))
    }

    /// For each example a lower triangular S with S S^T its Hessian of the loss in the output, `[n, outputs, outputs]`.
    fn loss_roots(&self, z: &Var<E>, n: usize, outputs: usize) -> Vec<f64> {
        let mut roots = vec![0.0; n * outputs * outputs];
        for c in 0..outputs {
            // One direction for all examples at once: no example's loss depends on another's output.
            let e = Tensor::from_fn([n, outputs], |k| if k % outputs == c { E::ONE } else { E::ZERO });
            let column = hvp(|z: &Var<E>| self.loss_of(z), z, &Var::constant(e.reshape(*z.shape())));
            for (k, x) in column.value().to_vec().iter().enumerate() {
                roots[k * outputs + c] = x.to_f64();
            }
        }
        roots.chunks_exact_mut((outputs * outputs).max(1)).for_each(|h| root(h, outputs));
        roots
    }
}

/// Cholesky's factor in place of a positive semi-definite matrix; a direction without curvature, or with a negative one, has a
/// column of zeros.
fn root(h: &mut [f64], n: usize) {
    let size = (0..n).map(|i| h[i * n + i].abs()).fold(0.0, f64::max);
    for j in 0..n {
        let pivot = h[j * n + j] - (0..j).map(|k| h[j * n + k].powi(2)).sum::<f64>();
        // Of a softmax's matrix, which has rank n - 1, rounding leaves a last pivot near 0.
        let d = if pivot > 1e-7 * size { pivot.sqrt() } else { 0.0 };
        for i in 0..n {
            if i < j {
                h[i * n + j] = 0.0;
            } else if i == j {
                h[i * n + j] = d;
            } else {
                let rest = h[i * n + j] - (0..j).map(|k| h[i * n + k] * h[j * n + k]).sum::<f64>();
                h[i * n + j] = if d > 0.0 { rest / d } else { 0.0 };
            }
        }
    }
}

fn flat<E: Element>(vars: &[Var<E>]) -> Vec<f64> {
    vars.iter().flat_map(|v| v.value().to_vec()).map(|x| x.to_f64()).collect()
}
