//! `--scaling`: how a training step's cost grows with batch, width and depth, as a table and a picture.

use super::Options;
use super::entrant::built;
use super::picture::{Curve, Panel, draw};
use crate::process::root;
use serde_json::Value;
use std::process::{Command, Stdio};

/// A step to the next size after which a unit of work costs so many times as much is called a cliff.
const CLIFF: f64 = 1.5;

/// What is varied, and what the cost is counted in.
const AXES: [(&str, &str); 3] = [
    ("batch", "microseconds per example"),
    ("width", "picoseconds per multiply-add"),
    ("depth", "microseconds per layer"),
];

#[derive(Clone, Debug, PartialEq)]
struct Point {
    axis: String,
    size: f64,
    threads: usize,
    step_ms: f64,
    /// In the unit of [`AXES`].
    cost: f64,
}

/// Measures, writes docs/pictures/scaling.csv and .svg, and names every cliff.
pub(super) fn run(options: &Options) -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut threads = if options.threads.is_empty() { vec![1, cores] } else { options.threads.clone() };
    threads.dedup();
    let program = built("scaling")?;
    let mut points = Vec::new();
    for threads in threads {
        let mut call = Command::new(&program);
        call.arg(threads.to_string()).stderr(Stdio::inherit());
        if let Some(seconds) = options.seconds {
            call.env("PEERS_SECONDS", seconds.to_string());
        }
        let output = call.output().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        if !output.status.success() {
            return Err(format!("{} {threads} ended with {}", program.display(), output.status));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        points.extend(text.lines().filter_map(|line| read(line, threads)));
    }
    let table = csv(&points);
    print!("{table}");
    let folder = root().join("docs/pictures");
    for (name, content) in [("scaling.csv", table), ("scaling.svg", picture(&points))] {
        let file = folder.join(name);
        std::fs::write(&file, content).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    match cliffs(&points) {
        found if found.is_empty() => {
            println!("no cliff: a unit of work never costs {CLIFF} times as much as one size before")
        }
        found => found.iter().for_each(|cliff| println!("cliff: {cliff}")),
    }
    Ok(())
}

fn read(line: &str, threads: usize) -> Option<Point> {
    let line: Value = serde_json::from_str(line).ok()?;
    let number = |key: &str| line.get(key)?.as_f64();
    let axis = line.get("axis")?.as_str()?.to_owned();
    Some(Point { axis, size: number("size")?, threads, step_ms: number("step_ms")?, cost: number("cost")? })
}

fn csv(points: &[Point]) -> String {
    let mut text = String::from("axis,size,threads,step_ms,cost,unit\n");
    for p in points {
        let unit = AXES.iter().find(|(axis, _)| *axis == p.axis).map_or("", |(_, unit)| unit);
        text += &format!("{},{},{},{:.4},{:.4},{unit}\n", p.axis, p.size, p.threads, p.step_ms, p.cost);
    }
    text
}

/// Neighbouring sizes of one axis and number of threads.
fn cliffs(points: &[Point]) -> Vec<String> {
    let pairs = points.windows(2).filter(|p| p[0].axis == p[1].axis && p[0].threads == p[1].threads);
    let steep = pairs.filter(|p| p[1].cost > CLIFF * p[0].cost);
    let sentence = |p: &[Point]| {
        let ratio = p[1].cost / p[0].cost;
        format!(
            "{} from {} to {} on {} threads costs {ratio:.2} times as much a unit",
            p[0].axis, p[0].size, p[1].size, p[0].threads
        )
    };
    steep.map(sentence).collect()
}

fn picture(points: &[Point]) -> String {
    let panels = AXES.map(|(axis, unit)| {
        let mut curves: Vec<Curve> = Vec::new();
        for p in points.iter().filter(|p| p.axis == axis) {
            let name = format!("{} thread{}", p.threads, if p.threads == 1 { "" } else { "s" });
            match curves.last_mut() {
                Some(curve) if curve.name == name => curve.points.push((p.size, p.cost)),
                _ => curves.push(Curve { name, points: vec![(p.size, p.cost)] }),
            }
        }
        Panel { title: unit.to_owned(), axis: axis.to_owned(), curves }
    });
    draw("A training step's cost as work grows", &panels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(axis: &str, size: f64, threads: usize, cost: f64) -> Point {
        Point { axis: axis.into(), size, threads, step_ms: 1.0, cost }
    }

    #[test]
    fn a_cliff_is_between_neighbours_of_one_curve() {
        let points = [
            point("batch", 1.0, 1, 1.0),
            point("batch", 2.0, 1, 1.6),
            point("batch", 1.0, 2, 9.0),
            point("width", 1.0, 2, 99.0),
        ];
        assert_eq!(cliffs(&points), ["batch from 1 to 2 on 1 threads costs 1.60 times as much a unit"]);
    }

    #[test]
    fn lines_become_rows_and_curves() {
        let line = r#"{"axis": "width", "size": 64, "step_ms": 0.5, "cost": 12.25}"#;
        let points = [read(line, 2).unwrap()];
        assert!(csv(&points).ends_with("width,64,2,0.5000,12.2500,picoseconds per multiply-add\n"));
        assert!(picture(&points).contains("2 threads"));
        assert_eq!(read("no JSON", 2), None);
    }
}
