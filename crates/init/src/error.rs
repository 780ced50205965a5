//! What can be wrong with a shape or a setting that an initializer is given.

/// Why an array cannot be filled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The shape has fewer than two axes, so it has no fans.
    #[error(
        "a weight of shape {shape:?} has no fan_in and fan_out: that takes two axes or more, [out, in, kernel...]; \
         start biases and scales with Zeros, Ones, Constant or Uniform"
    )]
    NoFans {
        /// The shape that was asked for.
        shape: Vec<usize>,
    },
    /// The initializer is not defined for arrays of this many axes.
    #[error("{initializer} fills arrays of {expected}, not of shape {shape:?}")]
    Rank {
        /// The initializer's name.
        initializer: &'static str,
        /// The ranks that it is defined for, in words.
        expected: &'static str,
        /// The shape that was asked for.
        shape: Vec<usize>,
    },
    /// A setting lies outside its range.
    #[error("{initializer}: {setting} is {value}, but must be {expected}")]
    Setting {
        /// The initializer's name.
        initializer: &'static str,
        /// The setting's name.
        setting: &'static str,
        /// What it was.
        value: f64,
        /// What it may be, in words.
        expected: &'static str,
    },
    /// The slice to fill is not as long as the shape says.
    #[error("shape {shape:?} has {expected} elements, but the slice to fill has {found}")]
    Length {
        /// The shape that was given.
        shape: Vec<usize>,
        /// How many elements it has.
        expected: usize,
        /// How long the slice is.
        found: usize,
    },
}

/// `Ok` where `holds`, the setting's error otherwise.
pub(crate) fn require(
    holds: bool,
    initializer: &'static str,
    setting: &'static str,
    value: f64,
    expected: &'static str,
) -> Result<(), InitError> {
    if holds { Ok(()) } else { Err(InitError::Setting { initializer, setting, value, expected }) }
}
