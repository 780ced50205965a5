//! Learning-rate schedules, step by step.

use crate::Check;
use kniff::optim::{
    Anneal, Constant, Cosine, CosineWarmRestarts, CutOnPlateau, Exponential, Linear, Mode, MultiStep, OneCycle,
    Polynomial, Schedule, Sequence, StepDecay, Threshold,
};
use kniff_tensor::Element;

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    if op != "schedule" {
        return None;
    }
    let mut schedule = schedule(case)?;
    schedule.validate().unwrap_or_else(|e| panic!("{e}"));
    let metric = case.has("metric").then(|| case.tensor("metric").to_vec());
    let base =
        ["base_lr", "peak", "init"].iter().find_map(|name| case.maybe_number(name)).expect("a rate to start from");
    let (mut rates, mut momenta) = (Vec::new(), Vec::new());
    for t in 0..case.size("steps") {
        rates.push(schedule.learning_rate(base, t as u64));
        momenta.extend(schedule.momentum(t as u64));
        if let Some(metric) = &metric {
            schedule.observe(t as u64, metric[t].to_f64()).unwrap_or_else(|e| panic!("{e}"));
        }
    }
    case.compare_numbers("lr", &[rates.len()], &rates);
    if case.expects("momentum") {
        case.compare_numbers("momentum", &[momenta.len()], &momenta);
    }
    Some(())
}

fn schedule<E: Element>(case: &Check<'_, E>) -> Option<Box<dyn Schedule>> {
    let count = |name: &str| case.size(name) as u64;
    Some(match case.text("schedule") {
        "step" => Box::new(StepDecay { step_size: count("step_size"), gamma: case.number("gamma") }),
        "multistep" => {
            let milestones = case.sizes("milestones").into_iter().map(|m| m as u64).collect();
            Box::new(MultiStep { milestones, gamma: case.number("gamma") })
        }
        "exponential" => Box::new(Exponential { gamma: case.number("gamma") }),
        "cosine" => Box::new(Cosine { t_max: count("t_max"), eta_min: case.number("eta_min") }),
        "cosine_warm_restarts" => {
            let (t_0, t_mult, eta_min) = (count("t_0"), count("t_mult"), case.number("eta_min"));
            Box::new(CosineWarmRestarts { t_0, t_mult, eta_min })
        }
        "one_cycle" => Box::new(OneCycle {
            total_steps: count("total_steps"),
            rise: case.number("pct_start"),
            anneal: match case.text("anneal") {
                "cos" => Anneal::Cosine,
                "linear" => Anneal::Linear,
                other => panic!("there is no annealing `{other}`"),
            },
            div_factor: case.number("div_factor"),
            final_div_factor: case.number("final_div_factor"),
            three_phase: case.flag("three_phase"),
            base_momentum: case.number("base_momentum"),
            max_momentum: case.number("max_momentum"),
        }),
        "reduce_on_plateau" => {
            let threshold = case.number("threshold");
            Box::new(CutOnPlateau {
                mode: if case.text("mode") == "min" { Mode::Min } else { Mode::Max },
                factor: case.number("factor"),
                patience: count("patience"),
                threshold: match case.text("threshold_mode") {
                    "rel" => Threshold::Relative(threshold),
                    _ => Threshold::Absolute(threshold),
                },
                cooldown: count("cooldown"),
                min_lr: case.number("min_lr"),
                min_change: case.number("eps"),
                max_cuts: u64::MAX,
                ..CutOnPlateau::default()
            })
        }
        "linear" => {
            let (start, end) = (case.number("start_factor"), case.number("end_factor"));
            Box::new(Linear::new(start, end, count("total_iters")))
        }
        "polynomial" => Box::new(Polynomial { steps: count("total_iters"), power: case.number("power") }),
        "constant" => {
            let (factor, steps) = (case.number("factor"), count("total_iters"));
            Box::new(Sequence::new(Linear::new(factor, factor, steps)).then(steps, Constant))
        }
        "sequential_warmup_cosine" => {
            let warmup = count("warmup");
            let rise = Linear::new(case.number("start_factor"), 1.0, warmup);
            let fall = Cosine { t_max: count("t_max"), eta_min: case.number("eta_min") };
            Box::new(Sequence::new(rise).then(warmup, fall))
        }
        "optax_exponential" if case.flag("staircase") => {
            Box::new(StepDecay { step_size: count("transition_steps"), gamma: case.number("decay_rate") })
        }
        "optax_warmup_cosine" => {
            let warmup = count("warmup");
            let rise = Linear::new(case.number("init") / case.number("peak"), 1.0, warmup);
            let fall = Cosine { t_max: count("decay_steps") - warmup, eta_min: case.number("end") };
            Box::new(Sequence::new(rise).then(warmup, fall))
        }
        _ => return None,
    })
}
