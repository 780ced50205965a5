//! What a loss is averaged over: the same in training, validation and evaluation, however the batches are cut.

use crate::networks::{Data, clouds};
use kniff_data::{Dataset, Loader, TensorDataset};
use kniff_init::GlorotNormal;
use kniff_nn::layers::Linear;
use kniff_nn::{Head, Logits, Loss, Model, Reduction, losses::CrossEntropy};
use kniff_optim::{Optimizer, Sgd};
use kniff_tensor::{Indices, Rng};
use kniff_trainer::curvature::Surface;
use kniff_trainer::metrics::{Accuracy, ConfusionMatrix, MeanLoss, TopK};
use kniff_trainer::{Progress, TrainError, Trainer};

const IGNORED: usize = 255;

fn model() -> Model<Linear, kniff_nn::ClassHead> {
    Model::classifier(Linear::new(2, 3, GlorotNormal, &mut Rng::new(4))).unwrap()
}

/// A trainer whose steps change nothing, so that the epoch's loss is that of the model.
fn standing(loss: &CrossEntropy) -> Trainer<Linear, kniff_nn::ClassHead> {
    Trainer::new(model(), loss.clone(), Optimizer::new(Sgd, 0.0)).epochs(1).progress(Progress::Silent)
}

/// Clouds of which some labels are ignored, all those of the third batch of five among them.
fn partly_ignored() -> Data {
    let data = clouds(23, 1);
    let labels = (0..23).map(|i| if i % 4 == 0 || (10..15).contains(&i) { IGNORED } else { i % 3 }).collect();
    let inputs = data.batch(&(0..23).collect::<Vec<_>>()).unwrap().inputs;
    TensorDataset::new(inputs, Indices::from_vec(labels)).unwrap()
}

#[test]
fn training_validation_and_evaluation_divide_by_the_same() {
    let plain = CrossEntropy::new().ignore_index(IGNORED);
    let weighted = plain.clone().class_weights(&[2.0, 0.5, 3.0]);
    let losses =
        [plain.clone(), weighted.clone(), weighted.clone().label_smoothing(0.1), weighted.reduction(Reduction::Sum)];
    for loss in losses {
        // What PyTorch's mean over all examples in one batch is: the mean of the whole.
        let whole = Loader::new(partly_ignored()).batch_size(23).epoch(0).next().unwrap().unwrap();
        let output: Logits = kniff_nn::ClassHead::wrap(model().predict(&whole.inputs).var().clone());
        let expected = f64::from(loss.clone().reduction(Reduction::Mean).loss(&output, &whole.targets).unwrap().item());
        for size in [5, 7, 23] {
            let data = Loader::new(partly_ignored()).batch_size(size);
            let mut trainer = standing(&loss).metric(MeanLoss::new("again", loss.clone()));
            let record = trainer.fit(&data, Some(&data)).unwrap().history.epochs.remove(0);
            let evaluated = trainer.evaluate(&data).unwrap();
            let metric = record.metrics[0].clone();
            let all = [
                Some(record.train_loss),
                record.valid_loss,
                Some(evaluated.loss),
                evaluated.metric("again"),
                metric.train,
                metric.valid,
            ];
            for found in all {
                assert!((found.unwrap() - expected).abs() < 1e-6 * expected, "{size}: {all:?}, but {expected}");
            }
            let mut model = model();
            let (value, _) = Surface::on_data(&mut model, &loss, &data).value_and_gradient().unwrap();
            if Loss::<f32, Logits, Indices>::reduces_by(&loss) == Reduction::Mean {
                assert!((value - expected).abs() < 1e-6 * expected, "{size}: {value}, but {expected}");
            }
        }
    }
}

#[test]
fn a_batch_of_which_nothing_counts_changes_nothing_and_the_run_goes_on() {
    let loss = CrossEntropy::new().ignore_index(IGNORED);
    let data = Loader::new(partly_ignored()).batch_size(5);
    let run = |data: &Loader<Data>| {
        let mut trainer = Trainer::new(model(), loss.clone(), Optimizer::new(Sgd, 0.5))
            .epochs(2)
            .metric(Accuracy::new())
            .metric(TopK::new(1))
            .metric(ConfusionMatrix::new(3))
            .progress(Progress::Silent);
        let history = trainer.fit(data, Some(data)).unwrap().history;
        for metric in &history.epochs[1].metrics {
            assert_eq!((metric.train, metric.valid), (history.epochs[1].metrics[0].train, metric.valid));
            assert!(metric.valid.unwrap() > 0.5, "{metric:?}");
        }
        trainer.model().network().weight().value().to_vec()
    };
    assert!(run(&data).iter().all(|w| w.is_finite()));
}

#[test]
fn data_of_which_nothing_counts_are_refused_by_name() {
    let loss = CrossEntropy::new().ignore_index(0);
    let data = clouds(6, 1);
    let inputs = data.batch(&(0..6).collect::<Vec<_>>()).unwrap().inputs;
    let none = Loader::new(TensorDataset::new(inputs, Indices::from_vec(vec![0; 6])).unwrap()).batch_size(3);
    let some = Loader::new(data).batch_size(3);
    let error = standing(&loss).fit(&none, None).unwrap_err();
    assert!(matches!(error, TrainError::NothingCounts { phase: kniff_trainer::Phase::Training }), "{error}");
    let error = standing(&loss).fit(&some, Some(&none)).unwrap_err();
    assert!(error.to_string().starts_with("no example of the validation data counts for the loss"), "{error}");
    assert!(standing(&loss).evaluate(&none).is_err());
}

#[test]
fn a_confusion_matrix_of_other_classes_is_refused_before_the_first_step() {
    let data = Loader::new(clouds(6, 1)).batch_size(3);
    let mut trainer = standing(&CrossEntropy::new()).metric(ConfusionMatrix::new(2));
    let error = trainer.fit(&data, None).unwrap_err().to_string();
    assert_eq!(error, "the metric confusion matrix: it has 2 classes, the model has 3 outputs; give it as many");
    assert!(trainer.history().epochs.is_empty() && trainer.evaluate(&data).is_err());
}
