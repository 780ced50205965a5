//! Dropout: two forms of one method, and the many networks in one.

use kniff::nn::layers::ClassicDropout;
use kniff::nn::sample;
use kniff::prelude::*;

const P: f64 = 0.2;

/// What a linear unit gets on average over many masks, and the standard error of that.
fn on_average(layer: &mut dyn Layer<f64>, x: &Tensor<f64>, weight: &Tensor<f64>) -> (f64, f64) {
    let (mut rng, n) = (Rng::new(3), 4000);
    let draw = |_| {
        let y = layer.forward_train(&Var::constant(x.clone()), &mut rng);
        y.value().mul(weight).sum_all().item()
    };
    let draws: Vec<f64> = (0..n).map(draw).collect();
    let mean = draws.iter().sum::<f64>() / n as f64;
    let variance = draws.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / (n - 1) as f64;
    (mean, (variance / n as f64).sqrt())
}

fn at_test(layer: &dyn Layer<f64>, x: &Tensor<f64>, weight: &Tensor<f64>) -> f64 {
    layer.forward(&Var::constant(x.clone())).value().mul(weight).sum_all().item()
}

#[test]
fn classic_and_inverted_dropout_agree() {
    let mut rng = Rng::new(1);
    let x = Tensor::<f64>::randn([1, 50], &mut rng).affine(1.0, 1.0);
    let weight = Tensor::<f64>::randn([1, 50], &mut rng).affine(0.3, 0.5);
    let (mut classic, mut inverted) = (ClassicDropout::new(P), Dropout::new(P));
    // Each at test time gives what it gives on average in training.
    for layer in [&mut classic as &mut dyn Layer<f64>, &mut inverted] {
        let (mean, error) = on_average(layer, &x, &weight);
        assert!((mean - at_test(layer, &x, &weight)).abs() < 4.0 * error, "{}: {mean}", layer.name());
    }
    // The weights that one trains are those of the other over the probability of keeping.
    let scaled = weight.mul_scalar(1.0 / (1.0 - P));
    let (a, b) = (at_test(&classic, &x, &scaled), at_test(&inverted, &x, &weight));
    assert!((a - b).abs() < 1e-12 * b.abs());
}

#[test]
fn multiplying_by_the_probability_of_dropping_would_be_wrong() {
    let mut rng = Rng::new(2);
    let x = Tensor::<f64>::randn([1, 50], &mut rng).affine(1.0, 1.0);
    let weight = Tensor::<f64>::ones([1, 50]);
    let (mean, error) = on_average(&mut ClassicDropout::new(P), &x, &weight);
    let as_printed = x.mul_scalar(P).sum_all().item();
    assert!((mean - as_printed).abs() > 100.0 * error, "{mean} {as_printed}");
}

#[test]
fn dropout_is_many_networks_in_one() {
    let mut rng = Rng::new(4);
    let network: Sequential = Sequential::new()
        .with(Linear::new(4, 32, HeNormal, &mut rng))
        .with(Relu)
        .with(Dropout::new(0.5))
        .with(Linear::new(32, 3, GlorotNormal, &mut rng));
    let model = Model::classifier(network).unwrap();
    let x = Tensor::randn([10, 4], &mut rng);
    let sampled = model.predict_sampling(&x, 30, &mut Rng::new(5)).unwrap();
    assert!(sampled.std.to_vec().iter().all(|&s| s > 0.0));
    assert!(sampled.entropy.to_vec().iter().all(|&h| (0.0..=3.0_f32.ln() + 1e-6).contains(&h)));
    assert_eq!(sampled, model.predict_sampling(&x, 30, &mut Rng::new(5)).unwrap());
    // Of the networks in the one, test time is about the average.
    let logits = sample(model.network(), &x, 2000, &mut Rng::new(6)).unwrap();
    let plain = model.predict(&x).into_var().value().to_vec();
    for ((mean, std), plain) in logits.mean.to_vec().iter().zip(logits.std.to_vec()).zip(plain) {
        assert!((mean - plain).abs() < 5.0 * std / 2000.0_f32.sqrt() + 1e-5);
    }
}
