//! Activations, element by element and along an axis.

use crate::golden::Check;
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
        "softmax" => case.unary(|x| x.softmax(case.size("axis"))),
        "log_softmax" => case.unary(|x| x.log_softmax(case.size("axis"))),
        _ => return None,
    }
    Some(())
}
