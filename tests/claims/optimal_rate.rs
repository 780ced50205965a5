//! The learning rate as a measurement: slide "Choosing the right learning rate".

use kniff::autograd::{grad, hessian};
use kniff::nn::losses::MeanSquaredError;
use kniff::prelude::*;

type Regressor<L> = Model<L, kniff::nn::ValueHead, f64>;

/// `y = w x`: the loss mean (w x - t)^2 is a parabola in w.
fn parabola() -> (Regressor<Linear<f64>>, Tensor<f64>, Tensor<f64>) {
    let model = Model::regressor(Linear::from_parts(Tensor::from_slice(&[5.0], [1, 1]), None)).unwrap();
    let x = Tensor::from_slice(&[1.0, 2.0, 3.0], [3, 1]);
    let t = x.mul_scalar(-2.0);
    (model, x, t)
}

fn descend<L: Layer<f64>>(
    model: &mut Regressor<L>,
    (x, t): (&Tensor<f64>, &Tensor<f64>),
    rate: f64,
    steps: usize,
) -> Vec<f64> {
    let (loss, mut optimizer) = (MeanSquaredError::new(), Optimizer::new(Sgd, rate));
    let mut losses = Vec::new();
    for _ in 0..=steps {
        let value = loss.loss(&model.forward(&Var::constant(x.clone())), t).unwrap();
        losses.push(value.item());
        if !value.item().is_finite() || optimizer.step(model.parameters_mut(), &value.backward()).is_err() {
            break;
        }
    }
    losses
}

#[test]
fn one_over_lambda_is_optimal_in_one_dimension() {
    let (mut model, x, t) = parabola();
    let loss = MeanSquaredError::new();
    let surface = Surface::on_batch(&mut model, &loss, x.clone(), t.clone());
    let best = surface.report(&Lanczos::default(), None, &mut Rng::new(0)).unwrap().optimal_rate().unwrap();
    // By hand: the curvature is 2 mean x^2 = 28/3.
    assert!((best - 3.0 / 28.0).abs() < 1e-12);
    let steps_at = |part: f64| {
        let (mut model, x, t) = parabola();
        let losses = descend(&mut model, (&x, &t), part * best, 500);
        losses.iter().position(|l| *l < 1e-12).unwrap_or(usize::MAX)
    };
    assert_eq!(steps_at(1.0), 1);
    // On either side it takes longer the further away.
    let slower: Vec<usize> = [0.9, 0.5, 0.1].map(steps_at).to_vec();
    let beyond: Vec<usize> = [1.1, 1.5, 1.9].map(steps_at).to_vec();
    for side in [slower, beyond] {
        assert!(1 < side[0] && side[0] < side[1] && side[1] < side[2] && side[2] < usize::MAX, "{side:?}");
    }
}

#[test]
fn exceeding_two_over_lambda_diverges() {
    // Three weights, curvatures that only the measurement knows.
    let mut rng = Rng::new(1);
    let x = Tensor::<f64>::randn([40, 3], &mut rng).mul(&Tensor::from_slice(&[3.0, 1.0, 0.7], [3]));
    let t = Tensor::randn([40, 1], &mut rng);
    let build = || Model::regressor(Linear::<f64>::new(3, 1, LecunNormal, &mut Rng::new(2))).unwrap();
    let loss = MeanSquaredError::new();
    let mut model = build();
    let surface = Surface::on_batch(&mut model, &loss, x.clone(), t.clone());
    let lanczos = Lanczos::default().tolerance(1e-10);
    let bound = surface.report(&lanczos, None, &mut Rng::new(3)).unwrap().bound().unwrap();
    let last = |part: f64| *descend(&mut build(), (&x, &t), part * bound, 3000).last().unwrap();
    let (below, above) = (last(0.995), last(1.005));
    assert!(below < 2.0, "{below}");
    assert!(above > 1e6, "{above}");
}

/// With the whole inverse Hessian for a rate, one step reaches the minimum in any number of dimensions.
#[test]
fn newton_rate_converges_in_one_step() {
    let a = Var::constant(Tensor::<f64>::from_slice(&[3.0, 1.0, 1.0, 2.0], [2, 2]));
    let b = Var::constant(Tensor::from_slice(&[1.0, -4.0], [2]));
    let f = |w: &Var<f64>| w.mul(&a.matmul(w)).sum_all().mul_scalar(0.5).sub(&b.mul(w).sum_all());
    let w = Var::constant(Tensor::from_slice(&[10.0, -7.0], [2]));
    let (g, h) = (grad(f, &w).value().to_vec(), hessian(f, &w).value().to_vec());
    assert_eq!(h, [3.0, 1.0, 1.0, 2.0]);
    let determinant = h[0] * h[3] - h[1] * h[2];
    let step = [(h[3] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[2] * g[0]) / determinant];
    let there = Var::constant(Tensor::from_slice(&[10.0 - step[0], -7.0 - step[1]], [2]));
    assert!(grad(f, &there).value().to_vec().iter().all(|g| g.abs() < 1e-12));
    // In one dimension the rate is 1 / E''.
    let parabola = |w: &Var<f64>| w.add_scalar(-3.0).square().mul_scalar(4.0).sum_all();
    let w = Var::constant(Tensor::scalar(-1.0));
    let rate = 1.0 / hessian(parabola, &w).item();
    assert_eq!(w.item() - rate * grad(parabola, &w).item(), 3.0);
}

/// Rates below the bound at the start never diverge; every one that does was announced. Not the other way round: a network may
/// train past the bound, so that it informs and refuses nothing.
#[test]
fn the_bound_announces_every_divergence_of_a_network() {
    let mut rng = Rng::new(4);
    let x = Tensor::<f64>::randn([60, 5], &mut rng);
    let t = x.sum(&[1], true).map(f64::sin);
    let build = |seed: u64| {
        let mut rng = Rng::new(seed);
        let net = Sequential::new().with(Linear::new(5, 16, LecunNormal, &mut rng)).with(Tanh).with(Linear::new(
            16,
            1,
            LecunNormal,
            &mut rng,
        ));
        Model::regressor(net).unwrap()
    };
    let loss = MeanSquaredError::new();
    let (mut diverged, mut announced_and_fine) = (0, 0);
    for seed in 0..3 {
        let mut model = build(seed);
        let surface = Surface::on_batch(&mut model, &loss, x.clone(), t.clone());
        let report = surface.report(&Lanczos::default(), None, &mut Rng::new(5)).unwrap();
        for part in [0.25, 0.5, 0.9, 1.2, 2.0, 4.0, 16.0, 64.0] {
            let losses = descend(&mut build(seed), (&x, &t), part * report.bound().unwrap(), 300);
            let (first, last) = (losses[0], *losses.last().unwrap());
            if last > first || last.is_nan() {
                diverged += 1;
                assert!(part > 1.0, "seed {seed}: diverged at {part} of the bound");
            } else if part > 1.0 {
                announced_and_fine += 1;
            }
        }
    }
    assert!(diverged > 0 && announced_and_fine > 0, "{diverged} {announced_and_fine}");
}
