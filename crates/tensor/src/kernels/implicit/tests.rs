//! A batch against its images one at a time, whose windows are laid out as columns.

use super::{adjoint, convolve, fits, fits_gradient, gradient};
use crate::kernels::conv::{Algorithm, ConvGeometry, ConvOptions};
use crate::kernels::finish::Finish;
use crate::kernels::grids::draws;
use crate::{Element, Rng, Tensor};

fn close<E: Element>(what: &str, g: &ConvGeometry, found: &Tensor<E>, expected: &Tensor<E>, terms: usize) {
    assert_eq!(found.shape(), expected.shape());
    let tolerance = 8.0 * E::EPSILON.to_f64() * (terms as f64).sqrt();
    for (i, (x, y)) in found.to_vec().into_iter().zip(expected.to_vec()).enumerate() {
        let error = (x.to_f64() - y.to_f64()).abs() / (1.0 + y.to_f64().abs());
        assert!(error < tolerance, "{what} of {g:?} at {i}: {x} instead of {y}");
    }
}

fn check<E: Element>() {
    let mut rng = Rng::new(22);
    for (g, images) in draws(21, 8, Algorithm::Exact) {
        assert!(!fits(&g, 1));
        let x = Tensor::<E>::randn(g.input_shape(images), &mut rng);
        let w = Tensor::<E>::randn(g.weight_shape(), &mut rng);
        let dy = Tensor::<E>::randn(g.output_shape(images), &mut rng);
        let bias = Tensor::<E>::randn([g.channels[1]], &mut rng);
        let image = |t: &Tensor<E>, i: usize| t.slice_axis(0, i..i + 1);
        let joined = |all: Vec<Tensor<E>>| Tensor::concat(&all.iter().collect::<Vec<_>>(), 0);
        let y = joined((0..images).map(|i| image(&x, i).conv(&w, Some(&bias), &g)).collect());
        let room = |shape: &[usize]| Tensor::<E>::full(shape, E::NAN);
        let mut found = room(&g.output_shape(images));
        convolve(&g, x.slice_of(), w.slice_of(), Finish::bias(Some(bias.slice_of())), found.make_mut());
        close("outputs", &g, &found, &y, x.len() / images);
        let dx = joined((0..images).map(|i| image(&dy, i).conv_input(&w, &g)).collect());
        let mut found = room(&g.input_shape(images));
        adjoint(&g, dy.slice_of(), w.slice_of(), found.make_mut());
        close("the adjoint", &g, &found, &dx, dy.len() / images);
        let parts: Vec<_> = (0..images).map(|i| image(&x, i).conv_weight(&image(&dy, i), &g)).collect();
        let dw = parts.iter().skip(1).fold(parts[0].clone(), |sum, part| sum.add(part));
        let mut found = room(&g.weight_shape());
        gradient(&g, x.slice_of(), dy.slice_of(), found.make_mut());
        close("the gradient", &g, &found, &dw, dy.len());
    }
}

#[test]
fn a_batch_is_its_images() {
    check::<f32>();
    check::<f64>();
}

/// Some phases have no pixel of so small an image.
#[test]
fn a_step_over_the_whole_image() {
    let mut rng = Rng::new(4);
    for (stride, padding, kernel, size) in [([3, 1], 1, 3, 1), ([1, 4], 1, 3, 1), ([1, 4], 1, 3, 2), ([4, 4], 2, 5, 1)]
    {
        let options = ConvOptions { stride, padding: [(padding, padding); 2], ..ConvOptions::default() };
        let g = options.geometry(&[2, 8, size, size], &[8, 8, kernel, kernel]).unwrap();
        let [x, w, dy] = [&g.input_shape(2)[..], &g.weight_shape(), &g.output_shape(2)]
            .map(|shape| Tensor::<f64>::randn(shape, &mut rng));
        let y = x.conv(&w, None, &g);
        for i in 0..2 {
            let one = x.slice_axis(0, i..i + 1).conv(&w, None, &g);
            close("outputs", &g, &y.slice_axis(0, i..i + 1), &one, 100);
        }
        // Both adjoints.
        let product = |a: &Tensor<f64>, b: &Tensor<f64>| a.mul(b).sum_all().item();
        let expected = product(&y, &dy);
        assert!((product(&x, &dy.conv_input(&w, &g)) - expected).abs() < 1e-10);
        assert!((product(&w, &x.conv_weight(&dy, &g)) - expected).abs() < 1e-10);
    }
}

/// A pixel that no window reads is NaN.
#[test]
fn exact_sums_meet_only_what_their_windows_hold() {
    let options = ConvOptions { stride: [2; 2], algorithm: Algorithm::Exact, ..ConvOptions::default() };
    let g = options.geometry(&[2, 8, 8, 8], &[8, 8, 3, 3]).unwrap();
    assert!(fits(&g, 2) && !fits_gradient(&g, 2));
    let mut x = Tensor::<f32>::ones(g.input_shape(2));
    x.make_mut()[63] = f32::NAN;
    let dw = x.conv_weight(&Tensor::ones(g.output_shape(2)), &g);
    assert!(dw.to_vec().iter().all(|&sum| sum == 18.0));
}
