//! The rule by which a computed tensor is held against an expected one.

/// How far apart two numbers may be: `|actual - expected| <= atol + rtol |expected| + mtol M`, where M is the largest
/// finite expected magnitude in the tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tolerance {
    /// Relative to the number.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
    /// Relative to the largest number of the tensor, for results in which terms cancel.
    pub mtol: f64,
}

/// What one comparison of two tensors found.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The expected tensor's name.
    pub tensor: String,
    /// The largest difference, as a share of what is tolerated; infinite where nothing was.
    pub worst: f64,
    /// What is wrong, if anything is.
    pub fault: Option<String>,
}

/// Compares numbers in row-major order under a shape.
///
/// NaN matches NaN alone, an infinity itself alone, and -0 equals 0.
///
/// ```
/// use kniff_golden::compare::{Tolerance, compare};
/// let rule = Tolerance { rtol: 0.0, atol: 0.5, mtol: 0.0 };
/// let found = compare("y", (&[2], &[1.0, 2.25]), (&[2], &[1.0, 2.0]), rule);
/// assert_eq!((found.worst, found.fault), (0.5, None));
/// assert!(compare("y", (&[1], &[f64::NAN]), (&[1], &[0.0]), rule).fault.is_some());
/// ```
pub fn compare(
    tensor: &str,
    (actual_shape, actual): (&[usize], &[f64]),
    (expected_shape, expected): (&[usize], &[f64]),
    rule: Tolerance,
) -> Comparison {
    let tensor = tensor.to_owned();
    if actual_shape != expected_shape || actual.len() != expected.len() {
        let fault = Some(format!("has shape {actual_shape:?}, expected {expected_shape:?}"));
        return Comparison { tensor, worst: f64::INFINITY, fault };
    }
    let largest = expected.iter().filter(|e| e.is_finite()).fold(0.0_f64, |m, e| m.max(e.abs()));
    let mut worst = (0.0_f64, 0);
    let mut wrong = 0;
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let share = share(a, e, rule, largest);
        wrong += usize::from(share > 1.0);
        if share > worst.0 {
            worst = (share, i);
        }
    }
    let fault = (wrong > 0).then(|| {
        let (share, i) = worst;
        let place = position(i, expected_shape);
        let (a, e) = (actual[i], expected[i]);
        let excess = if share.is_finite() { format!(", {share:.2e} times the tolerance") } else { String::new() };
        format!("at {place:?} is {a:e}, expected {e:e}{excess} ({wrong} of {} elements are wrong)", expected.len())
    });
    Comparison { tensor, worst: worst.0, fault }
}

/// The difference as a share of what is tolerated.
fn share(a: f64, e: f64, rule: Tolerance, largest: f64) -> f64 {
    if a == e || (a.is_nan() && e.is_nan()) {
        return 0.0;
    }
    if !a.is_finite() || !e.is_finite() {
        return f64::INFINITY;
    }
    let allowed = rule.atol + rule.rtol * e.abs() + rule.mtol * largest;
    let share = (a - e).abs() / allowed;
    if share.is_nan() { f64::INFINITY } else { share }
}

/// The index of an element in each axis.
fn position(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (p, &n) in place.iter_mut().zip(shape).rev() {
        *p = i % n;
        i /= n;
    }
    place
}
