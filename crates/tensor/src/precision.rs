//! The precision in which products are made.

use std::cell::Cell;

/// In which precision matrix products and convolutions multiply; sums, and all else, are in the type of the tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Precision {
    /// That of the tensors.
    #[default]
    Full,
    /// Both factors of an f32 product are rounded to bfloat16 (8 bits, the range of f32), which AMX multiplies several times as
    /// fast. A product is off by at most 2^-8 of itself; a sum over n of them by 2^-8 to 2^-9 of their root mean square times
    /// the root of n. Weights, gradients, statistics and the optimiser's state stay in f32, and so does everything that is no
    /// product; no scaling of the loss is needed, because the range is that of f32. Numbers below 1.2e-38 count as 0.
    ///
    /// The products are those of [`Precision::Full`] without AMX ([`bf16_is_there`]), for f64, below some 10^5 multiply-adds, in
    /// convolutions with groups, and in layers made ready for test time ([`crate::PreparedLinear`], [`crate::PreparedConv`]). Unlike
    /// PyTorch's autocast, it stores nothing in bfloat16.
    Bf16,
}

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::Full) };
}

/// Runs `f`, in which this thread's products are made in the given precision: wrap forward and backward passes both.
///
/// ```
/// use kniff_tensor::{Precision, Tensor, with_precision};
/// let x = Tensor::<f32>::full([64, 64], 1.0 + 1.0 / 1024.0);
/// let exact = x.matmul(&x);
/// let rough = with_precision(Precision::Bf16, || x.matmul(&x));
/// assert!((exact.at(&[0, 0]) - rough.at(&[0, 0])).abs() < 0.2);
/// ```
pub fn with_precision<R>(precision: Precision, f: impl FnOnce() -> R) -> R {
    struct Restore(Precision);
    impl Drop for Restore {
        fn drop(&mut self) {
            PRECISION.set(self.0);
        }
    }
    let _restore = Restore(PRECISION.replace(precision));
    f()
}

/// The precision of this thread's products.
pub fn precision() -> Precision {
    PRECISION.get()
}

/// Whether the processor has AMX for bfloat16 and the system allows it: elsewhere [`Precision::Bf16`] changes nothing.
pub fn bf16_is_there() -> bool {
    crate::kernels::amx::available()
}
