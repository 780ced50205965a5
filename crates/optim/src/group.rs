//! Groups of parameters with settings of their own, chosen by path.

use kniff_tensor::Shape;
use std::fmt;
use std::sync::Arc;

/// The settings of one group; what is not set is the optimiser's.
///
/// Filled in by the closure that [`Optimizer::group`](crate::Optimizer::group) takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    pub(crate) rate: Rate,
    pub(crate) weight_decay: Option<f64>,
}

/// A group's learning rate, as it was given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Rate {
    #[default]
    Same,
    Factor(f64),
    Absolute(f64),
}

impl Group {
    /// The group's learning rate, at the optimiser's present one: the ratio of the two stays when a schedule changes the
    /// optimiser's.
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.rate = Rate::Absolute(learning_rate);
        self
    }

    /// The group's learning rate as a multiple of the optimiser's.
    #[must_use]
    pub fn learning_rate_factor(mut self, factor: f64) -> Self {
        self.rate = Rate::Factor(factor);
        self
    }

    /// The group's weight decay.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = Some(weight_decay);
        self
    }
}

/// Which parameters a group holds.
#[derive(Clone)]
pub(crate) enum Selector {
    Pattern(String),
    Predicate(String, Arc<Predicate>),
}

type Predicate = dyn Fn(&str, &Shape) -> bool + Send + Sync;

impl Selector {
    pub(crate) fn matches(&self, path: &str, shape: &Shape) -> bool {
        match self {
            Selector::Pattern(pattern) => matches(pattern, path),
            Selector::Predicate(_, predicate) => predicate(path, shape),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Selector::Pattern(name) | Selector::Predicate(name, _) => name,
        }
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name(), f)
    }
}

/// Whether the pattern fits the path or one of the modules that the path leads through; `*` fits any run of characters.
fn matches(pattern: &str, path: &str) -> bool {
    let ends = path.char_indices().filter(|&(_, c)| c == '.').map(|(i, _)| i);
    ends.chain([path.len()]).any(|end| fits(pattern.as_bytes(), &path.as_bytes()[..end]))
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    // The last star and where the text it took ends: on a mismatch it takes one character more.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((after, taken)) = star {
            star = Some((after, taken + 1));
            (p, t) = (after, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_modules_and_stars() {
        assert!(matches("encoder", "encoder.0.weight"));
        assert!(matches("encoder.0", "encoder.0.weight"));
        assert!(!matches("encoder", "encoder2.weight"));
        assert!(!matches("weight", "encoder.0.weight"));
        assert!(matches("*.weight", "encoder.0.weight"));
        assert!(matches("*bias", "bias"));
        assert!(!matches("*.bias", "encoder.weight"));
        assert!(matches("enc*.0", "encoder.0.weight"));
        assert!(matches("*", "anything"));
        assert!(!matches("", "anything"));
    }
}
