//! The loader: the same batches whoever makes them, and an end to everything that fails.

use kniff_data::samplers::{ClassAlternating, Stratified, Weighted};
use kniff_data::{Batch, DataError, Dataset, Epoch, Loader, Sampler, TensorDataset, digits};
use kniff_tensor::{Indices, Rng, Shape, Tensor, pool_stats};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn counting(n: usize) -> TensorDataset {
    let labels: Vec<usize> = (0..n).map(|i| i % 3).collect();
    TensorDataset::new(Tensor::arange(n).reshape([n, 1]), labels.into()).unwrap()
}

fn indices<D: Dataset + 'static>(epoch: Epoch<D>) -> Vec<Vec<usize>> {
    epoch.map(|batch| batch.unwrap().indices).collect()
}

#[test]
fn any_number_of_workers_gives_the_same_batches() {
    let of = |workers, depth| {
        let loader = Loader::new(counting(103)).batch_size(10).shuffle(&Rng::new(5)).prefetch(workers, depth);
        let loader = loader.augment(|batch, rng| {
            batch.inputs = batch.inputs.add_scalar(rng.uniform() as f32);
            Ok(())
        });
        let epochs = (0..3).flat_map(|e| loader.epoch(e));
        epochs.map(|b| b.unwrap()).map(|b| (b.indices, b.inputs.to_vec(), b.targets)).collect::<Vec<_>>()
    };
    let alone = of(0, 0);
    assert_eq!(alone.len(), 33);
    for (workers, depth) in [(1, 1), (2, 1), (3, 8), (40, 2)] {
        assert_eq!(of(workers, depth), alone, "{workers} workers");
    }
}

#[test]
fn epochs_differ_and_depend_on_seed_and_number_only() {
    let loader = |seed| Loader::new(counting(50)).batch_size(7).shuffle(&Rng::new(seed));
    let first = indices(loader(1).epoch(3));
    let again = loader(1);
    let _ = indices(again.epoch(0));
    assert_eq!(indices(again.epoch(3)), first);
    assert_ne!(indices(again.epoch(4)), first);
    assert_ne!(indices(loader(2).epoch(3)), first);
    let mut all: Vec<usize> = first.concat();
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
}

#[test]
fn skipping_goes_on_where_the_run_stopped() {
    for workers in [0, 2] {
        let loader = Loader::new(counting(50)).batch_size(7).shuffle(&Rng::new(1)).prefetch(workers, 3);
        let whole = indices(loader.epoch(2));
        for k in 0..=8 {
            let rest = loader.epoch(2).skip_to(k);
            assert_eq!((rest.position(), rest.batches()), (k, 8));
            assert_eq!(indices(rest), whole[k..]);
        }
        assert!(indices(loader.epoch(2).skip_to(100)).is_empty());
        let mut started = loader.epoch(2);
        let _ = started.next();
        assert_eq!(indices(started.skip_to(5)), whole[5..]);
    }
}

#[test]
fn sizes_and_the_last_batch() {
    let loader = Loader::new(counting(25)).batch_size(10);
    assert_eq!((loader.len(), loader.epoch(0).map(|b| b.unwrap().len()).collect::<Vec<_>>()), (3, vec![10, 10, 5]));
    let loader = loader.drop_last(true);
    assert_eq!((loader.len(), loader.epoch(0).map(|b| b.unwrap().len()).collect::<Vec<_>>()), (2, vec![10, 10]));
    assert_eq!(indices(loader.epoch(0))[1], (10..20).collect::<Vec<_>>());
}

#[test]
fn settings_that_make_no_sense_are_the_first_item() {
    let refused = |loader: Loader<TensorDataset>, words: &str| {
        let said = loader.check().unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
        let mut epoch = loader.epoch(0);
        assert_eq!(epoch.next().unwrap().unwrap_err().to_string(), said);
        assert!(epoch.next().is_none());
    };
    refused(Loader::new(counting(0)), "has no examples");
    refused(Loader::new(counting(5)).batch_size(0), "batch size: expected at least 1, found 0");
    refused(Loader::new(counting(5)).batch_size(6).drop_last(true), "at most the 5 examples");
    refused(Loader::new(counting(5)).prefetch(1, 0), "prefetch depth");
    let other = Stratified::new(&Indices::from_vec(vec![0; 4]));
    let loader = Loader::new(counting(5)).sampler(other, &Rng::new(0));
    assert!(matches!(loader.epoch(0).next(), Some(Err(DataError::Lengths { .. }))));
}

#[test]
fn samplers_decide_what_is_seen() {
    let labels = counting(60).labels().unwrap();
    let rng = Rng::new(3);
    let loader = Loader::new(counting(60)).batch_size(6).sampler(Stratified::new(&labels), &rng);
    for batch in loader.epoch(0) {
        let batch = batch.unwrap();
        assert_eq!(
            (0..3).map(|c| batch.targets.as_slice().iter().filter(|&&l| l == c).count()).collect::<Vec<_>>(),
            [2; 3]
        );
    }
    let loader = Loader::new(counting(60)).batch_size(60).sampler(ClassAlternating::new(&labels), &rng);
    let order = loader.epoch(0).next().unwrap().unwrap().targets;
    assert!(order.as_slice().windows(2).all(|w| w[0] != w[1]));
    let weighted = Weighted::with_replacement(vec![1.0; 60], 100).unwrap();
    assert_eq!(Loader::new(counting(60)).batch_size(30).sampler(weighted, &rng).len(), 4);
}

/// Presents the example with the largest loss seen, and nothing else.
#[derive(Default)]
struct Worst(Vec<f64>);

impl Sampler for Worst {
    fn draws(&self, _: usize) -> usize {
        1
    }
    fn order(&self, _: usize, _: &mut Rng) -> Result<Vec<usize>, DataError> {
        let worst = (0..self.0.len()).max_by(|&a, &b| self.0[a].total_cmp(&self.0[b]));
        Ok(vec![worst.unwrap_or(0)])
    }
    fn observe(&mut self, indices: &[usize], losses: &[f64]) {
        for (&i, &loss) in indices.iter().zip(losses) {
            self.0.resize(self.0.len().max(i + 1), 0.0);
            self.0[i] = loss;
        }
    }
    fn state(&self) -> Vec<f64> {
        self.0.clone()
    }
    fn restore(&mut self, state: &[f64]) -> Result<(), DataError> {
        self.0 = state.to_vec();
        Ok(())
    }
}

#[test]
fn a_sampler_learns_while_its_epoch_runs_and_remembers() {
    let mut loader = Loader::new(counting(5)).sampler(Worst::default(), &Rng::new(0));
    let running = loader.epoch(0);
    loader.observe(&[1, 3], &[0.5, 2.0]);
    assert_eq!(indices(running), [[0]]);
    assert_eq!(indices(loader.epoch(1)), [[3]]);
    let mut other = Loader::new(counting(5)).sampler(Worst::default(), &Rng::new(0));
    other.restore_sampler(&loader.sampler_state()).unwrap();
    assert_eq!(indices(other.epoch(1)), [[3]]);
    assert!(Loader::new(counting(5)).restore_sampler(&[1.0]).is_err());
}

/// Fails or panics at one example; counts the batches that were made.
struct Faulty {
    at: usize,
    panics: bool,
    made: Arc<AtomicUsize>,
}

impl Dataset for Faulty {
    type Target = Indices;
    fn len(&self) -> usize {
        1000
    }
    fn input_shape(&self) -> Shape {
        Shape::from([1])
    }
    fn batch(&self, indices: &[usize]) -> Result<Batch<f32, Indices>, DataError> {
        self.made.fetch_add(1, Ordering::SeqCst);
        if indices.contains(&self.at) {
            assert!(!self.panics, "the disk is on fire");
            return Err(DataError::Empty { what: "the faulty example" });
        }
        std::thread::sleep(Duration::from_micros(200));
        let n = indices.len();
        Ok(Batch { inputs: Tensor::zeros([n, 1]), targets: vec![0; n].into(), indices: indices.to_vec() })
    }
}

#[test]
fn failing_and_panicking_data_ends_the_epoch_with_the_error() {
    for panics in [false, true] {
        for workers in [0, 1, 3] {
            let data = Faulty { at: 57, panics, made: Arc::default() };
            let loader = Loader::new(data).batch_size(10).prefetch(workers, 4);
            let got: Vec<_> = loader.epoch(0).collect();
            assert_eq!(got.len(), 6);
            let said = got[5].as_ref().unwrap_err().to_string();
            let expected =
                if panics { "making batch 5 panicked: the disk is on fire" } else { "the faulty example has no" };
            assert!(said.starts_with(expected), "{said}");
        }
    }
}

#[test]
fn dropping_early_stops_the_threads() {
    let made = Arc::new(AtomicUsize::new(0));
    let data = Faulty { at: usize::MAX, panics: false, made: made.clone() };
    let loader = Loader::new(data).batch_size(1).prefetch(3, 6);
    let mut epoch = loader.epoch(0);
    assert!(epoch.next().unwrap().is_ok());
    drop(epoch);
    let after = made.load(Ordering::SeqCst);
    // Those in the channels, in the threads' hands, and the one that was taken.
    assert!(after <= 6 + 3 + 3 + 1, "{after} batches were made");
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(made.load(Ordering::SeqCst), after);
}

#[test]
fn the_steady_state_takes_its_buffers_from_the_pool() {
    let loader = Loader::new(digits()).batch_size(128).shuffle(&Rng::new(0)).drop_last(true);
    let run = |epoch| loader.epoch(epoch).for_each(|b| assert_eq!(b.unwrap().len(), 128));
    run(0);
    let before = pool_stats().recycled;
    run(1);
    // Other tests use the pool at the same time, so fresh buffers cannot be counted here, but recycled ones only grow.
    assert!(pool_stats().recycled - before >= 14);
}

#[test]
fn any_number_of_workers_and_any_depth_give_all_batches() {
    let data = TensorDataset::new(Tensor::<f32>::zeros([5, 1]), Indices::from_vec(vec![0; 5])).unwrap();
    let loader = Loader::new(data).batch_size(2).prefetch(1000, usize::MAX);
    assert_eq!(loader.epoch(0).map(|batch| batch.unwrap().len()).sum::<usize>(), 5);
}
