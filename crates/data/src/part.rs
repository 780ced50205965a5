//! The parts of a split as types, so that what is for testing cannot be trained on by mistake.

use crate::{Augment, Batch, DataError, Dataset, Fingerprint, Subset, TensorDataset, split_indices, stratified_split};
use kniff_tensor::{Element, Indices, Rng, Shape};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// What a part of the data is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// To train on, and to fit a normaliser on.
    Train,
    /// To choose by: stopping, rates, sizes.
    Valid,
    /// To measure on, once, at the end.
    Test,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "the training part",
            Self::Valid => "the validation part",
            Self::Test => "the test part",
        })
    }
}

/// A [`Role`] as a type.
pub trait Purpose: Send + Sync + 'static {
    /// The role.
    const ROLE: Role;
}

/// Of a training part.
#[derive(Clone, Copy, Debug)]
pub struct Train;
/// Of a validation part.
#[derive(Clone, Copy, Debug)]
pub struct Valid;
/// Of a test part.
#[derive(Clone, Copy, Debug)]
pub struct Test;

impl Purpose for Train {
    const ROLE: Role = Role::Train;
}
impl Purpose for Valid {
    const ROLE: Role = Role::Valid;
}
impl Purpose for Test {
    const ROLE: Role = Role::Test;
}

/// Where a data set comes from: which part of which split, and which normaliser was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// What it is for.
    pub role: Role,
    /// The split that it is a part of.
    pub split: Fingerprint,
    /// The normaliser that was applied; `None` for raw inputs.
    pub normalizer: Option<Fingerprint>,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the split {}, ", self.role, self.split)?;
        match self.normalizer {
            None => f.write_str("not normalised"),
            Some(normalizer) => write!(f, "normalised by {normalizer}"),
        }
    }
}

/// One part of a split: a data set that knows what it is for and whether it has been normalised.
///
/// It is made by a [`Split`] alone.
#[derive(Debug)]
pub struct Part<P, D> {
    pub(crate) data: D,
    pub(crate) split: Fingerprint,
    pub(crate) normalizer: Option<Fingerprint>,
    purpose: PhantomData<fn() -> P>,
}

/// What to train on.
pub type TrainPart<D> = Part<Train, D>;
/// What to choose by.
pub type ValidPart<D> = Part<Valid, D>;
/// What to measure on at the end.
pub type TestPart<D> = Part<Test, D>;

impl<P, D: Clone> Clone for Part<P, D> {
    fn clone(&self) -> Self {
        self.with(self.data.clone())
    }
}

impl<P, D> Part<P, D> {
    fn new(data: D, split: Fingerprint) -> Self {
        Self { data, split, normalizer: None, purpose: PhantomData }
    }

    /// The same part with other data.
    pub(crate) fn with<N>(&self, data: N) -> Part<P, N> {
        Part { data, split: self.split, normalizer: self.normalizer, purpose: PhantomData }
    }

    pub(crate) fn marked(mut self, normalizer: Option<Fingerprint>) -> Self {
        self.normalizer = normalizer;
        self
    }

    /// The data set. What is taken out of the part has no contract any more.
    pub fn data(&self) -> &D {
        &self.data
    }

    /// The normaliser that was applied.
    pub fn normalizer(&self) -> Option<Fingerprint> {
        self.normalizer
    }

    /// The same part with its examples copied into memory, so that nothing is computed again in every epoch.
    ///
    /// Of a normalised part the raw inputs are gone then: images that are to be augmented before they are normalised stay out of this.
    ///
    /// # Errors
    /// What the data set says.
    pub fn in_memory<E: Element>(&self) -> Result<Part<P, TensorDataset<E, D::Target>>, DataError>
    where
        D: Dataset<E>,
    {
        let Batch { inputs, targets, .. } = self.data.all()?;
        Ok(self.with(TensorDataset::new(inputs, targets)?))
    }
}

impl<E: Element, P: Purpose, D: Dataset<E>> Dataset<E> for Part<P, D> {
    type Target = D::Target;

    fn len(&self) -> usize {
        self.data.len()
    }
    fn batch(&self, indices: &[usize]) -> Result<Batch<E, Self::Target>, DataError> {
        self.data.batch(indices)
    }
    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, Self::Target>, DataError> {
        self.data.augmented_batch(indices, augment, rng, first)
    }
    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        self.data.augmented_shape(augment)
    }
    fn input_shape(&self) -> Shape {
        self.data.input_shape()
    }
    fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        self.data.check(indices)
    }
    fn labels(&self) -> Option<Indices> {
        self.data.labels()
    }
    fn provenance(&self) -> Option<Provenance> {
        Some(Provenance { role: P::ROLE, split: self.split, normalizer: self.normalizer })
    }
}

/// A data set in three parts that have no example in common.
///
/// The parts are types of their own: a normaliser is fitted on a training part and on nothing else, which the compiler sees to, and
/// the trainer refuses a test part where it would train or choose.
///
/// ```
/// use kniff_data::{Dataset, Fit, Fitted, Split, digits};
/// use kniff_tensor::Rng;
/// let split = Split::stratified(digits(), 0.2, 0.2, &mut Rng::new(1))?;
/// let fitted = Fitted::fit(&split.train, &[Fit::Standard])?;
/// let (train, test) = (fitted.apply(split.train)?, fitted.apply(split.test)?);
/// assert_eq!((train.len(), test.len()), (1078, 359));
/// // A second time is refused.
/// assert!(fitted.apply(train).unwrap_err().to_string().contains("already"));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct Split<D> {
    /// What to train on.
    pub train: TrainPart<D>,
    /// What to choose by.
    pub valid: ValidPart<D>,
    /// What to measure on at the end.
    pub test: TestPart<D>,
}

impl<D> Split<Subset<D>> {
    /// At random; a fraction of 0 for `valid` leaves that part empty.
    ///
    /// # Errors
    /// As [`split_indices`].
    pub fn random<E: Element>(
        dataset: impl Into<Arc<D>>,
        valid: f64,
        test: f64,
        rng: &mut Rng,
    ) -> Result<Self, DataError>
    where
        D: Dataset<E>,
    {
        let dataset = dataset.into();
        let all = [1.0 - valid - test, test, valid];
        let fractions = if valid == 0.0 { &all[..2] } else { &all[..] };
        let mut parts = split_indices(dataset.len(), fractions, rng)?.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        Self::of(dataset, [next(), next(), next()])
    }

    /// At random, with every class in the same proportion in each part; a fraction of 0 for `valid` leaves that part empty.
    ///
    /// # Errors
    /// As [`stratified_split`], and for data whose classes are not known.
    pub fn stratified<E: Element>(
        dataset: impl Into<Arc<D>>,
        valid: f64,
        test: f64,
        rng: &mut Rng,
    ) -> Result<Self, DataError>
    where
        D: Dataset<E>,
    {
        let dataset = dataset.into();
        let missing = || DataError::setting("a stratified split", "class labels", "a data set without");
        let labels = dataset.labels().ok_or_else(missing)?;
        check_shares(valid, test)?;
        let (rest, test_part) = stratified_split(&labels, test, rng)?;
        if valid == 0.0 {
            return Self::of(dataset, [rest, test_part, Vec::new()]);
        }
        let (train, chosen) = stratified_split(&labels.select(&rest), valid / (1.0 - test), rng)?;
        let outer = |inner: Vec<usize>| inner.into_iter().map(|i| rest[i]).collect();
        Self::of(dataset, [outer(train), test_part, outer(chosen)])
    }

    /// From the numbers of the examples of the training, test and validation part.
    fn of<E: Element>(dataset: Arc<D>, [train, test, valid]: [Vec<usize>; 3]) -> Result<Self, DataError>
    where
        D: Dataset<E>,
    {
        let labels = dataset.labels();
        let mut mark = Fingerprint::new("split").count(dataset.len()).counts(&dataset.input_shape());
        for list in [&train, &test, &valid] {
            mark = mark.counts(list);
        }
        mark = mark.counts(labels.as_ref().map_or(&[], |l| l.as_slice()));
        mark = mark_inputs(mark, &*dataset)?;
        let subset = |list| Subset::new::<E>(dataset.clone(), list);
        Ok(Self {
            train: Part::new(subset(train)?, mark),
            valid: Part::new(subset(valid)?, mark),
            test: Part::new(subset(test)?, mark),
        })
    }
}

impl<D> Split<D> {
    /// Parts that were made elsewhere, as published data sets have them. That they have no example in common is taken on trust.
    ///
    /// # Errors
    /// If the shapes of their inputs differ.
    pub fn given<E: Element>(train: D, valid: D, test: D) -> Result<Self, DataError>
    where
        D: Dataset<E>,
    {
        let shape = train.input_shape();
        let mut mark = Fingerprint::new("given").counts(&shape);
        for part in [&train, &valid, &test] {
            if part.input_shape() != shape {
                let (expected, found) = (format!("{shape:?}"), part.input_shape());
                return Err(DataError::Shape { what: "the parts of a split", expected, found });
            }
            mark = mark.count(part.len()).counts(part.labels().as_ref().map_or(&[], |l| l.as_slice()));
            mark = mark_inputs(mark, part)?;
        }
        Ok(Self { train: Part::new(train, mark), valid: Part::new(valid, mark), test: Part::new(test, mark) })
    }
}

/// Refuses fractions that leave nothing to train on.
fn check_shares(valid: f64, test: f64) -> Result<(), DataError> {
    if !(0.0..1.0).contains(&valid) {
        return Err(DataError::setting("validation fraction", "0 or a number between 0 and 1", valid));
    }
    // The two may not reach 1 by rounding either.
    if valid > 0.0 && test > 0.0 && test < 1.0 && valid + test > 1.0 - 1e-9 {
        let expected = "together less than 1, so that something is left to train on";
        return Err(DataError::setting("validation and test fraction", expected, valid + test));
    }
    Ok(())
}

/// Some inputs in the mark too, since sets without labels may be alike in all else: the first and the last.
fn mark_inputs<E: Element, D: Dataset<E>>(mark: Fingerprint, data: &D) -> Result<Fingerprint, DataError> {
    if data.is_empty() {
        return Ok(mark);
    }
    let ends = data.batch(&[0, data.len() - 1])?.inputs.contiguous();
    Ok(mark.numbers(ends.as_slice().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits;

    #[test]
    fn the_parts_share_no_example_and_one_mark() {
        for stratified in [false, true] {
            let make = if stratified { Split::stratified } else { Split::random };
            let split = make(digits(), 0.1, 0.2, &mut Rng::new(4)).unwrap();
            let parts = [split.train.data(), split.valid.data(), split.test.data()];
            let mut all: Vec<usize> = parts.iter().flat_map(|p| p.indices()).copied().collect();
            all.sort_unstable();
            assert!(all.iter().enumerate().all(|(i, &x)| i == x) && all.len() == 1797);
            assert_eq!((parts[1].indices().len(), parts[2].indices().len()), (180, 359));
            let (train, test) = (split.train.provenance().unwrap(), split.test.provenance().unwrap());
            assert_eq!((train.role, test.role, train.split), (Role::Train, Role::Test, test.split));
            let other = make(digits(), 0.1, 0.2, &mut Rng::new(5)).unwrap();
            assert_ne!(other.train.provenance().unwrap().split, train.split);
        }
        let none = Split::random(digits(), 0.0, 0.2, &mut Rng::new(4)).unwrap();
        assert!(none.valid.is_empty() && none.train.len() == 1438);
        let refused = |valid, test| Split::stratified(digits(), valid, test, &mut Rng::new(4)).unwrap_err().to_string();
        assert!(refused(0.1, 0.9).contains("validation and test fraction"), "{}", refused(0.1, 0.9));
        assert!(refused(-0.1, 0.2).starts_with("validation fraction"), "{}", refused(-0.1, 0.2));
        // Sets that are alike in all but their inputs are told apart.
        let plain = |by: f32| {
            let x = kniff_tensor::Tensor::<f32>::ones([10, 2]).mul_scalar(by);
            let data = crate::TensorDataset::new(x, kniff_tensor::Indices::from_vec(vec![0; 10])).unwrap();
            Split::random(data, 0.0, 0.2, &mut Rng::new(4)).unwrap().train.provenance().unwrap().split
        };
        assert!(plain(1.0) == plain(1.0) && plain(1.0) != plain(1000.0));
        assert!(Split::random(digits(), 0.5, 0.5, &mut Rng::new(4)).is_err());
    }
}
