//! `--build`: what building the kniff crate costs whoever depends on it for the first time.

use crate::process::Cargo;
use std::time::Instant;

/// The most processor seconds that the build with a limit may take.
const MOST: f64 = 60.0;

/// A way to build, and whether the limit holds for it.
struct Setting {
    name: &'static str,
    call: fn(Cargo) -> Cargo,
    limited: bool,
}

/// The first is how the figures of other systems were measured that the limit stands beside.
const SETTINGS: [Setting; 2] = [
    Setting { name: "dev, opt-level 1", call: |build| build.with("CARGO_PROFILE_DEV_OPT_LEVEL", "1"), limited: true },
    Setting { name: "release", call: |build| build.args(["--release"]), limited: false },
];

/// Builds the crate with default features in an empty folder, in each setting, and prints user time of all processes together.
pub(super) fn run() -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("kniff-build-{}", std::process::id()));
    let mut over = Vec::new();
    for setting in &SETTINGS {
        let call = (setting.call)(Cargo::new(["build", "--quiet", "--package", "kniff"]));
        let call = call.args(["--target-dir".to_owned(), folder.display().to_string()]);
        let (before, start) = (children_seconds()?, Instant::now());
        let built = call.succeeds();
        let ([user, system], elapsed) = (children_seconds()?, start.elapsed().as_secs_f64());
        let (user, system) = (user - before[0], system - before[1]);
        let _ = std::fs::remove_dir_all(&folder);
        if !built {
            return Err(format!("`{}` failed", call.line()));
        }
        let limit = if setting.limited { format!(", of which at most {MOST} are allowed") } else { String::new() };
        let name = setting.name;
        println!("{name}: {user:.1} user seconds{limit}; {system:.1} system seconds, {elapsed:.1} s by the clock");
        if setting.limited && user > MOST {
            over.push(name);
        }
    }
    if over.is_empty() { Ok(()) } else { Err(format!("more than {MOST} user seconds: {}", over.join(", "))) }
}

/// User and system time of all processes that were started here and have ended, theirs included.
#[cfg(unix)]
fn children_seconds() -> Result<[f64; 2], String> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| error.to_string())?;
    Ok([usage.user_time(), usage.system_time()].map(|time| time.num_microseconds() as f64 / 1e6))
}

#[cfg(not(unix))]
fn children_seconds() -> Result<[f64; 2], String> {
    Err("this system does not say how much processor time a build took".to_owned())
}
