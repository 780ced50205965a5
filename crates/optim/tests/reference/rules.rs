//! Thirty steps of every rule, from given gradients and in closed loop.

use crate::{Case, cases};
use kniff_optim::{
    AdaDelta, AdaGrad, Adam, AdamW, Adamax, Decay, Epsilon, Fold, Lion, Momentum, NAdam, Nesterov, RAdam, RmsProp,
    Rprop, Rule, Sgd, State,
};

#[test]
fn trajectories_are_those_of_pytorch_and_optax() {
    let cases = cases(include_str!("../fixtures/optimizers.json"));
    assert!(cases.len() > 30);
    for case in &cases {
        run(case);
    }
}

fn run(case: &Case) {
    let (beta1, beta2) = (case.or("beta1", 0.9), case.or("beta2", 0.999));
    let amsgrad = case.flag("amsgrad");
    let eps = case.or("eps", 1e-8);
    match case.text("optimizer") {
        "sgd" if case.flag("nesterov") => check(case, &Nesterov { momentum: case.number("momentum") }),
        "sgd" if case.maybe("momentum").is_some() => {
            check(case, &Momentum { momentum: case.number("momentum"), dampening: case.or("dampening", 0.0) });
        }
        "sgd" => check(case, &Sgd),
        "rmsprop" => {
            let epsilon_place = if case.flag("eps_in_sqrt") { Epsilon::Inside } else { Epsilon::Outside };
            let (alpha, epsilon, centered) = (case.number("alpha"), case.number("eps"), case.flag("centered"));
            check(case, &RmsProp { alpha, epsilon, epsilon_place, centered, momentum: case.or("momentum", 0.0) });
        }
        "adagrad" => check(
            case,
            &AdaGrad {
                lr_decay: case.or("lr_decay", 0.0),
                initial_accumulator: case.or("initial_accumulator_value", 0.0),
                epsilon: eps,
            },
        ),
        "adadelta" => check(case, &AdaDelta { rho: case.number("rho"), epsilon: eps }),
        "adam" => {
            let (epsilon, epsilon_place) = match case.maybe("eps_root") {
                Some(inside) => (inside, Epsilon::Inside),
                None => (eps, Epsilon::Outside),
            };
            check(case, &Adam { beta1, beta2, epsilon, epsilon_place, amsgrad });
        }
        "adamw" => check(case, &AdamW { beta1, beta2, epsilon: eps, epsilon_place: Epsilon::Outside, amsgrad }),
        "nadam" => {
            check(case, &NAdam { beta1, beta2, epsilon: eps, momentum_decay: case.number("momentum_decay") });
        }
        "radam" => check(case, &RAdam { beta1, beta2, epsilon: eps }),
        "adamax" => check(case, &Adamax { beta1, beta2, epsilon: eps }),
        "rprop" => check(
            case,
            &Rprop {
                eta_minus: case.number("eta_minus"),
                eta_plus: case.number("eta_plus"),
                step_min: case.number("step_min"),
                step_max: case.number("step_max"),
            },
        ),
        "lion" => check(case, &Lion { beta1, beta2 }),
        other => panic!("unknown optimizer {other}"),
    }
}

fn check<R: Rule>(case: &Case, rule: &R) {
    rule.validate().unwrap();
    let fold = Fold { weight_decay: case.or("weight_decay", 0.0), decay: R::DECAY, ..Fold::default() };
    assert_eq!(R::DECAY == Decay::Decoupled, ["AdamW", "Lion"].contains(&R::NAME));
    let n = case.tensors["start"].len();
    let given: Vec<&[f64]> = case.tensors["grads"].chunks(n).collect();
    case.check("trajectory", &trajectory(case, rule, &fold, |t, _| given[t].to_vec()));
    if case.problem == "rosenbrock" {
        case.check("trajectory", &trajectory(case, rule, &fold, |_, p| rosenbrock(p)));
    }
}

fn trajectory<R: Rule>(case: &Case, rule: &R, fold: &Fold, gradient: impl Fn(usize, &[f64]) -> Vec<f64>) -> Vec<f64> {
    let mut p = case.tensors["start"].clone();
    let steps = case.tensors["grads"].len() / p.len();
    let mut state = State::new(rule);
    let mut all = p.clone();
    for t in 0..steps {
        let g = gradient(t, &p);
        rule.step_slice_with(&mut p, &g, &mut state, case.number("lr"), fold);
        all.extend_from_slice(&p);
    }
    all
}

fn rosenbrock(p: &[f64]) -> Vec<f64> {
    let (x, y) = (p[0], p[1]);
    vec![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)]
}
