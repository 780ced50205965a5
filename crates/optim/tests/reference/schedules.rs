//! Sixty steps of every schedule.

use crate::{Case, cases};
use kniff_optim::{
    Anneal, Constant, Cosine, CosineWarmRestarts, CutOnPlateau, Exponential, Linear, Mode, MultiStep, OneCycle,
    Polynomial, Schedule, Sequence, StepDecay, Threshold,
};

#[test]
fn rates_are_those_of_pytorch() {
    let cases = cases(include_str!("../fixtures/schedules.json"));
    assert!(cases.len() > 15);
    for case in &cases {
        let mut schedule = schedule(case);
        schedule.validate().unwrap();
        let (mut rates, mut momenta) = (Vec::new(), Vec::new());
        for t in 0..case.count("steps") {
            rates.push(schedule.learning_rate(case.number("base_lr"), t));
            momenta.extend(schedule.momentum(t));
            if let Some(metric) = case.tensors.get("metric") {
                schedule.observe(t, metric[t as usize]).unwrap();
            }
        }
        case.check("lr", &rates);
        if case.tensors.contains_key("momentum") {
            case.check("momentum", &momenta);
        }
    }
}

fn schedule(case: &Case) -> Box<dyn Schedule> {
    let gamma = || case.number("gamma");
    let eta_min = || case.number("eta_min");
    match case.text("schedule") {
        "step" => Box::new(StepDecay { step_size: case.count("step_size"), gamma: gamma() }),
        "multistep" => {
            let milestones = case.attrs["milestones"].as_array().unwrap().iter().map(|m| m.as_u64().unwrap()).collect();
            Box::new(MultiStep { milestones, gamma: gamma() })
        }
        "exponential" => Box::new(Exponential { gamma: gamma() }),
        "cosine" => Box::new(Cosine { t_max: case.count("t_max"), eta_min: eta_min() }),
        "cosine_warm_restarts" => {
            Box::new(CosineWarmRestarts { t_0: case.count("t_0"), t_mult: case.count("t_mult"), eta_min: eta_min() })
        }
        "one_cycle" => Box::new(OneCycle {
            total_steps: case.count("total_steps"),
            rise: case.number("pct_start"),
            anneal: if case.text("anneal") == "cos" { Anneal::Cosine } else { Anneal::Linear },
            div_factor: case.number("div_factor"),
            final_div_factor: case.number("final_div_factor"),
            three_phase: case.flag("three_phase"),
            base_momentum: case.number("base_momentum"),
            max_momentum: case.number("max_momentum"),
        }),
        "reduce_on_plateau" => {
            let threshold = case.number("threshold");
            let relative = case.text("threshold_mode") == "rel";
            Box::new(CutOnPlateau {
                mode: if case.text("mode") == "min" { Mode::Min } else { Mode::Max },
                factor: case.number("factor"),
                patience: case.count("patience"),
                threshold: if relative { Threshold::Relative(threshold) } else { Threshold::Absolute(threshold) },
                cooldown: case.count("cooldown"),
                min_lr: case.number("min_lr"),
                min_change: case.number("eps"),
                max_cuts: u64::MAX,
                ..CutOnPlateau::default()
            })
        }
        "linear" => {
            let ends = (case.number("start_factor"), case.number("end_factor"));
            Box::new(Linear::new(ends.0, ends.1, case.count("total_iters")))
        }
        "polynomial" => Box::new(Polynomial { steps: case.count("total_iters"), power: case.number("power") }),
        "constant" => {
            let (factor, steps) = (case.number("factor"), case.count("total_iters"));
            Box::new(Sequence::new(Linear::new(factor, factor, steps)).then(steps, Constant))
        }
        "sequential_warmup_cosine" => {
            let warmup = case.count("warmup");
            let rise = Linear::new(case.number("start_factor"), 1.0, warmup);
            let fall = Cosine { t_max: case.count("t_max"), eta_min: eta_min() };
            Box::new(Sequence::new(rise).then(warmup, fall))
        }
        other => panic!("unknown schedule {other}"),
    }
}
