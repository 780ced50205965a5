//! Crops and flips with given parameters: what the augmentations do at random.

use crate::augment::image_shape;
use crate::augmentation::check_fits;
use crate::augmentations::{centre, check_padding};
use crate::{Augment, Border, DataError, Image};
use kniff_tensor::{Element, Rng, Tensor};

/// From each of the images `[n, channels, h, w]` the rectangle at its own place, mirrored where `flip` says so.
///
/// # Errors
/// If the shapes or numbers do not fit, or a rectangle reaches over the edge.
///
/// ```
/// use kniff_data::crop_flip;
/// use kniff_tensor::Tensor;
/// let images: Tensor = Tensor::arange(6).reshape([2, 1, 1, 3]);
/// let cut = crop_flip(&images, [1, 2], &[0, 0], &[0, 1], &[false, true])?;
/// assert_eq!(cut.to_vec(), [0.0, 1.0, 5.0, 4.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn crop_flip<E: Element>(
    images: &Tensor<E>,
    size: [usize; 2],
    tops: &[usize],
    lefts: &[usize],
    flip: &[bool],
) -> Result<Tensor<E>, DataError> {
    let (n, shape) = image_shape(images.shape())?;
    check_fits("crop", size, shape)?;
    one_per_image("tops", n, tops.len())?;
    one_per_image("lefts", n, lefts.len())?;
    one_per_image("flips", n, flip.len())?;
    check_places(tops, shape[1] - size[0])?;
    check_places(lefts, shape[2] - size[1])?;
    changed(images, size, |i, image| {
        image.window(tops[i] as isize, lefts[i] as isize, size[0], size[1], Border::ZERO);
        if flip[i] {
            image.flip_horizontal();
        }
    })
}

/// From each image, with a border of `padding` pixels, the rectangle at its own place; places count from the border's corner.
///
/// # Errors
/// If the shapes or numbers do not fit, or a rectangle reaches over the border.
///
/// ```
/// use kniff_data::{Border, pad_crop};
/// use kniff_tensor::Tensor;
/// let image: Tensor = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
/// assert_eq!(pad_crop(&image, 1, Border::ZERO, [2, 2], &[0], &[1])?.to_vec(), [0.0, 0.0, 1.0, 2.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn pad_crop<E: Element>(
    images: &Tensor<E>,
    padding: usize,
    border: Border,
    size: [usize; 2],
    tops: &[usize],
    lefts: &[usize],
) -> Result<Tensor<E>, DataError> {
    let (n, shape) = image_shape(images.shape())?;
    let room = |axis: usize| shape[axis].saturating_add(padding.saturating_mul(2));
    check_padding(padding, border, shape)?;
    check_fits("crop", size, [shape[0], room(1), room(2)])?;
    one_per_image("tops", n, tops.len())?;
    one_per_image("lefts", n, lefts.len())?;
    check_places(tops, room(1) - size[0])?;
    check_places(lefts, room(2) - size[1])?;
    let place = |at: usize| at as isize - padding as isize;
    changed(images, size, |i, image| image.window(place(tops[i]), place(lefts[i]), size[0], size[1], border))
}

/// The images, mirrored left and right.
///
/// # Errors
/// Unless there are four axes.
pub fn flip_horizontal<E: Element>(images: &Tensor<E>) -> Result<Tensor<E>, DataError> {
    let (_, [_, h, w]) = image_shape(images.shape())?;
    changed(images, [h, w], |_, image| image.flip_horizontal())
}

/// The images, mirrored top and bottom.
///
/// # Errors
/// Unless there are four axes.
pub fn flip_vertical<E: Element>(images: &Tensor<E>) -> Result<Tensor<E>, DataError> {
    let (_, [_, h, w]) = image_shape(images.shape())?;
    changed(images, [h, w], |_, image| image.flip_vertical())
}

/// The images, turned counter-clockwise by a right angle: `[n, c, h, w]` becomes `[n, c, w, h]`.
///
/// # Errors
/// Unless there are four axes.
///
/// ```
/// use kniff_data::turn_left;
/// use kniff_tensor::Tensor;
/// let image: Tensor = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
/// assert_eq!(turn_left(&image)?.to_vec(), [2.0, 4.0, 1.0, 3.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn turn_left<E: Element>(images: &Tensor<E>) -> Result<Tensor<E>, DataError> {
    image_shape(images.shape())?;
    flip_vertical(&images.swap_axes(2, 3))
}

/// Ten crops of each image, `[10, n, channels, height, width]`: the corners row by row, the centre, then the same five mirrored.
///
/// # Errors
/// Unless there are four axes and the crops fit.
///
/// ```
/// use kniff_data::ten_crop;
/// use kniff_tensor::Tensor;
/// let image: Tensor = Tensor::arange(9).reshape([1, 1, 3, 3]);
/// let ten = ten_crop(&image, 1, 1)?;
/// assert_eq!(ten.to_vec(), [0.0, 2.0, 6.0, 8.0, 4.0, 0.0, 2.0, 6.0, 8.0, 4.0]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
pub fn ten_crop<E: Element>(images: &Tensor<E>, height: usize, width: usize) -> Result<Tensor<E>, DataError> {
    let (n, shape) = image_shape(images.shape())?;
    check_fits("crop", [height, width], shape)?;
    let (bottom, right) = (shape[1] - height, shape[2] - width);
    let middle = (centre(shape[1], height), centre(shape[2], width));
    let mut out = Tensor::scratch([10, n, shape[0], height, width]);
    let (plain, mirrored) = out.make_mut().split_at_mut(5 * n * shape[0] * height * width);
    let size = (n * shape[0] * height * width).max(1);
    let places = [(0, 0), (0, right), (bottom, 0), (bottom, right), middle];
    for ((top, left), (plain, mirrored)) in
        places.into_iter().zip(plain.chunks_exact_mut(size).zip(mirrored.chunks_exact_mut(size)))
    {
        let cut = images.slice_axis(2, top..top + height).slice_axis(3, left..left + width).contiguous();
        plain.copy_from_slice(cut.as_slice().unwrap_or_default());
        mirrored.copy_from_slice(flip_horizontal(&cut)?.as_slice().unwrap_or_default());
    }
    Ok(out)
}

fn one_per_image(what: &'static str, images: usize, found: usize) -> Result<(), DataError> {
    if images == found { Ok(()) } else { Err(DataError::Lengths { what, expected: images, found }) }
}

fn check_places(places: &[usize], last: usize) -> Result<(), DataError> {
    match places.iter().find(|&&place| place > last) {
        Some(place) => Err(DataError::setting("place of a crop", format!("0 to {last}"), place)),
        None => Ok(()),
    }
}

/// Every image changed by `f`, which gets its number.
fn changed<E: Element>(
    images: &Tensor<E>,
    [height, width]: [usize; 2],
    f: impl Fn(usize, &mut Image<'_, E>) + Sync,
) -> Result<Tensor<E>, DataError> {
    let (n, shape) = image_shape(images.shape())?;
    let images = images.contiguous();
    let numbers = images.as_slice().unwrap_or_default();
    let size: usize = shape.iter().product();
    // No step, so nothing is drawn; the change is made where the image is loaded.
    let (nothing, out) = (Augment::<E>::new(), [shape[0], height, width]);
    nothing.run_to(n, shape, out, &Rng::new(0), 0, |i, image| {
        image.load_numbers(&numbers[i * size..(i + 1) * size], shape);
        f(i, image);
    })
}
