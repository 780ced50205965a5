//! The one walk over memory that every rule's step is: parameter, gradient and slots are read and written once.

use crate::rule::{Decay, Update};
use kniff_tensor::simd::{Isa, Kernel, dispatch};
use kniff_tensor::{Element, Tensor, parallel};

/// What is done to gradient and parameter on the way into a rule, at no extra pass over memory.
///
/// In this order: the gradient is multiplied by `gradient_scale`, limited to `+-clip_value`, and L2 decay is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fold {
    /// Multiplies the gradient: a clipping factor, 1/n of n accumulated batches, -1 to maximise.
    pub gradient_scale: f64,
    /// The largest absolute value that a gradient's element may have; infinite for none.
    pub clip_value: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// How it acts.
    pub decay: Decay,
}

impl Default for Fold {
    fn default() -> Self {
        Self { gradient_scale: 1.0, clip_value: f64::INFINITY, weight_decay: 0.0, decay: Decay::L2 }
    }
}

/// One step over one parameter, waiting for the rule to say what happens at each element.
pub struct Pass<'a, E: Element> {
    parameters: &'a mut [E],
    gradients: &'a [E],
    slots: &'a mut [Tensor<E>],
    folded: Folded<E>,
}

impl<'a, E: Element> Pass<'a, E> {
    pub(crate) fn new(
        parameters: &'a mut [E],
        gradients: &'a [E],
        slots: &'a mut [Tensor<E>],
        fold: &Fold,
        learning_rate: f64,
    ) -> Self {
        let (l2, keep) = match fold.decay {
            Decay::L2 => (fold.weight_decay, 1.0),
            Decay::Decoupled => (0.0, 1.0 - learning_rate * fold.weight_decay),
        };
        let folded = Folded {
            scale: E::from_f64(fold.gradient_scale),
            limit: E::from_f64(fold.clip_value),
            l2: E::from_f64(l2),
            keep: E::from_f64(keep),
        };
        Self { parameters, gradients, slots, folded }
    }

    /// Applies the update to every element; on several threads where that pays, with the same bytes at any number.
    ///
    /// # Panics
    /// If the rule has another number of slots.
    pub fn run<const N: usize, U: Update<E, N>>(self, update: U) {
        assert!(self.slots.len() == N, "an update of {N} slots for a rule that keeps {}", self.slots.len());
        let mut slots = self.slots.iter_mut().map(Tensor::make_mut);
        let slots = std::array::from_fn(|_| slots.next().expect("as many slots as were counted"));
        let (p, g, folded) = (self.parameters, self.gradients, self.folded);
        // Parameter, gradient and slots read, parameter and slots written.
        let moved = p.len() * (2 * N + 3);
        if parallel::pays(p.len()) && moved >= SERIAL_BELOW {
            parallel::pieces_of(p, slots, |first, p, slots| {
                let g = &g[first..first + p.len()];
                dispatch(Work { p, g, slots, folded, update });
            });
        } else {
            dispatch(Work { p, g, slots, folded, update });
        }
    }
}

/// Elements read and written below which waking another thread costs more than it saves.
const SERIAL_BELOW: usize = 1 << 17;

/// A [`Fold`] in the element type.
#[derive(Clone, Copy)]
struct Folded<E> {
    scale: E,
    limit: E,
    l2: E,
    keep: E,
}

impl<E: Element> Folded<E> {
    #[inline(always)]
    fn gradient(self, p: E, g: E) -> E {
        let g = g * self.scale;
        // Comparisons, not min and max: those would turn NaN into the limit.
        let g = if g > self.limit { self.limit } else { g };
        let g = if g < -self.limit { -self.limit } else { g };
        g + self.l2 * p
    }
}

struct Work<'a, E, U, const N: usize> {
    p: &'a mut [E],
    g: &'a [E],
    slots: [&'a mut [E]; N],
    folded: Folded<E>,
    update: U,
}

impl<E: Element, U: Update<E, N>, const N: usize> Kernel for Work<'_, E, U, N> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.p.len();
        let (p, g) = (self.p, &self.g[..n]);
        let slots = self.slots.map(|slot| &mut slot[..n]);
        for i in 0..n {
            let before: [E; N] = std::array::from_fn(|k| slots[k][i]);
            let (after, slots_after) =
                self.update.at(p[i] * self.folded.keep, self.folded.gradient(p[i], g[i]), before);
            p[i] = after;
            for k in 0..N {
                slots[k][i] = slots_after[k];
            }
        }
    }
}
