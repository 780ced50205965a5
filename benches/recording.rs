//! What recording costs: the same small operations with and without a record, and the walk back.

use criterion::{Criterion, criterion_group, criterion_main};
use kniff_autograd::Var;
use kniff_tensor::Tensor;
use std::hint::black_box;

const CHAIN: usize = 100;

fn chain(from: &Var, by: &Var) -> Var {
    let mut y = from.clone();
    for _ in 0..CHAIN {
        y = y.mul(by);
    }
    y
}

/// Figures are per chain of 100 products of four numbers.
fn recording(c: &mut Criterion) {
    let mut group = c.benchmark_group("recording");
    let (leaf, constant) = (Var::tracked(Tensor::ones([4])), Var::constant(Tensor::ones([4])));
    group.bench_function("not_recorded", |b| b.iter(|| black_box(chain(&constant, &constant))));
    group.bench_function("recorded", |b| b.iter(|| black_box(chain(&leaf, &constant))));
    group.bench_function("recorded_and_walked", |b| {
        b.iter(|| black_box(chain(&leaf, &constant).sum_all().backward()));
    });
    group.finish();
}

criterion_group!(benches, recording);
criterion_main!(benches);
