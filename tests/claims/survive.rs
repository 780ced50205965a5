//! "A training survives": killed, interrupted, and resumed, it ends with the same bytes.

use kniff_tests::survive::kill_and_compare;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_survive");

/// `cargo xtask survive` does it two hundred times.
#[test]
fn killed_six_times_it_loses_nothing_and_ends_with_the_same_bytes() {
    let outcome = kill_and_compare(Path::new(PROGRAM), 6, 1, &mut |_| {}).unwrap();
    assert_eq!((outcome.kills, outcome.lost, outcome.different), (6, 0, 0), "{outcome:?}");
}

#[cfg(unix)]
fn start(folder: &Path, slow: &str) -> (Child, impl Iterator<Item = String>) {
    let mut command = Command::new(PROGRAM);
    command.args(["train", "--threads", "1", "--slow", slow, "--folder"]).arg(folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    (child, lines)
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
#[cfg(unix)]
fn ctrl_c_finishes_the_step_writes_a_checkpoint_and_tells_how_to_go_on() {
    let folder = std::env::temp_dir().join(format!("kniff-ctrl-c-{}", std::process::id()));
    let mut whole = Command::new(PROGRAM).args(["train", "--threads", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    let expected = BufReader::new(whole.stdout.take().unwrap()).lines().map(Result::unwrap).last().unwrap();
    assert!(whole.wait().unwrap().success() && expected.starts_with("done "), "{expected}");

    for (interrupt, after) in [("-INT", "safe 4"), ("-TERM", "safe 24")] {
        // Slow enough to be found at work.
        let (child, mut lines) = start(&folder, "5");
        assert!(lines.any(|line| line == after));
        signal(&child, interrupt);
        let last = lines.last().unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let step = last.strip_prefix("interrupted ").unwrap();
        assert!(folder.join(format!("step-{:09}.kniff", step.parse::<usize>().unwrap())).is_file());
    }
    let (mut child, lines) = start(&folder, "0");
    assert_eq!(lines.last().unwrap(), expected);
    assert!(child.wait().unwrap().success());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
#[cfg(unix)]
fn a_second_ctrl_c_ends_it_at_once() {
    let folder = std::env::temp_dir().join(format!("kniff-ctrl-c-twice-{}", std::process::id()));
    let (mut child, mut lines) = start(&folder, "20000");
    assert_eq!(lines.next().unwrap(), "at 0");
    // The first checkpoint is there before the first step, whose end takes twenty seconds.
    let begun = Instant::now();
    while !folder.join("step-000000000.kniff").is_file() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "one alone waits for the step");
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(10));
    std::fs::remove_dir_all(&folder).unwrap();
}
