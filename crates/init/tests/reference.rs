//! Fans, bounds, deviations, gains and orthogonal matrices against PyTorch, JAX and SciPy.

use kniff_init::{
    Activation, Distribution, Fan, Fans, GlorotNormal, GlorotTruncatedNormal, GlorotUniform, HeNormal,
    HeTruncatedNormal, HeUniform, LecunNormal, LecunTruncatedNormal, LecunUniform, Orthogonal, TorchUniform,
    TruncatedNormal, Uniform, VarianceScaling, torch_gain,
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    case: String,
    op: String,
    attrs: BTreeMap<String, serde_json::Value>,
    tolerance: BTreeMap<String, f64>,
    tensors: BTreeMap<String, Vec<f64>>,
}

impl Case {
    fn number(&self, name: &str) -> f64 {
        self.attrs[name].as_f64().unwrap()
    }

    fn shape(&self) -> Vec<usize> {
        self.attrs["shape"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
    }

    fn check(&self, tensor: &str, found: &[f64]) {
        let expected = &self.tensors[tensor];
        assert_eq!(found.len(), expected.len(), "{}/{tensor}", self.case);
        let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for (f, e) in found.iter().zip(expected) {
            let allowed = self.tolerance["atol"] + self.tolerance["rtol"] * e.abs() + self.tolerance["mtol"] * largest;
            assert!((f - e).abs() <= allowed, "{}/{tensor}: {f} instead of {e}", self.case);
        }
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str::<Fixture>(include_str!("fixtures/init.json")).unwrap().cases
}

#[test]
fn scales() {
    for case in cases().iter().filter(|c| c.op == "init_scales") {
        let fans = Fans::of(&case.shape()).unwrap();
        case.check("fan_in", &[fans.fan_in as f64]);
        case.check("fan_out", &[fans.fan_out as f64]);
        let check = |scheme: VarianceScaling, name: &str| {
            let (bound, parent) = (scheme.bound(fans), scheme.parent_std(fans));
            match scheme.distribution {
                Distribution::Uniform => case.check(&format!("{name}_uniform_bound"), &[bound.unwrap()]),
                Distribution::Normal => case.check(&format!("{name}_normal_std"), &[parent]),
                Distribution::TruncatedNormal => case.check(&format!("{name}_truncated_normal_parent_std"), &[parent]),
            }
            let variance = ["uniform_variance", "normal_variance"][usize::from(bound.is_none())];
            let variance = format!("{name}_{variance}");
            if scheme.distribution != Distribution::TruncatedNormal && case.tensors.contains_key(&variance) {
                case.check(&variance, &[scheme.variance(fans)]);
            }
        };
        let (slope, tanh) = (case.number("leaky_slope"), torch_gain(Activation::Tanh).unwrap());
        check(GlorotUniform.scheme(), "glorot");
        check(GlorotNormal.scheme(), "glorot");
        check(GlorotTruncatedNormal.scheme(), "glorot");
        check(GlorotUniform.gain(tanh), "glorot_gain_tanh");
        check(GlorotNormal.gain(tanh), "glorot_gain_tanh");
        check(HeUniform.scheme(), "he_fan_in");
        check(HeNormal.scheme(), "he_fan_in");
        check(HeUniform.fan(Fan::Out), "he_fan_out");
        check(HeNormal.fan(Fan::Out), "he_fan_out");
        check(HeUniform.slope(slope), "he_leaky");
        check(HeNormal.slope(slope), "he_leaky");
        check(HeTruncatedNormal.scheme(), "he");
        check(LecunUniform.scheme(), "lecun");
        check(LecunNormal.scheme(), "lecun");
        check(LecunTruncatedNormal.scheme(), "lecun");
        case.check("lecun_variance", &[LecunNormal.scheme().variance(fans)]);
        case.check("torch_default_weight_bound", &[TorchUniform.scheme().bound(fans).unwrap()]);
        case.check("torch_default_weight_variance", &[TorchUniform.scheme().variance(fans)]);
        case.check("torch_default_bias_bound", &[TorchUniform.bias(fans).high]);
    }
}

#[test]
fn gains() {
    for case in cases().iter().filter(|c| c.op == "init_gains") {
        let slope = case.number("slope");
        let default_slope = case.number("default_slope");
        for (name, activation) in [
            ("linear", Activation::Linear),
            ("conv2d", Activation::Linear),
            ("sigmoid", Activation::Sigmoid),
            ("tanh", Activation::Tanh),
            ("relu", Activation::Relu),
            ("leaky_relu", Activation::LeakyRelu(default_slope)),
            ("leaky_relu_slope", Activation::LeakyRelu(slope)),
            ("selu", Activation::Selu),
        ] {
            case.check(name, &[torch_gain(activation).unwrap()]);
        }
    }
}

#[test]
fn moments() {
    for case in cases() {
        let bounds = || (case.number("low"), case.number("high"));
        match case.op.as_str() {
            "uniform_moments" => {
                let (low, high) = bounds();
                case.check("mean", &[Uniform { low, high }.mean()]);
                case.check("variance", &[Uniform { low, high }.variance()]);
            }
            "truncated_normal_moments" => {
                let (lower, upper) = bounds();
                let cut = TruncatedNormal { mean: case.number("mean"), std: case.number("std"), lower, upper };
                case.check("truncated_mean", &[cut.mean_after_cut()]);
                case.check("truncated_variance", &[cut.variance()]);
                let quantiles: Vec<f64> = case.tensors["probabilities"].iter().map(|&p| cut.quantile(p)).collect();
                case.check("quantiles", &quantiles);
            }
            "init_scales" | "init_gains" | "init_orthogonal" => {}
            other => panic!("unknown op {other}"),
        }
    }
}

#[test]
fn orthogonal() {
    for case in cases().iter().filter(|c| c.op == "init_orthogonal") {
        let rows = case.shape()[0];
        let weight = Orthogonal { gain: case.number("gain") }.from_gaussian(&case.tensors["gaussian"], rows);
        case.check("weight", &weight);
    }
}
