//! Second derivatives, forward mode, and gradients of single examples.

use crate::Check;
use crate::problems::{Aim, Mlp};
use kniff_autograd::{Var, gnvp, grad, hessian, hvp, jvp, per_example_gradients, value_and_grad};
use kniff_tensor::{Element, Tensor};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "mlp_second_order" => mlp(case),
        "double_backward_tanh" => twice(case, &["input"], |x| x[0].tanh()),
        "double_backward_sigmoid" => twice(case, &["input"], |x| x[0].sigmoid()),
        "double_backward_softplus" => twice(case, &["input"], |x| {
            let beta: E = case.scalar("beta");
            x[0].mul_scalar(beta).softplus().mul_scalar(E::ONE / beta)
        }),
        "double_backward_exp" => twice(case, &["input"], |x| x[0].exp()),
        "double_backward_log" => twice(case, &["input"], |x| x[0].ln()),
        "double_backward_div" => twice(case, &["a", "b"], |x| x[0].div(&x[1])),
        "double_backward_matmul" => twice(case, &["a", "b"], |x| x[0].matmul(&x[1])),
        "double_backward_softmax" => twice(case, &["input"], |x| x[0].softmax(case.axis("axis", x[0].rank()))),
        "double_backward_logsumexp" => {
            twice(case, &["input"], |x| x[0].logsumexp(&case.axes("axes", x[0].rank()), case.flag("keepdims")));
        }
        _ => return None,
    }
    Some(())
}

fn mlp<E: Element>(case: &Check<'_, E>) {
    let net = Mlp { sizes: case.sizes("sizes"), activation: case.text("activation").to_owned() };
    let (x, theta, v) = (case.tensor("x"), case.constant("theta"), case.constant("v"));
    assert!(case.text("reduction") == "mean", "the loss is a mean");
    let aim = match case.text("loss") {
        "cross_entropy" => Aim::Classes(case.indices("target")),
        "mse" => Aim::Values(case.tensor("target")),
        other => panic!("there is no loss `{other}`"),
    };
    let outputs = |theta: &Var<E>| net.forward(theta, &x);
    let loss = |theta: &Var<E>| aim.loss(&outputs(theta));
    let n = theta.len();

    let (value, gradient) = value_and_grad(loss, &theta);
    case.compare("loss", value.value());
    case.compare("grad", gradient.value());
    let (output, change) = jvp(outputs, &theta, &v);
    case.compare("output", output.value());
    case.compare("jvp_output", change.value());
    case.compare("jvp_loss", jvp(loss, &theta, &v).1.value());

    let bent = hvp(loss, &theta, &v);
    case.compare("hvp", bent.value());
    // The same by reverse over reverse.
    let along = |theta: &Var<E>| grad(loss, theta).mul(&v).sum_all();
    case.compare("hvp", grad(along, &theta).value());
    case.compare("vhv", bent.mul(&v).sum_all().value());
    let h = hessian(loss, &theta);
    case.compare("hessian", h.value());
    case.compare("trace", &h.value().diag().sum_all());
    let eigenvalues = eigenvalues(h.value());
    case.compare_numbers("eigenvalues", &[n], &eigenvalues);
    case.compare_numbers("lambda_max", &[], &eigenvalues[n - 1..]);

    let unit = |i: usize| Var::constant(Tensor::from_fn([n], |j| if i == j { E::ONE } else { E::ZERO }));
    let row = |i: usize| gnvp(outputs, |y: &Var<E>| aim.loss(y), &theta, &unit(i)).into_value();
    let rows: Vec<Tensor<E>> = (0..n).map(row).collect();
    case.compare("gauss_newton", &Tensor::stack(&rows.iter().collect::<Vec<_>>(), 0));

    let single = |theta: &Var<E>, i: usize| aim.only(i).loss(&net.forward(theta, &x.slice_axis(0, i..i + 1)));
    let each = per_example_gradients(single, &theta, x.shape()[0]);
    let each = Tensor::stack(&each.iter().map(Var::value).collect::<Vec<_>>(), 0);
    case.compare("per_sample_grads", &each);
    case.compare("per_sample_grad_norms", &each.square().sum(&[1], false).sqrt());
}

/// The gradients of an operation, and the gradients of `sum <grad_k, v_k>` with respect to all inputs and the cotangent.
fn twice<E: Element>(case: &Check<'_, E>, inputs: &[&str], f: impl Fn(&[Var<E>]) -> Var<E>) {
    let mut at: Vec<Var<E>> = inputs.iter().map(|name| case.constant(name)).collect();
    case.compare("output", f(&at).value());
    at.push(case.constant("grad_out"));
    let first = |at: &Vec<Var<E>>| {
        let (cotangent, x) = at.split_last().expect("the cotangent comes last");
        grad(|x: &Vec<Var<E>>| f(x).mul(cotangent).sum_all(), &x.to_vec())
    };
    let gradients = first(&at);
    let directions: Vec<Var<E>> = inputs.iter().map(|name| case.constant(&format!("v_{name}"))).collect();
    let second = grad(
        |at: &Vec<Var<E>>| {
            let along = first(at).iter().zip(&directions).map(|(g, v)| g.mul(v).sum_all()).reduce(|a, b| a.add(&b));
            along.expect("an operation has an input")
        },
        &at,
    );
    for (name, g) in inputs.iter().zip(&gradients) {
        case.compare(&format!("grad_{name}"), g.value());
    }
    for (name, g) in inputs.iter().copied().chain(["grad_out"]).zip(&second) {
        case.compare(&format!("grad2_{name}"), g.value());
    }
}

/// The eigenvalues of a symmetric matrix, ascending, by Jacobi's rotations.
fn eigenvalues<E: Element>(matrix: &Tensor<E>) -> Vec<f64> {
    let n = matrix.shape()[0];
    let mut a: Vec<f64> = matrix.to_vec().into_iter().map(E::to_f64).collect();
    for _ in 0..60 {
        let off: f64 = (0..n * n).filter(|i| i / n != i % n).map(|i| a[i] * a[i]).sum();
        if off == 0.0 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    values.sort_by(f64::total_cmp);
    values
}
