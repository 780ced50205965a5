//! The curvature of a model's loss, against second derivatives computed by PyTorch and against quadratics.

use kniff_autograd::{Parameter, Var};
use kniff_data::{Loader, TensorDataset};
use kniff_init::{GlorotNormal, LecunNormal};
use kniff_nn::layers::{Dropout, Linear, Sequential, Softplus, Tanh};
use kniff_nn::losses::{CrossEntropy, MeanSquaredError};
use kniff_nn::{ClassHead, Head, Layer, Loss, Model, Module, ModuleExt, ValueHead};
use kniff_optim::{Optimizer, Sgd};
use kniff_tensor::{Indices, Rng, Tensor};
use kniff_trainer::TrainError;
use kniff_trainer::curvature::{
    DiagonalRates, Ends, Lanczos, OnlineEigen, Surface, power_iteration, spectral_density, trace,
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

/// A small network of linear layers with an activation between them; expected values by `reference`.
#[derive(Deserialize)]
struct Case {
    case: String,
    activation: String,
    loss_name: String,
    sizes: Vec<usize>,
    tensors: BTreeMap<String, Vec<f64>>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str::<Fixture>(include_str!("../fixtures/second_order.json")).unwrap().cases
}

impl Case {
    fn get(&self, name: &str) -> &[f64] {
        &self.tensors[name]
    }

    fn examples(&self) -> usize {
        self.get("x").len() / self.sizes[0]
    }

    fn network(&self) -> Sequential<f64> {
        let mut rest = self.get("theta");
        let mut take = |n: usize| {
            let (part, after) = rest.split_at(n);
            rest = after;
            part.to_vec()
        };
        let mut net = Sequential::new();
        for (i, pair) in self.sizes.windows(2).enumerate() {
            if i > 0 {
                net = if self.activation == "tanh" { net.with(Tanh) } else { net.with(Softplus) };
            }
            let weight = Tensor::from_vec(take(pair[0] * pair[1]), [pair[1], pair[0]]);
            let bias = Tensor::from_vec(take(pair[1]), [pair[1]]);
            net = net.with(Linear::from_parts(weight, Some(bias)));
        }
        net
    }

    fn inputs(&self) -> Tensor<f64> {
        Tensor::from_slice(self.get("x"), [self.examples(), self.sizes[0]])
    }

    /// Runs `f` on the surface of the case, whatever its loss.
    fn with_surface(&self, f: &mut dyn FnMut(&dyn Measured)) {
        let target = self.get("target");
        if self.loss_name == "cross_entropy" {
            let mut model = Model::classifier(self.network()).unwrap();
            let labels = Indices::from_vec(target.iter().map(|y| *y as usize).collect());
            f(&Surface::on_batch(&mut model, &CrossEntropy::new(), self.inputs(), labels));
        } else {
            let mut model = Model::regressor(self.network()).unwrap();
            let outputs = *self.sizes.last().unwrap();
            let values = Tensor::from_slice(target, [self.examples(), outputs]);
            f(&Surface::on_batch(&mut model, &MeanSquaredError::new(), self.inputs(), values));
        }
    }
}

/// What the tests ask of a surface, without its type.
trait Measured {
    fn value_and_gradient(&self) -> (f64, Vec<f64>);
    fn product(&self, v: &[f64]) -> Vec<f64>;
    fn gauss_newton(&self, v: &[f64]) -> Vec<f64>;
    fn diagonal(&self, samples: usize, seed: u64) -> Vec<f64>;
    fn gradient_shifted(&self, shift: &[f64]) -> Vec<f64>;
}

impl<L: Layer<f64>, H: Head<f64>, T> Measured for Surface<'_, L, H, T, f64> {
    fn value_and_gradient(&self) -> (f64, Vec<f64>) {
        Surface::value_and_gradient(self).unwrap()
    }
    fn product(&self, v: &[f64]) -> Vec<f64> {
        self.hessian_product(v).unwrap()
    }
    fn gauss_newton(&self, v: &[f64]) -> Vec<f64> {
        self.gauss_newton_product(v).unwrap()
    }
    fn diagonal(&self, samples: usize, seed: u64) -> Vec<f64> {
        self.gauss_newton_diagonal(samples, &mut Rng::new(seed)).unwrap()
    }
    fn gradient_shifted(&self, shift: &[f64]) -> Vec<f64> {
        Surface::gradient_shifted(self, shift).unwrap()
    }
}

#[track_caller]
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * size, "{what}[{i}]: {a} {b}");
    }
}

#[test]
fn loss_gradient_and_products_are_those_of_pytorch() {
    for case in cases() {
        case.with_surface(&mut |surface| {
            let (loss, gradient) = surface.value_and_gradient();
            close(&case.case, &[loss], case.get("loss"), 1e-12);
            close(&case.case, &gradient, case.get("grad"), 1e-10);
            close(&case.case, &surface.product(case.get("v")), case.get("hvp"), 1e-10);
            close(&case.case, &surface.gauss_newton(case.get("v")), case.get("gauss_newton_v"), 1e-10);
        });
    }
}

#[test]
fn both_ends_of_the_spectrum_are_those_of_pytorch() {
    for case in cases() {
        let (expected, n) = (case.get("eigenvalues"), case.get("theta").len());
        case.with_surface(&mut |surface| {
            let product = |v: &[f64]| Ok::<_, ()>(surface.product(v));
            let lanczos = Lanczos::default().tolerance(1e-10).count(2).ends(Ends::Both);
            let found = lanczos.run(n, &mut Rng::new(1), product).unwrap();
            assert!(found.converged, "{}", case.case);
            let size = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            for k in 0..2 {
                for (pair, expected) in [(&found.largest[k], expected[n - 1 - k]), (&found.smallest[k], expected[k])] {
                    assert!((pair.value - expected).abs() < 1e-9 * size, "{}: {} {expected}", case.case, pair.value);
                }
            }
            assert!((found.largest[0].value - case.get("lambda_max")[0]).abs() < 1e-9 * size);
            let power = power_iteration(n, 20_000, 1e-6, &mut Rng::new(2), product).unwrap();
            assert!((power.value - expected[n - 1]).abs() < 1e-4 * size, "{}: power {}", case.case, power.value);
        });
    }
}

#[test]
fn trace_density_and_diagonal_agree_with_pytorch_within_their_errors() {
    for case in cases() {
        let n = case.get("theta").len();
        case.with_surface(&mut |surface| {
            let product = |v: &[f64]| Ok::<_, ()>(surface.product(v));
            let found = trace(n, 200, &mut Rng::new(3), product).unwrap();
            let exact = case.get("trace")[0];
            assert!((found.value - exact).abs() < 4.0 * found.standard_error, "{}: {found:?} {exact}", case.case);
            let density = spectral_density(n, 200, n, &mut Rng::new(3), product).unwrap();
            let trace = n as f64 * density.mean();
            assert!((trace - exact).abs() < 4.0 * found.standard_error, "{}: {trace} {exact}", case.case);
            // 4,000 draws; an entry's deviation is at most sqrt 2 of itself: within six errors.
            let diagonal = surface.diagonal(4000, 4);
            for (found, exact) in diagonal.iter().zip(case.get("gauss_newton_diagonal")) {
                assert!(
                    *found >= 0.0 && (found - exact).abs() <= 6.0 * 0.0224 * exact + 1e-9,
                    "{}: {found} {exact}",
                    case.case
                );
            }
        });
    }
}

#[test]
fn lecuns_online_estimate_finds_the_largest_eigenvalue() {
    for case in cases() {
        let exact = case.get("lambda_max")[0];
        case.with_surface(&mut |surface| {
            let mut online = OnlineEigen::new(case.get("theta").len(), 0.1, 1e-4, &mut Rng::new(5));
            for _ in 0..1500 {
                online.update(|shift| Ok::<_, ()>(surface.gradient_shifted(shift))).unwrap();
            }
            assert!((online.eigenvalue() / exact - 1.0).abs() < 1e-3, "{}: {}", case.case, online.eigenvalue());
        });
    }
}

fn classifier(seed: u64) -> Model<Sequential, ClassHead> {
    let mut rng = Rng::new(seed);
    let net = Sequential::new()
        .with(Linear::new(6, 8, LecunNormal, &mut rng))
        .with(Tanh)
        .with(Dropout::new(0.5))
        .with(Linear::new(8, 3, GlorotNormal, &mut rng));
    Model::classifier(net).unwrap()
}

#[test]
fn a_loader_gives_what_one_large_batch_gives_and_the_model_stays() {
    let mut rng = Rng::new(6);
    let (x, y) = (Tensor::randn([23, 6], &mut rng), Indices::from_vec((0..23).map(|i| i % 3).collect()));
    let loader = Loader::new(TensorDataset::new(x.clone(), y.clone()).unwrap()).batch_size(5);
    let mut model = classifier(7);
    let before = model.state();
    let loss = CrossEntropy::new();
    let whole = Surface::on_batch(&mut model, &loss, x, y);
    let v: Vec<f64> = (0..whole.dimension()).map(|_| rng.normal()).collect();
    let expected = (whole.value_and_gradient().unwrap(), whole.hessian_product(&v).unwrap());
    let cut = Surface::on_data(&mut model, &loss, &loader);
    let found = (cut.value_and_gradient().unwrap(), cut.hessian_product(&v).unwrap());
    // Batches of 5, 5, 5, 5 and 3 in single precision.
    close("gradient", &found.0.1, &expected.0.1, 1e-5);
    close("product", &found.1, &expected.1, 1e-5);
    assert_eq!(cut.hessian_product(&v).unwrap(), found.1);
    let bits = |s: Vec<(String, Tensor)>| s.into_iter().map(|(n, t)| (n, t.to_vec())).collect::<Vec<_>>();
    assert_eq!(bits(model.state()), bits(before));
}

#[test]
fn frozen_parameters_are_not_part_of_the_surface() {
    let mut model = classifier(8);
    for (path, p) in model.parameters_mut() {
        p.set_requires_grad(path.starts_with('3'));
    }
    let (x, y) = (Tensor::randn([4, 6], &mut Rng::new(9)), Indices::from_vec(vec![0, 1, 2, 0]));
    let loss = CrossEntropy::new();
    let surface = Surface::on_batch(&mut model, &loss, x, y);
    assert_eq!(surface.dimension(), 8 * 3 + 3);
    let report = surface.report(&Lanczos::default(), Some(1e3), &mut Rng::new(10)).unwrap();
    // A linear layer under cross-entropy is convex: no eigenvalue is negative but by rounding.
    assert!(report.smallest > -1e-6 && report.largest > 0.0 && report.exceeds_bound());
}

#[test]
fn labels_that_do_not_fit_are_an_error() {
    let mut model = classifier(11);
    let (x, y) = (Tensor::randn([1, 6], &mut Rng::new(9)), Indices::from_vec(vec![7]));
    let loss = CrossEntropy::new();
    let error = Surface::on_batch(&mut model, &loss, x, y).value_and_gradient().unwrap_err();
    assert!(matches!(error, TrainError::Loss { .. }), "{error}");
}

/// For a loss that is the same quadratic on every batch, the batch sharpness is g^T H g / |g|^2 by hand.
#[test]
fn batch_sharpness_is_the_curvature_along_the_gradient() {
    let weight = Tensor::from_slice(&[1.0, 1.0], [1, 2]);
    let mut model = Model::regressor(Linear::<f64>::from_parts(weight, None)).unwrap();
    // Losses (3 w0)^2 and (w1)^2: curvatures 18 and 2, batches of one.
    let data =
        TensorDataset::new(Tensor::from_slice(&[3.0, 0.0, 0.0, 1.0], [2, 2]), Tensor::from_slice(&[0.0, 0.0], [2, 1]));
    let loader = Loader::new(data.unwrap()).batch_size(1);
    let loss = MeanSquaredError::new();
    let found = Surface::on_data(&mut model, &loss, &loader).batch_sharpness().unwrap();
    assert!((found.value - 10.0).abs() < 1e-12 && found.samples == 2, "{found:?}");
    assert!((found.standard_error - 8.0).abs() < 1e-12);
}

/// One input is a thousand times as large as the other: the rates of the two weights should differ by a million.
#[test]
fn diagonal_rates_learn_a_badly_scaled_network_where_one_rate_does_not() {
    let mut rng = Rng::new(12);
    let x = Tensor::<f64>::randn([64, 4], &mut rng);
    let x = x.mul(&Tensor::from_slice(&[30.0, 1.0, 0.1, 0.03], [4]));
    let truth = Linear::<f64>::from_parts(Tensor::from_slice(&[0.02, 1.0, 8.0, -20.0], [1, 4]), None);
    let y = truth.forward(&Var::constant(x.clone())).tanh().into_value();
    let loss = MeanSquaredError::new();
    let build = || {
        let mut rng = Rng::new(13);
        let net = Sequential::new()
            .with(Linear::new(4, 8, kniff_init::Normal::centered(0.05), &mut rng))
            .with(Tanh)
            .with(Linear::new(8, 1, LecunNormal, &mut rng));
        Model::regressor(net).unwrap()
    };
    let run = |diagonal: bool, rate: f64| -> f64 {
        let mut model: Model<Sequential<f64>, ValueHead, f64> = build();
        let mut rates = DiagonalRates::new(0.02, 0.2);
        let mut optimizer = Optimizer::new(Sgd, rate);
        let mut rng = Rng::new(14);
        let mut last = f64::NAN;
        for step in 0..300 {
            if diagonal && step % 5 == 0 {
                let surface = Surface::on_batch(&mut model, &loss, x.clone(), y.clone());
                rates.observe(&surface.gauss_newton_diagonal(2, &mut rng).unwrap());
            }
            let l = loss.loss(&model.forward(&Var::constant(x.clone())), &y).unwrap();
            last = l.item();
            if !last.is_finite() {
                break;
            }
            let mut gradients = l.backward();
            if diagonal {
                rates.scale(&model, &mut gradients).unwrap();
            }
            optimizer.step(model.parameters_mut(), &gradients).unwrap();
        }
        last
    };
    let best_single =
        [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0].map(|r| run(false, r)).into_iter().fold(f64::INFINITY, f64::min);
    let diagonal = run(true, 0.1);
    println!("best single rate {best_single:.3e}, diagonal {diagonal:.3e}");
    assert!(diagonal < 0.5 * best_single, "diagonal {diagonal}, best of seven single rates {best_single}");
}

#[test]
fn rates_of_another_model_are_refused() {
    let model = Linear::<f32>::new(3, 2, LecunNormal, &mut Rng::new(0));
    let mut rates = DiagonalRates::new(0.1, 0.1);
    let mut gradients = kniff_autograd::Gradients::default();
    assert!(rates.scale(&model, &mut gradients).is_err());
    rates.observe(&[1.0; 5]);
    let error = rates.scale(&model, &mut gradients).unwrap_err().to_string();
    assert!(error.contains("5 parameters") && error.contains("trains 8"), "{error}");
    let _: &dyn Module = &model;
    let _: Option<&Parameter> = None;
}
