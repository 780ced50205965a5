//! A value together with its change in one direction: what forward mode carries.

use crate::Var;
use kniff_tensor::Element;

/// A dual number of one level of forward mode; both parts may carry lower levels.
pub(crate) struct Dual<E: Element> {
    pub(crate) level: u64,
    pub(crate) primal: Var<E>,
    pub(crate) tangent: Var<E>,
}
