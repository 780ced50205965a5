//! Memory stays flat, however long a training is.

#![cfg(target_os = "linux")]

use crate::folder::Folder;
use crate::networks::{clouds, trainer};
use kniff_data::Loader;
use kniff_nn::Module;
use kniff_tensor::Rng;
use kniff_trainer::metrics::Accuracy;
use kniff_trainer::{AveragedWeights, Callback, Checkpoints, Control, TrainError, View};
use std::process::Command;

const STEPS: usize = 10_000;
const WARM: usize = 2_000;
/// A leak of 300 bytes a step would be more.
const MOST: usize = 2 << 20;

/// Resident memory in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
}

/// Says how much there is after some of the steps.
struct Weigh;

impl Callback for Weigh {
    fn batch_end(&mut self, view: &View<'_>, _: &dyn Module) -> Result<Control, TrainError> {
        if [WARM, STEPS].contains(&view.step) {
            println!("\nafter {} steps: {}", view.step, resident());
        }
        Ok(Control::Continue)
    }
}

/// In a process of its own, where no other test takes memory: this one, called again with a variable set.
#[test]
fn ten_thousand_steps_take_no_more_memory_than_two_thousand() {
    const CHILD: &str = "KNIFF_TEST_WEIGHS_ITSELF";
    if std::env::var_os(CHILD).is_some() {
        let folder = Folder::new("memory");
        let train = Loader::new(clouds(1600, 1)).batch_size(16).shuffle(&Rng::new(5)).prefetch(2, 4);
        let mut trainer = trainer()
            .epochs(STEPS / 100)
            .metric(Accuracy::new())
            .callback(AveragedWeights::exponential(0.99))
            .callback(Weigh)
            .checkpoints(Checkpoints::in_folder(folder.path()).every_steps(250));
        trainer.fit(&train, Some(&Loader::new(clouds(96, 2)))).unwrap();
        return;
    }
    let name = "memory::ten_thousand_steps_take_no_more_memory_than_two_thousand";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", name, "--nocapture"]).env(CHILD, "yes").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let after = |steps: usize| -> usize {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("after {steps} steps: ")));
        line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
    };
    let (warm, end) = (after(WARM), after(STEPS));
    println!("{} KiB after {WARM} steps, {} KiB after {STEPS}", warm / 1024, end / 1024);
    assert!(end <= warm + MOST, "{warm} bytes after {WARM} steps, {end} after {STEPS}");
}
