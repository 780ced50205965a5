//! Gradient checking, for kniff's own operations and for anyone's.

use crate::{Var, doors::vjp, grad, hvp, jvp};
use kniff_tensor::{Rng, Tensor};

/// What [`check_gradients_with`] checks and how closely.
#[derive(Clone, Debug, PartialEq)]
pub struct Checks {
    /// Largest relative error against differences.
    pub rtol: f64,
    /// Largest absolute error against differences, for derivatives near 0.
    pub atol: f64,
    /// Largest relative error of identities between derivatives that are both computed exactly.
    pub identity_rtol: f64,
    /// Whether forward mode is checked.
    pub forward: bool,
    /// Whether second derivatives are checked.
    pub second_order: bool,
    /// The seed of the cotangents and directions.
    pub seed: u64,
}

impl Default for Checks {
    fn default() -> Self {
        Self { rtol: 1e-6, atol: 1e-8, identity_rtol: 1e-9, forward: true, second_order: true, seed: 0 }
    }
}

/// The largest errors that a check met, relative to the larger of the two values and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckReport {
    /// Derivatives compared.
    pub compared: usize,
    /// Reverse mode against differences.
    pub reverse: f64,
    /// `<J v, u>` against `<v, J^T u>`.
    pub adjoint: f64,
    /// Hessian-vector products, forward over reverse, against differences of the gradient.
    pub second: f64,
    /// Hessian-vector products, forward over reverse, against reverse over reverse.
    pub reverse_over_reverse: f64,
}

/// A derivative that is wrong, or a function that cannot be checked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GradientError {
    /// There is nothing to differentiate with respect to.
    #[error("there are no inputs to differentiate with respect to; give at least one")]
    NoInputs,
    /// Reverse mode and differences disagree.
    #[error(
        "reverse mode gives {analytic} for the derivative with respect to element {element} of input {input}, \
         differences give {numeric}"
    )]
    Reverse {
        /// Which input.
        input: usize,
        /// Which element, in row-major order.
        element: usize,
        /// What reverse mode gave.
        analytic: f64,
        /// What differences gave.
        numeric: f64,
    },
    /// Forward mode and reverse mode disagree.
    #[error("forward mode and reverse mode disagree: <J v, u> = {forward}, <v, J^T u> = {reverse}")]
    Adjoint {
        /// `<J v, u>`.
        forward: f64,
        /// `<v, J^T u>`.
        reverse: f64,
    },
    /// The second derivative is wrong.
    #[error(
        "the Hessian-vector product by {mode} gives {analytic} at element {element} of input {input}, {by} gives {other}"
    )]
    Second {
        /// How it was computed.
        mode: &'static str,
        /// Which input.
        input: usize,
        /// Which element, in row-major order.
        element: usize,
        /// What that gave.
        analytic: f64,
        /// What it was compared with.
        by: &'static str,
        /// What that gave.
        other: f64,
    },
    /// The function gives something that is not finite at the point.
    #[error("the function is not finite at the point given; choose a point inside its domain")]
    NotFinite,
}

/// Checks every derivative of a function at a point: reverse mode against central differences, forward mode against
/// reverse mode by `<J v, u> = <v, J^T u>` with random u and v, and second derivatives.
///
/// The point must lie inside the function's domain, away from corners. f64 throughout.
///
/// # Errors
/// The first derivative that is wrong, with both values.
///
/// ```
/// use kniff_autograd::{Var, check_gradients};
/// use kniff_tensor::Tensor;
/// let x = Tensor::from_slice(&[0.5, -1.0, 2.0], [3]);
/// check_gradients(|x| (&x[0] * x[0].tanh()).sum_all(), &[x]).unwrap();
/// ```
pub fn check_gradients(f: impl Fn(&[Var<f64>]) -> Var<f64>, at: &[Tensor<f64>]) -> Result<CheckReport, GradientError> {
    check_gradients_with(f, at, &Checks::default())
}

/// [`check_gradients`] with tolerances and a choice of checks.
///
/// # Errors
/// The first derivative that is wrong, with both values.
pub fn check_gradients_with(
    f: impl Fn(&[Var<f64>]) -> Var<f64>,
    at: &[Tensor<f64>],
    checks: &Checks,
) -> Result<CheckReport, GradientError> {
    if at.is_empty() {
        return Err(GradientError::NoInputs);
    }
    let mut rng = Rng::new(checks.seed).stream("check_gradients");
    let point: Vec<Var<f64>> = at.iter().map(|t| Var::constant(t.contiguous())).collect();
    let apply = |x: &Vec<Var<f64>>| f(x);
    let (y, pullback) = vjp(apply, &point);
    if !y.value().all_finite() {
        return Err(GradientError::NotFinite);
    }
    let u = Var::constant(Tensor::randn(*y.shape(), &mut rng));
    let phi = |x: &Vec<Var<f64>>| f(x).mul(&u).sum_all();
    let mut report = CheckReport::default();

    let analytic = pullback(&u);
    for (i, x) in at.iter().enumerate() {
        for element in 0..x.len() {
            let numeric = derivative(x.to_vec()[element], |value| {
                let mut moved = point.clone();
                let mut t = x.contiguous();
                t.make_mut()[element] = value;
                moved[i] = Var::constant(t);
                phi(&moved).item()
            });
            let analytic = analytic[i].value().contiguous().to_vec()[element];
            let error = (analytic - numeric).abs();
            if error.is_nan() || error > checks.atol + checks.rtol * numeric.abs().max(analytic.abs()) {
                return Err(GradientError::Reverse { input: i, element, analytic, numeric });
            }
            report.reverse = report.reverse.max(relative(analytic, numeric));
            report.compared += 1;
        }
    }

    let v: Vec<Var<f64>> = at.iter().map(|x| Var::constant(Tensor::randn(*x.shape(), &mut rng))).collect();
    if checks.forward {
        let (_, jv) = jvp(apply, &point, &v);
        let forward = dot(&jv, &u);
        let reverse: f64 = v.iter().zip(&analytic).map(|(v, g)| dot(v, g)).sum();
        let scale: f64 = magnitude(&jv, &u) + v.iter().zip(&analytic).map(|(v, g)| magnitude(v, g)).sum::<f64>();
        if (forward - reverse).abs().is_nan() || (forward - reverse).abs() > checks.identity_rtol * scale.max(1e-3) {
            return Err(GradientError::Adjoint { forward, reverse });
        }
        report.adjoint = (forward - reverse).abs() / scale.max(1.0);
    }
    if checks.second_order {
        second_order(&phi, &point, &v, checks, &mut report)?;
    }
    Ok(report)
}

fn second_order(
    phi: &impl Fn(&Vec<Var<f64>>) -> Var<f64>,
    point: &Vec<Var<f64>>,
    v: &Vec<Var<f64>>,
    checks: &Checks,
    report: &mut CheckReport,
) -> Result<(), GradientError> {
    let forward = hvp(phi, point, v);
    let reverse = grad(
        |x: &Vec<Var<f64>>| {
            let g = grad(phi, x);
            let terms: Vec<Var<f64>> = g.iter().zip(v).map(|(g, v)| g.mul(v).sum_all()).collect();
            terms.into_iter().reduce(|a, b| a.add(&b)).unwrap_or_else(|| Var::scalar(0.0))
        },
        point,
    );
    let along = |t: f64| -> Vec<Tensor<f64>> {
        let moved: Vec<Var<f64>> =
            point.iter().zip(v).map(|(x, v)| Var::constant(x.value().add(&v.value().mul_scalar(t)))).collect();
        grad(phi, &moved).into_iter().map(|g| g.value().contiguous()).collect()
    };
    let h = 1e-3;
    let samples = [along(-2.0 * h), along(-h), along(h), along(2.0 * h)];
    for i in 0..point.len() {
        let (forward, reverse) = (forward[i].value().to_vec(), reverse[i].value().to_vec());
        for element in 0..point[i].len() {
            let at = |k: usize| samples[k][i].to_vec()[element];
            let numeric = (at(0) - 8.0 * at(1) + 8.0 * at(2) - at(3)) / (12.0 * h);
            let (a, b) = (forward[element], reverse[element]);
            let wrong = |analytic: f64, mode, by, other: f64| GradientError::Second {
                mode,
                input: i,
                element,
                analytic,
                by,
                other,
            };
            // Differences of gradients along a direction leave the safe domain sooner: ten times the tolerance.
            let slack = 10.0 * (checks.atol + checks.rtol * numeric.abs().max(1.0));
            if (a - numeric).abs().is_nan() || (a - numeric).abs() > slack {
                return Err(wrong(a, "forward over reverse", "differences", numeric));
            }
            if (a - b).abs().is_nan() || (a - b).abs() > checks.identity_rtol * a.abs().max(1.0) {
                return Err(wrong(b, "reverse over reverse", "forward over reverse", a));
            }
            report.second = report.second.max(relative(a, numeric));
            report.reverse_over_reverse = report.reverse_over_reverse.max(relative(a, b));
        }
    }
    Ok(())
}

/// Central differences over four points: the error falls with the fourth power of the step.
fn derivative(x: f64, f: impl Fn(f64) -> f64) -> f64 {
    let h = 1e-3 * x.abs().max(0.1);
    (f(x - 2.0 * h) - 8.0 * f(x - h) + 8.0 * f(x + h) - f(x + 2.0 * h)) / (12.0 * h)
}

fn dot(a: &Var<f64>, b: &Var<f64>) -> f64 {
    a.value().to_vec().iter().zip(b.value().to_vec()).map(|(x, y)| x * y).sum()
}

fn magnitude(a: &Var<f64>, b: &Var<f64>) -> f64 {
    a.value().to_vec().iter().zip(b.value().to_vec()).map(|(x, y)| (x * y).abs()).sum()
}

fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{At, Cotangents, Keeps, Op, apply};

    /// A square whose pull-back forgets the 2.
    #[derive(Clone)]
    struct Wrong {
        forward_too: bool,
    }
    impl Op<f64> for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }
        fn keeps(&self) -> Keeps {
            Keeps::inputs(1)
        }
        fn value(&mut self, x: &[&Tensor<f64>]) -> Tensor<f64> {
            x[0].square()
        }
        fn pull_back(&self, g: &Var<f64>, at: &At<'_, f64>, to: &mut Cotangents<'_, f64>) {
            to.input(0, || g.mul(&at.input(0)).affine(if self.forward_too { 2.0 } else { 1.0 }, 0.0));
        }
        fn push_forward(&self, dx: &[Option<&Var<f64>>], at: &At<'_, f64>) -> Option<Var<f64>> {
            dx[0].map(|d| d.mul(&at.input(0)).affine(if self.forward_too { 1.0 } else { 2.0 }, 0.0))
        }
    }

    #[test]
    fn a_wrong_pull_back_and_a_wrong_push_forward_are_found() {
        let x = Tensor::from_slice(&[1.0, 2.0], [2]);
        let run = |forward_too| check_gradients(|x| apply(Wrong { forward_too }, &[&x[0]]), std::slice::from_ref(&x));
        assert!(matches!(run(false), Err(GradientError::Reverse { input: 0, element: 0, .. })));
        assert!(matches!(run(true), Err(GradientError::Adjoint { .. })));
    }

    #[test]
    fn a_point_outside_the_domain_is_refused() {
        let x = Tensor::from_slice(&[-1.0], [1]);
        assert_eq!(check_gradients(|x| x[0].ln(), &[x]), Err(GradientError::NotFinite));
    }
}
