//! Pooling of signals and images.

use super::conv::down_and_across;
use crate::Check;
use kniff_tensor::{Divisor, Element, PoolOptions, PoolWindows};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "max_pool1d" | "max_pool2d" => {
            let options = options(case);
            case.unary(|x| x.max_pool(&options));
            indices(case, |size| options.windows(size));
        }
        "avg_pool1d" | "avg_pool2d" => case.unary(|x| x.avg_pool(&options(case), divisor(case))),
        "adaptive_avg_pool1d" | "adaptive_avg_pool2d" => case.unary(|x| x.adaptive_avg_pool(output(case))),
        "adaptive_max_pool1d" | "adaptive_max_pool2d" => {
            case.unary(|x| x.adaptive_max_pool(output(case)));
            indices(case, |size| PoolWindows::adaptive(size, output(case)));
        }
        _ => return None,
    }
    Some(())
}

fn options<E: Element>(case: &Check<'_, E>) -> PoolOptions {
    let sides = |name: &str, missing| {
        if case.has_attr(name) { down_and_across(&case.sizes(name), missing) } else { [missing; 2] }
    };
    PoolOptions {
        kernel: sides("kernel", 1),
        stride: sides("stride", 1),
        padding: sides("padding", 0),
        dilation: sides("dilation", 1),
        ceil_mode: case.flag("ceil_mode"),
    }
}

fn divisor<E: Element>(case: &Check<'_, E>) -> Divisor {
    match (case.has_attr("divisor_override"), case.flag("count_include_pad")) {
        (true, _) => Divisor::Fixed(case.size("divisor_override")),
        (false, true) => Divisor::WithPadding,
        (false, false) => Divisor::Inside,
    }
}

fn output<E: Element>(case: &Check<'_, E>) -> [usize; 2] {
    down_and_across(&case.sizes("output_size"), 1)
}

/// The positions of the largest elements, where the case expects them.
fn indices<E: Element>(case: &Check<'_, E>, windows: impl FnOnce([usize; 2]) -> Result<PoolWindows, String>) {
    if !case.expects("indices") {
        return;
    }
    let x = case.tensor("input");
    let image = if x.rank() == 3 { x.unsqueeze(2) } else { x };
    let windows = windows([image.shape()[2], image.shape()[3]]).expect("windows that fit");
    let (_, at) = image.max_pool(&windows);
    case.compare_indices("indices", &at.positions().reshape(case.shape("indices").to_vec()));
}
