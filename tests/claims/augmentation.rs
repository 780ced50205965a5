//! Data augmentation, and applying it again at test time.

use kniff::data::{Augment, Border, HorizontalFlip, ImageDataset, PadCrop, RandomCrop, TestTimePlan, Views, pad_crop};
use kniff::nn::ClassHead;
use kniff::prelude::*;
use kniff::trainer::{Average, predict_views};

/// The digits as images from 0 to 1.
fn images(data: &TensorDataset, rows: &[usize]) -> TensorDataset {
    let part = data.select(rows).unwrap();
    part.map_inputs(|x| Ok(x.mul_scalar(1.0 / 16.0).reshape([rows.len(), 1, 8, 8]))).unwrap()
}

/// Accuracy on digits that were shifted by up to a pixel, after training on digits that were augmented, or were not.
fn accuracy_on_shifted(augment: Option<Augment>) -> f64 {
    let rng = Rng::new(11);
    let data = digits();
    let (train, test) = stratified_split(data.targets(), 0.2, &mut rng.stream("split")).unwrap();
    let (train, test) = (images(&data, &train), images(&data, &test));
    let mut places = rng.stream("places");
    let mut draw = || (0..test.len()).map(|_| places.below(3)).collect::<Vec<_>>();
    let (tops, lefts) = (draw(), draw());
    let shifted = test.map_inputs(|x| pad_crop(x, 1, Border::ZERO, [8, 8], &tops, &lefts)).unwrap();

    let init = &mut rng.stream("init");
    let network: Sequential = Sequential::new()
        .with(Flatten)
        .with(Linear::new(64, 64, HeNormal, init))
        .with(Relu)
        .with(Linear::new(64, 10, GlorotNormal, init));
    let mut loader = Loader::new(train).batch_size(64).shuffle(&rng);
    if let Some(augment) = augment {
        loader = loader.augment_images(augment);
    }
    let optimizer = Optimizer::new(Adam::default(), 5e-3);
    let mut trainer = Trainer::new(Model::classifier(network).unwrap(), CrossEntropy::new(), optimizer)
        .epochs(15)
        .metric(Accuracy::new())
        .progress(Progress::Silent);
    trainer.fit(&loader, None).unwrap();
    trainer.evaluate(&Loader::new(shifted).batch_size(512)).unwrap().metric("accuracy").unwrap()
}

#[test]
fn augmentation_teaches_what_it_shows() {
    let without = accuracy_on_shifted(None);
    let with = accuracy_on_shifted(Some(Augment::new().then(PadCrop::new(1).unwrap())));
    // 360 images: 0.1 is about four standard errors of the difference.
    assert!(with > without + 0.1 && with > 0.8, "{without} without, {with} with");
}

/// A network that sees `size` x `size` pixels of 3 colours, untrained, and some images for it.
fn untrained(size: usize) -> (Model<Sequential<f64>, ClassHead, f64>, ImageDataset) {
    let layer = Linear::new(3 * size * size, 5, HeNormal, &mut Rng::new(1));
    let pixels = (0..6 * 3 * 64).map(|i| (i * 83 % 256) as u8).collect();
    let data = ImageDataset::new(pixels, [3, 8, 8], Indices::from_vec(vec![0; 6])).unwrap();
    (Model::classifier(Sequential::new().with(Flatten).with(layer)).unwrap(), data)
}

#[test]
fn crops_in_training_need_crops_at_test_time() {
    let train = Augment::<f64>::new().then(RandomCrop::new(6, 6));
    let (model, data) = untrained(6);
    // The images themselves do not fit the network that was trained on crops of them; every view of the plan does.
    assert!(summary(model.network(), [3, 8, 8]).is_err());
    let which = Views { corners: true, ..Views::default() };
    let plan = TestTimePlan::of(&train, [3, 8, 8], which, &Rng::new(0)).unwrap();
    assert_eq!(plan.names(), ["plain", "top left", "top right", "bottom left", "bottom right"]);
    let answer = predict_views(&model, &data, &[0, 1, 2], &plan, Average::Probabilities).unwrap();
    assert_eq!(answer.shape(), &[3, 5]);
}

#[test]
fn flips_at_test_time_give_an_image_and_its_mirror_image_one_answer() {
    let train = Augment::<f64>::new().then(HorizontalFlip::new(0.5).unwrap());
    let (model, data) = untrained(8);
    let all: Vec<usize> = (0..6).collect();
    let mirrored = Dataset::<f64>::all(&data).unwrap().inputs.to_vec();
    let mirrored: Vec<f64> = mirrored.chunks_exact(8).flat_map(|row| row.iter().rev().copied()).collect();
    let mirrored = TensorDataset::new(Tensor::from_vec(mirrored, [6, 3, 8, 8]), data.targets().clone()).unwrap();
    let apart = |mirrored_too: bool| {
        let which = Views { mirrored: mirrored_too, ..Views::default() };
        let plan = TestTimePlan::of(&train, [3, 8, 8], which, &Rng::new(0)).unwrap();
        let a = predict_views(&model, &data, &all, &plan, Average::Probabilities).unwrap().to_vec();
        let b = predict_views(&model, &mirrored, &all, &plan, Average::Probabilities).unwrap().to_vec();
        a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(apart(false) > 0.01);
    assert!(apart(true) < 1e-12);
}
