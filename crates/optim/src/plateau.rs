//! A plateau told from slow progress: the slope of the last epochs' losses against its standard error.

use crate::error::require;
use crate::student::{above, quantile};
use crate::{Mode, OptimError};
use serde::{Deserialize, Serialize};

const NAME: &str = "PlateauTest";
/// The standard normal quantile for a power of 80 %.
const POWER: f64 = 0.8416;
/// What makes the median of absolute second differences of white noise its standard deviation: 1.4826 / sqrt(6).
const SECOND_DIFFERENCES: f64 = 0.6053;

/// Decides whether what was measured epoch by epoch has stopped getting better, given how noisy it is.
///
/// Over the last w epochs, the least-squares slope b of the loss has the standard error se = sigma sqrt(12 / (w^3 - w)), with sigma from
/// the residuals, or from the known error of each epoch's mean where that is larger. A plateau is only called
/// when progress worth waiting for is *ruled out*: the largest progress per epoch that the data leave possible,
/// -b + t se with t Student's quantile of [`PlateauTest::significance`] for w - 2 degrees of freedom, is below
/// [`PlateauTest::worth`] times the loss. That nothing can be seen is not enough, for under noise nothing can ever be seen soon.
///
/// The window follows from the noise, which is read off the second differences of the losses: the smallest w for
/// which a true plateau is recognised in four looks out of five, w^3 = 12 ((t + 0.84) sigma / (worth loss))^2. So
/// the delay grows with the noise, but slowly, as sigma^(2/3): 5 epochs at 1 % noise, 16 at 5 %, 25 at 10 %.
///
/// What is larger the better ([`Mode::Max`]) is looked at upside down.
///
/// ```
/// use kniff_optim::{Mode, PlateauTest, Verdict};
/// let test = PlateauTest::default();
/// let falling = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5];
/// assert_eq!(test.look(&falling, None, Mode::Min).verdict, Verdict::Improving);
/// let flat = [0.5, 0.501, 0.499, 0.5, 0.501, 0.499];
/// assert_eq!(test.look(&flat, None, Mode::Min).verdict, Verdict::Plateau);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlateauTest {
    /// Which progress per epoch is worth waiting for, as a part of the present loss (0.01: a tenth in ten epochs).
    pub worth: f64,
    /// How likely it may be, in one look, that progress of just that size is taken for a plateau (0.01).
    pub significance: f64,
    /// The shortest window, at least 4 epochs (5).
    pub min_window: usize,
    /// The longest window (50); where the noise asks for a longer one, the verdict stays [`Verdict::Unclear`].
    pub max_window: usize,
}

impl Default for PlateauTest {
    fn default() -> Self {
        Self { worth: 0.01, significance: 0.01, min_window: 5, max_window: 50 }
    }
}

/// What a look at the last epochs shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There are fewer epochs than the noise asks for.
    TooFew,
    /// It is getting better, beyond chance.
    Improving,
    /// No progress can be seen, but progress worth waiting for cannot be ruled out.
    Unclear,
    /// Progress worth waiting for is ruled out.
    Plateau,
}

/// The evidence behind a [`Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// How many epochs were looked at, or are needed if there are too few.
    pub window: usize,
    /// The change of what is measured per epoch, by least squares.
    pub slope: f64,
    /// The standard error of the slope.
    pub standard_error: f64,
    /// How likely a slope that good is where there is no progress.
    pub p_value: f64,
    /// The largest progress per epoch that is not ruled out.
    pub at_most: f64,
    /// The progress per epoch that would be worth waiting for.
    pub worth: f64,
}

/// A verdict with its evidence; without evidence if there are too few epochs to fit a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The verdict.
    pub verdict: Verdict,
    /// The evidence.
    pub trend: Option<Trend>,
}

impl PlateauTest {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`OptimError::Setting`] with the first that does not.
    pub fn validate(&self) -> Result<(), OptimError> {
        require(self.worth > 0.0 && self.worth < 1.0, NAME, "worth", self.worth, "above 0 and below 1")?;
        let fraction = self.significance > 0.0 && self.significance < 0.5;
        require(fraction, NAME, "significance", self.significance, "above 0 and below 0.5")?;
        require(self.min_window >= 4, NAME, "min_window", self.min_window as f64, "at least 4")?;
        let order = self.max_window >= self.min_window;
        require(order, NAME, "max_window", self.max_window as f64, "at least min_window")
    }

    /// Looks at what was measured so far, the last epoch last, in a window that follows from the noise.
    ///
    /// `error` is the standard error of one epoch's value, where it is known from the batches.
    pub fn look(&self, values: &[f64], error: Option<f64>, mode: Mode) -> Look {
        let window = self.window(values, error);
        if values.len() < window {
            let trend = self.trend(values, error, mode).map(|trend| Trend { window, ..trend });
            return Look { verdict: Verdict::TooFew, trend };
        }
        self.judge(&values[values.len() - window..], error, mode)
    }

    /// Looks at all of what is given, however little it is.
    pub fn judge(&self, values: &[f64], error: Option<f64>, mode: Mode) -> Look {
        let Some(trend) = self.trend(values, error, mode) else {
            return Look { verdict: Verdict::TooFew, trend: None };
        };
        // Not below, either: of a value that has come to 0 nothing is worth more.
        let verdict = if trend.at_most <= trend.worth {
            Verdict::Plateau
        } else if trend.p_value < self.significance {
            Verdict::Improving
        } else {
            Verdict::Unclear
        };
        Look { verdict, trend: Some(trend) }
    }

    /// The window that the noise asks for.
    fn window(&self, values: &[f64], error: Option<f64>) -> usize {
        let recent = &values[values.len().saturating_sub(self.max_window)..];
        // The second differences of a line are 0, and those of a curve nearly: what is left is noise.
        let mut seconds: Vec<f64> = recent.windows(3).map(|v| (v[0] - 2.0 * v[1] + v[2]).abs()).collect();
        seconds.sort_by(f64::total_cmp);
        let noise = seconds.get(seconds.len() / 2).map_or(0.0, |m| SECOND_DIFFERENCES * m).max(error.unwrap_or(0.0));
        let worth = self.worth * level(&recent[recent.len().saturating_sub(self.min_window)..]);
        let ratio = (quantile(self.significance, 100) + POWER) * noise / worth.max(f64::MIN_POSITIVE);
        let window = (12.0 * ratio * ratio).cbrt().ceil();
        (window.min(self.max_window as f64) as usize).max(self.min_window)
    }

    fn trend(&self, values: &[f64], error: Option<f64>, mode: Mode) -> Option<Trend> {
        let w = values.len();
        if w < 3 {
            return None;
        }
        let n = w as f64;
        let (middle, mean) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
        let spread = (n * n * n - n) / 12.0;
        let slope = values.iter().enumerate().map(|(i, v)| (i as f64 - middle) * (v - mean)).sum::<f64>() / spread;
        let residual = |(i, v): (usize, &f64)| (v - mean - slope * (i as f64 - middle)).powi(2);
        let variance = values.iter().enumerate().map(residual).sum::<f64>() / (n - 2.0);
        let sigma = variance.sqrt().max(error.unwrap_or(0.0));
        let standard_error = sigma / spread.sqrt();
        let progress = match mode {
            Mode::Min => -slope,
            Mode::Max => slope,
        };
        let t = if standard_error > 0.0 { progress / standard_error } else { progress.signum() * f64::INFINITY };
        let p_value = if progress == 0.0 { 0.5 } else { above(t, w - 2) };
        let at_most = progress + quantile(self.significance, w - 2) * standard_error;
        Some(Trend { window: w, slope, standard_error, p_value, at_most, worth: self.worth * level(values) })
    }
}

/// How large the values are: the middle one of their magnitudes.
fn level(values: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = values.iter().map(|v| v.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Rng;

    #[test]
    fn the_slope_and_its_error_are_those_of_a_regression() {
        // By hand: x = 0..4, y below; mean 4, slope 1.1 x ..., as any statistics package gives.
        let trend = PlateauTest::default().judge(&[2.0, 3.0, 5.0, 4.0, 6.0], None, Mode::Max).trend.unwrap();
        assert!((trend.slope - 0.9).abs() < 1e-12);
        // Residuals -0.2, -0.1, 1, -0.9, 0.2: sum of squares 1.9, over 3, over 10.
        assert!((trend.standard_error - (1.9_f64 / 30.0).sqrt()).abs() < 1e-12);
        // t = 3.576 with 3 degrees of freedom.
        assert!((trend.p_value - 0.0187).abs() < 1e-4, "{}", trend.p_value);
    }

    #[test]
    fn a_value_that_has_come_to_nothing_is_on_a_plateau() {
        let look = PlateauTest::default().look(&[0.0; 20], None, Mode::Min);
        assert_eq!(look.verdict, Verdict::Plateau);
    }

    #[test]
    fn the_window_grows_with_the_noise() {
        let test = PlateauTest::default();
        let window = |noise: f64| {
            let mut rng = Rng::new(3);
            let values: Vec<f64> = (0..50).map(|_| 1.0 + noise * rng.normal()).collect();
            test.window(&values, None)
        };
        let windows = [0.001, 0.01, 0.05, 0.1].map(window);
        assert_eq!(windows[0], 5);
        assert!(windows.is_sorted() && windows[3] > 18 && windows[3] < 33, "{windows:?}");
        // A known error counts where the values look quieter than they can be.
        assert!(test.window(&[1.0; 50], Some(0.1)) > 20);
    }

    #[test]
    fn getting_worse_is_a_plateau_and_constant_too() {
        let test = PlateauTest::default();
        assert_eq!(test.look(&[0.5, 0.51, 0.52, 0.53, 0.54], None, Mode::Min).verdict, Verdict::Plateau);
        assert_eq!(test.look(&[0.5; 5], None, Mode::Min).verdict, Verdict::Plateau);
        assert_eq!(test.look(&[0.5; 4], None, Mode::Min).verdict, Verdict::TooFew);
        assert_eq!(test.look(&[0.5, 0.6, 0.7, 0.8, 0.9], None, Mode::Max).verdict, Verdict::Improving);
        assert!(PlateauTest { worth: 0.0, ..test }.validate().is_err());
        assert!(PlateauTest { min_window: 3, ..test }.validate().is_err());
    }
}
