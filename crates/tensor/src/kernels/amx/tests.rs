//! Tiles against the sums themselves, in f64 over factors that were rounded by another library. Without AMX nothing runs.

use super::{available, correlate, gradient};
use crate::kernels::conv::{Algorithm, ConvOptions};
use crate::kernels::grids::draws;
use crate::{Precision, Rng, Tensor, parallel, with_precision};

fn rounded(x: &Tensor<f32>) -> Tensor<f64> {
    let x = x.to_vec();
    Tensor::from_fn([x.len()], |i| f64::from(::half::bf16::from_f32(x[i]).to_f32()))
}

fn in_f64(x: &Tensor<f32>) -> Tensor<f64> {
    rounded(x).reshape(*x.shape())
}

fn close(what: &str, found: &[f32], expected: &Tensor<f64>, terms: usize) {
    assert_eq!(found.len(), expected.len());
    for (i, (&x, y)) in found.iter().zip(expected.to_vec()).enumerate() {
        let error = (f64::from(x) - y).abs() / (terms as f64).sqrt();
        assert!(error < 4e-6, "{what} at {i}: {x} instead of {y}");
    }
}

#[test]
fn convolution_and_its_adjoints_are_the_sums_of_rounded_factors() {
    if !available() {
        return;
    }
    let mut rng = Rng::new(12);
    for (g, images) in draws(11, 1, Algorithm::Auto) {
        let x = Tensor::<f32>::randn(g.input_shape(images), &mut rng);
        let w = Tensor::<f32>::randn(g.weight_shape(), &mut rng);
        let dy = Tensor::<f32>::randn(g.output_shape(images), &mut rng);
        let bias = Tensor::<f32>::randn([g.channels[1]], &mut rng);
        let (x64, w64, dy64) = (in_f64(&x), in_f64(&w), in_f64(&dy));
        let [vx, vw, vdy, vb] = [&x, &w, &dy, &bias].map(Tensor::to_vec);
        let b64: Tensor<f64> = Tensor::from_fn([vb.len()], |i| f64::from(vb[i]));

        let mut y = vec![f32::NAN; dy.len()];
        correlate::convolve(&g, &vx, &vw, Some(&vb), &mut y);
        close(&format!("{g:?}"), &y, &x64.conv(&w64, Some(&b64), &g), x.len() / images);
        let mut dx = vec![f32::NAN; x.len()];
        correlate::adjoint(&g, &vdy, &vw, &mut dx);
        close(&format!("adjoint of {g:?}"), &dx, &dy64.conv_input(&w64, &g), dy.len() / images);
        let mut dw = vec![f32::NAN; w.len()];
        gradient::gradient(&g, &vx, &vdy, &mut dw);
        close(&format!("gradient of {g:?}"), &dw, &x64.conv_weight(&dy64, &g), dy.len());
    }
}

#[test]
fn products_of_every_order_are_the_sums_of_rounded_factors() {
    let mut rng = Rng::new(13);
    for (m, n, k) in [(2, 2, 40_000), (33, 70, 65), (128, 784, 64), (17, 300, 31), (140, 150, 129), (64, 64, 64)] {
        let (a, b) = (Tensor::<f32>::randn([m, k], &mut rng), Tensor::<f32>::randn([k, n], &mut rng));
        let expected = if available() { in_f64(&a).matmul(&in_f64(&b)) } else { continue };
        let (a_t, b_t) = (a.t().contiguous().t(), b.t().contiguous().t());
        let apart = Tensor::<f32>::randn([m, 2 * k], &mut rng);
        for (a, b) in [(&a, &b), (&a_t, &b), (&a, &b_t), (&a_t, &b_t)] {
            let found = with_precision(Precision::Bf16, || a.matmul(b));
            close(&format!("{m} x {k} x {n}"), &found.to_vec(), &expected, k);
            let mut twice = found.clone();
            with_precision(Precision::Bf16, || a.matmul_into(b, 1.0, &mut twice));
            close("twice", &twice.to_vec(), &expected.mul_scalar(2.0), 4 * k);
        }
        // Neither rows nor columns lie one after the other.
        let every_second = apart.reshape([m, k, 2]).slice_axis(2, 0..1).squeeze(2);
        let found = with_precision(Precision::Bf16, || every_second.matmul(&b));
        close("apart", &found.to_vec(), &in_f64(&every_second.contiguous()).matmul(&in_f64(&b)), k);
    }
}

#[test]
fn threads_change_nothing() {
    let mut rng = Rng::new(14);
    let options = ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() };
    let (x, w) = (Tensor::<f32>::randn([9, 24, 20, 20], &mut rng), Tensor::<f32>::randn([40, 24, 3, 3], &mut rng));
    let geometry = options.geometry(x.shape(), w.shape()).unwrap();
    let run = |threads| {
        let all = || {
            let y = x.conv(&w, None, &geometry);
            let rows = y.reshape([9, 40 * 400]);
            let product = rows.matmul(&rows.t());
            [y.conv_input(&w, &geometry), x.conv_weight(&y, &geometry), product, y].map(|t| t.to_vec())
        };
        parallel::with_threads(threads, || with_precision(Precision::Bf16, all))
    };
    assert!(run(1) == run(2) && run(2) == run(3));
    if available() {
        let full = x.conv(&w, None, &geometry).to_vec();
        assert!(run(1)[3] != full, "nothing was rounded");
    }
}

#[test]
fn doubles_and_other_threads_are_left_alone() {
    let x = Tensor::<f64>::randn([64, 64], &mut Rng::new(15));
    let exact = x.matmul(&x);
    assert_eq!(with_precision(Precision::Bf16, || x.matmul(&x)), exact);
    let y = Tensor::<f32>::randn([64, 64], &mut Rng::new(16));
    let exact = y.matmul(&y);
    let elsewhere =
        with_precision(Precision::Bf16, || std::thread::scope(|s| s.spawn(|| y.matmul(&y)).join().unwrap()));
    assert_eq!(elsewhere, exact);
}
