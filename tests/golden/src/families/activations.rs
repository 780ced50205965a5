//! Activations, element by element and along an axis.

use crate::Check;
use kniff::nn::layers::Prelu;
use kniff::nn::{Layer, ModuleExt};
use kniff_autograd::Var;
use kniff_tensor::Element;

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "sigmoid" => case.unary(Var::sigmoid),
        "tanh" => case.unary(Var::tanh),
        "relu" => case.unary(Var::relu),
        "silu" => case.unary(Var::silu),
        "selu" => case.unary(Var::selu),
        "elu" => case.unary(|x| x.elu(case.scalar("alpha"))),
        "leaky_relu" => case.unary(|x| x.leaky_relu(case.scalar("slope"))),
        "hardtanh" => case.unary(|x| x.clamp(case.scalar("min"), case.scalar("max"))),
        "gelu" => case.unary(|x| match case.text("approximate") {
            "none" => x.gelu(),
            "tanh" => x.gelu_tanh(),
            other => panic!("there is no approximation `{other}` of GELU"),
        }),
        "softmax" => case.unary(|x| x.softmax(case.axis("axis", x.rank()))),
        "log_softmax" => case.unary(|x| x.log_softmax(case.axis("axis", x.rank()))),
        "log_sigmoid" => case.unary(Var::log_sigmoid),
        "scaled_tanh" => {
            let own = (case.number("a") - 1.7159).abs() < 1e-12 && (case.number("b") - 2.0 / 3.0).abs() < 1e-12;
            assert!(own, "kniff's stretched tanh is 1.7159 tanh(2x/3)");
            case.unary(Var::scaled_tanh);
        }
        "softplus" => case.unary(|x| {
            let beta: E = case.scalar("beta");
            x.mul_scalar(beta).softplus().mul_scalar(E::ONE / beta)
        }),
        "prelu" => case.differentiate(&["input", "weight"], |x| {
            assert!(case.size("channel_axis") == 1, "channels lie along axis 1");
            let mut prelu = Prelu::from_slopes(case.tensor("weight"));
            vec![("output", prelu.with_parameters(&x[1..], |prelu| prelu.forward(&x[0])))]
        }),
        "maxout" => case.unary(|x| x.maxout_along(case.axis("axis", x.rank()), case.size("pieces"))),
        _ => return None,
    }
    Some(())
}
