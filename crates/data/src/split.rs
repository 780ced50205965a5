//! Splitting examples for training and testing, plainly or class by class.

use crate::sampler::by_class;
use crate::{DataError, Dataset, Subset};
use kniff_tensor::{Element, Indices, Rng};
use std::sync::Arc;

/// One division of the examples for cross-validation: numbers ascending, every example in exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// What to train on.
    pub train: Vec<usize>,
    /// What to test on.
    pub test: Vec<usize>,
}

/// Divides a data set at random into parts of the given fractions.
///
/// The sizes are rounded by largest remainder, so that they sum to the whole when the fractions sum to 1; fractions that sum
/// to less leave the rest out. Each part's examples stand in the random order that they were drawn in.
///
/// ```
/// use kniff_data::{Dataset, digits, split};
/// use kniff_tensor::Rng;
/// let parts = split(digits(), &[0.8, 0.2], &mut Rng::new(1))?;
/// assert_eq!((parts[0].len(), parts[1].len()), (1438, 359));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
///
/// # Errors
/// If there are no fractions, one is not above 0, they sum to more than 1, or a part would be empty.
pub fn split<E: Element, D: Dataset<E>>(
    dataset: impl Into<Arc<D>>,
    fractions: &[f64],
    rng: &mut Rng,
) -> Result<Vec<Subset<D>>, DataError> {
    let dataset = dataset.into();
    let parts = split_indices(dataset.len(), fractions, rng)?;
    parts.into_iter().map(|part| Subset::new(dataset.clone(), part)).collect()
}

/// [`split`] as lists of numbers below `examples`.
///
/// # Errors
/// As [`split`].
pub fn split_indices(examples: usize, fractions: &[f64], rng: &mut Rng) -> Result<Vec<Vec<usize>>, DataError> {
    let sum: f64 = fractions.iter().sum();
    // Ten times 0.1 is a little more than 1; that is not meant as an error.
    if fractions.is_empty() || fractions.iter().any(|f| !(f.is_finite() && *f > 0.0)) || sum > 1.0 + 1e-9 {
        return Err(DataError::setting(
            "split fractions",
            "numbers above 0 that sum to at most 1",
            format!("{fractions:?}"),
        ));
    }
    let ideal: Vec<f64> = fractions.iter().map(|f| f * examples as f64).collect();
    let total = (sum * examples as f64).round() as usize;
    let sizes = largest_remainder(&ideal, total.min(examples));
    if let Some(part) = sizes.iter().position(|&s| s == 0) {
        let expected = "at least one example in every part";
        return Err(DataError::setting(
            "split fractions",
            expected,
            format!("none in part {part} of {examples} examples"),
        ));
    }
    let order = rng.permutation(examples);
    let mut rest = order.as_slice();
    let mut parts = Vec::with_capacity(sizes.len());
    for size in sizes {
        let (part, after) = rest.split_at(size);
        parts.push(part.to_vec());
        rest = after;
    }
    Ok(parts)
}

/// Divides examples at random into training and test, every class in the same proportion; both lists ascend.
///
/// The test part has round(n f) examples. Each class gives n_c f of them, rounded by largest remainder (ties to the lower class).
///
/// Differs from scikit-learn: `train_test_split` rounds the test part up, breaks ties at random, and lets a small class
/// miss the test part in silence; here that is an error.
///
/// ```
/// use kniff_data::stratified_split;
/// use kniff_tensor::{Indices, Rng};
/// let labels = Indices::from_vec(vec![0, 0, 0, 0, 1, 1, 1, 1]);
/// let (train, test) = stratified_split(&labels, 0.25, &mut Rng::new(0))?;
/// assert_eq!((train.len(), test.len()), (6, 2));
/// assert!(test[0] < 4 && test[1] >= 4);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
///
/// # Errors
/// If the fraction is not between 0 and 1, there are no labels, or a class (the error names it) is too small to be
/// on both sides.
pub fn stratified_split(
    labels: &Indices,
    test_fraction: f64,
    rng: &mut Rng,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    if !(test_fraction > 0.0 && test_fraction < 1.0) {
        return Err(DataError::setting("test fraction", "a number between 0 and 1", test_fraction));
    }
    let classes = classes_of(labels)?;
    let ideal: Vec<f64> = classes.iter().map(|(_, members)| members.len() as f64 * test_fraction).collect();
    let total = (labels.len() as f64 * test_fraction).round() as usize;
    let sizes = largest_remainder(&ideal, total);
    let (mut train, mut test) = (Vec::with_capacity(labels.len() - total), Vec::with_capacity(total));
    for ((class, mut members), size) in classes.into_iter().zip(sizes) {
        if size == 0 || size == members.len() {
            // Enough that the class's share is one example on the smaller side, whatever the others' remainders.
            let needed = (1.0 / test_fraction.min(1.0 - test_fraction)).ceil() as usize;
            let needed = needed.max(members.len() + 1);
            let mend = "add examples of it, drop it, merge it with another, or change the fraction";
            return Err(DataError::Class { class, found: members.len(), needed, what: "a stratified split", mend });
        }
        rng.shuffle(&mut members);
        test.extend_from_slice(&members[..size]);
        train.extend_from_slice(&members[size..]);
    }
    train.sort_unstable();
    test.sort_unstable();
    Ok((train, test))
}

/// `k` divisions for cross-validation: every example is tested on exactly once; fold sizes differ by at most one.
///
/// # Errors
/// If `k` is below 2 or above the number of examples.
pub fn k_folds(examples: usize, k: usize, rng: &mut Rng) -> Result<Vec<Fold>, DataError> {
    check_folds(k, examples)?;
    let mut fold_of = vec![0; examples];
    for (place, i) in rng.permutation(examples).into_iter().enumerate() {
        fold_of[i] = place % k;
    }
    Ok(folds(&fold_of, k))
}

/// [`k_folds`] with every class spread evenly: a class's counts in two folds differ by at most one, and so do the folds' sizes.
///
/// # Errors
/// If `k` is below 2 or above the number of examples, or a class (the error names it) has fewer than `k` examples.
pub fn stratified_k_folds(labels: &Indices, k: usize, rng: &mut Rng) -> Result<Vec<Fold>, DataError> {
    let classes = classes_of(labels)?;
    check_folds(k, labels.len())?;
    let mut fold_of = vec![0; labels.len()];
    // Dealt like cards without starting over at each class, so that the remainders do not all fall to fold 0.
    let mut next = 0;
    for (class, mut members) in classes {
        if members.len() < k {
            let mend = "use fewer folds, add examples of it, or drop it";
            return Err(DataError::Class { class, found: members.len(), needed: k, what: "stratified k-folds", mend });
        }
        rng.shuffle(&mut members);
        for i in members {
            fold_of[i] = next;
            next = (next + 1) % k;
        }
    }
    Ok(folds(&fold_of, k))
}

fn check_folds(k: usize, examples: usize) -> Result<(), DataError> {
    if k < 2 || k > examples {
        return Err(DataError::setting("number of folds", format!("2 to {examples}, the number of examples"), k));
    }
    Ok(())
}

fn folds(fold_of: &[usize], k: usize) -> Vec<Fold> {
    let part = |fold, inside: bool| (0..fold_of.len()).filter(|&i| (fold_of[i] == fold) == inside).collect();
    (0..k).map(|fold| Fold { train: part(fold, false), test: part(fold, true) }).collect()
}

fn classes_of(labels: &Indices) -> Result<Vec<(usize, Vec<usize>)>, DataError> {
    if labels.is_empty() {
        return Err(DataError::Empty { what: "the list of labels" });
    }
    Ok(by_class(labels))
}

/// Whole numbers near `ideal` that sum to `total`: the floors, and one more where the fraction cut off is largest.
fn largest_remainder(ideal: &[f64], total: usize) -> Vec<usize> {
    // 0.1 * 30 is 3.0000000000000004 and 0.7 * 10 is 6.999999999999999: both are meant whole.
    let floor = |x: f64| (x + 1e-9).floor();
    let mut sizes: Vec<usize> = ideal.iter().map(|&x| floor(x) as usize).collect();
    let mut order: Vec<usize> = (0..ideal.len()).collect();
    let remainder = |i: usize| ideal[i] - floor(ideal[i]);
    // Remainders that differ by rounding alone are ties.
    let key = |i: usize| (remainder(i) * 1e9).round();
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)).then(a.cmp(&b)));
    let missing = total.saturating_sub(sizes.iter().sum());
    order.into_iter().take(missing).for_each(|i| sizes[i] += 1);
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;
    use kniff_tensor::Tensor;

    fn sorted(mut all: Vec<usize>) -> Vec<usize> {
        all.sort_unstable();
        all
    }

    #[test]
    fn parts_are_disjoint_and_whole() {
        let data = TensorDataset::<f32>::new(Tensor::arange(10).reshape([10, 1]), vec![0; 10].into()).unwrap();
        let parts = split(data, &[0.55, 0.25, 0.2], &mut Rng::new(0)).unwrap();
        assert_eq!(parts.iter().map(Dataset::<f32>::len).collect::<Vec<_>>(), [6, 2, 2]);
        assert_eq!(sorted(parts.iter().flat_map(|p| p.indices().to_vec()).collect()), (0..10).collect::<Vec<_>>());
        let tenths = split_indices(100, &[0.1; 10], &mut Rng::new(0)).unwrap();
        assert!(tenths.iter().all(|t| t.len() == 10));
        assert_eq!(split_indices(10, &[0.3], &mut Rng::new(0)).unwrap()[0].len(), 3);
    }

    #[test]
    fn fractions_that_make_no_sense_are_refused() {
        for fractions in [&[][..], &[0.8, 0.3], &[0.0, 1.0], &[f64::NAN], &[-0.5, 0.5], &[0.99, 0.01]] {
            assert!(split_indices(10, fractions, &mut Rng::new(0)).is_err(), "{fractions:?}");
        }
    }

    #[test]
    fn classes_are_rounded_by_largest_remainder() {
        // 10, 7 and 3 examples at 25 %: 2.5, 1.75, 0.75 of 5 in all; the two largest remainders are those of 1 and 2.
        let labels: Vec<usize> = [vec![0; 10], vec![1; 7], vec![5; 3]].concat();
        let (train, test) = stratified_split(&labels.clone().into(), 0.25, &mut Rng::new(9)).unwrap();
        let count = |class| test.iter().filter(|&&i| labels[i] == class).count();
        assert_eq!((count(0), count(1), count(5)), (2, 2, 1));
        assert_eq!(sorted([train, test].concat()), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_class_too_small_is_named() {
        let labels: Vec<usize> = [vec![0; 10], vec![3; 1]].concat();
        let e = stratified_split(&labels.clone().into(), 0.2, &mut Rng::new(0)).unwrap_err();
        assert!(e.to_string().starts_with("class 3 has 1 example(s), but a stratified split needs at least 5"), "{e}");
        let e = stratified_k_folds(&labels.into(), 2, &mut Rng::new(0)).unwrap_err();
        assert!(matches!(e, DataError::Class { class: 3, needed: 2, .. }));
        assert!(stratified_split(&vec![0, 0].into(), 1.0, &mut Rng::new(0)).is_err());
        assert!(stratified_split(&vec![].into(), 0.5, &mut Rng::new(0)).is_err());
    }

    #[test]
    fn folds_test_everything_once() {
        let labels: Vec<usize> = (0..23).map(|i| i % 3).collect();
        let stratified = stratified_k_folds(&labels.clone().into(), 4, &mut Rng::new(1)).unwrap();
        for folds in [&stratified, &k_folds(23, 4, &mut Rng::new(1)).unwrap()] {
            assert_eq!(sorted(folds.iter().flat_map(|f| f.test.clone()).collect()), (0..23).collect::<Vec<_>>());
            for fold in folds {
                assert!((5..=6).contains(&fold.test.len()));
                assert_eq!(sorted([fold.train.clone(), fold.test.clone()].concat()), (0..23).collect::<Vec<_>>());
            }
        }
        for fold in &stratified {
            for class in 0..3 {
                let found = fold.test.iter().filter(|&&i| labels[i] == class).count();
                assert!((1..=2).contains(&found));
            }
        }
        assert!(k_folds(3, 4, &mut Rng::new(0)).is_err() && k_folds(3, 1, &mut Rng::new(0)).is_err());
    }

    #[test]
    fn one_seed_gives_one_split() {
        let labels: Indices = (0..50).map(|i| i % 2).collect::<Vec<_>>().into();
        let draw = |seed| stratified_split(&labels, 0.2, &mut Rng::new(seed)).unwrap();
        assert_eq!(draw(4), draw(4));
        assert_ne!(draw(4), draw(5));
    }
}
