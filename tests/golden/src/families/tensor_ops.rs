//! Operations on tensors: broadcasting, reductions, products, shapes and indices.

use crate::Check;
use kniff_autograd::Var;
use kniff_autograd::ops::{Border, WhereVar};
use kniff_tensor::{Element, Tensor};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    elementwise(op, case).or_else(|| reductions(op, case)).or_else(|| shapes(op, case))
}

fn elementwise<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "add" => case.binary(Var::add),
        "sub" => case.binary(Var::sub),
        "mul" => case.binary(Var::mul),
        "div" => case.binary(Var::div),
        "pow" => case.binary(Var::pow),
        "rsqrt" => case.unary(Var::rsqrt),
        "maximum" => case.binary(Var::maximum),
        "minimum" => case.binary(Var::minimum),
        "pow_scalar" => case.unary(|x| x.powf(case.scalar("exponent"))),
        "neg" => case.unary(Var::neg),
        "exp" => case.unary(Var::exp),
        "log" => case.unary(Var::ln),
        "sqrt" => case.unary(Var::sqrt),
        "square" => case.unary(Var::square),
        "abs" => case.unary(Var::abs),
        "sin" => case.unary(Var::sin),
        "cos" => case.unary(Var::cos),
        "expm1" => case.unary(Var::exp_m1),
        "log1p" => case.unary(Var::ln_1p),
        "erf" => case.unary(Var::erf),
        "reciprocal" => case.unary(Var::recip),
        "sign" => case.unary(Var::sign),
        "where" => {
            let chosen = case.mask("condition");
            let mask = Tensor::from_fn(case.shape("condition").to_vec(), |i| if chosen[i] { E::ONE } else { E::ZERO });
            case.binary(|a, b| mask.where_var(a, b));
        }
        "clamp" => case.unary(|x| {
            let bound = |name, without| case.maybe_number(name).map_or(without, E::from_f64);
            x.clamp(bound("min", E::NEG_INFINITY), bound("max", E::INFINITY))
        }),
        _ => return None,
    }
    Some(())
}

fn reductions<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    let over = || (case.axes("axes", case.shape("input").len()), case.flag("keepdims"));
    let axis = || case.axis("axis", case.shape("input").len());
    match op {
        "sum" => case.unary(|x| over_axes(over(), |axes, keep| x.sum(axes, keep))),
        "mean" => case.unary(|x| over_axes(over(), |axes, keep| x.mean(axes, keep))),
        "max" => case.unary(|x| over_axes(over(), |axes, keep| x.max(axes, keep))),
        "min" => case.unary(|x| over_axes(over(), |axes, keep| x.min(axes, keep))),
        "logsumexp" => case.unary(|x| over_axes(over(), |axes, keep| x.logsumexp(axes, keep))),
        "var" => {
            let ddof = case.size("correction");
            case.unary(|x| over_axes(over(), |axes, keep| x.variance(axes, ddof, keep)));
        }
        "std" => {
            let ddof = case.size("correction");
            case.unary(|x| over_axes(over(), |axes, keep| x.std(axes, ddof, keep)));
        }
        "prod" => case.unary(|x| x.prod(&[axis()], false)),
        "cumsum" => case.unary(|x| x.cumsum(axis())),
        "cumprod" => case.unary(|x| x.cumprod(axis())),
        "sort" => case.unary(|x| {
            let axis = axis();
            // Descending is the largest n in order.
            let (sorted, from) = if case.flag("descending") { x.topk(x.shape()[axis], axis) } else { x.sort(axis) };
            case.compare_indices("indices", &from);
            sorted
        }),
        "topk" => case.unary(|x| {
            let (largest, from) = x.topk(case.size("k"), axis());
            case.compare_indices("indices", &from);
            largest
        }),
        "argmax" => case.compare_indices("output", &case.tensor("input").argmax(axis())),
        "argmin" => case.compare_indices("output", &case.tensor("input").argmin(axis())),
        "matmul" => case.binary(Var::matmul),
        _ => return None,
    }
    Some(())
}

fn over_axes<T>((axes, keep): (Vec<usize>, bool), f: impl FnOnce(&[usize], bool) -> T) -> T {
    f(&axes, keep)
}

fn shapes<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "permute" => case.unary(|x| x.permute(&case.axes("axes", x.rank()))),
        "transpose" => case.unary(|x| {
            let axes = case.axes("axes", x.rank());
            let mut order: Vec<usize> = (0..x.rank()).collect();
            order.swap(axes[0], axes[1]);
            x.permute(&order)
        }),
        "reshape" => case.unary(|x| x.reshape(filled(&case.integers("shape"), x.len()))),
        "permute_reshape" => {
            case.unary(|x| x.permute(&case.axes("axes", x.rank())).reshape(filled(&case.integers("shape"), x.len())));
        }
        "slice" => case.unary(|x| {
            let cut = |x: Var<E>, (axis, s): (usize, Vec<i64>)| {
                x.slice_axis(axis, s[0] as usize..s[1] as usize).step_axis(axis, s[2] as usize)
            };
            case.tables("slices").into_iter().enumerate().fold(x.clone(), cut)
        }),
        "pad" => case.unary(|x| {
            let pair = |p: Vec<i64>| (p[0] as usize, p[1] as usize);
            let widths: Vec<_> = case.tables("padding").into_iter().map(pair).collect();
            match case.text("mode") {
                "constant" => x.pad(&widths, case.scalar("value")),
                "reflect" => x.pad_with(&widths, Border::Reflect),
                "replicate" => x.pad_with(&widths, Border::Replicate),
                other => panic!("there is no border `{other}`"),
            }
        }),
        "flip" => case.unary(|x| x.flip(&case.axes("axes", x.rank()))),
        "roll" => case.unary(|x| x.roll(case.axis("axis", x.rank()), case.integer("shift") as isize)),
        "tile" => case.unary(|x| x.tile(&case.sizes("repeats"))),
        "tril" => case.unary(|x| x.tril(case.integer("k") as isize)),
        "triu" => case.unary(|x| x.triu(case.integer("k") as isize)),
        "gather" => case.unary(|x| x.gather(case.axis("axis", x.rank()), &case.indices("index"))),
        "scatter_add" => case.differentiate(&["input", "source"], |x| {
            let added = x[1].scatter_add_into(case.axis("axis", x[0].rank()), &case.indices("index"), *x[0].shape());
            vec![("output", x[0].add(&added))]
        }),
        "index_select" => case.unary(|x| x.index_select(case.axis("axis", x.rank()), case.indices("index").as_slice())),
        "concat" => parts(case, |x| Var::concat(x, case.axis("axis", x[0].rank()))),
        "stack" => parts(case, |x| Var::stack(x, case.axis("axis", x[0].rank() + 1))),
        "broadcast_to" => case.unary(|x| x.broadcast_to(case.sizes("shape"))),
        "one_hot" => case.compare("output", &Tensor::one_hot(&case.indices("index"), case.size("classes"))),
        _ => return None,
    }
    Some(())
}

/// A shape in which -1 stands for what is left.
fn filled(shape: &[i64], len: usize) -> Vec<usize> {
    let known: usize = shape.iter().filter(|&&n| n >= 0).map(|&n| n as usize).product();
    shape.iter().map(|&n| usize::try_from(n).unwrap_or(len / known.max(1))).collect()
}

fn parts<E: Element>(case: &Check<'_, E>, f: impl FnOnce(&[&Var<E>]) -> Var<E>) {
    let names: Vec<String> = (0..case.size("parts")).map(|i| format!("input{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    case.differentiate(&names, |x| vec![("output", f(&x.iter().collect::<Vec<_>>()))]);
}
