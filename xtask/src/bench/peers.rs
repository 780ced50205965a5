//! `--peers`: kniff beside other systems, by a harness outside this repository, as a table of ratios.

use super::Options;
use super::entrant::{Figures, built, shown};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the folder of the harness where the command line does not.
const VARIABLE: &str = "KNIFF_PEERS";

/// What kniff is called in the harness's output.
const OURS: &str = "kniff";

/// The workloads of the table in docs/performance.md.
const WORKLOADS: &[&str] = &[
    "mlp_small",
    "mlp_bn",
    "lenet",
    "vgg_bn",
    "resnet20",
    "infer_mlp_bn_b1",
    "infer_mlp_bn_b256",
    "infer_vgg_bn_b1",
    "infer_vgg_bn_b256",
    "conv3_fb",
    "conv64_fb",
    "conv256_fb",
    "batchnorm2d",
    "maxpool2",
    "softmax_ce",
    "tanh",
    "adam10m",
    "matmul_mlp",
    "matmul_1024",
    "pca_whiten",
];

/// Runs the harness and prints the table.
pub(super) fn run(folder: Option<&Path>, options: &Options) -> Result<(), String> {
    let folder = folder.map(Path::to_path_buf).or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    let folder = folder.ok_or_else(|| {
        format!(
            "the other systems and the harness that runs them are not part of this repository; give the folder that \
             holds its programs `run` and `setup`, as `cargo xtask bench --peers FOLDER` or in {VARIABLE} (what they \
             have to do stands in docs/performance.md)"
        )
    })?;
    let folder = std::path::absolute(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let program = |name: &str| {
        let path = folder.join(name);
        if path.is_file() { Ok(path) } else { Err(format!("there is no program `{name}` in {}", folder.display())) }
    };
    let harness = program("run")?;
    if options.setup {
        finished(&mut Command::new(program("setup")?))?;
    }
    let entrant = built("entrant")?;
    let lines = std::env::temp_dir().join(format!("kniff-peers-{}.json", std::process::id()));
    // The harness may add to a file that is there.
    let _ = std::fs::remove_file(&lines);
    let done = finished(Command::new(harness).args(arguments(&entrant, &lines, options)));
    let text = std::fs::read_to_string(&lines).map_err(|error| format!("{}: {error}", lines.display()));
    let _ = std::fs::remove_file(&lines);
    done?;
    let figures: Vec<Figures> = text?.lines().filter_map(Figures::read).collect();
    let table = table(&figures);
    print!("{table}");
    match &options.out {
        Some(file) => std::fs::write(file, &table).map_err(|error| format!("{}: {error}", file.display())),
        None => Ok(()),
    }
}

fn arguments(entrant: &Path, lines: &Path, options: &Options) -> Vec<String> {
    let workloads = if options.workload.is_empty() { WORKLOADS.join(",") } else { options.workload.join(",") };
    let threads = if options.threads.is_empty() { vec![1, 2] } else { options.threads.clone() };
    let threads: Vec<String> = threads.iter().map(ToString::to_string).collect();
    let mut arguments = vec![
        ("--entrant", format!("{OURS}={}", entrant.display())),
        ("--workload", workloads),
        ("--threads", threads.join(",")),
        ("--rounds", options.rounds.unwrap_or(3).to_string()),
        ("--seconds", options.seconds.unwrap_or(1.0).to_string()),
        ("--out", lines.display().to_string()),
    ];
    if !options.peer.is_empty() {
        arguments.push(("--peer", options.peer.join(",")));
    }
    arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

fn finished(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{name}` ended with {status}")),
        Err(error) => Err(format!("cannot start `{name}`: {error}")),
    }
}

/// kniff, the fastest other system, and their ratio, in Markdown; a row for every workload and number of threads.
fn table(figures: &[Figures]) -> String {
    let mut text = String::from(
        "| workload | threads | kniff ms | fastest other | ms | ratio | kniff MB | its MB |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut seen = Vec::new();
    for of in figures {
        let key = (of.workload.as_str(), of.threads);
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let row = || figures.iter().filter(|f| (f.workload.as_str(), f.threads) == key);
        let ours = row().find(|f| f.peer == OURS);
        let others = row().filter(|f| f.peer != OURS && f.median_ms.is_some());
        let other = others.min_by(|a, b| f64::total_cmp(&a.median_ms.unwrap_or(0.0), &b.median_ms.unwrap_or(0.0)));
        let ms = |f: Option<&Figures>| f.and_then(|f| f.median_ms);
        let ratio = ms(ours).zip(ms(other)).map(|(ours, other)| format!("{:.2}", ours / other));
        let cell = |ms: Option<f64>| ms.map_or_else(|| "none".to_owned(), shown);
        let memory = |f: Option<&Figures>| f.and_then(|f| f.peak_rss_mb).map_or(String::new(), |mb| format!("{mb:.0}"));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
            key.0,
            key.1,
            cell(ms(ours)),
            other.map_or("none", |f| f.peer.as_str()),
            cell(ms(other)),
            ratio.unwrap_or_default(),
            memory(ours),
            memory(other),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, threads: u64, median_ms: Option<f64>) -> Figures {
        Figures { workload: "tanh".into(), peer: peer.into(), threads, median_ms, peak_rss_mb: Some(100.4) }
    }

    #[test]
    fn a_row_holds_the_fastest_of_those_that_ran() {
        let figures = [of("a", 1, Some(4.0)), of("b", 1, Some(2.0)), of("c", 1, None), of(OURS, 1, Some(1.0))];
        assert!(table(&figures).ends_with("| `tanh` | 1 | 1.00 | b | 2.00 | 0.50 | 100 | 100 |\n"));
        let alone = [of(OURS, 2, Some(1.0)), of("c", 2, None)];
        assert!(table(&alone).ends_with("| `tanh` | 2 | 1.00 | none | none |  | 100 |  |\n"));
    }

    #[test]
    fn a_folder_without_a_harness_is_named() {
        let error = run(Some(Path::new("/no/such/folder")), &Options::default()).unwrap_err();
        assert!(error.contains("no program `run` in /no/such/folder"), "{error}");
    }

    #[test]
    fn options_are_passed_on() {
        let options = Options { peer: vec!["a".into(), "b".into()], rounds: Some(5), ..Options::default() };
        let line = arguments(Path::new("/x/entrant"), Path::new("/x/out"), &options).join(" ");
        assert!(line.starts_with("--entrant kniff=/x/entrant --workload mlp_small,mlp_bn,lenet"), "{line}");
        assert!(line.ends_with("--threads 1,2 --rounds 5 --seconds 1 --out /x/out --peer a,b"), "{line}");
    }
}
