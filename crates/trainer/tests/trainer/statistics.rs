//! Running statistics taken anew after a training.

use crate::networks::{clouds, loader, trainer};
use kniff_autograd::Var;
use kniff_data::Loader;
use kniff_nn::{Layer, ModuleExt};
use kniff_trainer::{TrainError, re_estimate_statistics};

#[test]
fn statistics_are_those_of_the_trained_weights() {
    let data = clouds(50, 1);
    let mut trainer = trainer().epochs(2);
    trainer.fit(&loader(data.clone()), None).unwrap();
    let before = trainer.model().state();
    let error = re_estimate_statistics(trainer.model_mut(), &Loader::new(data.clone()).batch_size(49)).unwrap_err();
    assert!(matches!(error, TrainError::BatchTooSmall { batch: 2, examples: 1, needed: 2, .. }), "{error}");

    let inputs = Var::constant(data.inputs().clone());
    assert_eq!(re_estimate_statistics(trainer.model_mut(), &Loader::new(data).batch_size(16)).unwrap(), 4);
    let state = trainer.model().state();
    let weight = |name: &str| state.iter().find(|(path, _)| path == name).unwrap().1.clone();
    let hidden = inputs.value().linear(&weight("0.weight"), None);
    let close = |name: &str, expected: kniff_tensor::Tensor| {
        weight(name).to_vec().iter().zip(expected.to_vec()).for_each(|(a, b)| {
            assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{name}: {a} {b}");
        });
    };
    close("1.running_mean", hidden.mean(&[0], false));
    close("1.running_var", hidden.var(&[0], 1, false));
    // The weights stay.
    for ((name, a), (_, b)) in before.iter().zip(&state).filter(|((name, _), _)| !name.contains("running_")) {
        assert!(name.contains("num_batches") || a.to_vec() == b.to_vec(), "{name}");
    }
    assert!(trainer.model().network().forward(&inputs).value().all_finite());
}
