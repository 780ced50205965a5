//! What the two modes cost: slide "forward-mode and reverse-mode differentiation", and second derivatives beside a gradient.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use kniff_autograd::{Var, grad, hvp, jvp};
use kniff_tensor::{Rng, Tensor};
use std::hint::black_box;

/// f: R^n -> R, two dense layers of 64 on n inputs; the inputs are what is differentiated.
fn function(n: usize) -> impl Fn(&Var) -> Var {
    let mut rng = Rng::new(0);
    let first = Var::constant(Tensor::randn([64, n], &mut rng).mul_scalar(1.0 / (n as f32).sqrt()));
    let second = Var::constant(Tensor::randn([64, 64], &mut rng).mul_scalar(0.125));
    move |x: &Var| x.reshape([1, n]).linear(&first, None).tanh().linear(&second, None).tanh().square().sum_all()
}

/// The gradient of f: one forward pass per input, or one reverse pass.
fn modes(c: &mut Criterion) {
    let mut group = c.benchmark_group("gradient_of_n_inputs");
    for n in [1, 4, 16, 64] {
        let f = function(n);
        let x = Var::constant(Tensor::randn([n], &mut Rng::new(1)));
        let units: Vec<Var> =
            (0..n).map(|i| Var::constant(Tensor::from_fn([n], |k| if k == i { 1.0 } else { 0.0 }))).collect();
        group.bench_with_input(BenchmarkId::new("forward_mode", n), &n, |b, _| {
            b.iter(|| black_box(units.iter().map(|e| jvp(&f, &x, e).1.item()).collect::<Vec<f32>>()));
        });
        group.bench_with_input(BenchmarkId::new("reverse_mode", n), &n, |b, _| b.iter(|| black_box(grad(&f, &x))));
    }
    group.finish();
}

/// A Hessian-vector product over 50,000 parameters, beside the value and the gradient.
fn second_order(c: &mut Criterion) {
    let mut rng = Rng::new(2);
    let x = Var::constant(Tensor::randn([128, 100], &mut rng));
    let mut weight =
        |o: usize, i: usize| Var::constant(Tensor::randn([o, i], &mut rng).mul_scalar(1.0 / (i as f32).sqrt()));
    let at: Vec<Var> = vec![weight(200, 100), weight(140, 200), weight(10, 140)];
    let v: Vec<Var> = vec![weight(200, 100), weight(140, 200), weight(10, 140)];
    let f =
        |w: &Vec<Var>| x.linear(&w[0], None).tanh().linear(&w[1], None).tanh().linear(&w[2], None).square().mean_all();
    let mut group = c.benchmark_group("second_order");
    group.bench_function("value", |b| b.iter(|| black_box(f(&at))));
    group.bench_function("gradient", |b| b.iter(|| black_box(grad(f, &at))));
    group.bench_function("hessian_vector_product", |b| b.iter(|| black_box(hvp(f, &at, &v))));
    group.finish();
}

criterion_group!(benches, modes, second_order);
criterion_main!(benches);
