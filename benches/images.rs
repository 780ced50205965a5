//! Images on their way into a batch: the fused pass, and the steps that sample.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kniff_benches::workloads;
use kniff_data::{Augment, Interpolation, ResizedCrop, Rotation, resize};
use kniff_tensor::{Rng, Tensor};

fn images(c: &mut Criterion) {
    let mut group = c.benchmark_group("images");
    group.sample_size(10);
    group.throughput(Throughput::Elements(50_000));
    group.bench_function("augment", |b| {
        // 150 MB of bytes are drawn only if this benchmark is chosen.
        let (_, mut step) = workloads::step("augment").expect("a workload of this name");
        b.iter(&mut step);
    });
    let batch: Tensor = Tensor::rand_uniform([128, 3, 32, 32], 0.0, 1.0, &mut Rng::new(0));
    group.throughput(Throughput::Elements(128));
    let steps: [(&str, Augment); 2] = [
        ("rotation", Augment::new().then(Rotation::new(15.0).expect("an angle"))),
        ("resized_crop", Augment::new().then(ResizedCrop::new(32, 32).expect("a size"))),
    ];
    for (name, augment) in steps {
        group.bench_function(name, |b| b.iter(|| augment.apply(&batch, &Rng::new(1)).expect("images")));
    }
    group.bench_function("resize", |b| {
        b.iter(|| resize(&batch, 48, 48, Interpolation::BilinearAntialias).expect("images"));
    });
    group.finish();
}

criterion_group!(benches, images);
criterion_main!(benches);
