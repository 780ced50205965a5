//! Curves over logarithmic axes as an SVG, panel beside panel.

use std::fmt::Write;

/// One curve.
pub(super) struct Curve {
    pub(super) name: String,
    /// Sizes and costs, both above 0.
    pub(super) points: Vec<(f64, f64)>,
}

/// One diagram.
pub(super) struct Panel {
    pub(super) title: String,
    /// What the sizes are sizes of.
    pub(super) axis: String,
    pub(super) curves: Vec<Curve>,
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 260.0;
/// Around the field in which the curves are: left, top, right, bottom.
const FRAME: [f64; 4] = [52.0, 64.0, 16.0, 44.0];
/// Told apart without colour vision as well.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// Draws the panels in one row.
pub(super) fn draw(title: &str, panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{}\" y=\"18\" text-anchor=\"middle\" font-size=\"14\">{title}</text>\n",
        width / 2.0
    );
    for (i, panel) in panels.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(svg, "<g transform=\"translate({} 0)\">", WIDTH * i as f64);
        draw_panel(&mut svg, panel);
        svg += "</g>\n";
    }
    svg + "</svg>\n"
}

fn draw_panel(svg: &mut String, panel: &Panel) {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    if points().next().is_none() {
        return;
    }
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
        (low, high.max(low * 1.01))
    };
    let (x_low, x_high) = range(&mut points().map(|p| p.0));
    let (low, high) = range(&mut points().map(|p| p.1));
    // Whole powers of ten, so that the same slope is not drawn steeper where there is little to see.
    let (y_low, y_high) = (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
    let [left, top, right, bottom] = FRAME;
    let (inner_width, inner_height) = (WIDTH - left - right, HEIGHT - top - bottom);
    let x = |v: f64| left + inner_width * (v / x_low).ln() / (x_high / x_low).ln();
    let y = |v: f64| top + inner_height * (1.0 - (v / y_low).ln() / (y_high / y_low).ln());
    let (right_end, low_end) = (left + inner_width, top + inner_height);
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = svg.write_fmt(text);
        svg.push('\n');
    };
    line(format_args!("<text x=\"{left}\" y=\"38\">{}</text>", panel.title));
    let mut tick = y_low;
    while tick <= y_high * 1.001 {
        let at = y(tick);
        line(format_args!("<path d=\"M{left} {at:.1}H{right_end:.1}\" stroke=\"#ddd\"/>"));
        line(format_args!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 5.0,
            at + 4.0,
            number(tick)
        ));
        tick *= 10.0;
    }
    let mut sizes: Vec<f64> = points().map(|p| p.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let every = sizes.len().div_ceil(6);
    for size in sizes.iter().step_by(every) {
        let at = x(*size);
        line(format_args!("<path d=\"M{at:.1} {low_end}v4\" stroke=\"black\"/>"));
        line(format_args!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{size}</text>", low_end + 16.0));
    }
    line(format_args!("<path d=\"M{left} {top}V{low_end}H{right_end}\" fill=\"none\" stroke=\"black\"/>"));
    let middle = left + inner_width / 2.0;
    line(format_args!("<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>", low_end + 34.0, panel.axis));
    for (i, (curve, colour)) in panel.curves.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let path: Vec<String> = curve.points.iter().map(|p| format!("{:.1} {:.1}", x(p.0), y(p.1))).collect();
        line(format_args!("<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>", path.join("L")));
        for p in &curve.points {
            line(format_args!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{colour}\"/>", x(p.0), y(p.1)));
        }
        let at = left + 80.0 * i as f64;
        line(format_args!("<text x=\"{at}\" y=\"54\" fill=\"{colour}\">{}</text>", curve.name));
    }
}

/// A power of ten without needless zeros.
fn number(value: f64) -> String {
    if value >= 1.0 { format!("{value:.0}") } else { format!("{value:.6}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_lies_where_its_logarithm_is() {
        let curves = vec![Curve { name: "one".into(), points: vec![(1.0, 1.0), (10.0, 10.0), (100.0, 100.0)] }];
        let svg = draw("t", &[Panel { title: "cost".into(), axis: "size".into(), curves }]);
        // The middle of the field: 52 + 252 / 2, 64 + 152 / 2.
        assert!(svg.contains("cx=\"178.0\" cy=\"140.0\""), "{svg}");
        assert!(svg.contains(">100</text>") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn a_single_value_and_no_value_can_be_drawn() {
        let curve = Curve { name: "one".into(), points: vec![(4.0, 3.0)] };
        let panel = |curves| Panel { title: "cost".into(), axis: "size".into(), curves };
        assert!(!draw("t", &[panel(vec![curve]), panel(vec![])]).contains("NaN"));
        assert_eq!([0.001, 0.1, 1.0, 1000.0].map(number), ["0.001", "0.1", "1", "1000"]);
    }
}
