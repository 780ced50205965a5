//! Extreme eigenvalues of a symmetric matrix that is known only by its products with vectors.

use super::Eigenpair;
use super::vector::{add_scaled, direction, dot, norm, scale};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, Par, diag::Diag};
use kniff_tensor::Rng;

/// The method of Lanczos with full reorthogonalisation.
///
/// Builds an orthonormal basis q_1, q_2, ... of the Krylov space of a random start and the tridiagonal matrix T that the
/// matrix is within it. Eigenvalues of T approach those of the matrix from inside the spectrum, the extreme ones first. With s
/// the unit eigenvector of T that belongs to theta, there is an eigenvalue of the matrix within `|beta_m s_m|` of theta: the
/// bound that is reported and decides when to stop. Both ends come out of one run, so that a negative eigenvalue of
/// larger magnitude does not hide the largest one, as it does for plain power iteration.
///
/// Takes one product and one vector of memory a step. Source: Lanczos (1950); Golub, Van Loan, "Matrix computations", 10.1.
///
/// Needs the feature `linalg`.
///
/// ```
/// use kniff_tensor::Rng;
/// use kniff_trainer::curvature::Lanczos;
/// use std::convert::Infallible;
/// // The matrix diag(1, -7, 3): the dominant eigenvalue is negative, the largest is 3.
/// let product = |v: &[f64]| Ok::<_, Infallible>(vec![v[0], -7.0 * v[1], 3.0 * v[2]]);
/// let found = Lanczos::default().run(3, &mut Rng::new(0), product)?;
/// assert!((found.largest[0].value - 3.0).abs() < 1e-9 && (found.smallest[0].value + 7.0).abs() < 1e-9);
/// # Ok::<(), Infallible>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lanczos {
    steps: usize,
    tolerance: f64,
    count: usize,
    ends: Ends,
}

/// Which end of a spectrum has to be exact before [`Lanczos`] stops. Needs the feature `linalg`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// The algebraically largest eigenvalues.
    #[default]
    Largest,
    /// The algebraically smallest ones: saddles have negative ones.
    Smallest,
    /// Both.
    Both,
}

impl Default for Lanczos {
    fn default() -> Self {
        Self { steps: 64, tolerance: 1e-4, count: 1, ends: Ends::Largest }
    }
}

impl Lanczos {
    /// At most so many steps, which is also how many products and vectors; 64 unless given.
    #[must_use]
    pub fn steps(mut self, most: usize) -> Self {
        self.steps = most.max(1);
        self
    }

    /// Stops when the bounds on the errors are below this part of the largest magnitude; 1e-4 unless given.
    #[must_use]
    pub fn tolerance(mut self, relative: f64) -> Self {
        self.tolerance = relative;
        self
    }

    /// How many eigenvalues at an end; 1 unless given.
    #[must_use]
    pub fn count(mut self, eigenvalues: usize) -> Self {
        self.count = eigenvalues.max(1);
        self
    }

    /// Which end has to be exact; the other comes along with its own bounds.
    #[must_use]
    pub fn ends(mut self, ends: Ends) -> Self {
        self.ends = ends;
        self
    }

    /// Finds the extreme eigenvalues of the symmetric matrix of `n` rows that `product` multiplies by.
    ///
    /// A product that is not finite ends the search, with `converged` false.
    ///
    /// # Errors
    /// What `product` fails with.
    pub fn run<Err>(
        &self,
        n: usize,
        rng: &mut Rng,
        mut product: impl FnMut(&[f64]) -> Result<Vec<f64>, Err>,
    ) -> Result<Extremes, Err> {
        let mut krylov = Krylov::new(if n == 0 { Vec::new() } else { direction(n, rng) });
        let mut found = Extremes::default();
        if n == 0 {
            return Ok(found);
        }
        let most = self.steps.min(n);
        for step in 1..=most {
            if !krylov.step(&mut product, rng)? {
                break;
            }
            let whole = step == n;
            // A decomposition costs step^3; towards the end of a long run not every step needs one.
            if step == most || step < 16 || step.is_multiple_of(4) {
                let small = krylov.small();
                found = self.pick(&krylov, &small, whole);
                if found.converged {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The ends of what the basis has so far.
    fn pick(&self, krylov: &Krylov, small: &Small, whole: bool) -> Extremes {
        let m = small.values.len();
        let count = self.count.min(m);
        let size = small.values.iter().fold(0.0_f64, |size, v| size.max(v.abs()));
        // With as many steps as there are rows the basis is complete.
        let beta = if whole { 0.0 } else { krylov.beta[m - 1] };
        let residual = |i: usize| beta * small.vectors[i][m - 1].abs();
        let exact = |i: usize| residual(i) <= self.tolerance * size.max(f64::MIN_POSITIVE);
        let (low, high) = ((0..count).all(exact), (m - count..m).all(exact));
        let enough = whole || m >= self.count;
        let converged = enough
            && match self.ends {
                Ends::Largest => high,
                Ends::Smallest => low,
                Ends::Both => low && high,
            };
        let last = converged || whole || m >= self.steps;
        let pair = |i: usize| Eigenpair {
            value: small.values[i],
            residual: residual(i),
            vector: if last { krylov.combine(&small.vectors[i]) } else { Vec::new() },
        };
        Extremes {
            largest: (m - count..m).rev().map(pair).collect(),
            smallest: (0..count).map(pair).collect(),
            steps: m,
            converged,
        }
    }
}

/// What [`Lanczos::run`] found. Needs the feature `linalg`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extremes {
    /// The algebraically largest, the largest first.
    pub largest: Vec<Eigenpair>,
    /// The algebraically smallest, the smallest first.
    pub smallest: Vec<Eigenpair>,
    /// How many products it took.
    pub steps: usize,
    /// Whether the wanted end is within the tolerance.
    pub converged: bool,
}

/// The basis so far and the matrix within it.
pub(super) struct Krylov {
    basis: Vec<Vec<f64>>,
    alpha: Vec<f64>,
    /// `beta[j]` couples q_j and q_(j+1); the last one leads out of the basis.
    beta: Vec<f64>,
    next: Vec<f64>,
}

impl Krylov {
    /// From a start of length 1.
    pub(super) fn new(start: Vec<f64>) -> Self {
        Self { basis: Vec::new(), alpha: Vec::new(), beta: Vec::new(), next: start }
    }

    /// One more vector; false if the product was not finite.
    pub(super) fn step<Err>(
        &mut self,
        product: &mut impl FnMut(&[f64]) -> Result<Vec<f64>, Err>,
        rng: &mut Rng,
    ) -> Result<bool, Err> {
        let q = std::mem::take(&mut self.next);
        let mut w = product(&q)?;
        let alpha = dot(&q, &w);
        if !alpha.is_finite() || !norm(&w).is_finite() {
            return Ok(false);
        }
        let size = norm(&w);
        self.basis.push(q);
        self.alpha.push(alpha);
        // Twice is enough (Kahan): the second pass takes out what rounding left in the first.
        for _ in 0..2 {
            self.clean(&mut w);
        }
        let mut beta = norm(&w);
        if beta <= 1e-12 * size.max(f64::MIN_POSITIVE) {
            // The space is invariant. What lies outside is reached from another start, uncoupled.
            beta = 0.0;
            w = direction(w.len(), rng);
            for _ in 0..2 {
                self.clean(&mut w);
            }
        }
        let length = norm(&w);
        if length > 0.0 {
            scale(&mut w, 1.0 / length);
        }
        self.beta.push(beta);
        self.next = w;
        Ok(true)
    }

    fn clean(&self, w: &mut [f64]) {
        for q in &self.basis {
            let along = dot(q, w);
            add_scaled(w, -along, q);
        }
    }

    fn combine(&self, s: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.basis[0].len()];
        for (q, s) in self.basis.iter().zip(s) {
            add_scaled(&mut y, *s, q);
        }
        y
    }

    /// The eigenvalues of T, ascending, and its eigenvectors; empty if they could not be found.
    pub(super) fn small(&self) -> Small {
        let m = self.alpha.len();
        if m == 0 {
            return Small { values: Vec::new(), vectors: Vec::new() };
        }
        let t = Mat::<f64>::from_fn(m, m, |i, j| match i.abs_diff(j) {
            0 => self.alpha[i],
            1 => self.beta[i.min(j)],
            _ => 0.0,
        });
        let (mut values, mut vectors) = (Diag::<f64>::zeros(m), Mat::<f64>::zeros(m, m));
        // One thread: the matrix is small, and the bits must not depend on how many there are.
        let scratch = self_adjoint_evd_scratch::<f64>(m, ComputeEigenvectors::Yes, Par::Seq, Default::default());
        let (mut memory, par) = (MemBuffer::new(scratch), Par::Seq);
        let stack = MemStack::new(&mut memory);
        let into = Some(vectors.as_mut());
        if self_adjoint_evd(t.as_ref(), values.as_mut(), into, par, stack, Default::default()).is_err() {
            // Finite symmetric matrices always have them; an iteration that gives up is not known for these sizes.
            return Small { values: vec![f64::NAN; m], vectors: vec![vec![f64::NAN; m]; m] };
        }
        Small {
            values: (0..m).map(|i| values.column_vector()[i]).collect(),
            vectors: (0..m).map(|i| (0..m).map(|j| vectors[(j, i)]).collect()).collect(),
        }
    }
}

/// The eigenvalues and eigenvectors of the small matrix.
pub(super) struct Small {
    pub(super) values: Vec<f64>,
    pub(super) vectors: Vec<Vec<f64>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn diagonal(d: &[f64]) -> impl FnMut(&[f64]) -> Result<Vec<f64>, Infallible> {
        move |v| Ok(v.iter().zip(d).map(|(v, d)| v * d).collect())
    }

    #[test]
    fn known_spectra_come_out_at_both_ends_in_order() {
        let d: Vec<f64> = (0..200).map(|i| -3.0 + f64::from(i) * 0.05).collect();
        let found = Lanczos::default()
            .steps(120)
            .count(3)
            .tolerance(1e-8)
            .ends(Ends::Both)
            .run(200, &mut Rng::new(1), diagonal(&d))
            .unwrap();
        assert!(found.converged && found.steps < 120, "{}", found.steps);
        for k in 0..3 {
            assert!((found.largest[k].value - d[199 - k]).abs() < 1e-8);
            assert!((found.smallest[k].value - d[k]).abs() < 1e-8);
            // The direction is that of the axis.
            assert!((found.largest[k].vector[199 - k].abs() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn the_bound_holds_before_convergence_too() {
        let d: Vec<f64> = (0..300).map(|i| (f64::from(i) / 40.0).sin() * 5.0).collect();
        for steps in [2, 5, 10, 20] {
            let run = Lanczos::default().steps(steps).tolerance(0.0).run(300, &mut Rng::new(2), diagonal(&d)).unwrap();
            assert!(!run.converged);
            let top = &run.largest[0];
            let nearest = d.iter().map(|d| (d - top.value).abs()).fold(f64::INFINITY, f64::min);
            assert!(nearest <= top.residual + 1e-9, "{steps}: {nearest} {}", top.residual);
        }
    }

    #[test]
    fn multiple_eigenvalues_and_tiny_spaces_are_no_trouble() {
        let found = Lanczos::default().count(2).run(4, &mut Rng::new(3), diagonal(&[2.0; 4])).unwrap();
        assert!(found.converged && found.largest.iter().all(|e| (e.value - 2.0).abs() < 1e-12), "{found:?}");
        let one = Lanczos::default().run(1, &mut Rng::new(3), diagonal(&[-4.0])).unwrap();
        assert!(one.converged && one.largest[0].value == -4.0 && one.smallest[0].value == -4.0);
        assert!(Lanczos::default().run(0, &mut Rng::new(3), diagonal(&[])).unwrap().largest.is_empty());
    }

    #[test]
    fn products_that_are_not_finite_end_it() {
        let found = Lanczos::default().run(5, &mut Rng::new(4), diagonal(&[f64::NAN; 5])).unwrap();
        assert!(!found.converged && found.largest.is_empty());
    }
}
