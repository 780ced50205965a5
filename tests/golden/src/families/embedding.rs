//! Rows looked up by number.

use crate::Check;
use kniff::nn::ModuleExt;
use kniff::nn::layers::Embedding;
use kniff_tensor::Element;

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    if op != "embedding" {
        return None;
    }
    let at = case.indices("indices");
    case.differentiate(&["weight"], |x| {
        let mut table = Embedding::from_weight(case.tensor("weight"));
        if case.has_attr("padding_idx") {
            table = table.with_padding(case.size("padding_idx"));
        }
        vec![("output", table.with_parameters(x, |table| table.lookup(&at)))]
    });
    Some(())
}
