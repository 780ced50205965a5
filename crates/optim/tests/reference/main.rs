//! Rules, schedules and clipping against values computed by PyTorch and optax.

mod clipping;
mod rules;
mod schedules;

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    case: String,
    attrs: BTreeMap<String, serde_json::Value>,
    tolerance: BTreeMap<String, f64>,
    tensors: BTreeMap<String, Vec<f64>>,
    #[serde(default)]
    problem: String,
    #[serde(default)]
    op: String,
    #[serde(default)]
    dtype: String,
}

impl Case {
    fn maybe(&self, name: &str) -> Option<f64> {
        let value = self.attrs.get(name)?;
        value.as_f64().or_else(|| value.as_str().and_then(|s| s.parse().ok()))
    }

    fn number(&self, name: &str) -> f64 {
        self.maybe(name).unwrap_or_else(|| panic!("{} has no number {name}", self.case))
    }

    fn or(&self, name: &str, default: f64) -> f64 {
        self.maybe(name).unwrap_or(default)
    }

    fn count(&self, name: &str) -> u64 {
        self.attrs[name].as_u64().unwrap()
    }

    fn flag(&self, name: &str) -> bool {
        self.attrs.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false)
    }

    fn text(&self, name: &str) -> &str {
        self.attrs[name].as_str().unwrap()
    }

    fn check(&self, tensor: &str, found: &[f64]) {
        let expected = &self.tensors[tensor];
        assert_eq!(found.len(), expected.len(), "{}/{tensor}", self.case);
        let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            let allowed = self.tolerance["atol"] + self.tolerance["rtol"] * e.abs() + self.tolerance["mtol"] * largest;
            assert!((f - e).abs() <= allowed, "{}/{tensor}[{i}]: {f} instead of {e}", self.case);
        }
    }
}

fn cases(json: &str) -> Vec<Case> {
    serde_json::from_str::<Fixture>(json).unwrap().cases
}
