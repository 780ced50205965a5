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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Data, Entry, Tolerance};
    use serde_json::json;

    fn entry(role: Role, shape: &[usize], data: &[f64]) -> Entry {
        Entry { role, shape: shape.to_vec(), data: Data::F64(data.to_vec()), tolerance: None }
    }

    /// ReLU of -1 and 2, with what is expected of it.
    fn relu(op: &str, output: &[f64]) -> GoldenCase {
        let tensors = [
            ("input", entry(Role::Given, &[2], &[-1.0, 2.0])),
            ("grad_out", entry(Role::Given, &[2], &[3.0, 5.0])),
            ("output", entry(Role::Expected, &[2], output)),
            ("grad_input", entry(Role::Expected, &[2], &[0.0, 5.0])),
        ];
        GoldenCase {
            family: "activations".into(),
            name: "one".into(),
            op: op.into(),
            attrs: serde_json::Map::new(),
            level: Level::Required,
            tolerance: Tolerance::default(),
            differentiated: vec!["input".into()],
            tensors: tensors.into_iter().map(|(name, entry)| (name.to_owned(), entry)).collect(),
        }
    }

    #[test]
    fn values_and_gradients_are_compared() {
        assert!(run_case(&relu("relu", &[0.0, 2.0])).faults().is_empty());
        let wrong = run_case(&relu("relu", &[0.0, 2.5])).faults();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("output at [1] is 2e0, expected 2.5e0"), "{wrong:?}");
        let mut steep = relu("relu", &[0.0, 2.0]);
        steep.tensors.get_mut("grad_input").unwrap().data = Data::F64(vec![3.0, 5.0]);
        assert!(run_case(&steep).faults()[0].starts_with("grad_input at [0]"));
    }

    #[test]
    fn what_is_unknown_or_left_uncompared_does_not_pass() {
        assert_eq!(run_case(&relu("crelu", &[])), Outcome::Unknown);
        let mut more = relu("relu", &[0.0, 2.0]);
        more.tensors.insert("second_output".into(), entry(Role::Expected, &[1], &[1.0]));
        assert_eq!(run_case(&more).faults(), ["the runner never compared second_output"]);
    }

    #[test]
    fn a_panic_is_a_failure_of_its_case_alone() {
        // There is no slope in the attributes.
        let set = Set {
            folder: "nowhere".into(),
            cases: vec![relu("leaky_relu", &[0.0, 2.0]), relu("relu", &[0.0, 2.0]), relu("crelu", &[])],
        };
        let report = run(&set, |_| true);
        let counts = report.required();
        assert_eq!((counts.passed, counts.failed, counts.skipped), (1, 1, 1));
        assert!(report.failures()[0].ends_with("panicked: the case has no attribute `slope`"), "{report}");
        let text = report.to_string();
        assert!(text.contains("unknown operation: activations crelu (1 cases)"), "{text}");
        assert!(text.ends_with("1 passed, 1 failed, 1 skipped"), "{text}");
        assert!(!report.is_good());
    }

    #[test]
    fn a_view_that_shows_something_else_fails() {
        let mut case = relu("relu", &[0.0, 2.0]);
        case.attrs.insert("views".into(), json!({"input": {"base": "base", "slice": [[0, 4, 2]]}}));
        case.tensors.insert("base".into(), entry(Role::Extra, &[4], &[-1.0, 9.0, 2.0, 9.0]));
        assert!(run_case(&case).faults().is_empty());
        case.tensors.insert("base".into(), entry(Role::Extra, &[4], &[-1.0, 9.0, 4.0, 9.0]));
        assert!(run_case(&case).faults()[0].starts_with("output at [1] is 4e0"));
    }
}
