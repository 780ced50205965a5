//! How many numbers enter and leave one unit of a layer, read off its weight's shape.

use crate::InitError;
use serde::{Deserialize, Serialize};

/// How the first two axes of a weight are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// `[out, in / groups, kernel...]`: dense and convolution weights in kniff and PyTorch.
    #[default]
    OutIn,
    /// `[in, out / groups, kernel...]`: transposed convolutions, and dense weights of Keras and JAX libraries.
    InOut,
}

/// The number of inputs of one output unit, and of outputs that one input unit feeds.
///
/// For a weight of shape `[out, in, k1, k2, ...]`: `fan_in = in * k1 * k2 ...` and `fan_out = out * k1 * k2 ...`.
/// A grouped convolution's axis 1 is `in / groups`, so its `fan_in` is right as it stands; its `fan_out` is not
/// divided by the groups, as in PyTorch. Differs from PyTorch: for a transposed convolution PyTorch takes axis 1,
/// which holds the outputs, as `fan_in` all the same ([`Fans::of`] does so too); [`Fans::with_layout`] with
/// [`Layout::InOut`] names them rightly.
///
/// ```
/// use kniff_init::Fans;
/// assert_eq!(Fans::of(&[256, 784]).unwrap(), Fans { fan_in: 784, fan_out: 256 });
/// assert_eq!(Fans::of(&[16, 8, 3, 3]).unwrap(), Fans { fan_in: 72, fan_out: 144 });
/// assert!(Fans::of(&[256]).unwrap_err().to_string().contains("Zeros"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fans {
    /// How many numbers one output is a weighted sum of.
    pub fan_in: usize,
    /// How many outputs one input contributes to.
    pub fan_out: usize,
}

impl Fans {
    /// The fans of a weight `[out, in / groups, kernel...]`.
    ///
    /// # Errors
    /// With fewer than two axes.
    pub fn of(shape: &[usize]) -> Result<Self, InitError> {
        Self::with_layout(shape, Layout::OutIn)
    }

    /// The fans of a weight whose first two axes are laid out as said.
    ///
    /// # Errors
    /// With fewer than two axes.
    pub fn with_layout(shape: &[usize], layout: Layout) -> Result<Self, InitError> {
        let [first, second, kernel @ ..] = shape else {
            return Err(InitError::NoFans { shape: shape.to_vec() });
        };
        let kernel: usize = kernel.iter().product();
        let (a, b) = (first * kernel, second * kernel);
        Ok(match layout {
            Layout::OutIn => Fans { fan_in: b, fan_out: a },
            Layout::InOut => Fans { fan_in: a, fan_out: b },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_swaps_the_fans() {
        let fans = Fans::with_layout(&[10, 2, 2, 3], Layout::InOut).unwrap();
        assert_eq!(fans, Fans { fan_in: 60, fan_out: 12 });
    }

    #[test]
    fn one_axis_has_no_fans() {
        assert_eq!(Fans::of(&[7]), Err(InitError::NoFans { shape: vec![7] }));
        assert!(Fans::of(&[]).is_err());
    }
}
