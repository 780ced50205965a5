//! One image: the threads share its tiles and then its outputs.

use super::transforms::{IN, LANES, OUT, POINTS};
use super::{GAP, Gather, Scatter, Winograd, depth, room, windows};
use crate::buffer::Buffer;
use crate::kernels::finish::Finish;
use crate::kernels::panels::{Left, Out, PANEL, multiply};
use crate::simd::dispatch;
use crate::{Element, parallel};

/// Tiles that are worked on at once, and those that one thread transforms.
const TILES: usize = 256;
const EACH: usize = 32;

/// [`super::convolve_ready`] for one image.
pub(super) fn convolve<E: Element>(d: &Winograd, x: &[E], windows: &[E], finish: Finish<'_, E>, y: &mut [E]) {
    let (inputs, outputs, area) = (d.inputs, d.outputs, d.to[0] * d.to[1]);
    let [down, across] = d.tiles();
    // Rows of tiles of a group, and of a band of groups.
    let rows = (EACH / across).clamp(1, down);
    let groups = (TILES / (rows * across)).clamp(1, down.div_ceil(rows));
    let deep = depth(inputs);
    let stride = rows * across * deep + GAP;
    let mut points_in = Buffer::scratch(groups * POINTS * stride);
    let threads = rayon::current_num_threads() > 1;
    // Whole panels, and as many outputs at any number of threads.
    let part = (outputs / 4).next_multiple_of(PANEL).max(PANEL);
    for first in (0..down).step_by(rows * groups) {
        let here = (down - first).div_ceil(rows).min(groups);
        let band = |group: usize| {
            let first = first + group * rows;
            (first, rows.min(down - first), across)
        };
        let points = &mut points_in.as_mut_slice()[..here * POINTS * stride];
        parallel::chunks_if(threads && here > 1, points, POINTS * stride, |group, points| {
            let mut places = Buffer::scratch(room(IN, across, inputs));
            let (size, before, room) = (d.from, d.before, places.as_mut_slice());
            dispatch(Scatter { image: x, size, channels: inputs, before, band: band(group), room, points, stride });
        });
        let points = points_in.as_slice();
        parallel::chunks_if(threads, y, part * area, |block, y| {
            let some = y.len() / area;
            let deep_out = depth(some);
            let stride_out = rows * across * deep_out + GAP;
            let mut points_out = Buffer::scratch(here * POINTS * stride_out);
            let points_out = points_out.as_mut_slice();
            for point in 0..POINTS {
                let b = windows::of_point(d, windows, point, block * part / PANEL);
                for group in 0..here {
                    let at = group * POINTS + point;
                    let tiles = band(group).1 * across;
                    let a = Left { data: &points[at * stride..], row: deep, by_columns: false };
                    let c = Out { data: &mut points_out[at * stride_out..], row: deep_out };
                    multiply((tiles, some, inputs), a, b, c, false);
                }
            }
            let mut places = Buffer::scratch(room(OUT, across, some));
            for group in 0..here {
                dispatch(Gather {
                    points: &points_out[group * POINTS * stride_out..],
                    stride: stride_out,
                    band: band(group),
                    channels: some,
                    room: places.as_mut_slice(),
                    finish: finish.of_channels(block * part, area),
                    image: y,
                    size: d.to,
                });
            }
        });
    }
}

const _: () = assert!(PANEL.is_multiple_of(LANES));
