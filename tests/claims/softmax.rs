//! Softmax and cross-entropy, as the lecture corrects them; and why a squared error does not go with a sigmoid.

use kniff::autograd::{Var, grad};
use kniff::nn::losses::{BinaryCrossEntropy, CrossEntropy};
use kniff::nn::{BinaryHead, ClassHead, Head, Loss};
use kniff::prelude::*;

fn close(a: &Tensor<f64>, b: &Tensor<f64>, tolerance: f64) {
    assert_eq!(a.shape(), b.shape());
    for (a, b) in a.to_vec().iter().zip(b.to_vec()) {
        assert!((a - b).abs() <= tolerance, "{a} and {b}");
    }
}

#[test]
fn softmax_is_shift_invariant() {
    let logits: Tensor<f64> = Tensor::randn([20, 7], &mut Rng::new(1));
    let p = logits.softmax(1);
    // One number for each row; rounding of the sum costs what the shift has of digits.
    let shift: Tensor<f64> = Tensor::randn([20, 1], &mut Rng::new(2)).mul_scalar(1e3);
    close(&logits.add(&shift).softmax(1), &p, 1e-11);
    close(&logits.add_scalar(1e6).softmax(1), &p, 1e-9);
}

#[test]
fn softmax_subtracts_the_largest_logit() {
    // exp(1000) is not a number that f64 has; with the largest logit taken off, the largest exponential is 1.
    let logits = Tensor::<f64>::from_slice(&[1000.0, 999.0, -1000.0], [1, 3]);
    let p = logits.softmax(1).to_vec();
    let e = (-1.0f64).exp();
    assert!((p[0] - 1.0 / (1.0 + e)).abs() < 1e-15 && (p[1] - e / (1.0 + e)).abs() < 1e-15 && p[2] == 0.0);
}

#[test]
fn cross_entropy_takes_the_logarithm_and_the_exponential_together() {
    // Softmax first and the logarithm afterwards gives ln 0; together the loss is the distance of the logits.
    let loss_of = |logits: &Var<f64>| {
        CrossEntropy::new().loss(&ClassHead::wrap(logits.clone()), &Indices::from_vec(vec![1])).unwrap()
    };
    let logits = Var::constant(Tensor::<f64>::from_slice(&[1e4, 0.0, -3.0], [1, 3]));
    assert_eq!(logits.value().softmax(1).to_vec()[1], 0.0);
    assert_eq!(loss_of(&logits).item(), 1e4);
    // Its gradient is p - t, however wrong the network is.
    let gradient = grad(loss_of, &logits);
    assert_eq!(gradient.value().to_vec(), [1.0, -1.0, 0.0]);
}

#[test]
fn a_squared_error_on_a_sigmoid_cannot_mend_a_confident_mistake_and_cross_entropy_can() {
    let logit = Var::constant(Tensor::<f64>::from_slice(&[40.0], [1, 1]));
    // The answer should have been 0. On the squared error nothing of the mistake comes through ...
    let squared = grad(|z: &Var<f64>| z.sigmoid().square().sum_all(), &logit);
    assert!(squared.item().abs() < 1e-15, "{}", squared.item());
    // ... on cross-entropy all of it.
    let entropy =
        |z: &Var<f64>| BinaryCrossEntropy::new().loss(&BinaryHead::wrap(z.clone()), &Tensor::zeros([1, 1])).unwrap();
    assert!((grad(entropy, &logit).item() - 1.0).abs() < 1e-12);
}
