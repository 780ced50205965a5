//! Initialisation: fans, scales, gains, moments, and orthogonal matrices.

use crate::Check;
use kniff::init::{
    Activation, Distribution, Fan, Fans, GlorotNormal, GlorotTruncatedNormal, GlorotUniform, HeNormal,
    HeTruncatedNormal, HeUniform, LecunNormal, LecunTruncatedNormal, LecunUniform, Orthogonal, TorchUniform,
    TruncatedNormal, Uniform, VarianceScaling, torch_gain,
};
use kniff_tensor::{Element, Tensor};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    let number = |name: &str, value: f64| case.compare_numbers(name, &[], &[value]);
    match op {
        "init_scales" => scales(case),
        "init_gains" => {
            let leaky = |slope: &str| Activation::LeakyRelu(case.number(slope));
            for (name, activation) in [
                ("linear", Activation::Linear),
                ("conv2d", Activation::Linear),
                ("sigmoid", Activation::Sigmoid),
                ("tanh", Activation::Tanh),
                ("relu", Activation::Relu),
                ("leaky_relu", leaky("default_slope")),
                ("leaky_relu_slope", leaky("slope")),
                ("selu", Activation::Selu),
            ] {
                number(name, torch_gain(activation).expect("PyTorch knows its gain"));
            }
        }
        "uniform_moments" => {
            let uniform = Uniform { low: case.number("low"), high: case.number("high") };
            number("mean", uniform.mean());
            number("variance", uniform.variance());
        }
        "truncated_normal_moments" => {
            let (mean, std) = (case.number("mean"), case.number("std"));
            let cut = TruncatedNormal { mean, std, lower: case.number("low"), upper: case.number("high") };
            number("truncated_mean", cut.mean_after_cut());
            number("truncated_variance", cut.variance());
            let quantiles: Vec<f64> =
                case.tensor("probabilities").to_vec().iter().map(|p| cut.quantile(p.to_f64())).collect();
            case.compare_numbers("quantiles", &[quantiles.len()], &quantiles);
        }
        "init_orthogonal" => {
            let shape = case.sizes("shape");
            let gaussian: Vec<f64> = case.tensor("gaussian").to_vec().into_iter().map(E::to_f64).collect();
            let weight = Orthogonal { gain: case.number("gain") }.from_gaussian(&gaussian, shape[0]);
            case.compare_numbers("weight", &shape, &weight);
            let columns = weight.len() / shape[0];
            let q = Tensor::from_vec(weight, [shape[0], columns]);
            let gram = if shape[0] <= columns { q.matmul(&q.t()) } else { q.t().matmul(&q) };
            case.compare_numbers("gram", gram.shape(), &gram.to_vec());
        }
        _ => return None,
    }
    Some(())
}

fn scales<E: Element>(case: &Check<'_, E>) {
    let number = |name: &str, value: f64| case.compare_numbers(name, &[], &[value]);
    // The numbers are those of a framework that takes axis 1 as fan_in whatever the layer.
    let fans = Fans::of(&case.sizes("shape")).unwrap_or_else(|e| panic!("{e}"));
    number("fan_in", fans.fan_in as f64);
    number("fan_out", fans.fan_out as f64);
    let check = |scheme: VarianceScaling, name: &str| {
        let (bound, parent) = (scheme.bound(fans), scheme.parent_std(fans));
        let variance = match scheme.distribution {
            Distribution::Uniform => {
                number(&format!("{name}_uniform_bound"), bound.expect("a uniform draw is bounded"));
                format!("{name}_uniform_variance")
            }
            Distribution::Normal => {
                number(&format!("{name}_normal_std"), parent);
                format!("{name}_normal_variance")
            }
            Distribution::TruncatedNormal => {
                number(&format!("{name}_truncated_normal_parent_std"), parent);
                return;
            }
        };
        if case.expects(&variance) {
            number(&variance, scheme.variance(fans));
        }
    };
    let slope = case.number("leaky_slope");
    let tanh = torch_gain(Activation::Tanh).expect("PyTorch knows its gain");
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
    number("lecun_variance", LecunNormal.scheme().variance(fans));
    number("torch_default_weight_bound", TorchUniform.scheme().bound(fans).expect("a uniform draw is bounded"));
    number("torch_default_weight_variance", TorchUniform.scheme().variance(fans));
    number("torch_default_bias_bound", TorchUniform.bias(fans).high);
}
