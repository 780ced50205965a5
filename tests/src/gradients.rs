//! Checking the derivatives of an operation at points drawn from its safe domain.

use kniff_autograd::case::Case;
use kniff_autograd::{CheckReport, Checks, check_gradients_with, ops};
use kniff_tensor::Rng;

/// The worst errors over some draws of one case.
///
/// # Errors
/// The first derivative that is wrong, with the draw that shows it.
pub fn check(case: &Case, draws: u64, seed: u64) -> Result<CheckReport, String> {
    let mut worst = CheckReport::default();
    for draw in 0..draws {
        let mut rng = Rng::new(seed).stream(case.name).keyed(draw);
        let inputs = (case.inputs)(&mut rng);
        let checks = Checks { seed: seed.wrapping_add(draw), ..Checks::default() };
        let report = check_gradients_with(case.f, &inputs, &checks).map_err(|e| {
            let shapes: Vec<_> = inputs.iter().map(|t| t.shape().to_vec()).collect();
            format!("{}: {e} (draw {draw} of seed {seed}, inputs of shapes {shapes:?})", case.name)
        })?;
        worst.compared += report.compared;
        worst.reverse = worst.reverse.max(report.reverse);
        worst.adjoint = worst.adjoint.max(report.adjoint);
        worst.second = worst.second.max(report.second);
        worst.reverse_over_reverse = worst.reverse_over_reverse.max(report.reverse_over_reverse);
    }
    Ok(worst)
}

/// The cases of a name, or all of them.
///
/// # Errors
/// If no operation has that name: the names there are.
pub fn select(name: Option<&str>) -> Result<Vec<Case>, String> {
    let all = ops::cases();
    let Some(name) = name else { return Ok(all) };
    let chosen: Vec<Case> = all.iter().filter(|c| c.name == name).copied().collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|c| c.name).collect();
        return Err(format!("there is no operation `{name}`; there are {}", names.join(", ")));
    }
    Ok(chosen)
}
