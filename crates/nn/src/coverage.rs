//! The proof, before the first step, that a loss reaches every parameter it should train.

use crate::{Module, ModuleExt};
use kniff_autograd::{Coverage, Reach, Var};
use kniff_tensor::Element;
use std::fmt;

/// Runs a loss once and names every parameter that no gradient comes to.
///
/// Frozen parameters are excused. Nothing is trained; what the loss does to running statistics stays.
///
/// # Errors
/// If the loss does not reach a parameter: its path, and the operation that lets no gradient through, if there is one.
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_init::HeNormal;
/// use kniff_nn::{Layer, check_coverage, layers::{Linear, Sequential}};
/// use kniff_tensor::{Rng, Tensor};
/// let mut rng = Rng::new(0);
/// let mut net = Sequential::<f32>::new()
///     .named("first", Linear::new(3, 4, HeNormal, &mut rng))
///     .named("second", Linear::new(4, 1, HeNormal, &mut rng));
/// let x = Var::constant(Tensor::ones([2, 3]));
/// assert!(check_coverage(&mut net, |net| net.forward(&x).sum_all()).is_ok());
/// let error = check_coverage(&mut net, |net| net.forward(&x).detach().sum_all()).unwrap_err();
/// assert!(error.to_string().contains("`first.weight` is cut off by `detach`"));
/// ```
pub fn check_coverage<E: Element, M: Module<E>>(
    model: &mut M,
    loss: impl FnOnce(&mut M) -> Var<E>,
) -> Result<(), CoverageError> {
    trace(model, true);
    let coverage = Coverage::of(&loss(model));
    trace(model, false);
    let wanted = model.parameters().into_iter().filter(|(_, p)| p.requires_grad());
    let unreached: Vec<(String, Reach)> =
        wanted.map(|(path, p)| (path, coverage.reach(p))).filter(|(_, reach)| *reach != Reach::Reached).collect();
    if unreached.is_empty() { Ok(()) } else { Err(CoverageError { unreached }) }
}

fn trace<E: Element, M: Module<E>>(model: &mut M, yes: bool) {
    for (_, parameter) in model.parameters_mut() {
        parameter.set_traced(yes);
    }
}

/// Parameters that a loss would leave untrained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageError {
    /// Their paths, and how they stand to the loss.
    pub unreached: Vec<(String, Reach)>,
}

impl fmt::Display for CoverageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the loss does not reach every parameter:")?;
        for (i, (path, reach)) in self.unreached.iter().enumerate() {
            write!(f, "{} `{path}` is {reach}", if i == 0 { "" } else { ";" })?;
        }
        write!(f, "; use them, or freeze them with set_requires_grad(false)")
    }
}

impl std::error::Error for CoverageError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Linear;
    use crate::{Layer, Model};
    use kniff_init::HeNormal;
    use kniff_tensor::{Rng, Tensor};

    #[test]
    fn a_parameter_that_is_not_used_is_named_unless_it_is_frozen() {
        let mut rng = Rng::new(0);
        let mut pair = (Linear::<f32>::new(2, 2, HeNormal, &mut rng), Linear::<f32>::new(2, 2, HeNormal, &mut rng));
        let x = Var::constant(Tensor::ones([1, 2]));
        let error = check_coverage(&mut pair, |pair| pair.0.forward(&x).sum_all()).unwrap_err();
        assert_eq!(error.unreached, [("1.weight".to_owned(), Reach::Unused), ("1.bias".to_owned(), Reach::Unused)]);
        pair.1.parameters_mut().into_iter().for_each(|(_, p)| p.set_requires_grad(false));
        assert!(check_coverage(&mut pair, |pair| pair.0.forward(&x).sum_all()).is_ok());
    }

    #[test]
    fn a_model_under_a_head_is_checked_too() {
        let mut model = Model::regressor(Linear::<f32>::new(2, 1, HeNormal, &mut Rng::new(0))).unwrap();
        let x = Var::constant(Tensor::ones([1, 2]));
        assert!(check_coverage(&mut model, |m| m.forward(&x).into_var().sum_all()).is_ok());
    }
}
