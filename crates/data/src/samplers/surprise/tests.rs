//! What the surprise sampler promises, on losses that are made up.

use super::*;

/// Ten classes of `per` examples; class i / per.
fn labels(per: usize) -> Indices {
    (0..10 * per).map(|i| i / per).collect::<Vec<_>>().into()
}

/// Shows every example once: a loss, and the margin of the class after its own.
fn show(sampler: &mut Surprise, loss: impl Fn(usize) -> f64, margin: impl Fn(usize) -> f64) {
    let n = sampler.labels.len();
    let indices: Vec<usize> = (0..n).collect();
    let losses: Vec<f64> = indices.iter().map(|&i| loss(i)).collect();
    let rivals: Vec<Rival> =
        indices.iter().map(|&i| Rival { class: (sampler.labels[i] + 1) % 10, margin: margin(i) }).collect();
    sampler.observe_evidence(&Evidence { indices: &indices, losses: &losses, rivals: &rivals });
}

fn counts(order: &[usize], n: usize) -> Vec<usize> {
    let mut counts = vec![0; n];
    order.iter().for_each(|&i| counts[i] += 1);
    counts
}

#[test]
fn high_errors_come_more_often_and_never_beyond_the_cap() {
    let mut sampler = Surprise::new(&labels(20)).warm_up(0).cap(3);
    // A tenth has nearly all of the loss; the model is unsure of it, not sure of another class.
    show(&mut sampler, |i| if i % 10 == 0 { 2.0 } else { 0.01 }, |_| -0.5);
    let mut hard = 0;
    for seed in 0..50 {
        let counts = counts(&sampler.order(200, &mut Rng::new(seed)).unwrap(), 200);
        assert!(counts.iter().all(|&c| c <= 3), "{counts:?}");
        hard += counts.iter().step_by(10).sum::<usize>();
    }
    // The cap is reached: three times for each of the twenty in every epoch.
    assert_eq!(hard, 50 * 60);
    // A share of 0 is plain shuffling.
    let plain = sampler.share(0.0).order(200, &mut Rng::new(1)).unwrap();
    assert!(counts(&plain, 200).iter().all(|&c| c == 1));
}

#[test]
fn the_warm_up_is_a_permutation_and_the_unseen_come_first() {
    let mut sampler = Surprise::new(&labels(5)).warm_up(1);
    let order = sampler.order(50, &mut Rng::new(1)).unwrap();
    assert!(counts(&order, 50).iter().all(|&c| c == 1));
    for &i in &order[..45] {
        sampler.observe(&[i], &[1.0]);
    }
    sampler.clock = 50;
    let mut first = sampler.order(50, &mut Rng::new(2)).unwrap()[..5].to_vec();
    first.sort_unstable();
    let mut unseen = order[45..].to_vec();
    unseen.sort_unstable();
    assert_eq!(first, unseen);
}

#[test]
fn what_is_contradicted_for_long_is_put_in_quarantine_and_released_when_it_is_not() {
    let wrong = [3, 27, 155];
    let is_wrong = |i: usize| wrong.contains(&i);
    let mut sampler = Surprise::new(&labels(20));
    for epoch in 0..3 {
        assert!(sampler.suspects().is_empty(), "too soon: epoch {epoch}");
        show(
            &mut sampler,
            |i| if is_wrong(i) { 4.0 } else { 0.1 + 1e-3 * i as f64 },
            |i| if is_wrong(i) { 4.0 } else { -2.0 },
        );
    }
    let found: Vec<usize> = sampler.suspects().iter().map(|s| s.index).collect();
    assert_eq!(found, wrong);
    assert!(sampler.suspects().iter().all(|s| s.suggested == Some((s.given + 1) % 10) && s.epochs == 3));
    // They are heard again in one epoch out of ten, the others go on.
    let mut shown = 0;
    for seed in 0..200 {
        let counts = counts(&sampler.order(200, &mut Rng::new(seed)).unwrap(), 200);
        shown += wrong.iter().map(|&i| counts[i]).sum::<usize>();
    }
    assert!((30..=90).contains(&shown), "{shown} of about 60");
    // One that the model agrees with is free at once.
    sampler.observe_evidence(&Evidence { indices: &[27], losses: &[0.1], rivals: &[Rival { class: 2, margin: -1.0 }] });
    assert_eq!(sampler.suspects().iter().map(|s| s.index).collect::<Vec<_>>(), [3, 155]);
}

#[test]
fn outliers_are_not_presented_more_often_even_before_the_quarantine() {
    // The disaster of the slide: the wrong labels have all the loss there is.
    let mut sampler = Surprise::new(&labels(20)).warm_up(0).patience(50);
    show(&mut sampler, |i| if i % 10 == 0 { 8.0 } else { 0.05 }, |i| if i % 10 == 0 { 8.0 } else { -3.0 });
    assert!(sampler.suspects().is_empty());
    let counts = counts(&sampler.order(200, &mut Rng::new(3)).unwrap(), 200);
    assert!(counts.iter().step_by(10).all(|&c| c <= 1));
    // Without predictions nothing tells an outlier from a hard example, but the cap holds.
    let mut blind = Surprise::new(&labels(20)).warm_up(0).patience(50);
    let losses: Vec<f64> = (0..200).map(|i| if i % 10 == 0 { 8.0 } else { 0.05 }).collect();
    blind.observe(&(0..200).collect::<Vec<_>>(), &losses);
    let counts = self::counts(&blind.order(200, &mut Rng::new(3)).unwrap(), 200);
    assert!(counts.iter().step_by(10).all(|&c| (1..=4).contains(&c)), "{counts:?}");
}

#[test]
fn a_class_that_is_hard_as_a_whole_is_not_lost() {
    // The model never sees class 3: all of it has a high loss and another class's margin.
    let mut sampler = Surprise::new(&labels(20));
    for _ in 0..6 {
        show(
            &mut sampler,
            |i| if i / 20 == 3 { 5.0 + 0.01 * i as f64 } else { 0.1 },
            |i| if i / 20 == 3 { 5.0 } else { -2.0 },
        );
    }
    assert!(sampler.suspects().is_empty(), "{:?}", sampler.suspects());
    // Whatever happens, no more than the share of a class.
    let mut sampler = Surprise::new(&labels(20)).outlier(-10.0);
    for _ in 0..6 {
        show(&mut sampler, |i| 5.0 + 0.01 * i as f64, |_| 5.0);
    }
    assert_eq!(sampler.suspects().len(), 10 * 6);
}

#[test]
fn without_predictions_the_loss_alone_convicts_later() {
    let mut sampler = Surprise::unlabelled(100);
    let losses: Vec<f64> = (0..100).map(|i| if i == 40 { 9.0 } else { 0.1 + 0.001 * i as f64 }).collect();
    for _ in 0..3 {
        sampler.observe(&(0..100).collect::<Vec<_>>(), &losses);
    }
    let list = sampler.suspects();
    assert_eq!((list.len(), list[0].index, list[0].suggested), (1, 40, None));
}

#[test]
fn old_losses_are_trusted_less() {
    let mut sampler = Surprise::new(&labels(10)).warm_up(0).share(1.0);
    show(&mut sampler, |i| if i == 0 { 0.0 } else { 1.0 }, |_| -1.0);
    let never = (0..20).all(|seed| !sampler.order(100, &mut Rng::new(seed)).unwrap().contains(&0));
    assert!(never, "just seen, with a loss of 0");
    // Five epochs on, in which only the others were seen.
    for _ in 0..5 {
        let others: Vec<usize> = (1..100).chain([1]).collect();
        sampler.observe(&others, &vec![1.0; 100]);
    }
    let times = (0..20).filter(|&seed| sampler.order(100, &mut Rng::new(seed)).unwrap().contains(&0)).count();
    assert!(times >= 15, "{times} of 20");
}

#[test]
fn a_stored_state_goes_on_and_a_wrong_one_is_refused() {
    let mut sampler = Surprise::new(&labels(5));
    for epoch in 0..4 {
        show(&mut sampler, |i| 1.0 / (1.0 + (i * epoch) as f64), |i| i as f64 - 45.0);
    }
    let mut other = Surprise::new(&labels(5));
    other.restore(&sampler.state()).unwrap();
    assert_eq!(other.seen, sampler.seen);
    assert_eq!(other.order(50, &mut Rng::new(1)).unwrap(), sampler.order(50, &mut Rng::new(1)).unwrap());
    assert_eq!(other.suspects(), sampler.suspects());
    let good = sampler.state();
    let spoilt = |at: usize, x: f64| {
        let mut state = good.clone();
        state[at] = x;
        state
    };
    for bad in [vec![], good[1..].to_vec(), spoilt(0, 2.0), spoilt(1, 49.0), spoilt(3, -1.0), spoilt(7, f64::NAN)] {
        assert!(other.restore(&bad).is_err());
        assert_eq!(other.seen, sampler.seen);
    }
}

#[test]
fn the_classes_take_turns_if_wished() {
    let mut sampler = Surprise::new(&labels(20)).warm_up(0).alternating();
    show(&mut sampler, |i| 0.1 + (i % 7) as f64, |_| -1.0);
    let order = sampler.order(200, &mut Rng::new(4)).unwrap();
    let same = order.windows(2).filter(|w| w[0] / 20 == w[1] / 20).count();
    assert!(same <= 10, "{same} neighbours of one class among 199; chance would give 20");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let new = || Surprise::new(&labels(2));
    for bad in [
        new().share(1.5),
        new().share(f64::NAN),
        new().cap(1),
        new().decay(1.0),
        new().patience(0),
        new().quarantine_at_most(0.6),
        new().confidence(-1.0),
        new().epoch_of(0),
    ] {
        assert!(bad.order(20, &mut Rng::new(0)).is_err());
    }
    assert!(new().order(21, &mut Rng::new(0)).is_err());
}

#[test]
fn where_most_losses_are_the_same_a_tiny_one_is_no_outlier() {
    let labels = Indices::from_vec(vec![0; 100]);
    let mut sampler = Surprise::new(&labels);
    for _ in 0..30 {
        sampler.order(100, &mut Rng::new(1)).unwrap();
        let losses: Vec<f64> = (0..100).map(|i| if i < 60 { 0.0 } else { 1e-6 }).collect();
        sampler.observe(&(0..100).collect::<Vec<_>>(), &losses);
    }
    assert!(sampler.suspects().is_empty(), "{}", sampler.suspects().len());
}
