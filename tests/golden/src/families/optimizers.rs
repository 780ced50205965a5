//! Update rules: thirty steps from given gradients, and thirty in closed loop.

use crate::Check;
use crate::problems::objective;
use kniff::optim::{
    AdaDelta, AdaGrad, Adam, AdamW, Adamax, Epsilon, Fold, Lion, Momentum, NAdam, Nesterov, RAdam, RmsProp, Rprop,
    Rule, Sgd, State,
};
use kniff_autograd::{Var, value_and_grad};
use kniff_tensor::{Element, Tensor};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    if op != "optimizer" {
        return None;
    }
    let or = |name: &str, default: f64| case.maybe_number(name).unwrap_or(default);
    let set = |name: &str| case.has_attr(name) && case.flag(name);
    let (beta1, beta2, epsilon) = (or("beta1", 0.9), or("beta2", 0.999), or("eps", 1e-8));
    match case.text("optimizer") {
        "sgd" if set("nesterov") => steps(case, &Nesterov { momentum: case.number("momentum") }),
        "sgd" if case.has_attr("momentum") => {
            steps(case, &Momentum { momentum: case.number("momentum"), dampening: or("dampening", 0.0) });
        }
        "sgd" => steps(case, &Sgd),
        "rmsprop" => {
            let epsilon_place = if set("eps_in_sqrt") { Epsilon::Inside } else { Epsilon::Outside };
            let (alpha, centered, momentum) = (case.number("alpha"), set("centered"), or("momentum", 0.0));
            steps(case, &RmsProp { alpha, epsilon, epsilon_place, centered, momentum });
        }
        "adagrad" => {
            let (lr_decay, initial_accumulator) = (or("lr_decay", 0.0), or("initial_accumulator_value", 0.0));
            steps(case, &AdaGrad { lr_decay, initial_accumulator, epsilon });
        }
        "adadelta" => steps(case, &AdaDelta { rho: case.number("rho"), epsilon }),
        "adam" => {
            let (epsilon, epsilon_place) = match case.maybe_number("eps_root") {
                Some(inside) => (inside, Epsilon::Inside),
                None => (epsilon, Epsilon::Outside),
            };
            steps(case, &Adam { beta1, beta2, epsilon, epsilon_place, amsgrad: set("amsgrad") });
        }
        "adamw" => {
            let (epsilon_place, amsgrad) = (Epsilon::Outside, set("amsgrad"));
            steps(case, &AdamW { beta1, beta2, epsilon, epsilon_place, amsgrad });
        }
        "nadam" => steps(case, &NAdam { beta1, beta2, epsilon, momentum_decay: case.number("momentum_decay") }),
        "radam" => steps(case, &RAdam { beta1, beta2, epsilon }),
        "adamax" => steps(case, &Adamax { beta1, beta2, epsilon }),
        "rprop" => {
            let (eta_minus, eta_plus) = (case.number("eta_minus"), case.number("eta_plus"));
            let (step_min, step_max) = (case.number("step_min"), case.number("step_max"));
            steps(case, &Rprop { eta_minus, eta_plus, step_min, step_max });
        }
        "lion" => steps(case, &Lion { beta1, beta2 }),
        _ => return None,
    }
    Some(())
}

/// The rule alone, fed with the given gradients; the function alone, at the given points; and both in closed loop.
///
/// Gradients and losses are compared at the given points: in closed loop a last bit in the first step may have grown to
/// more than their tolerance by the thirtieth, which the tolerance of the points allows for.
fn steps<R: Rule, E: Element>(case: &Check<'_, E>, rule: &R) {
    rule.validate().unwrap_or_else(|e| panic!("{e}"));
    let given = case.tensor("grads");
    case.compare("trajectory", &trajectory(case, rule, |t, _| given.select(0, t).to_vec()));
    let Some(loss) = objective(case) else { return };
    let at = |p: &[E]| value_and_grad(&loss, &Var::constant(Tensor::from_slice(p, [p.len()])));
    case.compare("trajectory", &trajectory(case, rule, |_, p| at(p).1.value().to_vec()));
    let points = case.tensor("trajectory");
    let found: Vec<_> = (0..points.shape()[0]).map(|t| at(&points.select(0, t).to_vec())).collect();
    let losses: Vec<E> = found.iter().map(|(loss, _)| loss.item()).collect();
    case.compare("losses", &Tensor::from_slice(&losses, [losses.len()]));
    // The last point's gradient was not asked for.
    let gradients: Vec<&Tensor<E>> = found[..found.len() - 1].iter().map(|(_, gradient)| gradient.value()).collect();
    case.compare("grads", &Tensor::stack(&gradients, 0));
}

/// All points from the start on.
fn trajectory<R: Rule, E: Element>(
    case: &Check<'_, E>,
    rule: &R,
    mut gradient: impl FnMut(usize, &[E]) -> Vec<E>,
) -> Tensor<E> {
    let weight_decay = case.maybe_number("weight_decay").unwrap_or(0.0);
    let fold = Fold { weight_decay, decay: R::DECAY, ..Fold::default() };
    let mut p = case.tensor("start").to_vec();
    let mut state = State::new(rule);
    let mut all = p.clone();
    for t in 0..case.size("steps") {
        let g = gradient(t, &p);
        rule.step_slice_with(&mut p, &g, &mut state, case.number("lr"), &fold);
        all.extend_from_slice(&p);
    }
    let rows = all.len() / p.len().max(1);
    Tensor::from_vec(all, [rows, p.len()])
}
