//! The closing policy in a training.

use crate::networks::{clouds, loader, trainer, trainer_of};
use kniff_nn::ModuleExt;
use kniff_optim::{Action, CutOnPlateau, Linear as LinearRate, PlateauTest, Verdict};
use kniff_trainer::{BestWeights, ClosingPolicy, Control, Every, History, Monitor, Stopped, TrainError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Quick to call a plateau, so that a test is short.
fn quick() -> ClosingPolicy {
    ClosingPolicy::new().cuts(2).epochs_each(3).test(PlateauTest { worth: 0.2, ..PlateauTest::default() })
}

#[test]
fn it_cuts_goes_on_and_stops_with_its_evidence_in_the_history() {
    let (train, valid) = (loader(clouds(240, 1)), loader(clouds(240, 2)));
    let mut trainer = trainer().epochs(200).closing(quick());
    let report = trainer.fit(&train, Some(&valid)).unwrap();
    assert!(matches!(&report.stopped, Stopped::Early { by, .. } if by == "ClosingPolicy"), "{:?}", report.stopped);
    let epochs = &report.history.epochs;
    let cuts: Vec<usize> = (0..epochs.len()).filter(|&i| epochs[i].closing.unwrap().action == Action::Cut).collect();
    assert_eq!(cuts.len(), 2);
    assert_eq!(epochs.last().unwrap().closing.unwrap().action, Action::Stop);
    // The rates: the first until the first cut, then a tenth and a hundredth.
    for (i, epoch) in epochs.iter().enumerate() {
        let expected = 1e-2 * 0.1_f64.powi(cuts.iter().filter(|&&cut| cut < i).count() as i32);
        assert!((epoch.learning_rate / expected - 1.0).abs() < 1e-12, "epoch {}", epoch.epoch);
    }
    let first = epochs[cuts[0]].closing.unwrap();
    let trend = first.look.trend.unwrap();
    assert_eq!(first.look.verdict, Verdict::Plateau);
    assert!(trend.window >= 5 && trend.at_most < trend.worth);
    // The best weights came back: they measure what the best epoch measured.
    let best = report.history.best(&Monitor::ValidLoss, false).unwrap();
    assert_eq!(trainer.evaluate(&valid).unwrap().loss, best.valid_loss.unwrap());
    assert_eq!(report.restored, (best.epoch != epochs.len()).then_some(best.epoch));
    assert_eq!(History::from_json(&report.history.to_json()).unwrap(), report.history);
}

#[test]
fn the_best_weights_are_those_that_a_cut_goes_on_from() {
    // Much too large a rate: the validation loss jumps about, so that the best epoch is rarely the last before the cut.
    let (train, valid) = (loader(clouds(96, 1)), loader(clouds(96, 2)));
    let mut trainer = trainer_of(crate::networks::network(3), 0.5)
        .epochs(120)
        .closing(quick().cuts(1).test(PlateauTest { worth: 0.9, ..PlateauTest::default() }))
        .callback(BestWeights::new(Monitor::ValidLoss));
    let report = trainer.fit(&train, Some(&valid)).unwrap();
    let epochs = &report.history.epochs;
    let cut = epochs.iter().position(|e| e.closing.unwrap().action == Action::Cut).unwrap();
    let best = epochs[..=cut].iter().map(|e| e.valid_loss.unwrap()).fold(f64::INFINITY, f64::min);
    assert!(
        best < epochs[cut].valid_loss.unwrap(),
        "the last epoch before the cut is the best one: no test of anything"
    );
    let after = epochs[cut + 1].valid_loss.unwrap();
    assert!(after < epochs[cut].valid_loss.unwrap(), "{after} after {best}");
    assert!(trainer.evaluate(&valid).unwrap().loss <= best);
}

#[test]
fn without_validation_data_it_watches_the_training_loss_with_its_error() {
    let mut trainer = trainer().epochs(12).closing(ClosingPolicy::new());
    let report = trainer.fit(&loader(clouds(96, 1)), None).unwrap();
    assert!(report.history.epochs.iter().all(|e| e.train_loss_error.unwrap() > 0.0 && e.closing.is_some()));
    // Still falling after twelve epochs at this rate: no cut.
    assert_eq!(report.stopped, Stopped::Done);
    assert!(report.history.epochs.iter().all(|e| e.closing.unwrap().action == Action::Wait));
}

#[test]
fn it_multiplies_a_schedule_and_refuses_one_that_follows_a_metric() {
    let train = loader(clouds(96, 1));
    let beside = CutOnPlateau::default();
    let error = trainer().schedule(Every::Epoch, beside).closing(quick()).fit(&train, None).unwrap_err();
    assert!(matches!(error, TrainError::Setting { .. }) && error.to_string().contains("CutOnPlateau"), "{error}");
    let bad = trainer().closing(quick().cuts(0)).fit(&train, None).unwrap_err();
    assert!(matches!(bad, TrainError::Settings(_)));
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    let mut refused = trainer().closing(quick().monitor(Monitor::ValidLoss)).on_epoch_end(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Control::Continue
    });
    assert!(matches!(refused.fit(&train, None), Err(TrainError::Monitor { .. })));
    // What was refused goes on with all its callbacks once it is given what it lacks.
    let report = refused.fit(&train, Some(&train)).unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), report.epochs);

    let mut plain = trainer().epochs(3).schedule(Every::Epoch, LinearRate::new(1.0, 0.1, 3));
    let mut closed = trainer().epochs(3).schedule(Every::Epoch, LinearRate::new(1.0, 0.1, 3)).closing(quick());
    plain.fit(&train, None).unwrap();
    closed.fit(&train, None).unwrap();
    let rates = |h: &History| h.epochs.iter().map(|e| e.learning_rate).collect::<Vec<_>>();
    assert_eq!(rates(plain.history()), rates(closed.history()));
    assert_eq!(plain.model().state(), closed.model().state());
}
