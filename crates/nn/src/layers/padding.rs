//! What lies around an image: how much of it, and what it is filled with.

use super::sides::Sides;
use kniff_autograd::Var;
use kniff_tensor::Element;

/// How many elements are added around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding<const D: usize> {
    /// None: only windows that are wholly inside count.
    Valid,
    /// As many as keep the size: `dilation (kernel - 1)` in all, the smaller half before. The stride must be 1.
    Same,
    /// So many on both sides of each axis.
    By([usize; D]),
}

impl<const D: usize> From<usize> for Padding<D> {
    fn from(all: usize) -> Self {
        Padding::By([all; D])
    }
}

impl<const D: usize> From<[usize; D]> for Padding<D> {
    fn from(sides: [usize; D]) -> Self {
        Padding::By(sides)
    }
}

impl<const D: usize> From<Sides<D>> for Padding<D> {
    fn from(sides: Sides<D>) -> Self {
        Padding::By(sides.0)
    }
}

impl<const D: usize> Padding<D> {
    /// The widths before and after each axis.
    pub(super) fn widths(&self, kernel: [usize; D], dilation: [usize; D]) -> [(usize, usize); D] {
        std::array::from_fn(|a| match self {
            Padding::Valid => (0, 0),
            Padding::By(sides) => (sides[a], sides[a]),
            Padding::Same => {
                let all = dilation[a] * (kernel[a].max(1) - 1);
                (all / 2, all - all / 2)
            }
        })
    }
}

/// What the padding of a convolution is filled with; PyTorch's `padding_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The image in a mirror that stands on the outermost element, which is not repeated: `c b | a b c | b a`.
    Reflect,
    /// The outermost element: `a a | a b c | c c`.
    Replicate,
    /// The other end: `b c | a b c | a b`.
    Circular,
}

impl PaddingMode {
    /// Why an axis cannot be padded so.
    pub(super) fn objection(self, size: usize, (before, after): (usize, usize)) -> Option<String> {
        let width = before.max(after);
        let most = match self {
            PaddingMode::Zeros => usize::MAX,
            PaddingMode::Reflect => size.saturating_sub(1),
            PaddingMode::Circular => size,
            PaddingMode::Replicate if size > 0 => usize::MAX,
            PaddingMode::Replicate => 0,
        };
        (width > most)
            .then(|| format!("an axis of {size} cannot be padded by {width} in mode {self:?}, at most by {most}"))
    }

    /// The image with its last axes padded from its own elements. Only for modes that have such.
    pub(super) fn pad<E: Element>(self, x: &Var<E>, widths: &[(usize, usize)]) -> Var<E> {
        let first = x.rank() - widths.len();
        let mut padded = x.clone();
        for (a, &(before, after)) in widths.iter().enumerate() {
            if (before, after) != (0, 0) {
                let n = x.shape()[first + a];
                let from: Vec<usize> = (0..before + n + after).map(|p| self.source(p, before, n)).collect();
                padded = padded.index_select(first + a, &from);
            }
        }
        padded
    }

    /// Where position `p` of a padded axis comes from.
    fn source(self, p: usize, before: usize, n: usize) -> usize {
        match self {
            PaddingMode::Reflect if p < before => before - p,
            PaddingMode::Reflect if p >= before + n => 2 * (n - 1) - (p - before),
            PaddingMode::Circular => (p + n * before.div_ceil(n.max(1)) - before) % n,
            _ => p.saturating_sub(before).min(n - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    #[test]
    fn every_mode_repeats_what_it_says() {
        let x = Var::<f64>::constant(Tensor::arange(3).reshape([1, 1, 3]));
        let padded = |mode: PaddingMode| mode.pad(&x, &[(2, 1)]).value().to_vec();
        assert_eq!(padded(PaddingMode::Reflect), [2.0, 1.0, 0.0, 1.0, 2.0, 1.0]);
        assert_eq!(padded(PaddingMode::Replicate), [0.0, 0.0, 0.0, 1.0, 2.0, 2.0]);
        assert_eq!(padded(PaddingMode::Circular), [1.0, 2.0, 0.0, 1.0, 2.0, 0.0]);
    }

    #[test]
    fn same_puts_the_smaller_half_first() {
        assert_eq!(Padding::<2>::Same.widths([3, 4], [1, 1]), [(1, 1), (1, 2)]);
        assert_eq!(Padding::<1>::Same.widths([2], [3]), [(1, 2)]);
    }
}
