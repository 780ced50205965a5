//! `--neighbour`: what a process that is always busy, but of the lowest priority, costs a training step.

use super::Options;
use super::entrant::{built, measured, median, shown};
use std::process::{Child, Command, Stdio};

/// Where the neighbour may run.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    /// There is none.
    Nobody,
    /// Wherever the system puts it.
    Anywhere,
    /// On the last core, which every entrant uses.
    LastCore,
}

const STATES: [(Beside, &str); 3] =
    [(Beside::Nobody, "alone"), (Beside::Anywhere, "unpinned"), (Beside::LastCore, "pinned")];

/// Measures every program in turns, alone and beside a neighbour, and prints the medians and what they are to those alone.
pub(super) fn run(options: &Options) -> Result<(), String> {
    let mut programs = vec![("kniff".to_owned(), vec![built("entrant")?.display().to_string()])];
    for other in &options.other {
        programs.push(named(other)?);
    }
    let given = |list: &[String], or: &[&str]| -> Vec<String> {
        if list.is_empty() { or.iter().map(ToString::to_string).collect() } else { list.to_vec() }
    };
    let workloads = given(&options.workload, &["mlp_small", "mlp_bn"]);
    let threads = if options.threads.is_empty() { vec![2] } else { options.threads.clone() };
    let (rounds, seconds) = (options.rounds.unwrap_or(5), options.seconds.unwrap_or(0.5));
    let mut text = String::from("workload,threads,program,neighbour,median_ms,times_alone\n");
    for workload in &workloads {
        for &threads in &threads {
            let mut times = vec![[const { Vec::new() }; STATES.len()]; programs.len()];
            for round in 0..rounds {
                for step in 0..STATES.len() * programs.len() {
                    // The order moves on from round to round, so that no one is always measured after the same other.
                    let at = (step + round) % (STATES.len() * programs.len());
                    let (program, state) = (at % programs.len(), at / programs.len());
                    let neighbour = Neighbour::start(STATES[state].0)?;
                    let figures = measured(&programs[program].1, workload, threads, seconds)?;
                    drop(neighbour);
                    times[program][state].extend(figures.median_ms);
                }
            }
            for ((name, _), times) in programs.iter().zip(&times) {
                let alone = median(&times[0]).ok_or_else(|| format!("{name} does not have the workload {workload}"))?;
                for ((_, state), times) in STATES.iter().zip(times) {
                    let ms = median(times).unwrap_or(f64::NAN);
                    let row = format!("{workload},{threads},{name},{state},{},{:.2}\n", shown(ms), ms / alone);
                    print!("{row}");
                    text += &row;
                }
            }
        }
    }
    match &options.out {
        Some(file) => std::fs::write(file, &text).map_err(|error| format!("{}: {error}", file.display())),
        None => Ok(()),
    }
}

/// The name and the command in `NAME=COMMAND`.
fn named(other: &str) -> Result<(String, Vec<String>), String> {
    let parts = other.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains(['/', ' ']));
    let (name, command) = parts.ok_or_else(|| format!("--other takes NAME=COMMAND, not `{other}`"))?;
    Ok((name.to_owned(), command.split_whitespace().map(str::to_owned).collect()))
}

/// A shell that counts to nothing, until this value is dropped.
struct Neighbour(Option<Child>);

impl Neighbour {
    fn start(beside: Beside) -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let last = (cores - 1).to_string();
        let mut line = vec!["nice", "-n", "19"];
        match beside {
            Beside::Nobody => return Ok(Self(None)),
            Beside::Anywhere => {}
            Beside::LastCore => line.extend(["taskset", "-c", &last]),
        }
        line.extend(["sh", "-c", "while :; do :; done"]);
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).stdin(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot start `{}`: {error}", line.join(" ")))?;
        Ok(Self(Some(child)))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself, if the system has no `taskset`.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn other_programs_have_a_name() {
        let (name, command) = named("torch=/usr/bin/python3 peer.py --x=1").unwrap();
        assert_eq!((name.as_str(), command.len()), ("torch", 3));
        assert!(named("/usr/bin/python3 peer.py --x=1").unwrap_err().contains("takes NAME=COMMAND"));
    }

    #[test]
    fn a_neighbour_runs_until_it_is_dropped() {
        let mut neighbour = Neighbour::start(Beside::Anywhere).unwrap();
        let running = |neighbour: &mut Neighbour| neighbour.0.as_mut().map(|child| child.try_wait().unwrap().is_none());
        assert_eq!(running(&mut neighbour), Some(true));
        assert_eq!(running(&mut Neighbour::start(Beside::Nobody).unwrap()), None);
    }
}
