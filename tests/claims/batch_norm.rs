//! Batch norm: normalised by the batch in training, by running statistics at test time.

use kniff::prelude::*;

fn trained() -> (BatchNorm2d<f64>, Rng) {
    let mut rng = Rng::new(11);
    let mut norm = BatchNorm2d::<f64>::new(3);
    for _ in 0..60 {
        let batch = Tensor::randn([8, 3, 4, 4], &mut rng).affine(2.0, 7.0);
        norm.forward_train(&Var::constant(batch), &mut rng);
    }
    (norm, rng)
}

#[test]
fn batch_norm_uses_running_statistics_at_test() {
    let (norm, mut rng) = trained();
    let x = Tensor::<f64>::randn([5, 3, 4, 4], &mut rng).affine(2.0, 7.0);
    let together = norm.forward(&Var::constant(x.clone())).value().slice_axis(0, 0..1).to_vec();
    let alone = norm.forward(&Var::constant(x.slice_axis(0, 0..1))).value().to_vec();
    // An example's output does not depend on its neighbours, and one example alone will do.
    assert_eq!(together, alone);
    // The statistics are those of the stream: mean 7 and deviation 2, within what a momentum of 0.1 leaves of the noise of
    // batches of 128 numbers and of the start.
    for c in 0..3 {
        assert!((norm.running_mean().at(&[c]) - 7.0).abs() < 0.3);
        assert!((norm.running_var().at(&[c]) - 4.0).abs() < 0.6);
    }
    // In training the neighbours matter.
    let in_training = |x: Tensor<f64>| norm.clone().forward_train(&Var::constant(x), &mut Rng::new(0));
    let a = in_training(x.clone()).value().slice_axis(0, 0..1).to_vec();
    let b = in_training(x.slice_axis(0, 0..2)).value().slice_axis(0, 0..1).to_vec();
    assert!(a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-3));
}

#[test]
fn batch_norm_is_blind_to_the_scale_and_the_offset_of_what_comes_before() {
    let mut rng = Rng::new(12);
    let x = Tensor::<f64>::randn([6, 3, 4, 4], &mut rng);
    let norm = BatchNorm2d::<f64>::new(3);
    let train = |x: &Var<f64>| norm.clone().forward_train(x, &mut Rng::new(0));
    let (a, b) = (train(&x.clone().into()).value().to_vec(), train(&x.affine(50.0, -3.0).into()).value().to_vec());
    // The 1e-5 under the root is seen at one scale and not at the other.
    a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-4));
    // So the gradient, which goes through mean and variance, has no part along either direction.
    let leaf = Var::tracked(x.clone());
    let u = Var::constant(Tensor::randn([6, 3, 4, 4], &mut rng));
    let g = train(&leaf).mul(&u).sum_all().backward();
    let g = g.of(&leaf).unwrap();
    let largest = g.to_vec().iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    assert!(g.sum(&[0, 2, 3], false).to_vec().iter().all(|s| s.abs() < 1e-12));
    assert!(g.mul(&x).sum(&[0, 2, 3], false).to_vec().iter().all(|s| s.abs() < 1e-3 * largest));
}
