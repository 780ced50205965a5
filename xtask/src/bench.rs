//! `cargo xtask bench`: the criterion benches with their baselines, and what is measured without criterion.

mod cold_build;
mod entrant;
mod neighbour;
mod peers;
mod picture;
mod scaling;

use crate::process::Cargo;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Args)]
pub(crate) struct Bench {
    /// Only benches whose name contains this
    filter: Option<String>,
    /// Keep the measurements as the baseline NAME
    #[arg(long, value_name = "NAME", conflicts_with = "against")]
    save: Option<String>,
    /// Compare with the baseline NAME, which stays as it is
    #[arg(long, value_name = "NAME")]
    against: Option<String>,
    #[command(flatten)]
    kind: Kind,
    #[command(flatten)]
    options: Options,
}

/// What is measured instead of the criterion benches; at most one.
#[derive(Args, Default)]
#[group(multiple = false, conflicts_with_all = ["filter", "save", "against"])]
struct Kind {
    /// Side by side with other systems, by the harness in the folder PATH or in $KNIFF_PEERS
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    peers: Option<Option<PathBuf>>,
    /// How a training step's cost grows with batch, width and depth; writes docs/pictures/scaling.csv and .svg
    #[arg(long)]
    scaling: bool,
    /// What a busy process of the lowest priority costs
    #[arg(long)]
    neighbour: bool,
    /// User seconds of building the kniff crate and all it needs from nothing: the dev profile with opt-level 1, at most
    /// 60, and release, without a limit
    #[arg(long)]
    build: bool,
}

/// What the measurements beside criterion take; each takes what it can use.
#[derive(Args, Default)]
struct Options {
    /// The workloads, separated by commas (--peers, --neighbour)
    #[arg(long, value_name = "W,..", value_delimiter = ',')]
    workload: Vec<String>,
    /// The other systems, by the harness's names, separated by commas (--peers)
    #[arg(long, value_name = "P,..", value_delimiter = ',')]
    peer: Vec<String>,
    /// Another program to measure, which takes WORKLOAD THREADS and prints the entrant's line of JSON (--neighbour)
    #[arg(long, value_name = "NAME=COMMAND")]
    other: Vec<String>,
    /// The numbers of threads, separated by commas
    #[arg(long, value_name = "T,..", value_delimiter = ',')]
    threads: Vec<usize>,
    /// How often each is run, in turns with the others
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Timed seconds of one run
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Keep the figures in this file too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Run the harness's own setup first (--peers)
    #[arg(long)]
    setup: bool,
}

impl Bench {
    /// Runs the benches in the bench profile, or what is measured instead.
    pub(crate) fn run(&self) -> ExitCode {
        let options = &self.options;
        let result = match &self.kind {
            Kind { peers: Some(folder), .. } => peers::run(folder.as_deref(), options),
            Kind { scaling: true, .. } => scaling::run(options),
            Kind { neighbour: true, .. } => neighbour::run(options),
            Kind { build: true, .. } => cold_build::run(),
            _ => return self.call().exit_code(),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                println!("bench: {why}");
                ExitCode::FAILURE
            }
        }
    }

    fn call(&self) -> Cargo {
        // The pattern leaves out the library and the binaries, whose harness does not know criterion's arguments.
        let mut call = Cargo::new(["bench", "--package", "kniff-benches", "--bench", "*", "--"]);
        if let Some(filter) = &self.filter {
            call = call.args([filter]);
        }
        if let Some(name) = &self.save {
            call = call.args(["--save-baseline", name]);
        }
        if let Some(name) = &self.against {
            call = call.args(["--baseline", name]);
        }
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: Bench,
    }

    fn parsed(line: &[&str]) -> Result<Bench, clap::Error> {
        Line::try_parse_from(["bench"].iter().chain(line)).map(|line| line.bench)
    }

    #[test]
    fn baselines_take_criterions_names() {
        let saving = parsed(&["gemm", "--save", "before"]).unwrap();
        assert!(saving.call().line().ends_with("-- gemm --save-baseline before"));
        let comparing = parsed(&["--against", "before"]).unwrap();
        assert!(comparing.call().line().ends_with("-- --baseline before"));
    }

    #[test]
    fn one_thing_is_measured_at_a_time() {
        assert!(parsed(&["--peers", "--scaling"]).is_err());
        assert!(parsed(&["--build", "--save", "before"]).is_err());
        let peers = parsed(&["--peers", "--workload", "mlp_small,vgg_bn", "--threads", "1,2"]).unwrap();
        assert_eq!(peers.kind.peers, Some(None));
        assert_eq!((peers.options.workload.len(), peers.options.threads), (2, vec![1, 2]));
        assert_eq!(parsed(&["--peers", "x"]).unwrap().kind.peers, Some(Some("x".into())));
    }
}
