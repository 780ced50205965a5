//! A batch against its images one at a time, whose windows are laid out as columns.

use super::fits;
use crate::kernels::conv::{Algorithm, ConvGeometry};
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
        assert!(fits(&g, images) && !fits(&g, 1));
        let x = Tensor::<E>::randn(g.input_shape(images), &mut rng);
        let w = Tensor::<E>::randn(g.weight_shape(), &mut rng);
        let dy = Tensor::<E>::randn(g.output_shape(images), &mut rng);
        let bias = Tensor::<E>::randn([g.channels[1]], &mut rng);
        let image = |t: &Tensor<E>, i: usize| t.slice_axis(0, i..i + 1);
        let joined = |all: Vec<Tensor<E>>| Tensor::concat(&all.iter().collect::<Vec<_>>(), 0);
        let y = joined((0..images).map(|i| image(&x, i).conv(&w, Some(&bias), &g)).collect());
        close("outputs", &g, &x.conv(&w, Some(&bias), &g), &y, x.len() / images);
        let dx = joined((0..images).map(|i| image(&dy, i).conv_input(&w, &g)).collect());
        close("the adjoint", &g, &dy.conv_input(&w, &g), &dx, dy.len() / images);
        let parts: Vec<_> = (0..images).map(|i| image(&x, i).conv_weight(&image(&dy, i), &g)).collect();
        let dw = parts.iter().skip(1).fold(parts[0].clone(), |sum, part| sum.add(part));
        close("the gradient", &g, &x.conv_weight(&dy, &g), &dw, dy.len());
    }
}

#[test]
fn a_batch_is_its_images() {
    check::<f32>();
    check::<f64>();
}
