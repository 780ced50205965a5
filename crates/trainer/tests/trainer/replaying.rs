//! A step is made again exactly; what is not finite is traced to its layer, operation and examples.

use crate::folder::Folder;
use crate::networks::{clouds, loader, network};
use crate::resuming::{bits, everything, train, valid};
use kniff_autograd::Var;
use kniff_data::{Loader, TensorDataset};
use kniff_init::HeNormal;
use kniff_nn::layers::{Linear, Relu, Sequential};
use kniff_nn::{Layer, Model, Module, ModuleExt, Path, Visitor, VisitorMut, losses::CrossEntropy};
use kniff_optim::{Optimizer, Sgd};
use kniff_tensor::{Indices, Rng, Shape, Tensor};
use kniff_trainer::{Checkpoint, Checkpoints, Progress, TrainError, Trainer};

#[test]
fn a_replayed_step_is_the_step_that_was() {
    let folder = Folder::new("replay");
    let mut whole = everything(folder.path());
    let every = Checkpoints::in_folder(folder.file("checkpoints")).every_steps(1).keep(usize::MAX);
    whole.trainer = whole.trainer.checkpoints(every);
    whole.trainer.fit_observing(&mut train(1), Some(&valid())).unwrap();
    let at = |step: usize| Checkpoint::<f32>::load(folder.file(&format!("checkpoints/step-{step:09}.kniff"))).unwrap();
    // Within an epoch, over one end, over several.
    for (from, step) in [(3, 4), (3, 11), (20, 26), (2, 50)] {
        let mut again = everything(folder.path());
        again.trainer.resume(at(from).file()).unwrap();
        let replay = again.trainer.replay(&mut train(0), Some(&valid()), step).unwrap();
        assert_eq!((replay.step, replay.epoch, replay.indices.len()), (step, 1 + (step - 1) / 12, 20));
        assert_eq!(replay.before, at(step - 1).state(), "from {from} to {step}");
        // At the end of an epoch a checkpoint has more behind it; none of these steps is one.
        assert_eq!(replay.after, at(step).state(), "from {from} to {step}");
        assert_eq!(bits(&again.trainer), bits_of(&replay.after));
        assert!(replay.loss.is_finite() && replay.losses.len() == 20 && replay.origin.is_none());
        let mean = replay.losses.iter().sum::<f64>() / 20.0;
        assert!((mean - replay.loss).abs() < 1e-5, "{mean} {}", replay.loss);
        assert_eq!(replay.gradients.len(), again.trainer.model().parameters().len());
        assert_eq!(replay.inputs.shape(), &[20, 1, 8, 8]);
    }
}

fn bits_of(state: &[(String, Tensor)]) -> Vec<(String, Vec<u32>)> {
    state.iter().map(|(name, t)| (name.clone(), t.to_vec().iter().map(|x| x.to_bits()).collect())).collect()
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let folder = Folder::new("replay-refused");
    let mut data = loader(clouds(96, 1));
    let mut trainer = crate::networks::trainer().epochs(2).checkpoints(Checkpoints::in_folder(folder.path()));
    let error = trainer.replay(&mut data, None, 3).unwrap_err().to_string();
    assert!(error.contains("Trainer::resume"), "{error}");
    trainer.fit(&data, None).unwrap();
    let first = Checkpoint::<f32>::load(folder.path()).unwrap();
    let mut again = crate::networks::trainer().epochs(2);
    again.resume(first.file()).unwrap();
    let error = again.replay(&mut data, None, 12).unwrap_err().to_string();
    assert!(error.contains("after step 12"), "{error}");
    let error = again.replay(&mut data, None, 13).unwrap_err().to_string();
    assert!(error.contains("ended after step 12"), "{error}");
}

/// `x^power` of every number, with no care for where it has no derivative.
struct Power(f32);

impl Module for Power {
    fn visit<'a>(&'a self, _: &mut Path, _: &mut dyn Visitor<'a, f32>) {}
    fn visit_mut<'a>(&'a mut self, _: &mut Path, _: &mut dyn VisitorMut<'a, f32>) {}
}

impl Layer for Power {
    fn forward(&self, x: &Var) -> Var {
        if self.0 == 0.5 { x.sqrt() } else { x.ln() }
    }
    fn output_shape(&self, input: &[usize]) -> Result<Shape, kniff_nn::ShapeError> {
        Ok(Shape::new(input))
    }
}

/// Sixteen examples, of which number 5 has the numbers that are given.
fn with_five(numbers: [f32; 2]) -> Loader<TensorDataset<f32, Indices>> {
    let inputs = Tensor::from_fn([16, 2], |i| if i / 2 == 5 { numbers[i % 2] } else { 1.0 + (i % 3) as f32 });
    let data = TensorDataset::new(inputs, Indices::from_vec((0..16).map(|i| i % 3).collect())).unwrap();
    Loader::new(data).batch_size(8)
}

fn of_layers(layers: Sequential, rate: f64) -> Trainer<Sequential, kniff_nn::ClassHead> {
    let model = Model::classifier(layers).unwrap();
    Trainer::new(model, CrossEntropy::new(), Optimizer::new(Sgd, rate)).progress(Progress::Silent)
}

#[test]
fn a_value_that_is_not_finite_is_traced_to_its_layer_operation_and_example() {
    let mut rng = Rng::new(1);
    let network = Sequential::new()
        .named("logarithm", Power(0.0))
        .named("hidden", Linear::new(2, 8, HeNormal, &mut rng))
        .with(Relu)
        .named("out", Linear::new(8, 3, HeNormal, &mut rng));
    let error = of_layers(network, 0.1).fit(&with_five([1.0, -2.0]), None).unwrap_err();
    let TrainError::NonFiniteLoss { origin: Some(origin), step: 1, .. } = &error else { panic!("{error}") };
    assert_eq!((origin.place.as_str(), origin.op.as_deref()), ("layer `logarithm` (Power)", Some("ln")));
    assert_eq!((&origin.examples[..], origin.backwards), (&[5][..], false));
    let text = error.to_string();
    assert!(text.contains("First seen in layer `logarithm` (Power), operation `ln`, of example 5"), "{text}");
}

#[test]
fn a_gradient_that_is_not_finite_is_traced_and_the_last_good_checkpoint_is_kept_and_named() {
    let folder = Folder::new("replay-gradient");
    let network = |rng: &mut Rng| {
        Sequential::new()
            .named("before", Linear::without_bias(2, 2, kniff_init::Identity::default(), rng))
            .named("root", Power(0.5))
            .named("out", Linear::new(2, 3, HeNormal, rng))
    };
    // The root of 0 is 0, and has no derivative.
    let mut data = with_five([0.0, 1.0]);
    let mut trainer = of_layers(network(&mut Rng::new(1)), 1e-6).epochs(1);
    trainer = trainer.checkpoints(Checkpoints::in_folder(folder.path()).every_steps(1));
    let error = trainer.fit(&data, None).unwrap_err();
    let TrainError::NonFiniteGradient { origin: Some(origin), step: 1, parameter, loss, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((parameter.as_str(), loss.is_finite()), ("before.weight", true));
    assert_eq!((origin.place.as_str(), origin.op.as_deref()), ("layer `root` (Power)", Some("sqrt")));
    assert_eq!((&origin.examples[..], origin.backwards), (&[5][..], true));
    let checkpoint = folder.file("step-000000000.kniff");
    assert_eq!(origin.checkpoint.as_deref(), Some(checkpoint.as_path()));
    assert!(error.to_string().contains("on the way back through layer `root`"), "{error}");

    // As the error says.
    let mut again = of_layers(network(&mut Rng::new(1)), 1e-6).epochs(1);
    again.resume(checkpoint).unwrap();
    let replay = again.replay(&mut data, None, 1).unwrap();
    assert_eq!(replay.origin.unwrap().examples, [5]);
    assert!(replay.after.is_empty() && replay.gradients.iter().any(|(_, g)| !g.all_finite()));
}

#[test]
fn a_checkpoint_never_holds_weights_that_are_not_finite() {
    let folder = Folder::new("replay-poisoned");
    let mut trainer = crate::networks::trainer_of(network(1), 1e30).epochs(50);
    trainer = trainer.checkpoints(Checkpoints::in_folder(folder.path()).every_steps(1).keep(99));
    let error = trainer.fit(&loader(clouds(96, 1)), None).unwrap_err();
    assert!(error.is_non_finite(), "{error}");
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let checkpoint = Checkpoint::<f32>::load(entry.unwrap().path()).unwrap();
        assert!(checkpoint.state().iter().all(|(_, t)| t.all_finite()));
    }
}
