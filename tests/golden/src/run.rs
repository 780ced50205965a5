//! Running the cases of a set, each on its own: what panics in one is a failure of that one.

use super::case::{GoldenCase, Level, Role};
use super::check::Check;
use super::compare::Comparison;
use super::families;
use super::manifest::Set;
use super::report::Report;
use kniff_tensor::Element;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What came of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// No family knows its operation.
    Unknown,
    /// It ran to the end.
    Ran {
        /// Every comparison, by tensor.
        comparisons: Vec<Comparison>,
        /// Expected tensors that have no counterpart.
        left_out: Vec<String>,
    },
    /// It did not come to the end, and why.
    Broke(String),
}

impl Outcome {
    /// What is wrong, tensor by tensor; empty if all is well.
    pub fn faults(&self) -> Vec<String> {
        match self {
            Outcome::Unknown => Vec::new(),
            Outcome::Broke(why) => vec![why.clone()],
            Outcome::Ran { comparisons, .. } => {
                let fault = |c: &Comparison| c.fault.as_ref().map(|fault| format!("{} {fault}", c.tensor));
                comparisons.iter().filter_map(fault).collect()
            }
        }
    }
}

/// Runs the cases that `wanted` selects.
pub fn run(set: &Set, wanted: impl Fn(&GoldenCase) -> bool) -> Report {
    let mut report = Report::default();
    for case in set.cases.iter().filter(|case| wanted(case)) {
        report.add(case, run_case(case));
    }
    report
}

/// Runs one case in its own type, and once more from its views if it names any.
pub fn run_case(case: &GoldenCase) -> Outcome {
    let both = |through_views| {
        if case.is_single() { attempt::<f32>(case, through_views) } else { attempt::<f64>(case, through_views) }
    };
    let plain = both(false);
    if !case.has_views() || matches!(plain, Outcome::Unknown) || !plain.faults().is_empty() {
        return plain;
    }
    both(true)
}

fn attempt<E: Element>(case: &GoldenCase, through_views: bool) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let check = Check::<E>::new(case, through_views);
        families::run(&case.family, &case.op, &check).map(|()| check.finish())
    }));
    let (comparisons, left_out) = match outcome {
        Err(panic) => return Outcome::Broke(message(&*panic)),
        Ok(None) => return Outcome::Unknown,
        Ok(Some(found)) => found,
    };
    let expected = case.tensors.iter().filter(|(_, t)| t.role == Role::Expected);
    let seen = |name: &String| comparisons.iter().any(|c| c.tensor == *name) || left_out.contains(name);
    let missed: Vec<&str> = expected.map(|(name, _)| name).filter(|name| !seen(name)).map(String::as_str).collect();
    if !missed.is_empty() {
        return Outcome::Broke(format!("the runner never compared {}", missed.join(", ")));
    }
    Outcome::Ran { comparisons, left_out }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

impl GoldenCase {
    /// Whether it must agree.
    pub fn is_required(&self) -> bool {
        self.level == Level::Required
    }
}
