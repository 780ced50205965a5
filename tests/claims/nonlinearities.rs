//! The sigmoids, ReLU and its kin, as the lecture describes them.

use kniff::autograd::{Var, grad};
use kniff::prelude::*;

fn derivative(f: impl Fn(&Var<f64>) -> Var<f64>, at: &[f64]) -> Vec<f64> {
    let x = Var::constant(Tensor::from_slice(at, [at.len()]));
    grad(|x: &Var<f64>| f(x).sum_all(), &x).value().to_vec()
}

#[test]
fn relu_passes_the_gradient_with_a_constant_factor() {
    assert_eq!(derivative(|x| x.relu(), &[-3.0, 0.0, 1e-9, 1.0, 1e9]), [0.0, 0.0, 1.0, 1.0, 1.0]);
}

#[test]
fn sigmoids_saturate_for_large_inputs() {
    let at = [0.0, 5.0, 10.0, 20.0];
    for slopes in [derivative(|x| x.sigmoid(), &at), derivative(|x| x.tanh(), &at)] {
        assert!(slopes.windows(2).all(|w| w[1] < 0.05 * w[0]), "{slopes:?}");
    }
}

#[test]
fn the_recommended_sigmoid_maps_one_to_one_and_variance_one_to_three_quarters() {
    let f = |x: &Tensor<f64>| x.mul_scalar(2.0 / 3.0).tanh().mul_scalar(1.7159);
    let ours = |x: &Tensor<f64>| Var::constant(x.clone()).scaled_tanh().into_value();
    let ones = Tensor::from_slice(&[-1.0, 1.0], [2]);
    for (y, x) in ours(&ones).to_vec().iter().zip([-1.0, 1.0]) {
        assert!((y - x).abs() < 1e-4, "{y}");
    }
    let x: Tensor<f64> = Tensor::randn([200_000], &mut Rng::new(3));
    let y = ours(&x);
    let worst = y.to_vec().iter().zip(f(&x).to_vec()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-12);
    // The slide says "close to 1"; five deviations of the sample variance are below 0.01.
    let variance = y.var(&[0], 0, false).item();
    assert!((variance - 0.75).abs() < 0.01, "{variance}");
}

#[test]
fn tanh_is_centred_and_the_sigmoid_and_relu_are_not() {
    let x = Var::constant(Tensor::<f64>::randn([100_000], &mut Rng::new(4)));
    let mean = |y: Var<f64>| y.value().mean_all().item();
    assert!(mean(x.tanh()).abs() < 0.01);
    assert!((mean(x.sigmoid()) - 0.5).abs() < 0.01);
    // The mean of the positive half of a normal distribution.
    assert!((mean(x.relu()) - (0.5 / std::f64::consts::PI).sqrt()).abs() < 0.01);
    // Leaky ReLU and ELU have less of the offset.
    assert!(mean(x.leaky_relu(0.2)) < 0.9 * mean(x.relu()));
    assert!(mean(x.elu(1.0)) < 0.5 * mean(x.relu()));
}

#[test]
fn a_unit_that_is_zero_everywhere_never_learns_and_a_leaky_one_does() {
    let data = Tensor::<f64>::randn([50, 4], &mut Rng::new(5));
    let weights = Var::constant(Tensor::zeros([4, 1]));
    // A bias far below all that the inputs can make up for.
    let loss = |leak: f64| {
        let x = Var::constant(data.clone());
        move |w: &Var<f64>| x.matmul(w).add_scalar(-100.0).leaky_relu(leak).sum_all()
    };
    assert_eq!(grad(loss(0.0), &weights).value().to_vec(), [0.0; 4]);
    assert!(grad(loss(0.01), &weights).value().to_vec().iter().all(|g| *g != 0.0));
}

#[test]
fn elu_is_the_identity_above_zero_and_exponential_below() {
    let x = Var::constant(Tensor::<f64>::from_slice(&[-2.0, 0.0, 3.0], [3]));
    assert_eq!(x.elu(1.0).value().to_vec(), [(-2.0f64).exp_m1(), 0.0, 3.0]);
}
