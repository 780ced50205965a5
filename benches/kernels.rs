//! The kernels: matrix products, elementwise functions, reductions, whitening.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kniff_data::{PcaOptions, PcaWhitening};
use kniff_tensor::{Rng, Tensor};
use std::hint::black_box;

fn gemm(c: &mut Criterion) {
    let mut group = c.benchmark_group("gemm");
    for (m, k, n) in [(32, 784, 128), (128, 784, 512), (128, 512, 256), (512, 512, 512), (1024, 1024, 1024)] {
        let mut rng = Rng::new(0);
        let (a, b): (Tensor, Tensor) = (Tensor::randn([m, k], &mut rng), Tensor::randn([k, n], &mut rng));
        let transposed = b.t().contiguous();
        group.throughput(Throughput::Elements((2 * m * k * n) as u64));
        let name = format!("{m}x{k}x{n}");
        group.bench_function(BenchmarkId::new("plain", &name), |bench| bench.iter(|| black_box(a.matmul(&b))));
        group.bench_function(BenchmarkId::new("transposed", &name), |bench| {
            bench.iter(|| black_box(a.matmul(&transposed.t())))
        });
    }
    group.finish();
}

fn elementwise(c: &mut Criterion) {
    let mut group = c.benchmark_group("elementwise");
    for n in [1 << 10, 1 << 16, 1 << 22] {
        let x: Tensor = Tensor::randn([n], &mut Rng::new(0));
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("add", n), |b| b.iter(|| black_box(x.add(&x))));
        group.bench_function(BenchmarkId::new("exp", n), |b| b.iter(|| black_box(x.exp())));
        group.bench_function(BenchmarkId::new("tanh", n), |b| b.iter(|| black_box(x.tanh())));
        group.bench_function(BenchmarkId::new("relu", n), |b| b.iter(|| black_box(x.relu())));
    }
    group.finish();
}

fn reductions(c: &mut Criterion) {
    let mut group = c.benchmark_group("reductions");
    let x: Tensor = Tensor::randn([1024, 1024], &mut Rng::new(0));
    group.throughput(Throughput::Elements(x.len() as u64));
    group.bench_function("sum_rows", |b| b.iter(|| black_box(x.sum(&[1], false))));
    group.bench_function("sum_columns", |b| b.iter(|| black_box(x.sum(&[0], false))));
    group.bench_function("variance_columns", |b| b.iter(|| black_box(x.var(&[0], 0, false))));
    group.bench_function("logsumexp_rows", |b| b.iter(|| black_box(x.logsumexp(&[1], false))));
    group.bench_function("argmax_rows", |b| b.iter(|| black_box(x.argmax(1))));
    group.finish();
}

fn whitening(c: &mut Criterion) {
    let mut group = c.benchmark_group("whitening");
    group.sample_size(10);
    let x: Tensor = Tensor::randn([5000, 128], &mut Rng::new(0));
    group.bench_function("pca_5000x128", |b| {
        b.iter(|| black_box(PcaWhitening::fit_with(&x, &PcaOptions::default()).expect("finite data")))
    });
    group.finish();
}

criterion_group!(benches, gemm, elementwise, reductions, whitening);
criterion_main!(benches);
