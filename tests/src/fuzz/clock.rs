//! Processor time: a machine that is busy or a process that is stopped makes no file slow.

use std::time::Duration;

#[cfg(target_os = "linux")]
mod system {
    use super::Duration;
    use nix::time::{ClockId, clock_getcpuclockid};
    use nix::unistd::Pid;

    fn now(clock: ClockId) -> Option<Duration> {
        clock.now().ok().map(Duration::from)
    }

    /// What this process has used.
    pub(crate) fn own() -> Duration {
        now(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap_or_default()
    }

    /// What another process has used; none once it is gone.
    pub(crate) fn of(process: u32) -> Option<Duration> {
        clock_getcpuclockid(Pid::from_raw(i32::try_from(process).ok()?)).ok().and_then(now)
    }

    /// Whether a process waits for something: it neither runs, nor wants to, nor is stopped.
    pub(crate) fn waits(process: u32) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name before it stands in brackets, and may hold anything.
        state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }
}

/// Elsewhere it is the time of the day, which a busy machine stretches.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::Duration;
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(crate) fn own() -> Duration {
        START.elapsed()
    }

    pub(crate) fn of(_: u32) -> Option<Duration> {
        Some(own())
    }

    pub(crate) fn waits(_: u32) -> bool {
        false
    }
}

pub(crate) use system::{of, own, waits};
