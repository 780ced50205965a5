//! The same seed, the same bytes.

use crate::networks::{clouds, network, trainer_of};
use kniff_data::Loader;
use kniff_init::{GlorotNormal, HeNormal};
use kniff_nn::ModuleExt;
use kniff_nn::layers::{BatchNorm1d, Dropout, Linear, Relu, Sequential};
use kniff_tensor::{Rng, parallel::with_threads};

/// The bits of all weights and statistics after a training.
fn trained(network: Sequential, seed: u64, threads: usize, workers: usize) -> Vec<u32> {
    with_threads(threads, || {
        let train = Loader::new(clouds(512, 1)).batch_size(128).shuffle(&Rng::new(5)).prefetch(workers, 2);
        let mut trainer = trainer_of(network, 1e-2).epochs(2).seed(seed);
        trainer.fit(&train, None).unwrap();
        let state = trainer.model().state();
        state.iter().flat_map(|(_, t)| t.to_vec()).map(f32::to_bits).collect()
    })
}

/// Large enough that the kernels spread over threads.
fn wide() -> Sequential {
    let mut rng = Rng::new(2);
    Sequential::new()
        .with(Linear::without_bias(2, 1024, HeNormal, &mut rng))
        .with(BatchNorm1d::new(1024))
        .with(Relu)
        .with(Dropout::new(0.3))
        .with(Linear::without_bias(1024, 256, HeNormal, &mut rng))
        .with(BatchNorm1d::new(256))
        .with(Relu)
        .with(Dropout::new(0.3))
        .with(Linear::new(256, 3, GlorotNormal, &mut rng))
}

#[test]
fn threads_and_prefetching_change_no_byte() {
    let one = trained(wide(), 3, 1, 0);
    assert!(one == trained(wide(), 3, 2, 0), "two threads");
    assert!(one == trained(wide(), 3, 3, 2), "three threads, two workers");
    assert!(one != trained(wide(), 4, 1, 0), "another seed drops others");
}

#[test]
fn the_seed_of_the_trainer_is_that_of_dropout() {
    assert_eq!(trained(network(1), 7, 1, 0), trained(network(1), 7, 1, 0));
    assert_ne!(trained(network(1), 7, 1, 0), trained(network(1), 8, 1, 0));
}
