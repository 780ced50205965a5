//! Whole steps: training, inference, an optimiser on one large parameter.

use criterion::{Criterion, criterion_group, criterion_main};
use kniff_benches::workloads;

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("step");
    group.sample_size(20);
    for name in ["mlp_small", "mlp_bn", "infer_mlp_bn_b1", "infer_mlp_bn_b256", "softmax_ce", "tanh", "adam10m"] {
        // The workload is built only if its benchmark is chosen: ten million parameters take a while to draw.
        group.bench_function(name, |b| {
            let (_, mut step) = workloads::step(name).expect("a workload of this name");
            b.iter(&mut step);
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
