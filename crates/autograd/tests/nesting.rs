//! Doors inside doors, in every order, with variables captured from outside.

use kniff_autograd::{Parameter, Var, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp};
use kniff_tensor::Tensor;

fn s(x: f64) -> Var<f64> {
    Var::scalar(x)
}

fn one() -> Var<f64> {
    s(1.0)
}

fn d_forward(f: impl FnOnce(&Var<f64>) -> Var<f64>, x: &Var<f64>) -> Var<f64> {
    jvp(f, x, &one()).1
}

#[test]
fn third_derivatives_agree_in_all_eight_orders() {
    // f = x^5, f''' = 60 x^2 = 240 at 2.
    let f = |x: &Var<f64>| x.powi(5);
    let x = s(2.0);
    type D<'a> = &'a dyn Fn(&dyn Fn(&Var<f64>) -> Var<f64>, &Var<f64>) -> Var<f64>;
    let reverse: D = &|f, x| grad(|x: &Var<f64>| f(x), x);
    let forward: D = &|f, x| d_forward(|x: &Var<f64>| f(x), x);
    for a in [reverse, forward] {
        for b in [reverse, forward] {
            for c in [reverse, forward] {
                let third = a(&|x| b(&|x| c(&f, x), x), &x);
                assert!((third.item() - 240.0).abs() < 1e-9, "{}", third.item());
            }
        }
    }
}

#[test]
fn perturbations_are_not_confused() {
    // d/dx [ x d/dy (x + y) at y = 1 ] = 1 and not 2, in all four combinations.
    let x = s(1.0);
    let inner_forward = |x: &Var<f64>| x.mul(&d_forward(|y| x.add(y), &one()));
    let inner_reverse = |x: &Var<f64>| x.mul(&grad(|y: &Var<f64>| x.add(y), &one()));
    assert_eq!(d_forward(inner_forward, &x).item(), 1.0);
    assert_eq!(d_forward(inner_reverse, &x).item(), 1.0);
    assert_eq!(grad(inner_forward, &x).item(), 1.0);
    assert_eq!(grad(inner_reverse, &x).item(), 1.0);
}

#[test]
fn what_a_closure_captures_is_differentiated_by_the_doors_around() {
    // g(w) = d/dx (w² x³) at 2 = 12 w²; g'(w) = 24 w.
    let w = s(3.0);
    let g = |w: &Var<f64>| grad(|x: &Var<f64>| w.square().mul(&x.powi(3)), &s(2.0));
    assert_eq!(g(&w).item(), 108.0);
    assert_eq!(grad(g, &w).item(), 72.0);
    assert_eq!(d_forward(g, &w).item(), 72.0);
    let h = |w: &Var<f64>| d_forward(|x| w.square().mul(&x.powi(3)), &s(2.0));
    assert_eq!(grad(h, &w).item(), 72.0);
    assert_eq!(d_forward(h, &w).item(), 72.0);
}

#[test]
fn a_penalty_on_the_input_gradient_trains_parameters() {
    // loss = (d/dx (p x²))² = 4 p² x²; d loss / dp = 8 p x².
    let p = Parameter::new(Tensor::scalar(3.0));
    let slope = grad(|x: &Var<f64>| p.var().mul(&x.square()), &s(5.0));
    let loss = slope.square();
    assert_eq!(loss.item(), 900.0);
    assert_eq!(loss.backward().get(&p).unwrap().item(), 600.0);
    // The same with the inner derivative by forward mode.
    let slope = d_forward(|x| p.var().mul(&x.square()), &s(5.0));
    assert_eq!(slope.square().backward().get(&p).unwrap().item(), 600.0);
}

#[test]
fn the_hessian_of_a_quadratic_is_its_matrix() {
    let a = Tensor::from_slice(&[2.0, 1.0, 0.0, 1.0, 3.0, -1.0, 0.0, -1.0, 4.0], [3, 3]);
    let f = |x: &Var<f64>| {
        let column = x.reshape([3, 1]);
        column.t().matmul(&Var::constant(a.clone())).matmul(&column).sum_all() * 0.5
    };
    let x = Var::constant(Tensor::from_slice(&[0.3, -2.0, 1.0], [3]));
    assert_eq!(hessian(f, &x).value().to_vec(), a.to_vec());
    let v = Var::constant(Tensor::from_slice(&[1.0, 2.0, 3.0], [3]));
    assert_eq!(hvp(f, &x, &v).value().to_vec(), [4.0, 4.0, 10.0]);
}

#[test]
fn jacobians_and_pull_backs_agree() {
    let f = |x: &Var<f64>| Var::concat(&[&x.square(), &x.sum_all().reshape([1])], 0);
    let x = Var::constant(Tensor::from_slice(&[1.0, 2.0], [2]));
    assert_eq!(jacobian(f, &x).value().to_vec(), [2.0, 0.0, 0.0, 4.0, 1.0, 1.0]);
    let (y, back) = vjp(f, &x);
    assert_eq!(y.value().to_vec(), [1.0, 4.0, 3.0]);
    for _ in 0..2 {
        assert_eq!(back(&Var::constant(Tensor::ones([3]))).value().to_vec(), [3.0, 5.0]);
    }
}

#[test]
fn arguments_come_in_the_form_they_came() {
    let (value, [a, b]) = value_and_grad(|[a, b]: &[Var<f64>; 2]| a.mul(b), &[s(2.0), s(5.0)]);
    assert_eq!((value.item(), a.item(), b.item()), (10.0, 5.0, 2.0));
    let (a, b) = grad(|(a, b): &(Var<f64>, Vec<Var<f64>>)| a.mul(&b[0]), &(s(2.0), vec![s(5.0), s(9.0)]));
    assert_eq!((a.item(), b[0].item(), b[1].item()), (5.0, 2.0, 0.0));
}

#[test]
fn what_is_not_used_has_gradient_zero_and_tangent_zero() {
    let x = Var::constant(Tensor::from_slice(&[1.0, 2.0], [2]));
    assert_eq!(grad(|_: &Var<f64>| s(3.0), &x).value().to_vec(), [0.0, 0.0]);
    let (y, dy) = jvp(|_: &Var<f64>| s(3.0), &x, &x);
    assert_eq!((y.item(), dy.item()), (3.0, 0.0));
    assert_eq!(grad(|x: &Var<f64>| x.detach().sum_all(), &x).value().to_vec(), [0.0, 0.0]);
}

#[test]
fn a_variable_used_twice_gets_both_gradients_and_a_cube_is_not_a_square() {
    let x = s(3.0);
    assert_eq!(grad(|x: &Var<f64>| x.mul(x).mul(x), &x).item(), 27.0);
    assert_eq!(hessian(|x: &Var<f64>| x.mul(x).mul(x), &x).item(), 18.0);
}

#[test]
fn inference_records_nothing_and_still_has_tangents() {
    let p = Parameter::new(Tensor::scalar(2.0));
    let y = Var::inference(Tensor::scalar(3.0)).mul(&p.var());
    assert!(!y.is_tracked());
    assert!(y.backward().is_empty());
    let (_, dy) = jvp(|x: &Var<f64>| x.mul(&p.var()), &Var::inference(Tensor::scalar(3.0)), &one());
    assert_eq!(dy.item(), 2.0);
}

#[test]
#[should_panic(expected = "backward: a loss is one number, this has shape [2]")]
fn backward_of_two_numbers_is_refused() {
    Var::<f64>::tracked(Tensor::ones([2])).backward();
}

#[test]
#[should_panic(expected = "jvp: an input of shape [2] has a direction of shape [3]")]
fn a_direction_of_another_shape_is_refused() {
    let (x, v) = (Var::<f64>::constant(Tensor::ones([2])), Var::constant(Tensor::ones([3])));
    jvp(|x: &Var<f64>| x.clone(), &x, &v);
}
