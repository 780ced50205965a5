//! Settings as JSON, as they stand in configurations and notes.

use super::readers::said;
use kniff::optim::{
    Closing, CosineWarmRestarts, CutOnPlateau, Exponential, MultiStep, OneCycle, Polynomial, Schedule, StepDecay,
};
use kniff::tensor::Rng;
use kniff::trainer::{ClosingPolicy, Monitor};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) fn settings_seeds() -> Vec<Vec<u8>> {
    let mut plateau = CutOnPlateau { patience: 1, ..CutOnPlateau::default() };
    let mut closing = Closing { cuts: 3, ..Closing::default() };
    for _ in 0..6 {
        let observed = plateau.observe(0, 1.0).and(closing.observe(1.0, Some(0.1)));
        observed.expect("a number");
    }
    vec![
        json(&plateau),
        json(&closing),
        json(&ClosingPolicy::new().monitor(Monitor::valid("accuracy"))),
        json(&Monitor::TrainLoss),
        json(&Rng::new(1).stream("settings")),
        json(&MultiStep { milestones: vec![3, 5], gamma: 0.1 }),
        json(&OneCycle::new(20)),
    ]
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers and names")
}

/// As each kind of settings in turn; those that are some, and say that they make sense, are used.
pub(super) fn settings(bytes: &[u8]) -> Result<(), String> {
    let mut last = parse::<CutOnPlateau>(bytes).and_then(|schedule| use_schedule(Box::new(schedule)));
    let closing = parse::<Closing>(bytes).and_then(use_closing);
    last = last.or(closing);
    let policy = parse::<ClosingPolicy>(bytes).and_then(|policy| use_closing(policy.closing().clone()));
    last = last.or(policy).or(parse::<Monitor>(bytes).map(drop));
    last = last.or(parse::<Rng>(bytes).map(|mut rng| drop((rng.below(9), rng.stream("a").keyed(1)))));
    last = last.or(parse::<MultiStep>(bytes).and_then(|schedule| use_schedule(Box::new(schedule))));
    last = last.or(parse::<OneCycle>(bytes).and_then(|schedule| use_schedule(Box::new(schedule))));
    last = last.or(parse::<CosineWarmRestarts>(bytes).and_then(|schedule| use_schedule(Box::new(schedule))));
    last = last.or(parse::<StepDecay>(bytes).and_then(|schedule| use_schedule(Box::new(schedule))));
    last = last.or(parse::<Polynomial>(bytes).and_then(|schedule| use_schedule(Box::new(schedule))));
    last.or(parse::<Exponential>(bytes).and_then(|schedule| use_schedule(Box::new(schedule))))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(said)
}

fn use_schedule(mut schedule: Box<dyn Schedule>) -> Result<(), String> {
    schedule.validate().map_err(said)?;
    for step in [0, 1, 2, 1000, u64::MAX] {
        let _ = (schedule.learning_rate(0.1, step), schedule.momentum(step));
        let _ = schedule.observe(step, 1.0 / (1.0 + step as f64));
    }
    Ok(())
}

fn use_closing(mut closing: Closing) -> Result<(), String> {
    closing.validate().map_err(said)?;
    for epoch in 0..8 {
        let _ = closing.learning_rate(0.1);
        let _ = closing.observe(1.0 + f64::from(epoch) / 3.0, (epoch > 4).then_some(0.1));
    }
    Ok(())
}
