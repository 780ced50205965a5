//! The process that watches: it starts the other one again after a crash, ends it when it hangs, and keeps what did it.

use super::child::save;
use super::readers::sweep;
use super::{Reader, clock};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::Duration;

/// A search for files that break a reader.
pub struct Hunt {
    /// The reader.
    pub reader: &'static Reader,
    /// What the files are made from.
    pub seed: u64,
    /// How long it takes, in processor time.
    pub time: Duration,
    /// How long one file may take, in processor time too.
    pub patience: Duration,
    /// Where files that break something are put.
    pub findings: PathBuf,
}

/// A file that breaks a reader.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Where it was put.
    pub file: PathBuf,
    /// What it does.
    pub what: String,
}

/// What a search came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The reader.
    pub reader: &'static str,
    /// How long it took, in processor time.
    pub seconds: f64,
    /// How many files were read.
    pub executions: u64,
    /// How many kinds of outcome there were.
    pub kinds: u64,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reader, seconds, executions, kinds, findings } = self;
        let found = findings.len();
        write!(
            f,
            "{reader:<12} {seconds:>7.1} s {executions:>10} files {kinds:>5} kinds of outcome {found:>3} findings"
        )?;
        findings.iter().try_for_each(|Finding { file, what }| write!(f, "\n  {}: {what}", file.display()))
    }
}

/// How often the other process is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// After so many crashes there is enough to mend.
const ENOUGH: usize = 10;

impl Hunt {
    /// Searches.
    ///
    /// # Errors
    /// If the other process cannot be started, or files not be written.
    pub fn run(&self) -> std::io::Result<Report> {
        let mut spent = Duration::ZERO;
        let mut report = Report { reader: self.reader.name, ..Report::default() };
        let slot = std::env::temp_dir().join(format!("kniff-fuzz-slot-{}-{}", self.reader.name, std::process::id()));
        let mut seed = self.seed;
        while let Some(left) = self.time.checked_sub(spent).filter(|left| left.as_millis() > 0) {
            let Watched { said, killed, used } = self.watch(self.start(seed, left, &slot)?, &slot)?;
            spent += used;
            let done = self.take(&said, &mut report);
            if done {
                break;
            }
            // Neither done nor a panic that was caught: the file in the slot ended it.
            let (count, bytes) = read_slot(&slot)?;
            report.executions += count;
            let what = if killed { "hang" } else { "crash" };
            let file = save(&self.findings, self.reader.name, what, &bytes)?;
            let last = said.lines().last().unwrap_or("").chars().take(300).collect::<String>();
            report.findings.push(Finding { file, what: format!("{what} {last}") });
            if report.findings.len() >= ENOUGH {
                break;
            }
            seed = seed.wrapping_add(1_000_003);
        }
        let _ = std::fs::remove_file(&slot);
        report.seconds = spent.as_secs_f64();
        Ok(report)
    }

    fn start(&self, seed: u64, left: Duration, slot: &Path) -> std::io::Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--child", self.reader.name, "--seed", &seed.to_string()]);
        command.arg("--milliseconds").arg(left.as_millis().to_string());
        command.arg("--slot").arg(slot).arg("--findings").arg(&self.findings);
        // One thread: its stack is in the address space that is limited.
        command.env("RAYON_NUM_THREADS", "1").env("MALLOC_ARENA_MAX", "1");
        // Files, not pipes: a pipe that nobody empties would hang the process.
        let out = std::fs::File::create(slot.with_extension("out"))?;
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out).spawn()
    }

    /// Waits for its end, or ends it when one file has taken too long.
    fn watch(&self, mut process: Process, slot: &Path) -> std::io::Result<Watched> {
        let (mut last, mut since, mut used) = (0, Duration::ZERO, Duration::ZERO);
        let (mut waited, mut killed) = (Duration::ZERO, false);
        while process.try_wait()?.is_none() {
            std::thread::sleep(LOOK);
            let now = clock::of(process.id()).unwrap_or(used);
            let count = read_slot(slot).map_or(0, |(count, _)| count);
            // No reader waits for anything: one that is asleep whenever it is looked at will stay so.
            let idle = clock::waits(process.id()) && now == used && count == last;
            waited = if idle { waited + LOOK } else { Duration::ZERO };
            used = now;
            if count != last {
                (last, since) = (count, now);
            } else if now.saturating_sub(since).max(waited) > self.patience && !killed {
                killed = true;
                process.kill()?;
            }
        }
        sweep(process.id());
        let mut said = Vec::new();
        let path = slot.with_extension("out");
        std::fs::File::open(&path)?.take(1 << 20).read_to_end(&mut said)?;
        let _ = std::fs::remove_file(path);
        Ok(Watched { said: String::from_utf8_lossy(&said).into_owned(), killed, used })
    }

    /// Takes what it said into the report; true if it came to its end.
    fn take(&self, said: &str, report: &mut Report) -> bool {
        let mut done = false;
        for line in said.lines() {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("finding"), Some(_), Some(file), what) => {
                    let what = format!("panic: {}", what.unwrap_or(""));
                    report.findings.push(Finding { file: file.into(), what });
                }
                (Some("done"), Some(count), Some(kinds), _) => {
                    report.executions += count.parse::<u64>().unwrap_or(0);
                    report.kinds = report.kinds.max(kinds.parse().unwrap_or(0));
                    done = true;
                }
                _ => {}
            }
        }
        done
    }
}

/// What the other process came to: what it said, whether it was ended, and the processor time it used.
struct Watched {
    said: String,
    killed: bool,
    used: Duration,
}

/// The number and the bytes of the file that is being read.
fn read_slot(slot: &Path) -> std::io::Result<(u64, Vec<u8>)> {
    let mut bytes = std::fs::read(slot)?;
    let number = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    let (count, len) = (number(0), number(8) as usize);
    bytes.drain(..bytes.len().min(16));
    bytes.truncate(len);
    Ok((count, bytes))
}
