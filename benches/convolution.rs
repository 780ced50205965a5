//! Convolution and pooling, at the sizes of a small residual network on 32 x 32 images.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kniff_autograd::Var;
use kniff_tensor::{ConvOptions, PoolOptions, Rng, Tensor};
use std::hint::black_box;

/// Images in a batch.
const BATCH: usize = 32;

fn convolution(c: &mut Criterion) {
    let mut group = c.benchmark_group("convolution");
    let plain = ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() };
    let halving = ConvOptions { stride: [2, 2], ..plain };
    for (name, options, inputs, outputs, size, kernel) in [
        ("3x3_3to16_32", plain, 3, 16, 32, 3),
        ("3x3_16to16_32", plain, 16, 16, 32, 3),
        ("3x3_16to32_32_stride2", halving, 16, 32, 32, 3),
        ("3x3_32to32_16", plain, 32, 32, 16, 3),
        ("3x3_64to64_8", plain, 64, 64, 8, 3),
        ("1x1_64to64_16", ConvOptions::default(), 64, 64, 16, 1),
        ("depthwise_3x3_64_16", ConvOptions { groups: 64, ..plain }, 64, 64, 16, 3),
    ] {
        let mut rng = Rng::new(0);
        let x: Tensor = Tensor::randn([BATCH, inputs, size, size], &mut rng);
        let w: Tensor = Tensor::randn([outputs, inputs / options.groups, kernel, kernel], &mut rng);
        let y = x.conv2d(&w, None, &options);
        let window = inputs / options.groups * kernel * kernel;
        group.throughput(Throughput::Elements((2 * y.len() * window) as u64));
        group.bench_function(BenchmarkId::new("forward", name), |b| {
            b.iter(|| black_box(x.conv2d(&w, None, &options)));
        });
        group.throughput(Throughput::Elements((6 * y.len() * window) as u64));
        group.bench_function(BenchmarkId::new("forward_backward", name), |b| {
            b.iter(|| {
                let (x, w) = (Var::tracked(x.clone()), Var::tracked(w.clone()));
                black_box(x.conv(&w, None, &options).sum_all().backward())
            });
        });
    }
    group.finish();
}

fn pooling(c: &mut Criterion) {
    let mut group = c.benchmark_group("pooling");
    let x: Tensor = Tensor::randn([BATCH, 32, 32, 32], &mut Rng::new(0));
    group.throughput(Throughput::Elements(x.len() as u64));
    let halving = PoolOptions::new([2, 2]);
    group.bench_function("max_2x2", |b| {
        b.iter(|| {
            let x = Var::tracked(x.clone());
            black_box(x.max_pool(&halving).sum_all().backward())
        });
    });
    group.bench_function("global_mean", |b| {
        b.iter(|| {
            let x = Var::tracked(x.clone());
            black_box(x.adaptive_avg_pool([1, 1]).sum_all().backward())
        });
    });
    group.finish();
}

criterion_group!(benches, convolution, pooling);
criterion_main!(benches);
