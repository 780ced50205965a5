//! The same seed gives the same bytes, at any number of threads.

use kniff::prelude::*;
use kniff::tensor::parallel::with_threads;

/// The digits training of the examples, some epochs long: every weight and running statistic, bit by bit.
fn train(threads: usize, seed: u64) -> Vec<(String, Vec<u32>)> {
    with_threads(threads, || {
        let rng = Rng::new(seed);
        let data = digits();
        let (train, _) = stratified_split(data.targets(), 0.2, &mut Rng::new(2026).stream("split")).unwrap();
        let train = data.select(&train).unwrap();
        let standardizer = Standardizer::fit(train.inputs()).unwrap();
        let train = train.map_inputs(|x| standardizer.transform(x)).unwrap();
        let loader = Loader::new(train).batch_size(64).shuffle(&rng).drop_last(true);
        let init = &mut rng.stream("init");
        // Wide enough that products, batch norm and dropout are cut into pieces.
        let network: Sequential = Sequential::new()
            .with(Linear::without_bias(64, 1100, HeNormal, init))
            .with(BatchNorm1d::new(1100))
            .with(Relu)
            .with(Dropout::new(0.3))
            .with(Linear::new(1100, 10, GlorotNormal, init));
        let optimizer = Optimizer::new(Adam::default(), 5e-3).clip(Clip::GlobalNorm(1.0));
        let mut trainer = Trainer::new(Model::classifier(network).unwrap(), CrossEntropy::new(), optimizer)
            .epochs(2)
            .progress(Progress::Silent)
            .seed(seed);
        trainer.fit(&loader, None).unwrap();
        let state = trainer.model().state();
        state.into_iter().map(|(path, t)| (path, t.to_vec().iter().map(|x: &f32| x.to_bits()).collect())).collect()
    })
}

#[test]
fn one_seed_gives_identical_weights_at_one_and_two_threads() {
    let one = train(1, 7);
    assert_eq!(one, train(2, 7));
    assert_eq!(one, train(1, 7));
    assert_ne!(one, train(1, 8));
}
