//! The walk over a model's parameters: groups, learning rate, decay, clipping and state, written once for all rules.

use crate::OptimError;
use crate::clip::{Clip, Norm};
use crate::error::{MOST_STEPS, require, require_not_negative};
use crate::group::{Group, Rate, Selector};
use crate::pass::{Fold, Pass};
use crate::rule::{Decay, Now, Rule, State};
use kniff_autograd::{Gradients, Parameter};
use kniff_tensor::{Element, Shape, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An update rule applied to the parameters of a model.
///
/// Settings are given by chaining; they are checked at the next step, or before by [`Optimizer::validate`].
///
/// ```
/// use kniff_autograd::{Gradients, Parameter};
/// use kniff_optim::{AdamW, Clip, Optimizer};
/// use kniff_tensor::Tensor;
/// let mut optimizer = Optimizer::new(AdamW::default(), 1e-3)
///     .weight_decay(0.05)
///     .decay_matrices_only()
///     .clip(Clip::GlobalNorm(1.0))
///     .group("head", |g| g.learning_rate(1e-2));
///
/// let mut weight = Parameter::new(Tensor::<f32>::ones([2, 2]));
/// let mut head = Parameter::new(Tensor::<f32>::ones([2]));
/// let mut gradients = Gradients::default();
/// gradients.set(&weight, Tensor::full([2, 2], 3.0));
/// gradients.set(&head, Tensor::full([2], 4.0));
/// let report = optimizer.step([("body.weight", &mut weight), ("head.bias", &mut head)], &gradients)?;
/// assert_eq!((report.updated, report.gradient_norm), (2, Some(68.0_f64.sqrt())));
/// # Ok::<(), kniff_optim::OptimError>(())
/// ```
///
/// State is kept by path: a parameter is known by the name under which it is visited. Nothing is allocated after the
/// first step. The same gradients give the same bytes at any number of threads.
#[derive(Clone, Debug)]
pub struct Optimizer<R: Rule, E: Element = f32> {
    rule: R,
    learning_rate: f64,
    weight_decay: f64,
    decay: Decay,
    matrices_only: bool,
    clip: Option<Clip>,
    maximize: bool,
    measure_norm: bool,
    groups: Vec<(Selector, Group)>,
    entries: Vec<Entry<E>>,
    index: BTreeMap<String, usize>,
    steps: u64,
    visits: u64,
    validated: bool,
}

/// One parameter, as the optimiser knows it.
#[derive(Clone, Debug)]
struct Entry<E: Element> {
    path: String,
    /// The place in `groups`, once known.
    group: Option<usize>,
    state: State<E>,
    /// The number of the walk that last came by.
    visit: u64,
    /// Whether the group is known: not for entries that come from a stored state.
    grouped: bool,
}

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepReport {
    /// The norm of all gradients before clipping, if it was asked for or needed.
    pub gradient_norm: Option<f64>,
    /// What the gradients were multiplied by to bring the norm down; 1 if they were not.
    pub clip_scale: f64,
    /// How many parameters were updated.
    pub updated: usize,
    /// The trainable parameters that had no gradient, by path; they and their state stayed as they were.
    pub without_gradient: Vec<String>,
}

/// Everything that an optimiser remembers, for a checkpoint.
///
/// With the same rule and settings, [`Optimizer::load_state`] continues exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OptimizerState<E: Element = f32> {
    /// The rule's name.
    pub rule: String,
    /// The names of the arrays in each parameter's state.
    pub slots: Vec<String>,
    /// The learning rate in force.
    pub learning_rate: f64,
    /// How many steps were taken.
    pub steps: u64,
    /// The state of each parameter, by path.
    pub parameters: BTreeMap<String, State<E>>,
}

impl<R: Rule, E: Element> Optimizer<R, E> {
    /// An optimiser with the rule's own weight decay, no groups and no clipping.
    pub fn new(rule: R, learning_rate: f64) -> Self {
        Self {
            rule,
            learning_rate,
            weight_decay: R::WEIGHT_DECAY,
            decay: R::DECAY,
            matrices_only: false,
            clip: None,
            maximize: false,
            measure_norm: false,
            groups: Vec::new(),
            entries: Vec::new(),
            index: BTreeMap::new(),
            steps: 0,
            visits: 0,
            validated: false,
        }
    }

    /// Weight decay, of the rule's own kind: decoupled for AdamW and Lion, L2 for the others.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self.changed()
    }

    /// Makes the weight decay act in this way instead of the rule's own.
    #[must_use]
    pub fn decay(mut self, decay: Decay) -> Self {
        self.decay = decay;
        self.changed()
    }

    /// Keeps weight decay off parameters with fewer than two axes: biases, and scales of normalisation layers.
    #[must_use]
    pub fn decay_matrices_only(mut self) -> Self {
        self.matrices_only = true;
        self.changed()
    }

    /// Clips gradients.
    #[must_use]
    pub fn clip(mut self, clip: Clip) -> Self {
        self.clip = Some(clip);
        self.changed()
    }

    /// Goes uphill: the gradient's sign is turned, before weight decay (as PyTorch's `maximize`).
    #[must_use]
    pub fn maximize(mut self) -> Self {
        self.maximize = true;
        self.changed()
    }

    /// Reports the Euclidean norm of the gradients, and refuses non-finite ones, without clipping: one more read of them.
    #[must_use]
    pub fn measure_norm(mut self) -> Self {
        self.measure_norm = true;
        self.changed()
    }

    /// Gives settings of their own to the parameters whose path, or a module on it, fits the pattern.
    ///
    /// `"encoder"` fits `encoder.0.weight`, not `encoder2.weight`; `*` stands for any run of characters, as in
    /// `"*.bias"`. A parameter belongs to the first group that fits. A group that fits nothing is an error at the first
    /// step.
    #[must_use]
    pub fn group(mut self, pattern: &str, settings: impl FnOnce(Group) -> Group) -> Self {
        self.groups.push((Selector::Pattern(pattern.to_owned()), self.settled(settings)));
        self.changed()
    }

    /// Gives settings of their own to the parameters that a predicate on path and shape picks; the name is for messages.
    #[must_use]
    pub fn group_where(
        mut self,
        name: &str,
        predicate: impl Fn(&str, &Shape) -> bool + Send + Sync + 'static,
        settings: impl FnOnce(Group) -> Group,
    ) -> Self {
        let selector = Selector::Predicate(name.to_owned(), std::sync::Arc::new(predicate));
        self.groups.push((selector, self.settled(settings)));
        self.changed()
    }

    /// Settings may be given between steps too: the next one checks them, and finds each parameter's group again.
    fn changed(mut self) -> Self {
        self.validated = false;
        self.entries.iter_mut().for_each(|entry| entry.grouped = false);
        self
    }

    /// The group's settings with its rate as a factor of the present one.
    fn settled(&self, settings: impl FnOnce(Group) -> Group) -> Group {
        let mut group = settings(Group::default());
        if let Rate::Absolute(rate) = group.rate {
            group.rate = Rate::Factor(if rate == self.learning_rate { 1.0 } else { rate / self.learning_rate });
        }
        group
    }

    /// Whether rule and settings are within their ranges.
    ///
    /// # Errors
    /// [`OptimError::Setting`] with the first that is not.
    pub fn validate(&self) -> Result<(), OptimError> {
        self.rule.validate()?;
        require_not_negative("Optimizer", "learning_rate", self.learning_rate)?;
        require_not_negative("Optimizer", "weight_decay", self.weight_decay)?;
        if let Some(clip) = &self.clip {
            clip.validate()?;
        }
        for (_, group) in &self.groups {
            if let Rate::Factor(factor) = group.rate {
                let valid = factor.is_finite() && factor >= 0.0;
                let expected = "finite and not negative (a group's own rate needs an optimiser's rate above 0)";
                require(valid, "Optimizer::group", "learning_rate_factor", factor, expected)?;
            }
            require_not_negative("Optimizer::group", "weight_decay", group.weight_decay.unwrap_or(0.0))?;
        }
        Ok(())
    }

    /// The rule.
    pub fn rule(&self) -> &R {
        &self.rule
    }

    /// The learning rate in force.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Sets the learning rate; groups keep their ratio to it.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    /// Sets the momentum of the rule (Adam and its kin: beta1), as a schedule prescribes it; whether the rule has one.
    pub fn set_momentum(&mut self, momentum: f64) -> bool {
        let rule = self.rule.with_momentum(momentum);
        let has = rule.is_some();
        if let Some(rule) = rule {
            self.rule = rule;
            self.validated = false;
        }
        has
    }

    /// How many steps were taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step on the given parameters, each with its path.
    ///
    /// Frozen parameters are passed over, those without a gradient named in the report.
    ///
    /// # Errors
    /// Where a setting, a gradient or the groups do not fit; then no parameter has changed.
    pub fn step<'a, P: AsRef<str>>(
        &mut self,
        parameters: impl IntoIterator<Item = (P, &'a mut Parameter<E>)>,
        gradients: &Gradients<E>,
    ) -> Result<StepReport, OptimError> {
        let mut parameters: Vec<(P, &mut Parameter<E>)> = parameters.into_iter().collect();
        self.step_with(gradients, |visit| {
            for (path, parameter) in &mut parameters {
                visit(path.as_ref(), parameter);
            }
        })
    }

    /// One step on the parameters that `walk` visits. It is called twice (once to look, once to update) and must
    /// visit the same ones; this allocates nothing.
    ///
    /// # Errors
    /// As [`Optimizer::step`].
    pub fn step_with(
        &mut self,
        gradients: &Gradients<E>,
        mut walk: impl FnMut(&mut dyn FnMut(&str, &mut Parameter<E>)),
    ) -> Result<StepReport, OptimError> {
        if !self.validated {
            self.validate()?;
            self.validated = true;
        }
        require_not_negative("Optimizer", "learning_rate", self.learning_rate)?;
        let mut report = StepReport { clip_scale: 1.0, ..StepReport::default() };
        self.look(gradients, &mut walk, &mut report)?;
        if let (Some(clip), Some(norm)) = (self.clip, report.gradient_norm) {
            report.clip_scale = clip.scale(norm);
        }
        let fold = Fold {
            gradient_scale: if self.maximize { -report.clip_scale } else { report.clip_scale },
            clip_value: if let Some(Clip::Value(limit)) = self.clip { limit } else { f64::INFINITY },
            weight_decay: self.weight_decay,
            decay: self.decay,
        };
        let mut at = 0;
        walk(&mut |path, parameter| {
            if parameter.requires_grad()
                && let Some(gradient) = gradients.get(parameter)
                && let Some(place) = self.find(path, at)
            {
                self.update(place, parameter, gradient, fold);
                at = place + 1;
            }
        });
        self.steps += 1;
        Ok(report)
    }

    /// The first walk: everything that can go wrong, and the norm.
    fn look(
        &mut self,
        gradients: &Gradients<E>,
        walk: &mut impl FnMut(&mut dyn FnMut(&str, &mut Parameter<E>)),
        report: &mut StepReport,
    ) -> Result<(), OptimError> {
        let norm_type = self.clip.and_then(|clip| clip.norm_type()).or(self.measure_norm.then_some(2.0));
        let mut norm = norm_type.map(Norm::new);
        let (mut result, mut at, mut visited, mut new) = (Ok(()), 0, 0, false);
        self.visits += 1;
        walk(&mut |path, parameter| {
            if result.is_err() {
                return;
            }
            let place = self.find(path, at).unwrap_or_else(|| self.insert(path, State::fresh()));
            at = place + 1;
            new |= !self.entries[place].grouped;
            result = self.look_at(place, parameter, gradients, norm.as_mut(), report);
            visited += 1;
        });
        result?;
        if new {
            self.check_groups()?;
        }
        if report.updated == 0 && !report.without_gradient.is_empty() {
            return Err(OptimError::NothingToUpdate { parameters: visited });
        }
        report.gradient_norm = norm.map(|norm| norm.value());
        Ok(())
    }

    fn look_at(
        &mut self,
        place: usize,
        parameter: &Parameter<E>,
        gradients: &Gradients<E>,
        norm: Option<&mut Norm>,
        report: &mut StepReport,
    ) -> Result<(), OptimError> {
        let shape = parameter.value().shape();
        let entry = &mut self.entries[place];
        let path = || entry.path.clone();
        if entry.visit == self.visits {
            return Err(OptimError::DuplicatePath { path: path() });
        }
        if let Some(slot) = entry.state.slots.iter().find(|slot| slot.shape() != shape) {
            let state = slot.shape().to_vec();
            return Err(OptimError::StateShape { path: path(), state, parameter: shape.to_vec() });
        }
        if parameter.requires_grad() {
            match gradients.get(parameter) {
                None => report.without_gradient.push(path()),
                Some(gradient) if gradient.shape() != shape => {
                    let gradient = gradient.shape().to_vec();
                    return Err(OptimError::GradientShape { path: path(), parameter: shape.to_vec(), gradient });
                }
                Some(gradient) => {
                    let finite = norm.is_none_or(|norm| with_slice(gradient, |g| norm.add(g)));
                    if !finite {
                        return Err(OptimError::NonFiniteGradient { path: path() });
                    }
                    report.updated += 1;
                }
            }
        }
        entry.visit = self.visits;
        if !entry.grouped {
            entry.group = self.groups.iter().position(|(selector, _)| selector.matches(&entry.path, shape));
            entry.grouped = true;
        }
        Ok(())
    }

    fn check_groups(&self) -> Result<(), OptimError> {
        for (k, (selector, _)) in self.groups.iter().enumerate() {
            if !self.entries.iter().any(|entry| entry.group == Some(k)) {
                let paths: Vec<&str> = self.entries.iter().map(|entry| entry.path.as_str()).collect();
                let (group, paths) = (selector.name().to_owned(), paths.join(", "));
                return Err(OptimError::GroupMatchesNothing { group, paths });
            }
        }
        Ok(())
    }

    /// Where the path's entry is; it costs one comparison where the walk comes by in the order of the first one.
    fn find(&self, path: &str, guess: usize) -> Option<usize> {
        if self.entries.get(guess).is_some_and(|entry| entry.path == path) {
            return Some(guess);
        }
        self.index.get(path).copied()
    }

    fn insert(&mut self, path: &str, state: State<E>) -> usize {
        let place = self.entries.len();
        self.entries.push(Entry { path: path.to_owned(), group: None, state, visit: 0, grouped: false });
        self.index.insert(path.to_owned(), place);
        place
    }

    fn update(&mut self, place: usize, parameter: &mut Parameter<E>, gradient: &Tensor<E>, mut fold: Fold) {
        let entry = &mut self.entries[place];
        let mut rate = self.learning_rate;
        if let Some(k) = entry.group {
            let group = &self.groups[k].1;
            if let Rate::Factor(factor) = group.rate {
                rate *= factor;
            }
            fold.weight_decay = group.weight_decay.unwrap_or(fold.weight_decay);
        }
        if self.matrices_only && parameter.value().rank() < 2 {
            fold.weight_decay = 0.0;
        }
        entry.state.begin(&self.rule, parameter.value().shape(), rate);
        let now = Now { step: entry.state.step, learning_rate: rate, carried: entry.state.carried };
        with_slice(gradient, |g| {
            let values = parameter.value_mut().make_mut();
            self.rule.apply(now, Pass::new(values, g, &mut entry.state.slots, &fold, rate));
        });
    }

    /// Rule and settings, by name, in words: a resumed training compares them.
    pub fn describe(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        let mut say = |name: &str, value: String| all.push((name.to_owned(), value));
        say("rule", format!("{:?}", self.rule));
        say("learning rate", self.learning_rate.to_string());
        let only = if self.matrices_only { ", matrices only" } else { "" };
        say("weight decay", format!("{}, {:?}{only}", self.weight_decay, self.decay));
        say("clipping", self.clip.map_or_else(|| "none".into(), |clip| format!("{clip:?}")));
        say("direction", if self.maximize { "uphill" } else { "downhill" }.to_owned());
        for (selector, group) in &self.groups {
            say(&format!("group {}", selector.name()), format!("{group:?}"));
        }
        all
    }

    /// Everything that a checkpoint needs to continue exactly.
    pub fn state(&self) -> OptimizerState<E> {
        let seen = self.entries.iter().filter(|entry| entry.state.step > 0);
        OptimizerState {
            rule: R::NAME.to_owned(),
            slots: self.slot_names(),
            learning_rate: self.learning_rate,
            steps: self.steps,
            parameters: seen.map(|entry| (entry.path.clone(), entry.state.clone())).collect(),
        }
    }

    /// Continues from a checkpoint. The shapes are compared with the parameters' at the next step.
    ///
    /// # Errors
    /// If the state is that of another rule, or of other options of this one, or counts what cannot be; nothing has changed then.
    pub fn load_state(&mut self, state: OptimizerState<E>) -> Result<(), OptimError> {
        let slots = self.slot_names();
        let whole = state.parameters.values().all(|s| s.slots.len() == slots.len());
        if state.rule != R::NAME || state.slots != slots || !whole {
            return Err(OptimError::StateOfAnotherRule {
                expected: format!("{} with {}", R::NAME, list(&slots)),
                found: format!("{} with {}", state.rule, list(&state.slots)),
            });
        }
        require_not_negative("the stored state", "learning_rate", state.learning_rate)?;
        let all = state.parameters.iter().map(|(path, s)| (path.as_str(), s.step, state.steps));
        for (what, found, most) in [("the optimiser", state.steps, MOST_STEPS)].into_iter().chain(all) {
            if found > most {
                return Err(OptimError::StateSteps { what: what.to_owned(), found, most });
            }
        }
        self.reset();
        self.learning_rate = state.learning_rate;
        self.steps = state.steps;
        for (path, state) in state.parameters {
            self.insert(&path, state);
        }
        Ok(())
    }

    fn slot_names(&self) -> Vec<String> {
        self.rule.slots().iter().map(|&name| name.to_owned()).collect()
    }

    /// Forgets all state: the next step is the first again. Settings and learning rate stay.
    pub fn reset(&mut self) {
        self.entries.clear();
        self.index.clear();
        self.steps = 0;
    }
}

fn list(slots: &[String]) -> String {
    if slots.is_empty() { "no slots".to_owned() } else { slots.join(", ") }
}

/// Calls `f` with the elements in row-major order, copied only where the tensor is a view that lies otherwise.
fn with_slice<E: Element, T>(tensor: &Tensor<E>, f: impl FnOnce(&[E]) -> T) -> T {
    match tensor.as_slice() {
        Some(slice) => f(slice),
        None => f(tensor.contiguous().as_slice().unwrap_or_default()),
    }
}
