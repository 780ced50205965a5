//! High-error examples more often, without the disaster that outliers make of it.

use kniff::data::samplers::{Shuffled, Surprise};
use kniff::data::{Sampler, Suspect};
use kniff::prelude::*;

/// The digits with a tenth of the training labels turned into the next digit, trained for some epochs: the accuracy on clean held-out digits,
/// and the list of likely mislabels.
fn train(sampler: fn(&Indices) -> Box<dyn Sampler>, workers: usize) -> (f64, Vec<Suspect>) {
    let rng = Rng::new(5);
    let data = digits();
    let (train, test) = stratified_split(data.targets(), 0.2, &mut Rng::new(2026).stream("split")).unwrap();
    let (train, test) = (data.select(&train).unwrap(), data.select(&test).unwrap());
    let standardizer = Standardizer::fit(train.inputs()).unwrap();
    let wrong = flipped();
    let labels = train.targets().as_slice().iter().enumerate();
    let labels = labels.map(|(i, &l)| if wrong.contains(&i) { (l + 1) % 10 } else { l });
    let labels: Indices = labels.collect::<Vec<_>>().into();
    let train = TensorDataset::new(standardizer.transform(train.inputs()).unwrap(), labels.clone()).unwrap();
    let test = test.map_inputs(|x| standardizer.transform(x)).unwrap();
    let mut loader = Loader::new(train).batch_size(32).sampler(sampler(&labels), &rng).prefetch(workers, 2);
    let init = &mut rng.stream("init");
    let network: Sequential = Sequential::new().with(Linear::new(64, 64, HeNormal, init)).with(Relu).with(Linear::new(
        64,
        10,
        GlorotNormal,
        init,
    ));
    let optimizer = Optimizer::new(Momentum::default(), 0.02);
    let mut trainer = Trainer::new(Model::classifier(network).unwrap(), CrossEntropy::new(), optimizer)
        .epochs(20)
        .metric(Accuracy::new())
        .progress(Progress::Silent);
    trainer.fit_observing(&mut loader, None).unwrap();
    let accuracy = trainer.evaluate(&Loader::new(test).batch_size(512)).unwrap().metric("accuracy").unwrap();
    (accuracy, loader.suspects())
}

/// Which labels are wrong.
fn flipped() -> Vec<usize> {
    Rng::new(6).permutation(1438)[..144].to_vec()
}

#[test]
fn outliers_are_found_and_do_no_harm() {
    let (shuffled, none) = train(|_| Box::new(Shuffled), 0);
    let (surprised, list) = train(|labels| Box::new(Surprise::new(labels)), 0);
    let wrong = flipped();
    let hits = list.iter().filter(|s| wrong.contains(&s.index)).count() as f64;
    let (precision, recall) = (hits / list.len() as f64, hits / 144.0);
    println!("shuffled {shuffled:.4}, surprise {surprised:.4}, precision {precision:.3}, recall {recall:.3}");
    assert!(none.is_empty());
    assert!(surprised >= shuffled - 0.01, "{surprised} against {shuffled}");
    assert!(precision > 0.8 && recall > 0.6, "precision {precision}, recall {recall}");
    let right =
        list.iter().filter(|s| wrong.contains(&s.index) && s.suggested == Some((s.given + 9) % 10)).count() as f64;
    assert!(right / hits > 0.9);
}

#[test]
fn an_order_that_learns_does_not_depend_on_prefetching() {
    let surprise: fn(&Indices) -> Box<dyn Sampler> = |labels| Box::new(Surprise::new(labels).alternating());
    assert_eq!(train(surprise, 0), train(surprise, 2));
}
