//! Timing one workload as the side-by-side comparison wants it: a process, a pinned set of cores, one line of JSON.

use std::time::Instant;

/// What one call measures.
#[derive(Clone, Debug)]
pub struct Request {
    /// The workload's name.
    pub workload: String,
    /// Cores and threads.
    pub threads: usize,
}

fn setting(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Keeps this process to the last `threads` of its cores and its thread pool to as many threads.
///
/// Call it before anything runs in parallel.
pub fn pin(threads: usize) {
    #[cfg(target_os = "linux")]
    {
        use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
        use nix::unistd::Pid;
        let me = Pid::from_raw(0);
        if let Ok(all) = sched_getaffinity(me) {
            let cores = (0..CpuSet::count()).filter(|&c| all.is_set(c).unwrap_or(false));
            let mut wanted = CpuSet::new();
            for core in cores.collect::<Vec<_>>().into_iter().rev().take(threads) {
                let _ = wanted.set(core);
            }
            if let Err(e) = sched_setaffinity(me, &wanted) {
                eprintln!("entrant: the process could not be pinned to {threads} cores: {e}");
            }
        }
    }
    if let Err(e) = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        eprintln!("entrant: the thread pool could not be set to {threads} threads: {e}");
    }
}

#[cfg(unix)]
fn cpu_ms() -> f64 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map(|t| t.tv_sec() as f64 * 1e3 + t.tv_nsec() as f64 / 1e6)
        .unwrap_or(f64::NAN)
}

#[cfg(unix)]
fn peak_rss_mb() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    getrusage(UsageWho::RUSAGE_SELF).map(|u| u.max_rss() as f64 / 1024.0).unwrap_or(f64::NAN)
}

#[cfg(not(unix))]
fn cpu_ms() -> f64 {
    f64::NAN
}

#[cfg(not(unix))]
fn peak_rss_mb() -> f64 {
    f64::NAN
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n % 2 == 1 { values[n / 2] } else { (values[n / 2 - 1] + values[n / 2]) / 2.0 }
}

/// Runs a step until the time is up and gives the line to print.
///
/// Warm-up is at least three steps and 0.3 s. `PEERS_SECONDS`, `PEERS_MAX_SECONDS` and `PEERS_MIN_REPS` set the limits.
pub fn measure(request: &Request, samples: f64, mut step: impl FnMut() -> Option<f64>) -> String {
    let (seconds, limit) = (setting("PEERS_SECONDS", 2.0), setting("PEERS_MAX_SECONDS", 20.0));
    let least = setting("PEERS_MIN_REPS", 3.0) as usize;
    let begin = Instant::now();
    let first = step();
    let first_step = begin.elapsed().as_secs_f64();
    let mut warm = 1;
    while (warm < 3 || begin.elapsed().as_secs_f64() < seconds.min(0.3)) && begin.elapsed().as_secs_f64() < limit {
        step();
        warm += 1;
    }
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    let last = loop {
        let (c, t) = (cpu_ms(), Instant::now());
        let loss = step();
        times.push(t.elapsed().as_secs_f64() * 1e3);
        cpu.push(cpu_ms() - c);
        let elapsed = begin.elapsed().as_secs_f64();
        if (elapsed > seconds && times.len() >= least) || elapsed > limit {
            break loss;
        }
    };
    let reps = times.len();
    let middle = median(&mut times);
    let losses = match (first, last) {
        (Some(a), Some(b)) => format!(", \"loss_first\": {a:.5}, \"loss_last\": {b:.5}"),
        _ => String::new(),
    };
    format!(
        "{{\"workload\": \"{}\", \"peer\": \"kniff\", \"threads\": {}, \"median_ms\": {middle:.5}, \"min_ms\": {:.5}, \
         \"cpu_ms\": {:.5}, \"reps\": {reps}, \"samples_per_s\": {:.1}, \"peak_rss_mb\": {:.1}, \
         \"first_step_s\": {first_step:.3}, \"version\": \"kniff {}\"{losses}}}",
        request.workload,
        request.threads,
        times[0],
        median(&mut cpu),
        samples / middle * 1e3,
        peak_rss_mb(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// The median of a step's time in milliseconds: at least five steps and `PEERS_SECONDS` (0.3 unless set), after half as
/// long for warming up.
pub fn step_ms(mut step: impl FnMut() -> Option<f64>) -> f64 {
    let seconds = setting("PEERS_SECONDS", 0.3);
    let mut run = |seconds: f64, least: usize| {
        let (begin, mut times) = (Instant::now(), Vec::new());
        while times.len() < least || begin.elapsed().as_secs_f64() < seconds {
            let start = Instant::now();
            step();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        median(&mut times)
    };
    run(seconds / 2.0, 3);
    run(seconds, 5)
}

/// The line for a workload that is not there.
pub fn unsupported(request: &Request, why: &str) -> String {
    format!(
        "{{\"workload\": \"{}\", \"peer\": \"kniff\", \"threads\": {}, \"unsupported\": \"{why}\"}}",
        request.workload, request.threads
    )
}
