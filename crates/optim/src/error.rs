//! What can be wrong with a setting, a gradient or a stored state.

/// Why a step, a setting or a stored state is refused. Nothing has been changed when one of these comes back.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptimError {
    /// A hyper-parameter lies outside its range.
    #[error("{what}: {setting} is {value}, but must be {expected}")]
    Setting {
        /// The rule, schedule or option.
        what: &'static str,
        /// The setting's name.
        setting: &'static str,
        /// What it was.
        value: f64,
        /// What it may be, in words.
        expected: &'static str,
    },
    /// A gradient does not have its parameter's shape.
    #[error("the gradient of {path} has shape {gradient:?}, the parameter {parameter:?}")]
    GradientShape {
        /// The parameter's path.
        path: String,
        /// The parameter's shape.
        parameter: Vec<usize>,
        /// The gradient's shape.
        gradient: Vec<usize>,
    },
    /// A gradient holds an infinity or a NaN, so that there is no norm to clip to.
    #[error(
        "the gradient of {path} is not finite; nothing was updated. Lower the learning rate, or look for a division \
         by zero or a logarithm of zero in the loss"
    )]
    NonFiniteGradient {
        /// The first parameter with such a gradient, in visiting order.
        path: String,
    },
    /// No parameter had a gradient.
    #[error(
        "none of the {parameters} parameters has a gradient: the loss was computed from other parameters than those \
         given to the optimiser, or the gradient was cut on the way"
    )]
    NothingToUpdate {
        /// How many parameters were visited.
        parameters: usize,
    },
    /// Two parameters came under one path.
    #[error("the path {path} was visited twice in one step; state is kept by path, so paths must differ")]
    DuplicatePath {
        /// The path.
        path: String,
    },
    /// A group's pattern matches no parameter.
    #[error("the group {group:?} matches none of the parameters: {paths}")]
    GroupMatchesNothing {
        /// The group's pattern or name.
        group: String,
        /// The paths there are.
        paths: String,
    },
    /// A stored state belongs to another rule or another setting of it.
    #[error("the stored state is that of {found}, this optimiser is {expected}")]
    StateOfAnotherRule {
        /// This optimiser's rule and slots.
        expected: String,
        /// The stored ones.
        found: String,
    },
    /// A stored state does not fit the parameter of its path.
    #[error("the state of {path} has shape {state:?}, the parameter {parameter:?}")]
    StateShape {
        /// The parameter's path.
        path: String,
        /// The stored shape.
        state: Vec<usize>,
        /// The parameter's shape.
        parameter: Vec<usize>,
    },
    /// A stored state says that more steps were taken than there can have been.
    #[error("the stored state has {what} after {found} steps, of which there are at most {most}; it is damaged")]
    StateSteps {
        /// The optimiser, or the path of a parameter.
        what: String,
        /// How many it claims.
        found: u64,
        /// How many there can be.
        most: u64,
    },
    /// A metric that a schedule was shown is not a number.
    #[error("{schedule} was shown the metric NaN; the run has most likely diverged. Go back to the best weights")]
    NanMetric {
        /// The schedule's name.
        schedule: &'static str,
    },
    /// A stored schedule state lacks an entry or holds one that makes no sense.
    #[error("the stored state of {schedule} has no valid entry {entry:?}")]
    ScheduleState {
        /// The schedule's name.
        schedule: &'static str,
        /// The entry's name.
        entry: String,
    },
}

/// The most steps that a stored state may claim: far more than are ever taken, and far below where counting overflows.
pub(crate) const MOST_STEPS: u64 = 1 << 53;

/// `Ok` where `holds`, the setting's error otherwise.
pub(crate) fn require(
    holds: bool,
    what: &'static str,
    setting: &'static str,
    value: f64,
    expected: &'static str,
) -> Result<(), OptimError> {
    if holds { Ok(()) } else { Err(OptimError::Setting { what, setting, value, expected }) }
}

/// For decay rates of running averages.
pub(crate) fn require_rate(what: &'static str, setting: &'static str, value: f64) -> Result<(), OptimError> {
    require((0.0..1.0).contains(&value), what, setting, value, "at least 0 and below 1")
}

/// For epsilons, decays and other numbers that may be 0 but not negative.
pub(crate) fn require_not_negative(what: &'static str, setting: &'static str, value: f64) -> Result<(), OptimError> {
    require(value.is_finite() && value >= 0.0, what, setting, value, "finite and not negative")
}

/// For numbers that must be above 0.
pub(crate) fn require_positive(what: &'static str, setting: &'static str, value: f64) -> Result<(), OptimError> {
    require(value.is_finite() && value > 0.0, what, setting, value, "finite and above 0")
}
