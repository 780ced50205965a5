//! Images: crops, flips, colours and sizes with given parameters.

use crate::Check;
use kniff::data::{
    Border, ColorPca, Covariance, Interpolation, crop_flip, flip_horizontal, flip_vertical, pad_crop, resize,
    resize_adjoint, ten_crop, turn_left, zoom,
};
use kniff_tensor::{Element, Tensor};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "colour_pca" => colour_pca(case),
        "crop_flip" => cropped(case),
        "pad_crop" => padded(case),
        "flips" => flips(case),
        "ten_crop" => {
            case.compare("output", &good(ten_crop(&case.tensor("input"), case.size("height"), case.size("width"))))
        }
        "resize_bilinear" => resized(case, bilinear(case)),
        "resize_nearest" => {
            resized(case, if case.flag("exact") { Interpolation::NearestExact } else { Interpolation::Nearest })
        }
        "zoom" => zoomed(case),
        _ => return None,
    }
    Some(())
}

fn good<T>(result: Result<T, kniff::data::DataError>) -> T {
    result.unwrap_or_else(|e| panic!("{e}"))
}

fn three(numbers: &[f64]) -> [f64; 3] {
    numbers.try_into().unwrap_or_else(|_| panic!("{} numbers for three colours", numbers.len()))
}

fn colour_pca<E: Element>(case: &Check<'_, E>) {
    let (images, alphas) = (case.tensor("input"), case.tensor("alphas"));
    let numbers = |name: &str| -> Vec<f64> { case.tensor(name).to_vec().iter().map(|x| x.to_f64()).collect() };
    // The case has the eigenvectors as columns, and the values ascending.
    let (values, vectors) = (three(&numbers("eigenvalues")), numbers("eigenvectors"));
    let pca = good(ColorPca::new(values, [0, 1, 2].map(|i| [0, 1, 2].map(|j| vectors[3 * j + i]))));
    case.compare("output", &good(pca.jitter(&images, &alphas)));
    let draws: Vec<f64> = alphas.to_vec().iter().map(|x| x.to_f64()).collect();
    let shifts: Vec<f64> = draws.chunks_exact(3).flat_map(|a| pca.shift(three(a))).collect();
    case.compare_numbers("shift", &[draws.len() / 3, 3], &shifts);
    let mut ascending = good(ColorPca::fit(&images)).eigenvalues();
    ascending.reverse();
    case.compare_numbers("fitted_eigenvalues", &[3], &ascending);
    let shape = *images.shape();
    let pixels = images.permute(&[0, 2, 3, 1]).contiguous().reshape([shape[0] * shape[2] * shape[3], 3]);
    let mut covariance = Covariance::new(3);
    good(covariance.update(&pixels));
    case.compare_numbers("pixel_mean", &[3], covariance.mean());
    case.compare_numbers("pixel_covariance", &[3, 3], &good(covariance.matrix(0)).to_vec());
}

fn size<E: Element>(case: &Check<'_, E>) -> [usize; 2] {
    [case.size("height"), case.size("width")]
}

fn cropped<E: Element>(case: &Check<'_, E>) {
    let (images, flip) = (case.tensor("input"), case.mask("flip"));
    let (tops, lefts) = (case.indices("top"), case.indices("left"));
    let cut = |flip: &[bool]| good(crop_flip(&images, size(case), tops.as_slice(), lefts.as_slice(), flip));
    case.compare("cropped", &cut(&vec![false; flip.len()]));
    case.compare("output", &cut(&flip));
}

fn padded<E: Element>(case: &Check<'_, E>) {
    let border = match case.text("mode") {
        "constant" => Border::Constant(case.number("value")),
        "reflect" => Border::Reflect,
        other => panic!("padding `{other}`"),
    };
    let (tops, lefts) = (case.indices("top"), case.indices("left"));
    let (images, padding) = (case.tensor("input"), case.size("padding"));
    let cut = pad_crop(&images, padding, border, size(case), tops.as_slice(), lefts.as_slice());
    case.compare("output", &good(cut));
}

fn flips<E: Element>(case: &Check<'_, E>) {
    let images = case.tensor("input");
    case.compare("horizontal", &good(flip_horizontal(&images)));
    case.compare("vertical", &good(flip_vertical(&images)));
    case.compare("rot90", &good(turn_left(&images)));
}

fn bilinear<E: Element>(case: &Check<'_, E>) -> Interpolation {
    match (case.flag("align_corners"), case.flag("antialias")) {
        (false, false) => Interpolation::Bilinear,
        (true, false) => Interpolation::BilinearAlignCorners,
        (false, true) => Interpolation::BilinearAntialias,
        (true, true) => panic!("corners aligned and antialiased at once"),
    }
}

fn resized<E: Element>(case: &Check<'_, E>, how: Interpolation) {
    let (images, [height, width]) = (case.tensor("input"), size(case));
    case.compare("output", &good(resize(&images, height, width, how)));
    let gradient: Tensor<E> = case.tensor("grad_out");
    case.compare("grad_input", &good(resize_adjoint(&gradient, images.shape()[2], images.shape()[3], how)));
}

fn zoomed<E: Element>(case: &Check<'_, E>) {
    let part = [case.size("box_height"), case.size("box_width")];
    let zoomed = zoom(&case.tensor("input"), case.size("top"), case.size("left"), part, bilinear(case));
    case.compare("output", &good(zoomed));
}
