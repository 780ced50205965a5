//! What sees a training and ends it.

use crate::networks::{clouds, loader, network, trainer, trainer_of};
use kniff_data::{Loader, samplers::Surprise};
use kniff_nn::{Module, ModuleExt};
use kniff_tensor::Rng;
use kniff_trainer::metrics::Accuracy;
use kniff_trainer::{
    AveragedWeights, BestWeights, Callback, ClosingPolicy, Control, CsvLog, EarlyStopping, EpochRecord, JsonLinesLog,
    ModelFile, Monitor, Stopped, TrainError, View,
};
use std::sync::{Arc, Mutex};

#[test]
fn early_stopping_ends_and_restores() {
    let (train, valid) = (loader(clouds(96, 1)), loader(clouds(48, 2)));
    // No epoch beats the first by that much, so the first is the best.
    let stopping = EarlyStopping::new(Monitor::ValidLoss).patience(2).min_delta(1e9);
    let mut trainer_ = trainer().epochs(10).metric(Accuracy::new()).early_stopping(stopping);
    let report = trainer_.fit(&train, Some(&valid)).unwrap();
    assert_eq!((report.epochs, report.restored), (3, Some(1)));
    let Stopped::Early { by, reason } = &report.stopped else { panic!("{:?}", report.stopped) };
    assert_eq!((by.as_str(), reason.as_str()), ("EarlyStopping", "the validation loss has not improved for 2 epochs"));
    assert_eq!(Some(trainer_.evaluate(&valid).unwrap().loss), report.history.epochs[0].valid_loss);

    let mut once = trainer().epochs(1);
    once.fit(&train, None).unwrap();
    assert_eq!(once.model().state(), trainer_.model().state());

    let stopping =
        EarlyStopping::new(Monitor::valid("accuracy")).patience(1).min_delta(1e9).warm_up(4).restore_best(false);
    let mut trainer_ = trainer().epochs(10).metric(Accuracy::new()).early_stopping(stopping);
    let report = trainer_.fit(&train, Some(&valid)).unwrap();
    assert_eq!((report.epochs, report.restored), (5, None));
}

#[test]
fn the_best_weights_come_back_without_an_early_end() {
    let folder = std::env::temp_dir().join(format!("kniff-best-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("best.kniff");
    let (train, valid) = (loader(clouds(96, 1)), loader(clouds(48, 2)));
    let mut trainer =
        trainer_of(network(1), 0.3).epochs(6).callback(BestWeights::new(Monitor::ValidLoss).save_to(&file));
    let report = trainer.fit(&train, Some(&valid)).unwrap();
    assert_eq!((report.epochs, &report.stopped), (6, &Stopped::Done));
    let best = report.history.best(&Monitor::ValidLoss, false).unwrap();
    assert_eq!(Some(trainer.evaluate(&valid).unwrap().loss), best.valid_loss);
    assert_eq!(report.restored, (best.epoch != 6).then_some(best.epoch));
    let stored = ModelFile::<f32>::load(&file).unwrap();
    assert_eq!(stored.state(), trainer.model().state());
    assert_eq!(stored.get::<usize>("epoch").unwrap(), best.epoch);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn logs_grow_with_the_epochs() {
    let folder = std::env::temp_dir().join(format!("kniff-logs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (csv, lines) = (folder.join("log.csv"), folder.join("log.jsonl"));
    let mut trainer = trainer().epochs(2).callback(CsvLog::new(&csv)).callback(JsonLinesLog::new(&lines));
    let report = trainer.fit(&loader(clouds(48, 1)), None).unwrap();
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), report.history.to_csv());
    let lines = std::fs::read_to_string(&lines).unwrap();
    let epochs: Vec<EpochRecord> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(epochs, report.history.epochs);
    let mut trainer = crate::networks::trainer().callback(CsvLog::new(folder.join("no/such/log.csv")));
    let error = trainer.fit(&loader(clouds(48, 1)), None).unwrap_err();
    assert!(matches!(&error, TrainError::Callback { callback, .. } if callback == "CsvLog"), "{error}");
    assert!(error.to_string().contains("log.csv"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// Notes every call.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, view: &View<'_>) {
        self.0.lock().unwrap().push(format!("{what} {}/{}", view.epoch, view.step));
    }
}

impl Callback for Diary {
    fn fit_start(&mut self, view: &View<'_>, _: &dyn Module) -> Result<(), TrainError> {
        self.note("fit starts", view);
        Ok(())
    }
    fn epoch_start(&mut self, view: &View<'_>, _: &dyn Module) -> Result<(), TrainError> {
        self.note("epoch starts", view);
        Ok(())
    }
    fn batch_end(&mut self, view: &View<'_>, _: &dyn Module) -> Result<Control, TrainError> {
        assert!(view.loss.is_finite());
        self.note("batch", view);
        Ok(if view.step == 5 { Control::stop("five") } else { Control::Continue })
    }
    fn epoch_end(&mut self, view: &View<'_>, _: &dyn Module) -> Result<Control, TrainError> {
        assert_eq!(view.history.epochs.len(), view.epoch);
        self.note("epoch ends", view);
        Ok(Control::Continue)
    }
    fn fit_end(&mut self, view: &View<'_>, _: &mut dyn Module) -> Result<Option<usize>, TrainError> {
        self.note("fit ends", view);
        Ok(None)
    }
}

#[test]
fn callbacks_are_called_in_turn_and_a_batch_can_be_the_last() {
    let diary = Diary::default();
    let report = trainer().epochs(9).callback(diary.clone()).fit(&loader(clouds(48, 1)), None).unwrap();
    assert_eq!(report.stopped, Stopped::Early { by: "a callback".into(), reason: "five".into() });
    let notes = diary.0.lock().unwrap().clone();
    let expected = [
        "fit starts 0/0",
        "epoch starts 1/0",
        "batch 1/1",
        "batch 1/2",
        "batch 1/3",
        "epoch ends 1/3",
        "epoch starts 2/3",
        "batch 2/4",
        "batch 2/5",
        "epoch ends 2/5",
        "fit ends 2/5",
    ];
    assert_eq!(notes, expected);
    let report = trainer().on_epoch_end(|view| if view.epoch == 2 { Control::stop("") } else { Control::Continue });
    let mut report = report;
    assert_eq!(report.fit(&loader(clouds(48, 1)), None).unwrap().epochs, 2);
}

#[test]
fn what_is_not_there_cannot_be_watched() {
    let (train, valid) = (loader(clouds(48, 1)), loader(clouds(48, 2)));
    let watching = |monitor| trainer().metric(Accuracy::new()).early_stopping(EarlyStopping::new(monitor));
    let error = watching(Monitor::ValidLoss).fit(&train, None).unwrap_err();
    assert!(
        error.to_string().starts_with("EarlyStopping watches the validation loss, but there are no validation data")
    );
    let error = watching(Monitor::valid("acuracy")).fit(&train, Some(&valid)).unwrap_err();
    assert!(error.to_string().ends_with("the trainer has no metric of that name; it has: accuracy"), "{error}");
    let error = trainer().early_stopping(EarlyStopping::default().patience(0)).fit(&train, Some(&valid)).unwrap_err();
    assert!(matches!(error, TrainError::Setting { .. }), "{error}");
}

/// Writes down the first parameter after every step and every epoch.
struct Spy(Arc<Mutex<Seen>>);

type Seen = (Vec<Vec<f32>>, Vec<Vec<f32>>);

impl Callback for Spy {
    fn batch_end(&mut self, _: &View<'_>, model: &dyn Module) -> Result<Control, TrainError> {
        self.0.lock().unwrap().0.push(model.parameters()[0].1.value().to_vec());
        Ok(Control::Continue)
    }

    fn epoch_end(&mut self, _: &View<'_>, model: &dyn Module) -> Result<Control, TrainError> {
        self.0.lock().unwrap().1.push(model.parameters()[0].1.value().to_vec());
        Ok(Control::Continue)
    }
}

#[test]
fn averaged_weights_are_left_in_the_model() {
    let averaged = |callback: AveragedWeights| {
        let seen = Arc::new(Mutex::new((Vec::new(), Vec::new())));
        let mut trainer = trainer().epochs(4).callback(callback).callback(Spy(seen.clone()));
        trainer.fit(&loader(clouds(96, 1)), None).unwrap();
        let seen = seen.lock().unwrap().clone();
        (trainer.model().parameters()[0].1.value().to_vec(), seen.0, seen.1)
    };
    let close = |a: &[f32], b: &[f64]| a.iter().zip(b).all(|(&a, b)| (f64::from(a) - b).abs() < 1e-5);
    let (left, steps, _) = averaged(AveragedWeights::exponential(0.9));
    let mut expected: Vec<f64> = steps[0].iter().map(|&w| f64::from(w)).collect();
    for w in &steps[1..] {
        expected.iter_mut().zip(w).for_each(|(a, &w)| *a = 0.9 * *a + 0.1 * f64::from(w));
    }
    assert!(close(&left, &expected) && left != steps[steps.len() - 1]);

    let (left, _, epochs) = averaged(AveragedWeights::mean_from(3));
    let mean = |i: usize| (f64::from(epochs[2][i]) + f64::from(epochs[3][i])) / 2.0;
    assert!(close(&left, &(0..left.len()).map(mean).collect::<Vec<_>>()));
    // A training that ends before keeps its own weights.
    let (left, _, epochs) = averaged(AveragedWeights::mean_from(9));
    assert_eq!(left, epochs[3]);
}

#[test]
fn the_average_stays_whatever_brings_back_an_epoch() {
    let (train, valid) = (loader(clouds(96, 1)), loader(clouds(48, 2)));
    let stopping = || EarlyStopping::new(Monitor::ValidLoss).patience(2).min_delta(1e9);
    let average = || AveragedWeights::exponential(0.9);
    let run = |trainer: crate::networks::Classifier| {
        let mut trainer = trainer;
        let report = trainer.fit(&train, Some(&valid)).unwrap();
        (report.epochs, report.restored, trainer.model().state())
    };
    let (epochs, restored, state) = run(trainer().epochs(10).callback(average()).callback(stopping()));
    assert_eq!((epochs, restored), (3, None));
    assert_eq!(run(trainer().epochs(10).callback(stopping()).callback(average())), (3, None, state.clone()));
    assert_eq!(run(trainer().epochs(3).callback(average())).2, state);
    // Of the closing policy too, which gives back its best epoch otherwise.
    let closing = || trainer().epochs(3).closing(ClosingPolicy::default());
    assert_eq!(run(closing().callback(average())).2, state);
}

#[test]
fn a_sampler_that_learns_must_be_told_what_there_is_to_learn() {
    let data = clouds(48, 1);
    let sampler = Surprise::new(data.targets());
    let mut learning = Loader::new(data).batch_size(16).sampler(sampler, &Rng::new(1));
    let error = trainer().epochs(1).fit(&learning, None).unwrap_err();
    assert!(error.to_string().contains("fit_observing"), "{error}");
    assert!(trainer().epochs(1).fit_observing(&mut learning, None).is_ok());
}
