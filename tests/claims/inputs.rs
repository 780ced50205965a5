//! Why inputs are normalised, and decorrelated where that is possible.

use kniff::autograd::{Var, grad};
use kniff::data::{PcaWhitening, breast_cancer};
use kniff::prelude::*;

/// The gradients of the weights that feed one unit, for one example after the other.
fn gradients(inputs: &Tensor<f64>) -> Vec<Vec<f64>> {
    let w = Var::constant(Tensor::<f64>::randn([3, 1], &mut Rng::new(1)));
    let loss = |x: Tensor<f64>| grad(move |w: &Var<f64>| Var::constant(x).matmul(w).tanh().sum_all(), &w);
    (0..inputs.shape()[0]).map(|i| loss(inputs.slice_axis(0, i..i + 1)).value().to_vec()).collect()
}

#[test]
fn weights_of_a_unit_with_positive_inputs_all_move_the_same_way() {
    let raw = Tensor::<f64>::from_fn([100, 3], |i| 0.1 + (i * 7 % 11) as f64);
    let same = |g: &Vec<f64>| g.iter().all(|g| *g >= 0.0) || g.iter().all(|g| *g <= 0.0);
    assert!(gradients(&raw).iter().all(same));
    let centred = Standardizer::fit(&raw).unwrap().transform(&raw).unwrap();
    let apart = gradients(&centred).iter().filter(|g| !same(g)).count();
    assert!(apart > 50, "{apart} of 100");
}

/// How many steps gradient descent with its best rate takes: the ratio of the largest and the smallest curvature of a
/// squared error, which is that of the inputs' second moments.
fn condition(x: &Tensor<f64>) -> f64 {
    let n = x.shape()[0] as f64;
    let moments = x.t().matmul(x).mul_scalar(1.0 / n);
    let size = moments.shape()[0];
    // Power iteration for the largest, and on the rest of the spectrum for the smallest.
    let largest = |a: &Tensor<f64>| {
        let mut v = Tensor::<f64>::randn([size], &mut Rng::new(2));
        for _ in 0..3000 {
            v = a.matmul(&v);
            v = v.mul_scalar(1.0 / v.dot(&v).item().sqrt());
        }
        v.dot(&a.matmul(&v)).item()
    };
    let top = largest(&moments);
    let eye = Tensor::from_fn([size, size], |i| if i / size == i % size { top } else { 0.0 });
    let bottom = top - largest(&eye.sub(&moments));
    top / bottom
}

#[test]
fn normalised_and_decorrelated_inputs_have_a_round_error_surface() {
    // Radius, texture, perimeter and area of the nuclei.
    let four = breast_cancer().data.inputs().slice_axis(1, 0..4).to_vec();
    let x = Tensor::<f64>::from_fn([569, 4], |i| f64::from(four[i]));
    let standard = Standardizer::fit(&x).unwrap().transform(&x).unwrap();
    let white = PcaWhitening::fit(&x).unwrap().transform(&x).unwrap();
    let (raw, standard, white) = (condition(&x), condition(&standard), condition(&white));
    assert!(raw > 10.0 * standard, "{raw} raw, {standard} standardised");
    assert!(standard > 10.0 * white && (white - 1.0).abs() < 0.01, "{standard} standardised, {white} whitened");
}

#[test]
fn shuffling_keeps_every_example_and_mixes_the_classes() {
    let labels = Indices::from_vec((0..100).map(|i| i / 10).collect());
    let x = Tensor::<f32>::zeros([100, 1]);
    let loader = Loader::new(TensorDataset::new(x, labels).unwrap()).batch_size(100).shuffle(&Rng::new(3));
    let order = |epoch| loader.epoch(epoch).next().unwrap().unwrap().indices;
    let mut first = order(0);
    assert_ne!(first, order(1));
    let changes = first.windows(2).filter(|w| w[0] / 10 != w[1] / 10).count();
    assert!(changes > 60, "sorted by class there would be 9, not {changes}");
    first.sort_unstable();
    assert_eq!(first, (0..100).collect::<Vec<_>>());
}
