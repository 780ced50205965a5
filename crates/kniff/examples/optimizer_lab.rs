//! Every update rule in a long valley and round a saddle, as pictures: `cargo run --release --example optimizer_lab`.

mod terminal;

use clap::Parser;
use kniff::optim::{
    AdaDelta, AdaGrad, Adam, AdamW, Adamax, Lion, Momentum, NAdam, Nesterov, RAdam, RmsProp, Rprop, Rule, Sgd, State,
};
use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{end, say};

/// Draws the two pictures of the lecture, and writes every point of them as CSV. The same bytes every time.
#[derive(Parser)]
struct Options {
    /// Where the pictures and tables go.
    #[arg(long, default_value = "out/optimizer_lab")]
    out: PathBuf,
    /// How many steps.
    #[arg(long, default_value_t = 120)]
    steps: usize,
}

type Point = [f64; 2];

/// A surface to walk on, and the window that is drawn.
struct Scene {
    name: &'static str,
    title: &'static str,
    start: Point,
    /// Left, right, bottom, top.
    window: [f64; 4],
    /// One rate for all rules but those below.
    rate: f64,
    value: fn(Point) -> f64,
    gradient: fn(Point) -> Point,
    levels: &'static [f64],
    /// The level curve as points, for drawing.
    curve: fn(f64) -> Vec<Vec<Point>>,
}

const VALLEY: Scene = Scene {
    name: "valley",
    title: "A long valley: x\u{b2}/40 + y\u{b2}, curvatures 1 : 40",
    start: [-9.0, 2.5],
    window: [-10.0, 4.0, -3.2, 3.2],
    rate: 0.9,
    value: |[x, y]| x * x / 40.0 + y * y,
    gradient: |[x, y]| [x / 20.0, 2.0 * y],
    levels: &[0.05, 0.25, 0.75, 1.5, 2.5, 4.0, 6.0, 8.5],
    curve: |level| {
        let turn = |k: i32| std::f64::consts::TAU * f64::from(k) / 96.0;
        let (a, b) = ((40.0 * level).sqrt(), level.sqrt());
        vec![(0..=96).map(|k| [a * turn(k).cos(), b * turn(k).sin()]).collect()]
    },
};

const SADDLE: Scene = Scene {
    name: "saddle",
    title: "A saddle: x\u{b2} \u{2212} y\u{b2}, entered from the ridge",
    start: [1.0, 1e-4],
    window: [-1.1, 1.3, -1.2, 1.2],
    rate: 0.02,
    value: |[x, y]| x * x - y * y,
    gradient: |[x, y]| [2.0 * x, -2.0 * y],
    levels: &[-1.0, -0.6, -0.3, -0.1, -0.01, 0.01, 0.1, 0.3, 0.6, 1.0],
    curve: |level| {
        let along = |k: i32| f64::from(k) / 16.0;
        let side = |sign: f64| {
            let far = |t: f64| sign * (t * t + level.abs()).sqrt();
            (-24..=24)
                .map(|k| if level > 0.0 { [far(along(k)), along(k)] } else { [along(k), far(along(k))] })
                .collect()
        };
        vec![side(1.0), side(-1.0)]
    },
};

/// The rules in the order of the legend, with their colours.
fn walks(scene: &Scene, steps: usize) -> Vec<(&'static str, &'static str, f64, Vec<Point>)> {
    // Plain gradient descent and its kin take the scene's rate; rules that divide by the gradient's size take steps of
    // about the rate itself, whatever the scene.
    let (plain, sized) = (scene.rate, if scene.name == "valley" { 0.3 } else { scene.rate });
    vec![
        ("SGD", "#555555", plain, walk(Sgd, plain, scene, steps)),
        ("Momentum", "#1f77b4", plain / 10.0, walk(Momentum::default(), plain / 10.0, scene, steps)),
        ("Nesterov", "#17becf", plain / 10.0, walk(Nesterov::default(), plain / 10.0, scene, steps)),
        ("AdaGrad", "#2ca02c", sized, walk(AdaGrad::default(), sized, scene, steps)),
        ("AdaDelta", "#98df8a", 100.0 * sized, walk(AdaDelta::default(), 100.0 * sized, scene, steps)),
        ("RMSProp", "#d62728", sized, walk(RmsProp::default(), sized, scene, steps)),
        ("Adam", "#ff7f0e", sized, walk(Adam::default(), sized, scene, steps)),
        ("AdamW", "#ffbb78", sized, walk(AdamW::default(), sized, scene, steps)),
        ("Adamax", "#8c564b", sized, walk(Adamax::default(), sized, scene, steps)),
        ("NAdam", "#e377c2", sized, walk(NAdam::default(), sized, scene, steps)),
        ("RAdam", "#9467bd", sized, walk(RAdam::default(), sized, scene, steps)),
        ("Lion", "#bcbd22", sized / 3.0, walk(Lion::default(), sized / 3.0, scene, steps)),
        ("Rprop", "#000000", sized, walk(Rprop::default(), sized, scene, steps)),
    ]
}

fn walk<R: Rule>(rule: R, rate: f64, scene: &Scene, steps: usize) -> Vec<Point> {
    let (mut state, mut at) = (State::new(&rule), scene.start);
    let mut path = vec![at];
    for _ in 0..steps {
        let gradient = (scene.gradient)(at);
        rule.step_slice(&mut at, &gradient, &mut state, rate);
        path.push(at);
    }
    path
}

fn main() -> ExitCode {
    end(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&options.out).map_err(|e| format!("{}: {e}", options.out.display()))?;
    for scene in [VALLEY, SADDLE] {
        let walks = walks(&scene, options.steps);
        say!("{}, after {} steps from {:?}", scene.title, options.steps, scene.start)?;
        for (name, _, rate, path) in &walks {
            let last = path[options.steps];
            say!(
                "  {name:10} rate {rate:6.3}  loss {:11.3e}  at ({:8.3}, {:8.3})",
                (scene.value)(last),
                last[0],
                last[1]
            )?;
        }
        for (ending, text) in [("csv", table(&scene, &walks)), ("svg", picture(&scene, &walks))] {
            let path = options.out.join(format!("optimizer_{}.{ending}", scene.name));
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    say!("pictures and tables are in {}", options.out.display())?;
    Ok(())
}

fn table(scene: &Scene, walks: &[(&str, &str, f64, Vec<Point>)]) -> String {
    let mut text = String::from("rule,learning_rate,step,x,y,loss\n");
    for (name, _, rate, path) in walks {
        for (step, at) in path.iter().enumerate() {
            let _ = writeln!(text, "{name},{rate},{step},{},{},{}", at[0], at[1], (scene.value)(*at));
        }
    }
    text
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEGEND: f64 = 110.0;

/// Level curves in grey, one line a rule, a dot where it ends within the window.
fn picture(scene: &Scene, walks: &[(&str, &str, f64, Vec<Point>)]) -> String {
    let [left, right, bottom, top] = scene.window;
    let place = |[x, y]: Point| [(x - left) / (right - left) * WIDTH, (top - y) / (top - bottom) * HEIGHT];
    let line = |points: &[Point]| {
        let mut text = String::new();
        for (i, point) in points.iter().enumerate() {
            let [x, y] = place(*point);
            let _ = write!(text, "{}{x:.1},{y:.1}", if i == 0 { "" } else { " " });
        }
        text
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <clipPath id=\"w\"><rect width=\"{WIDTH}\" height=\"{HEIGHT}\"/></clipPath>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"{}\">{}</text>\n<g clip-path=\"url(#w)\" fill=\"none\">\n",
        WIDTH + LEGEND,
        HEIGHT + 24.0,
        HEIGHT + 17.0,
        scene.title
    );
    for level in scene.levels {
        for curve in (scene.curve)(*level) {
            let _ = writeln!(svg, "<polyline points=\"{}\" stroke=\"#ddd\"/>", line(&curve));
        }
    }
    for (_, colour, _, path) in walks {
        // A walk that has left the window is not drawn on its way to infinity.
        let out = |[x, y]: &Point| !(2.0 * left..2.0 * right).contains(x) || !(2.0 * bottom..2.0 * top).contains(y);
        let end = path.iter().position(out).map_or(path.len(), |i| i + 1);
        let _ = writeln!(svg, "<polyline points=\"{}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>", line(&path[..end]));
        let [x, y] = place(path[end - 1]);
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
    }
    svg += "</g>\n";
    for (i, (name, colour, _, _)) in walks.iter().enumerate() {
        let (x, y) = (WIDTH + 10.0, 20.0 + 18.0 * i as f64);
        let _ = writeln!(svg, "<path d=\"M{x} {y}h18\" stroke=\"{colour}\" stroke-width=\"3\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">{name}</text>", x + 24.0, y + 4.0);
    }
    svg + "</svg>\n"
}
