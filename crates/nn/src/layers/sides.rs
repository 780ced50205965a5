//! One number per spatial axis, written as one number where all are the same.

/// A size, a stride or a width per spatial axis: `3`, `[3]` for one axis, or `[3, 5]` for rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides<const D: usize>(pub [usize; D]);

impl<const D: usize> From<usize> for Sides<D> {
    fn from(all: usize) -> Self {
        Self([all; D])
    }
}

impl<const D: usize> From<[usize; D]> for Sides<D> {
    fn from(sides: [usize; D]) -> Self {
        Self(sides)
    }
}

/// One number per axis as (down, across): a signal is an image of one row, along which `missing` is right.
pub(super) fn lift<const D: usize, T: Copy>(sides: [T; D], missing: T) -> [T; 2] {
    const { assert!(D == 1 || D == 2, "signals have one spatial axis and images two") }
    let mut both = [missing; 2];
    both[2 - D..].copy_from_slice(&sides);
    both
}

/// What [`lift`] gave, without the axis that a signal has not.
pub(super) fn lower<const D: usize, T: Copy>(both: [T; 2]) -> [T; D] {
    std::array::from_fn(|a| both[2 - D + a])
}

/// `name1d` or `name2d`.
pub(super) const fn named<const D: usize>(names: [&'static str; 2]) -> &'static str {
    names[D - 1]
}

/// The spatial sizes of an example [channels, ..]; `None` where it has another number of axes.
pub(super) fn spatial<const D: usize>(input: &[usize]) -> Option<(usize, [usize; D])> {
    let (&channels, sides) = input.split_first()?;
    Some((channels, sides.try_into().ok()?))
}

/// What an example of a layer looks like, for messages.
pub(super) const fn example<const D: usize>() -> &'static str {
    ["[channels, length]", "[channels, rows, columns]"][D - 1]
}

/// The shape [channels, ..] of an example.
pub(super) fn example_shape<const D: usize>(channels: usize, sides: [usize; D]) -> kniff_tensor::Shape {
    let mut shape = vec![channels];
    shape.extend(sides);
    shape.into()
}
