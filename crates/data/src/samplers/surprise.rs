//! Examples with a high error more often, with a guard against outliers.

use super::class_alternating::by_turns;
use crate::sampler::{by_class, check_examples};
use crate::{DataError, Evidence, Rival, Sampler, Suspect};
use kniff_tensor::{Indices, Rng};
use std::collections::BTreeMap;

/// The first number of a stored state.
const VERSION: f64 = 1.0;
/// How many numbers of a stored state an example has.
const NUMBERS: usize = 6;
/// What makes the median absolute deviation of normal numbers their standard deviation.
const NORMAL: f64 = 1.4826;
/// The same for the mean absolute deviation: `sqrt(pi / 2)`.
const NORMAL_MEAN: f64 = 1.253_314;
/// Without predictions the loss alone must convict, and must lie so many times further out.
const LOSS_ALONE: f64 = 2.0;

/// Presents examples with a high error more often, and keeps likely outliers from being presented at all.
///
/// The slide "Shuffling the Examples": choose the examples with the largest error more often; but be careful, this can be disastrous when they
/// are outliers. So there are four guards, each a setting:
///
/// 1. A part of every epoch stays uniform, [`Surprise::share`] of it goes by error: example i is drawn in proportion to
///    (1 - s) / n + s l_i / sum(l), with l_i the running mean of its loss. What was not seen for long has its l drawn
///    towards the mean of all, so that it is tried again; what was never seen comes first.
/// 2. No example comes more often than [`Surprise::cap`] times in an epoch of n examples; the bound is
///    strict as long as the other guards leave half of the examples free.
/// 3. Where the model is sure of another class than the label, the example comes no more often than others: nothing is learnt from
///    insisting on a wrong label.
/// 4. When that has gone on for [`Surprise::patience`] epochs with the same other class, and the loss lies more than
///    [`Surprise::outlier`] robust deviations above the median of the example's own class, the example is in quarantine: it
///    comes in one epoch out of ten only, to be heard again. It is released when the model no longer contradicts it. At most
///    [`Surprise::quarantine_at_most`] of any class is in quarantine, so that a class which is hard as a whole is not lost.
///
/// [`Sampler::suspects`] lists the quarantine with the class that each example seems to belong to. The losses come from
/// the trainer's `fit_observing`, with the predictions where the model is a classifier; without them guard 3 is off and
/// guard 4 asks for a loss twice as far out.
///
/// The first epochs ([`Surprise::warm_up`]) are plain shuffling: losses of an untrained network say nothing. A network that is
/// trained long enough learns wrong labels by heart, and then no longer contradicts them; what counts is that it has not yet.
///
/// ```
/// use kniff_data::{Evidence, Rival, Sampler, samplers::Surprise};
/// use kniff_tensor::{Indices, Rng};
/// let labels = Indices::from_vec(vec![0, 0, 0, 0, 1, 1, 1, 1]);
/// let mut sampler = Surprise::new(&labels).warm_up(1).patience(2).quarantine_at_most(0.25);
/// let rivals: Vec<Rival> = (0..8).map(|i| Rival { class: usize::from(i < 4), margin: if i == 7 { 5.0 } else { -3.0 } }).collect();
/// let losses = [0.1, 0.1, 0.2, 0.1, 0.1, 0.2, 0.1, 5.0];
/// for _ in 0..2 {
///     sampler.observe_evidence(&Evidence { indices: &[0, 1, 2, 3, 4, 5, 6, 7], losses: &losses, rivals: &rivals });
/// }
/// let list = sampler.suspects();
/// assert_eq!((list.len(), list[0].index, list[0].given, list[0].suggested), (1, 7, 1, Some(0)));
/// assert_eq!(sampler.order(8, &mut Rng::new(1))?.len(), 8);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Surprise {
    labels: Vec<usize>,
    share: f64,
    cap: usize,
    decay: f64,
    warm_up: u32,
    patience: u32,
    outlier: f64,
    confidence: f64,
    at_most: f64,
    probation: f64,
    alternating: bool,
    draws: usize,
    /// How many examples were observed in all: the clock.
    clock: u64,
    seen: Vec<Seen>,
}

/// What is known about an example.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    /// In how many epochs; 0 for never.
    epochs: u32,
    /// The clock when it was seen last.
    last: u64,
    /// The running mean of its loss.
    loss: f64,
    /// The running mean of the rival's margin.
    margin: f64,
    /// One more than the class that contradicts the label; 0 if none does or none is known.
    rival: usize,
    /// In how many epochs on end the same class has contradicted it.
    streak: u32,
}

impl Surprise {
    /// By the class of each example, with the settings that the methods below name.
    pub fn new(labels: &Indices) -> Self {
        let n = labels.len();
        Self {
            labels: labels.as_slice().to_vec(),
            share: 0.5,
            cap: 4,
            decay: 0.5,
            warm_up: 3,
            patience: 3,
            outlier: 3.0,
            confidence: 1.0,
            at_most: 0.3,
            probation: 0.1,
            alternating: false,
            draws: n,
            clock: 0,
            seen: vec![Seen::default(); n],
        }
    }

    /// For examples without classes: `n` of them, all of one kind.
    pub fn unlabelled(n: usize) -> Self {
        Self::new(&vec![0; n].into())
    }

    /// Which part of an epoch goes by error, between 0 and 1 (0.5); the rest is uniform.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// How many times an epoch of n examples presents one example at most, at least 2 (4).
    #[must_use]
    pub fn cap(mut self, times: usize) -> Self {
        self.cap = times;
        self
    }

    /// How much of the running loss an observation leaves, between 0 and 1 (0.5).
    #[must_use]
    pub fn decay(mut self, decay: f64) -> Self {
        self.decay = decay;
        self
    }

    /// How many epochs are shuffled plainly before the errors count (3).
    #[must_use]
    pub fn warm_up(mut self, epochs: u32) -> Self {
        self.warm_up = epochs;
        self
    }

    /// For how many epochs on end a label must be contradicted before the example is put in quarantine, at least 1 (3).
    #[must_use]
    pub fn patience(mut self, epochs: u32) -> Self {
        self.patience = epochs;
        self
    }

    /// How many robust standard deviations above its class's median an outlier's loss lies (3).
    #[must_use]
    pub fn outlier(mut self, deviations: f64) -> Self {
        self.outlier = deviations;
        self
    }

    /// From which margin on the model counts as sure of another class: ln(p_other / p_given), at least 0 (1).
    #[must_use]
    pub fn confidence(mut self, margin: f64) -> Self {
        self.confidence = margin;
        self
    }

    /// Which part of a class may be in quarantine, from 0, which turns the guard off, to a half (0.3).
    #[must_use]
    pub fn quarantine_at_most(mut self, share: f64) -> Self {
        self.at_most = share;
        self
    }

    /// Presents what was drawn class by class in turns, so that neighbours rarely belong to one class.
    #[must_use]
    pub fn alternating(mut self) -> Self {
        self.alternating = true;
        self
    }

    /// How many examples an epoch presents (as many as there are); shorter epochs react faster.
    #[must_use]
    pub fn epoch_of(mut self, draws: usize) -> Self {
        self.draws = draws;
        self
    }

    /// The running mean of each example's loss; `None` for those never seen.
    pub fn losses(&self) -> Vec<Option<f64>> {
        self.seen.iter().map(|s| (s.epochs > 0).then_some(s.loss)).collect()
    }

    fn check(&self) -> Result<(), DataError> {
        let setting = |what, expected: &str, found: f64| Err(DataError::setting(what, expected, found));
        let fraction = |x: f64, most: f64| (0.0..=most).contains(&x);
        if !fraction(self.share, 1.0) {
            return setting("the share that goes by error", "0 to 1", self.share);
        }
        if !fraction(self.decay, 1.0) || self.decay == 1.0 {
            return setting("the decay of the running loss", "at least 0 and below 1", self.decay);
        }
        if !fraction(self.at_most, 0.5) {
            return setting("the part of a class in quarantine", "0 to 0.5", self.at_most);
        }
        if self.cap < 2 {
            return setting("the cap of an example", "at least 2", self.cap as f64);
        }
        if self.patience == 0 {
            return setting("the patience before quarantine", "at least 1 epoch", 0.0);
        }
        if !(self.outlier.is_finite() && self.confidence >= 0.0 && self.confidence.is_finite()) {
            return setting("the outlier and confidence bounds", "finite, the second not negative", self.confidence);
        }
        if self.draws == 0 {
            return setting("the examples of an epoch", "at least 1", 0.0);
        }
        Ok(())
    }

    /// The epoch that a reading of the clock belongs to.
    fn epoch_at(&self, clock: u64) -> u64 {
        clock / self.draws.max(1) as u64
    }

    fn note(&mut self, index: usize, loss: f64, rival: Option<Rival>) {
        let (clock, decay) = (self.clock, self.decay);
        let epoch = self.epoch_at(clock);
        self.clock += 1;
        let Some(&before) = self.seen.get(index) else { return };
        // A loss that is not finite ends the training; it is no evidence about the example.
        if !loss.is_finite() {
            return;
        }
        let first = before.epochs == 0;
        let again = !first && self.epoch_at(before.last) == epoch;
        let running = |old: f64, new: f64| if first { new } else { decay * old + (1.0 - decay) * new };
        let mut now = Seen { loss: running(before.loss, loss), last: clock, ..before };
        // A stored state may hold any counts.
        now.epochs = now.epochs.saturating_add(u32::from(!again));
        if let Some(Rival { class, margin }) = rival {
            now.margin = running(before.margin, margin);
            let same = before.rival == class + 1;
            (now.rival, now.streak) = match (margin > 0.0, same) {
                (false, _) => (0, 0),
                (true, true) => (class + 1, before.streak.saturating_add(u32::from(!again))),
                (true, false) => (class + 1, 1),
            };
        }
        self.seen[index] = now;
    }

    /// Whether the model is sure of another class than the label.
    fn contradicted(&self, s: &Seen) -> bool {
        s.rival > 0 && s.margin >= self.confidence
    }

    /// The numbers of the examples in quarantine.
    fn quarantine(&self) -> Vec<usize> {
        let predictions = self.seen.iter().any(|s| s.margin != 0.0);
        let mut convicted = Vec::new();
        for (_, members) in by_class(&self.labels.clone().into()) {
            let mut losses: Vec<f64> =
                members.iter().map(|&i| &self.seen[i]).filter(|s| s.epochs > 0).map(|s| s.loss).collect();
            let Some(middle) = median(&mut losses) else { continue };
            losses.iter_mut().for_each(|l| *l = (*l - middle).abs());
            let deviation = match median(&mut losses).unwrap_or(0.0) {
                // Where more than half of the losses are the same, their mean deviation is the scale that is left.
                0.0 => NORMAL_MEAN * losses.iter().sum::<f64>() / losses.len() as f64,
                middle => NORMAL * middle,
            };
            let far = if predictions { self.outlier } else { LOSS_ALONE * self.outlier };
            let bar = middle + far * deviation;
            let guilty = |s: &Seen| {
                let long = if predictions { s.streak } else { s.epochs };
                long >= self.patience && s.loss > bar && (!predictions || self.contradicted(s))
            };
            let mut here: Vec<usize> = members.iter().copied().filter(|&i| guilty(&self.seen[i])).collect();
            here.sort_by(|&a, &b| self.score(b).total_cmp(&self.score(a)).then(a.cmp(&b)));
            here.truncate((self.at_most * members.len() as f64) as usize);
            convicted.extend(here);
        }
        convicted
    }

    fn score(&self, index: usize) -> f64 {
        let s = &self.seen[index];
        if s.rival > 0 { s.margin } else { s.loss }
    }

    /// How often each example is to come in an epoch of `draws`, as a mean; the sum is `draws`.
    fn shares(&self, examples: &[usize], draws: usize) -> Vec<f64> {
        let n = examples.len() as f64;
        let mut most = vec![self.cap as f64; self.labels.len()];
        for (i, s) in self.seen.iter().enumerate() {
            if self.contradicted(s) {
                most[i] = 1.0;
            }
        }
        for i in self.quarantine() {
            most[i] = self.probation;
        }
        let free: Vec<f64> = examples.iter().filter(|&&i| most[i] > 1.0).map(|&i| self.seen[i].loss).collect();
        let mean = free.iter().sum::<f64>() / (free.len() as f64).max(1.0);
        let epoch = self.draws.max(1) as f64;
        let losses: Vec<f64> = examples
            .iter()
            .map(|&i| {
                let age = (self.clock - self.seen[i].last) as f64 / epoch;
                // An old loss is worth less: what is known of such an example is that it is one like the others.
                (mean + (self.seen[i].loss - mean) * self.decay.powf(age - 1.0).min(1.0)).max(0.0)
            })
            .collect();
        let sum: f64 = losses.iter().sum();
        let share = if sum > 0.0 { self.share } else { 0.0 };
        let wanted = losses.iter().map(|l| (1.0 - share) / n + if sum > 0.0 { share * l / sum } else { 0.0 });
        let caps = examples.iter().map(|&i| most[i] * draws as f64 / n);
        fill(&wanted.collect::<Vec<_>>(), &caps.collect::<Vec<_>>(), draws as f64)
    }
}

/// `total` in proportion to `wanted`, none above its cap: what is cut off goes to the others in the same proportion.
fn fill(wanted: &[f64], caps: &[f64], total: f64) -> Vec<f64> {
    let mut given = vec![0.0; wanted.len()];
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    let mut left = total;
    while !open.is_empty() {
        let sum: f64 = open.iter().map(|&i| wanted[i]).sum();
        let scale = if sum > 0.0 { left / sum } else { 0.0 };
        let (full, rest): (Vec<usize>, Vec<usize>) = open.iter().partition(|&&i| wanted[i] * scale >= caps[i]);
        if full.is_empty() {
            rest.iter().for_each(|&i| given[i] = wanted[i] * scale);
            break;
        }
        for i in full {
            given[i] = caps[i];
            left -= caps[i];
        }
        open = rest;
    }
    given
}

/// The middle of the numbers, or the mean of the two; `None` without any. The numbers end up sorted.
fn median(numbers: &mut [f64]) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() % 2 {
        _ if numbers.is_empty() => None,
        1 => Some(numbers[half]),
        _ => Some(0.5 * (numbers[half - 1] + numbers[half])),
    }
}

impl Sampler for Surprise {
    fn draws(&self, _: usize) -> usize {
        self.draws
    }

    fn order(&self, examples: usize, rng: &mut Rng) -> Result<Vec<usize>, DataError> {
        self.check()?;
        check_examples("labels", self.labels.len(), examples)?;
        if self.epoch_at(self.clock) < u64::from(self.warm_up) && self.draws == examples {
            let all = (0..examples).collect();
            return Ok(self.arrange(all, rng));
        }
        let mut shuffled: Vec<usize> = (0..examples).collect();
        rng.shuffle(&mut shuffled);
        let (mut first, known): (Vec<usize>, Vec<usize>) =
            shuffled.into_iter().partition(|&i| self.seen[i].epochs == 0);
        first.truncate(self.draws);
        let draws = self.draws - first.len();
        if known.is_empty() || draws == 0 {
            return Ok(self.arrange(first, rng));
        }
        // Systematic sampling: an example with mean m comes floor(m) or ceil(m) times, so that the cap holds strictly.
        let (mut end, mut place) = (0.0, rng.uniform());
        let mut drawn = Vec::with_capacity(draws);
        for (&i, share) in known.iter().zip(self.shares(&known, draws)) {
            end += share;
            while place < end && drawn.len() < draws {
                drawn.push(i);
                place += 1.0;
            }
        }
        // Rounding, or caps that leave room.
        for &i in known.iter().filter(|&&i| !self.contradicted(&self.seen[i])).chain(&known).cycle() {
            if drawn.len() >= draws {
                break;
            }
            drawn.push(i);
        }
        let mut order = self.arrange(first, rng);
        order.extend(self.arrange(drawn, rng));
        Ok(order)
    }

    fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        self.observe_evidence(&Evidence { indices, losses, rivals: &[] });
    }

    fn observe_evidence(&mut self, evidence: &Evidence<'_>) {
        for (at, (&index, &loss)) in evidence.indices.iter().zip(evidence.losses).enumerate() {
            let rival = evidence.rivals.get(at).copied().filter(|r| r.margin.is_finite());
            self.note(index, loss, rival);
        }
    }

    fn learns(&self) -> bool {
        true
    }

    fn suspects(&self) -> Vec<Suspect> {
        let mut list = self.quarantine();
        list.sort_by(|&a, &b| self.score(b).total_cmp(&self.score(a)).then(a.cmp(&b)));
        let suspect = |index: usize| {
            let s = &self.seen[index];
            let epochs = if s.rival > 0 { s.streak } else { s.epochs };
            let (given, suggested) = (self.labels[index], s.rival.checked_sub(1));
            Suspect { index, given, suggested, score: self.score(index), loss: s.loss, epochs }
        };
        list.into_iter().map(suspect).collect()
    }

    fn describe(&self) -> String {
        format!(
            "Surprise, share {}, cap {}, decay {}, warm-up {}, patience {}, outlier {}, confidence {}, at most {}, probation {}, \
             alternating {}, draws {}",
            self.share,
            self.cap,
            self.decay,
            self.warm_up,
            self.patience,
            self.outlier,
            self.confidence,
            self.at_most,
            self.probation,
            self.alternating,
            self.draws
        )
    }

    fn state(&self) -> Vec<f64> {
        let mut state = vec![VERSION, self.seen.len() as f64, self.clock as f64];
        for s in &self.seen {
            let counts = [f64::from(s.epochs), s.last as f64, s.rival as f64, f64::from(s.streak)];
            state.extend(counts.into_iter().chain([s.loss, s.margin]));
        }
        state
    }

    fn restore(&mut self, state: &[f64]) -> Result<(), DataError> {
        let n = self.labels.len();
        let wrong = |found: String| {
            let expected = format!("{} numbers of format {VERSION} for {n} examples", 3 + NUMBERS * n);
            Err(DataError::setting("sampler state", expected, found))
        };
        let [VERSION, examples, clock, rest @ ..] = state else {
            return wrong(format!("{} numbers", state.len()));
        };
        if *examples != n as f64 || rest.len() != NUMBERS * n {
            return wrong(format!("{} numbers for {examples} examples", state.len()));
        }
        let whole = |x: f64, most: f64| x >= 0.0 && x <= most && x.fract() == 0.0;
        let mut seen = Vec::with_capacity(n);
        for (i, numbers) in rest.as_chunks::<NUMBERS>().0.iter().enumerate() {
            let [epochs, last, rival, streak, loss, margin] = *numbers;
            let small = f64::from(u32::MAX);
            let counts = whole(epochs, small) && whole(streak, small) && whole(rival, 1e15) && whole(last, *clock);
            if !(counts && loss.is_finite() && margin.is_finite()) {
                return wrong(format!("{numbers:?} for example {i}"));
            }
            let (epochs, streak) = (epochs as u32, streak as u32);
            seen.push(Seen { epochs, last: last as u64, rival: rival as usize, streak, loss, margin });
        }
        if !whole(*clock, 1e15) {
            return wrong(format!("the clock {clock}"));
        }
        (self.clock, self.seen) = (*clock as u64, seen);
        Ok(())
    }
}

impl Surprise {
    /// What was drawn, in the order in which it is presented.
    fn arrange(&self, mut drawn: Vec<usize>, rng: &mut Rng) -> Vec<usize> {
        if !self.alternating {
            rng.shuffle(&mut drawn);
            return drawn;
        }
        let mut classes = BTreeMap::<usize, Vec<usize>>::new();
        for i in drawn {
            classes.entry(self.labels[i]).or_default().push(i);
        }
        by_turns(classes.into_values().collect(), false, rng)
    }
}

#[cfg(test)]
mod tests;
