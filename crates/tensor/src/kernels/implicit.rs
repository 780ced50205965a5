//! Convolution as products of the weight and the image on its grids: no windows are laid out as columns.
//!
//! For each element of the window the product of its weight, [outputs, inputs], and neighbouring places of the grid is added to the
//! same sums; what columns would hold nine times for windows of 3 x 3 lies in the cache once.

mod correlate;
mod gradient;
#[cfg(test)]
mod tests;

use super::conv::ConvGeometry;
pub(super) use correlate::{adjoint, convolve};
pub(super) use gradient::gradient;

/// Fewer channels than this leave most of a product's rows, or columns, empty.
const FEWEST_CHANNELS: usize = 8;

/// Whether a batch of so many images is convolved in this way: one image has its products shared by the threads instead.
pub(super) fn fits(g: &ConvGeometry, images: usize) -> bool {
    let [inputs, outputs] = g.channels.map(|c| c / g.options.groups);
    images > 1 && g.options.groups == 1 && inputs.min(outputs) >= FEWEST_CHANNELS
}
