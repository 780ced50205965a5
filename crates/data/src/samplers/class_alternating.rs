//! The classes by turns.

use crate::sampler::{by_class, check_examples};
use crate::{DataError, Sampler};
use kniff_tensor::{Indices, Rng};

/// The classes by turns: each round presents one example of every class, in a random order of classes.
///
/// Neighbours then rarely belong to one class, which is the lecture's "samples of alternating classes". When a class runs out,
/// the rounds go on without it, so the end of an epoch belongs to the largest classes; [`ClassAlternating::repeating`]
/// starts the class over instead, which presents every class equally often.
#[derive(Clone, Debug)]
pub struct ClassAlternating {
    labels: Indices,
    repeat: bool,
}

impl ClassAlternating {
    /// By the class of each example; every example comes once.
    pub fn new(labels: &Indices) -> Self {
        Self { labels: labels.clone(), repeat: false }
    }

    /// Small classes start over, in a new order, until the largest is through.
    #[must_use]
    pub fn repeating(mut self) -> Self {
        self.repeat = true;
        self
    }
}

impl Sampler for ClassAlternating {
    fn draws(&self, examples: usize) -> usize {
        if !self.repeat {
            return examples;
        }
        let classes = by_class(&self.labels);
        classes.len() * classes.iter().map(|(_, members)| members.len()).max().unwrap_or(0)
    }

    fn describe(&self) -> String {
        format!("ClassAlternating, repeat {}", self.repeat)
    }

    fn order(&self, examples: usize, rng: &mut Rng) -> Result<Vec<usize>, DataError> {
        check_examples("labels", self.labels.len(), examples)?;
        let classes = by_class(&self.labels).into_iter().map(|(_, members)| members).collect();
        Ok(by_turns(classes, self.repeat, rng))
    }
}

/// The members of the classes in rounds of one each; small classes end early or start over.
pub(super) fn by_turns(mut classes: Vec<Vec<usize>>, repeat: bool, rng: &mut Rng) -> Vec<usize> {
    classes.iter_mut().for_each(|members| rng.shuffle(members));
    let rounds = classes.iter().map(Vec::len).max().unwrap_or(0);
    let mut turn: Vec<usize> = (0..classes.len()).collect();
    let mut order = Vec::new();
    for round in 0..rounds {
        if repeat {
            for members in &mut classes {
                if round > 0 && round % members.len() == 0 {
                    rng.shuffle(members);
                }
            }
        } else {
            turn.retain(|&c| classes[c].len() > round);
        }
        let before = order.last().map(|_| turn[turn.len() - 1]);
        rng.shuffle(&mut turn);
        // Without this, one round may end and the next begin with the same class.
        if turn.len() > 1 && Some(turn[0]) == before {
            let other = 1 + rng.below(turn.len() - 1);
            turn.swap(0, other);
        }
        order.extend(turn.iter().map(|&c| classes[c][round % classes[c].len()]));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_while_there_are_two_classes() {
        let labels: Vec<usize> = (0..90).map(|i| i / 30).collect();
        let order = ClassAlternating::new(&labels.clone().into()).order(90, &mut Rng::new(0)).unwrap();
        assert!(order.windows(2).all(|w| labels[w[0]] != labels[w[1]]));
        assert!(order.chunks(3).all(|round| round.iter().map(|&i| labels[i]).sum::<usize>() == 3));
        let mut sorted = order;
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, &x)| i == x));
    }

    #[test]
    fn repeating_balances_the_classes() {
        let labels: Vec<usize> = vec![0, 0, 0, 0, 0, 3, 3];
        let sampler = ClassAlternating::new(&labels.clone().into()).repeating();
        let order = sampler.order(7, &mut Rng::new(0)).unwrap();
        assert_eq!((order.len(), sampler.draws(7)), (10, 10));
        assert_eq!(order.iter().filter(|&&i| labels[i] == 3).count(), 5);
    }
}
