//! Convolution as products of the weight and the image on its grids: no windows are laid out as columns.
//!
//! For each element of the window the product of its weight, [outputs, inputs], and neighbouring places of the grid is added to the
//! same sums; what columns would hold nine times for windows of 3 x 3 lies in the cache once.

mod correlate;
mod gradient;
#[cfg(test)]
mod tests;

use super::conv::{Algorithm, ConvGeometry};
use super::grids;
pub(super) use correlate::{adjoint, convolve};
pub(super) use gradient::gradient;

/// Fewer channels than this leave most of a product's rows, or columns, empty.
const FEWEST_CHANNELS: usize = 8;

/// More phases than this make grids of which each element of the window meets one alone: a patch at a time is what columns are for.
const MOST_PHASES: usize = 4;
/// So many places for an output make as many products in vain as it takes to lay out columns: windows whose elements are far apart.
const MOST_PLACES: usize = 2;

/// Whether a batch of so many images is convolved in this way: one image has its products shared by the threads instead.
pub(super) fn fits(g: &ConvGeometry, images: usize) -> bool {
    let [inputs, outputs] = g.channels.map(|c| c / g.options.groups);
    images > 1
        && g.options.groups == 1
        && inputs.min(outputs) >= FEWEST_CHANNELS
        && g.options.stride[0].saturating_mul(g.options.stride[1]) <= MOST_PHASES
        && grids::places(g) <= MOST_PLACES * g.output[0] * g.output[1]
}

/// Whether the gradient of the weight is made in this way: it multiplies the zeros at the grid's edge too, with what is not finite as well, which
/// [`Algorithm::Exact`] rules out.
pub(super) fn fits_gradient(g: &ConvGeometry, images: usize) -> bool {
    fits(g, images) && g.options.algorithm == Algorithm::Auto
}
