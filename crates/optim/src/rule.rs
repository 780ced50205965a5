//! The contract of an update rule: which state it keeps per parameter, and what one step does to one element.

use crate::pass::{Fold, Pass};
use crate::{OptimError, Optimizer};
use kniff_tensor::{Element, Tensor};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// How a rule turns gradients into steps.
///
/// A rule is its hyper-parameters and nothing else; what it remembers lies in a [`State`] per parameter. It says how
/// one element changes ([`Update`]), and the pass over memory, weight decay, clipping and threads are written once,
/// around it. The rules stand in the folder `rules/`, a file each.
///
/// [`Optimizer`] applies a rule to the parameters of a model; [`Rule::step_slice`] to plain slices:
///
/// ```
/// use kniff_optim::{Adam, Rule, State};
/// // Rosenbrock's valley: (1 - x)^2 + 100 (y - x^2)^2.
/// let rule = Adam::default();
/// let mut at = [-1.0, 1.0];
/// let mut state = State::new(&rule);
/// for _ in 0..5000 {
///     let [x, y] = at;
///     let gradient = [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
///     rule.step_slice(&mut at, &gradient, &mut state, 0.02);
/// }
/// assert!((at[0] - 1.0_f64).abs() < 1e-3 && (at[1] - 1.0).abs() < 1e-3);
/// ```
pub trait Rule: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The rule's name, for messages and stored states.
    const NAME: &'static str;
    /// How weight decay acts unless the optimiser is told otherwise.
    const DECAY: Decay = Decay::L2;
    /// The weight decay unless the optimiser is told otherwise.
    const WEIGHT_DECAY: f64 = 0.0;

    /// Whether the hyper-parameters are within their ranges.
    ///
    /// # Errors
    /// [`OptimError::Setting`] with the first that is not.
    fn validate(&self) -> Result<(), OptimError>;

    /// The same rule with another momentum (Adam and its kin: beta1); none for a rule without one.
    fn with_momentum(&self, momentum: f64) -> Option<Self> {
        let _ = momentum;
        None
    }

    /// The names of the arrays that the rule keeps for each parameter, each as large as the parameter.
    fn slots(&self) -> &'static [&'static str];

    /// What all elements of a slot are before the first step.
    fn start(&self, slot: usize, learning_rate: f64) -> f64 {
        let _ = (slot, learning_rate);
        0.0
    }

    /// A number that is carried from step to step beside the slots; 1 before the first step.
    fn carry(&self, carried: f64, step: u64) -> f64 {
        let _ = step;
        carried
    }

    /// One step: works out this step's coefficients and runs the pass with them.
    fn apply<E: Element>(&self, now: Now, pass: Pass<'_, E>);

    /// One step on a plain slice.
    ///
    /// # Panics
    /// If the gradients, or a state that was used before, are not as long as the parameters.
    #[track_caller]
    fn step_slice<E: Element>(&self, parameters: &mut [E], gradients: &[E], state: &mut State<E>, learning_rate: f64) {
        self.step_slice_with(parameters, gradients, state, learning_rate, &Fold::default());
    }

    /// One step on a plain slice, with weight decay, clipping or maximising folded in.
    ///
    /// # Panics
    /// If the gradients, or a state that was used before, are not as long as the parameters.
    #[track_caller]
    fn step_slice_with<E: Element>(
        &self,
        parameters: &mut [E],
        gradients: &[E],
        state: &mut State<E>,
        learning_rate: f64,
        fold: &Fold,
    ) {
        let n = parameters.len();
        assert!(gradients.len() == n, "step_slice: {n} parameters, but {} gradients", gradients.len());
        state.begin(self, &[n], learning_rate);
        assert!(
            state.slots.iter().all(|slot| slot.len() == n),
            "step_slice: {n} parameters, but the state is that of {}",
            state.slots.first().map_or(0, Tensor::len)
        );
        let now = Now { step: state.step, learning_rate, carried: state.carried };
        self.apply(now, Pass::new(parameters, gradients, &mut state.slots, fold, learning_rate));
    }

    /// An optimiser of a model's parameters with this rule: `Optimizer::new(self, learning_rate)`.
    fn optimizer<E: Element>(self, learning_rate: f64) -> Optimizer<Self, E> {
        Optimizer::new(self, learning_rate)
    }
}

/// How weight decay acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decay {
    /// `g + weight_decay * p` takes the gradient's place: the gradient of `weight_decay / 2 * |p|^2`.
    #[default]
    L2,
    /// `p` is multiplied by `1 - learning_rate * weight_decay` before the step, past the rule's running averages.
    Decoupled,
}

/// Where a rule stands: what the coefficients of one step depend on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    /// The number of this step of this parameter; the first is 1.
    pub step: u64,
    /// The learning rate in force.
    pub learning_rate: f64,
    /// What [`Rule::carry`] gave for this step.
    pub carried: f64,
}

impl Now {
    /// 1 - beta^step: what a running average that started at 0 must be divided by.
    pub fn correction(&self, beta: f64) -> f64 {
        // Exact powers matter at the start; after 2^31 steps there is nothing left to correct.
        1.0 - beta.powi(i32::try_from(self.step).unwrap_or(i32::MAX))
    }
}

/// What one step does to one element, with its coefficients worked out; N is the number of slots.
///
/// Mark `at` `#[inline(always)]`: it is compiled into the pass for each instruction set.
pub trait Update<E, const N: usize>: Copy + Send + Sync {
    /// The parameter and its slots after the step, from the parameter (decayed, if that is decoupled), the gradient
    /// (scaled, clipped, with L2 decay added) and the slots before it.
    fn at(self, p: E, g: E, slots: [E; N]) -> (E, [E; N]);
}

/// What a rule remembers of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct State<E: Element = f32> {
    /// How many steps the parameter has seen.
    pub(crate) step: u64,
    pub(crate) carried: f64,
    /// In the order of [`Rule::slots`]; empty before the first step.
    pub(crate) slots: Vec<Tensor<E>>,
}

impl<E: Element> State<E> {
    /// The state before the first step; memory is taken at the first step.
    pub fn new<R: Rule>(_: &R) -> Self {
        Self::fresh()
    }

    pub(crate) fn fresh() -> Self {
        Self { step: 0, carried: 1.0, slots: Vec::new() }
    }

    /// How many steps the parameter has seen.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The slots, in the order of [`Rule::slots`]; empty before the first step.
    pub fn slots(&self) -> &[Tensor<E>] {
        &self.slots
    }

    /// Counts the step and, at the first one, makes the slots.
    pub(crate) fn begin<R: Rule>(&mut self, rule: &R, shape: &[usize], learning_rate: f64) {
        if self.step == 0 {
            let made = 0..rule.slots().len();
            self.slots = made.map(|k| Tensor::full(shape, E::from_f64(rule.start(k, learning_rate)))).collect();
        }
        self.step += 1;
        self.carried = rule.carry(self.carried, self.step);
    }
}
