//! `--build`: what building the kniff crate costs whoever depends on it for the first time.

use crate::process::Cargo;
use std::time::Instant;

/// The most processor seconds that a profile's build may take.
const MOST: f64 = 60.0;

/// Builds the crate in an empty folder, in both profiles, and prints user and system time of all processes together.
pub(super) fn run() -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("kniff-build-{}", std::process::id()));
    let mut over = Vec::new();
    for (profile, flags) in [("dev", &[][..]), ("release", &["--release"][..])] {
        let call = Cargo::new(["build", "--quiet", "--package", "kniff"]).args(flags.iter().copied());
        let call = call.args(["--target-dir".to_owned(), folder.display().to_string()]);
        let (before, start) = (children_seconds()?, Instant::now());
        let built = call.succeeds();
        let (used, elapsed) = (children_seconds()? - before, start.elapsed().as_secs_f64());
        let _ = std::fs::remove_dir_all(&folder);
        if !built {
            return Err(format!("`{}` failed", call.line()));
        }
        println!("{profile}: {used:.1} processor seconds, {elapsed:.1} s by the clock");
        if used > MOST {
            over.push(profile);
        }
    }
    if over.is_empty() { Ok(()) } else { Err(format!("more than {MOST} processor seconds: {}", over.join(", "))) }
}

/// User and system time of all processes that were started here and have ended, theirs included.
#[cfg(unix)]
fn children_seconds() -> Result<f64, String> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| error.to_string())?;
    Ok((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6)
}

#[cfg(not(unix))]
fn children_seconds() -> Result<f64, String> {
    Err("this system does not say how much processor time a build took".to_owned())
}
