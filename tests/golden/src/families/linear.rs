//! Dense layers: `y = x W^T + b`.

use crate::Check;
use kniff_tensor::Element;

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "linear" if case.flag("bias") => {
            case.differentiate(&["input", "weight", "bias"], |x| vec![("output", x[0].linear(&x[1], Some(&x[2])))])
        }
        "linear" => case.differentiate(&["input", "weight"], |x| vec![("output", x[0].linear(&x[1], None))]),
        _ => return None,
    }
    Some(())
}
