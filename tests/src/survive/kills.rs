//! The one who kills: SIGKILL at random moments, half of them while a checkpoint is being written.

use kniff::prelude::Rng;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How often a training was killed.
    pub kills: usize,
    /// How many of those times a checkpoint was being written.
    pub writing: usize,
    /// How often a training did not go on from a checkpoint that had been safe, or a later one.
    pub lost: usize,
    /// How many trainings ended with other weights or another history than the unbroken one.
    pub different: usize,
    /// How many trainings were brought to their end.
    pub trainings: usize,
}

/// Kills trainings until there were so many kills, resumes each time with 1, 2 or 4 threads, and compares every training that comes to its
/// end with one that was never stopped and wrote no checkpoints. `program` runs [`train`](super::train) when called with
/// `train --threads T [--folder DIR]`; `told` is shown a line now and then.
///
/// # Errors
/// If a process cannot be started, or a training fails.
pub fn kill_and_compare(
    program: &Path,
    kills: usize,
    seed: u64,
    told: &mut dyn FnMut(&str),
) -> Result<Outcome, Box<dyn Error>> {
    let started = Instant::now();
    let mut whole = Life::start(program, None, 2)?;
    let Some(End::Done(expected)) = whole.until(None)? else { return Err("the unbroken training did not end".into()) };
    told(&format!("unbroken: {expected}, {:.1} s", started.elapsed().as_secs_f64()));
    let mut rng = Rng::new(seed).stream("kills");
    let (mut outcome, mut said) = (Outcome::default(), Instant::now());
    while outcome.kills < kills || outcome.trainings == 0 {
        let folder = Folder::new(outcome.trainings);
        // The newest checkpoint that is known to be safe.
        let mut safe = 0;
        let end = loop {
            let mut life = Life::start(program, Some(&folder.0), [1, 2, 4][rng.below(3)])?;
            let kill = (outcome.kills < kills).then(|| Kill::draw(&mut rng));
            let end = life.until(kill)?;
            outcome.lost += usize::from(life.began.is_some_and(|step| step < safe));
            safe = safe.max(life.safe);
            match end {
                Some(end) => break end,
                None => {
                    outcome.kills += 1;
                    outcome.writing += usize::from(life.writing);
                    // Where writing is slow, one can see that it goes on.
                    if said.elapsed() > SILENCE || outcome.kills.is_multiple_of(50) {
                        said = Instant::now();
                        told(&format!("{} kills, {:.0} s", outcome.kills, started.elapsed().as_secs_f64()));
                    }
                }
            }
        };
        let End::Done(hash) = end;
        outcome.different += usize::from(hash != expected);
        outcome.trainings += 1;
    }
    Ok(outcome)
}

/// The longest time without a line, as long as trainings are killed.
const SILENCE: Duration = Duration::from_secs(10);

/// How a process ended that was not killed: with a hash.
enum End {
    Done(String),
}

/// When to kill.
struct Kill {
    /// After so many checkpoints were announced; at any time if there are none.
    writes: usize,
    /// So long after that.
    after: Duration,
}

impl Kill {
    fn draw(rng: &mut Rng) -> Self {
        let micros = |most: usize, rng: &mut Rng| Duration::from_micros(rng.below(most) as u64);
        if rng.bernoulli(0.5) {
            Self { writes: 1 + rng.below(12), after: micros(3_000, rng) }
        } else {
            Self { writes: 0, after: micros(400_000, rng) }
        }
    }
}

/// A process from its start to its end.
struct Life {
    child: Child,
    lines: Receiver<String>,
    /// The step at which it began.
    began: Option<usize>,
    /// The newest checkpoint that it knows to be safe.
    safe: usize,
    writing: bool,
}

impl Life {
    fn start(program: &Path, folder: Option<&Path>, threads: usize) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(program);
        command.args(["train", "--threads", &threads.to_string()]);
        if let Some(folder) = folder {
            command.arg("--folder").arg(folder);
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("no standard output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // The pipe ends with the process, and the thread with the pipe.
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines, began: None, safe: 0, writing: false })
    }

    /// Lets it run until it ends or is killed; how it ended, if it was not killed.
    fn until(&mut self, kill: Option<Kill>) -> Result<Option<End>, Box<dyn Error>> {
        let (mut writes, mut end) = (0, None);
        let mut deadline = kill.as_ref().filter(|kill| kill.writes == 0).map(|kill| Instant::now() + kill.after);
        let mut killed = false;
        loop {
            let patience = Duration::from_secs(120);
            let wait = deadline.map_or(patience, |at| at.saturating_duration_since(Instant::now()));
            match self.lines.recv_timeout(wait) {
                Ok(line) => match line.split_once(' ') {
                    Some(("at", step)) => self.began = Some(step.parse()?),
                    Some(("write", _)) => {
                        (self.writing, writes) = (true, writes + 1);
                        if let Some(kill) = kill.as_ref().filter(|kill| kill.writes == writes) {
                            deadline = Some(Instant::now() + kill.after);
                        }
                    }
                    Some(("safe", step)) => (self.writing, self.safe) = (false, step.parse()?),
                    Some(("done", hash)) => end = Some(End::Done(hash.to_owned())),
                    _ => return Err(format!("the training said {line:?}").into()),
                },
                Err(RecvTimeoutError::Timeout) if deadline.is_some() && !killed => {
                    self.child.kill()?;
                    // What it said before it died is still read.
                    (killed, deadline) = (true, None);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill()?;
                    return Err("the training said nothing for two minutes".into());
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = self.child.wait()?;
        if !killed && !status.success() {
            return Err(format!("the training failed: {status}").into());
        }
        Ok(end)
    }
}

/// A folder for one training, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(number: usize) -> Self {
        Self(std::env::temp_dir().join(format!("kniff-survive-{}-{number}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
