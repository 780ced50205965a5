//! The closing policy of the lecture: when to cut the rate, and when to stop.

use crate::error::require;
use crate::{Look, Mode, OptimError, PlateauTest, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;

const NAME: &str = "Closing";

/// Cuts the rate by ten when a plateau is proven, goes on for a few epochs, does so one to three times, then stops.
///
/// The slide "Reducing the Learning Rate", with its warning: do not turn it down too soon, further progress is much slower
/// after that. So the first cut waits for the verdict of a [`PlateauTest`] on the losses of all epochs so far, which rules
/// progress out instead of missing it for some epochs. After a cut the burden is reversed: the few epochs
/// ([`Closing::epochs_each`]) are over unless the loss is still falling beyond chance.
///
/// This is the decision alone; a trainer acts on it. A test of it draws 400 curves (a fall of ten to sixty epochs, then a plateau;
/// noise of 0.5 to 8 %) and holds it to cutting before the plateau in fewer than 5 % of them, and within fifty epochs
/// after it in 95 %. It was too soon in none of them and cut ten epochs after the plateau began, by the median; a patience of one
/// epoch, as fastai's `ReduceLROnPlateau` has it, was too soon in 139.
///
/// NaN is never "no improvement": it is an error, or passed over with `ignore_nan`.
///
/// ```
/// use kniff_optim::{Action, Closing};
/// let mut closing = Closing { cuts: 1, epochs_each: 3, ..Closing::default() };
/// let losses = [1.0, 0.8, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4];
/// let actions: Vec<Action> = losses.iter().map(|l| closing.observe(*l, None).unwrap().action).collect();
/// assert_eq!(actions[7], Action::Cut);
/// assert_eq!(actions[10], Action::Stop);
/// assert!(actions.iter().enumerate().all(|(i, a)| i == 7 || i == 10 || *a == Action::Wait));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closing {
    /// What tells a plateau.
    pub test: PlateauTest,
    /// What a cut multiplies the rate by (0.1).
    pub factor: f64,
    /// How many cuts there are, 1 to 3 in the lecture (2).
    pub cuts: usize,
    /// How many epochs each cut rate has at least (5).
    pub epochs_each: usize,
    /// How many epochs there are at least before the first cut (0: what the test needs).
    pub min_epochs: usize,
    /// Which values are better (smaller ones).
    pub mode: Mode,
    /// Whether a NaN is passed over; otherwise it is an error (no).
    pub ignore_nan: bool,
    /// What was seen so far.
    #[serde(default)]
    pub progress: ClosingProgress,
}

/// What a [`Closing`] has seen so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClosingProgress {
    /// The values at the present rate.
    values: Vec<f64>,
    cuts: usize,
    stopped: bool,
}

impl Default for Closing {
    fn default() -> Self {
        Self {
            test: PlateauTest::default(),
            factor: 0.1,
            cuts: 2,
            epochs_each: 5,
            min_epochs: 0,
            mode: Mode::Min,
            ignore_nan: false,
            progress: ClosingProgress::default(),
        }
    }
}

/// What is to be done after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Go on at the same rate.
    Wait,
    /// Cut the rate.
    Cut,
    /// Stop: all cuts are made and their epochs over.
    Stop,
}

/// What was decided after an epoch, and on which evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosingRecord {
    /// What is to be done.
    pub action: Action,
    /// How many cuts were made before.
    pub cuts: usize,
    /// How many epochs there were at this rate.
    pub epochs: usize,
    /// The evidence.
    pub look: Look,
}

impl Closing {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`OptimError::Setting`] with the first that does not.
    pub fn validate(&self) -> Result<(), OptimError> {
        self.test.validate()?;
        require(self.factor > 0.0 && self.factor < 1.0, NAME, "factor", self.factor, "above 0 and below 1")?;
        require(self.cuts >= 1, NAME, "cuts", self.cuts as f64, "at least 1")?;
        require(self.epochs_each >= 1, NAME, "epochs_each", self.epochs_each as f64, "at least 1")?;
        // Progress may come from a file.
        let made = self.progress.cuts;
        require(made <= self.cuts, NAME, "the number of cuts made", made as f64, "at most that of all cuts")
    }

    /// The rate in force, for a base rate.
    pub fn learning_rate(&self, base: f64) -> f64 {
        (0..self.progress.cuts).fold(base, |rate, _| rate * self.factor)
    }

    /// How many cuts were made.
    pub fn cuts_made(&self) -> usize {
        self.progress.cuts
    }

    /// Whether it has said [`Action::Stop`].
    pub fn is_finished(&self) -> bool {
        self.progress.stopped
    }

    /// Takes note of an epoch's value, and of the standard error of it where that is known; decides.
    ///
    /// # Errors
    /// [`OptimError::NanMetric`] for NaN, unless it is to be passed over.
    pub fn observe(&mut self, value: f64, error: Option<f64>) -> Result<ClosingRecord, OptimError> {
        if value.is_nan() && !self.ignore_nan {
            return Err(OptimError::NanMetric { schedule: NAME });
        }
        if !value.is_nan() {
            self.progress.values.push(value);
        }
        let (cuts, values) = (self.progress.cuts, &self.progress.values);
        let epochs = values.len();
        let (look, over) = if cuts == 0 {
            let look = self.test.look(values, error, self.mode);
            (look, look.verdict == Verdict::Plateau && epochs >= self.min_epochs)
        } else {
            let recent = &values[epochs.saturating_sub(self.test.max_window)..];
            let look = self.test.judge(recent, error, self.mode);
            (look, look.verdict != Verdict::Improving && epochs >= self.epochs_each)
        };
        let action = match over && !value.is_nan() {
            false => Action::Wait,
            true if cuts < self.cuts => Action::Cut,
            true => Action::Stop,
        };
        if action != Action::Wait {
            self.progress.values.clear();
        }
        self.progress.cuts += usize::from(action == Action::Cut);
        self.progress.stopped = action == Action::Stop;
        Ok(ClosingRecord { action, cuts, epochs, look })
    }
}

impl fmt::Display for ClosingRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Wait => "waits",
            Action::Cut => "cuts the rate",
            Action::Stop => "stops",
        };
        let verdict = match self.look.verdict {
            Verdict::TooFew => "too few epochs for this noise",
            Verdict::Improving => "still improving",
            Verdict::Unclear => "progress cannot be ruled out",
            Verdict::Plateau => "a plateau",
        };
        write!(f, "closing: {action} after {} epochs at this rate: {verdict}", self.epochs)?;
        if let Some(t) = &self.look.trend {
            write!(
                f,
                " (over {} epochs a slope of {:.2e} +- {:.1e}, p {:.3}; progress of at most {:.2e} per epoch, {:.2e} would be worth it)",
                t.window, t.slope, t.standard_error, t.p_value, t.at_most, t.worth
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CutOnPlateau, Reaction, Schedule};
    use kniff_tensor::Rng;

    /// A loss that falls to 0.2 by 1.2 to 8 % an epoch, all of it noisy; and the epoch from which it is flat.
    fn curve(seed: u64) -> (Vec<f64>, usize, f64) {
        let mut rng = Rng::new(seed).stream("curves");
        let rate = 0.012 + 0.068 * rng.uniform();
        let length = 10 + rng.below(51);
        let noise = 0.005 * 16.0_f64.powf(rng.uniform());
        let start = 0.2 * (1.0 - rate).powi(-(length as i32));
        let value = |e: usize| start * (1.0 - rate).powi(e.min(length) as i32);
        ((0..200).map(|e| value(e) * (1.0 + noise * rng.normal())).collect(), length, noise)
    }

    #[test]
    fn cuts_before_the_plateau_are_rare_and_the_delay_after_it_is_bounded() {
        let (mut soon, mut naive, mut late, mut delays) = (0, 0, 0, Vec::new());
        for seed in 0..400 {
            let (losses, plateau, _) = curve(seed);
            let mut closing = Closing::default();
            let cut = losses.iter().position(|l| closing.observe(*l, None).unwrap().action == Action::Cut);
            match cut {
                Some(at) if at < plateau => soon += 1,
                Some(at) => delays.push(at - plateau),
                None => late += 1,
            }
            let mut fastai = CutOnPlateau { patience: 1, ..CutOnPlateau::default() };
            let first = losses.iter().position(|l| fastai.observe(0, *l).unwrap() == Reaction::Cut);
            naive += usize::from(first.is_some_and(|at| at < plateau));
        }
        delays.sort_unstable();
        let (median, last) = (delays[delays.len() / 2], delays[delays.len() * 95 / 100]);
        println!("too soon {soon}, patience 1 too soon {naive}, never {late}, delay median {median}, 95 % {last}");
        assert!(soon < 20, "{soon} of 400 too soon");
        assert_eq!(late, 0);
        assert!(median <= 20 && last <= 50, "median {median}, 95 % {last}");
        assert!(naive > 5 * soon.max(16), "{naive}");
    }

    #[test]
    fn each_cut_has_its_few_epochs_and_then_it_stops() {
        let mut closing = Closing { cuts: 3, epochs_each: 4, ..Closing::default() };
        let actions: Vec<Action> = (0..17).map(|_| closing.observe(1.0, None).unwrap().action).collect();
        let at = |action| actions.iter().enumerate().filter(move |(_, a)| **a == action).map(|(i, _)| i);
        assert_eq!(at(Action::Cut).collect::<Vec<_>>(), [4, 8, 12]);
        assert_eq!(at(Action::Stop).collect::<Vec<_>>(), [16]);
        assert!((closing.learning_rate(1.0) - 1e-3).abs() < 1e-15 && closing.is_finished());
        // As long as a cut rate brings the loss down beyond chance, it is kept.
        let mut closing = Closing { cuts: 1, epochs_each: 4, ..Closing::default() };
        (0..5).for_each(|_| drop(closing.observe(1.0, None)));
        assert!((0..12).all(|i| closing.observe(0.9 - 0.05 * f64::from(i), None).unwrap().action == Action::Wait));
    }

    #[test]
    fn nan_is_an_error_or_passed_over_and_never_a_reason_to_cut() {
        let mut closing = Closing::default();
        assert_eq!(closing.observe(f64::NAN, None), Err(OptimError::NanMetric { schedule: NAME }));
        closing.ignore_nan = true;
        assert!((0..100).all(|_| closing.observe(f64::NAN, None).unwrap().action == Action::Wait));
        assert_eq!(closing.progress, ClosingProgress::default());
    }

    #[test]
    fn it_survives_a_checkpoint_and_says_why() {
        let mut closing = Closing::default();
        for loss in [1.0, 0.9, 0.8, 0.7] {
            closing.observe(loss, None).unwrap();
        }
        let text = serde_json::to_string(&closing).unwrap();
        let mut other: Closing = serde_json::from_str(&text).unwrap();
        let (a, b) = (closing.observe(0.6, None).unwrap(), other.observe(0.6, None).unwrap());
        assert_eq!(a, b);
        assert!(
            a.to_string().starts_with(
                "closing: waits after 5 epochs at this rate: still improving (over 5 epochs a slope of -1.00e-1"
            ),
            "{a}"
        );
        assert!(Closing { cuts: 0, ..Closing::default() }.validate().is_err());
    }
}
