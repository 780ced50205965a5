//! Count, mean, variance, minimum and maximum of columns, gathered batch by batch.

use crate::DataError;
use kniff_tensor::simd::{Isa, Kernel, dispatch};
use kniff_tensor::{Element, Tensor};
use rayon::prelude::*;

/// Elements in one block, the unit of the parallel merge; cut by size, so the result does not depend on threads.
const BLOCK: usize = 1 << 16;
/// Blocks whose results wait for the merge at one time.
const WAVE: usize = 32;

/// Count, mean, variance, minimum and maximum of each column, in f64 whatever the data is in.
///
/// Blocks are centred at their own mean and merged by the formula of Chan, Golub and LeVeque (1979),
/// M = M_a + M_b + d^2 n_a n_b / (n_a + n_b) with d the difference of the means, so a mean that is large against the
/// deviation costs no digits, and data that does not fit in memory can be gathered in any batches.
///
/// ```
/// use kniff_data::Moments;
/// use kniff_tensor::Tensor;
/// let mut moments = Moments::new(1);
/// moments.update(&Tensor::<f32>::from_slice(&[1.0, 2.0], [2, 1]))?;
/// moments.update(&Tensor::<f32>::from_slice(&[6.0], [1, 1]))?;
/// assert_eq!((moments.mean()[0], moments.variance(0)[0]), (3.0, 14.0 / 3.0));
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    m2: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
}

impl Moments {
    /// Nothing gathered yet, for so many columns.
    pub fn new(columns: usize) -> Self {
        let (min, max) = (vec![f64::INFINITY; columns], vec![f64::NEG_INFINITY; columns]);
        Self { count: 0, mean: vec![0.0; columns], m2: vec![0.0; columns], min, max }
    }

    /// Adds examples `[n, ...]`; each is flattened to the columns.
    ///
    /// # Errors
    /// If an example has another number of columns; [`DataError::NotFinite`] with the row (counted over all updates) and the
    /// column of a number that is infinite or NaN. Nothing is added then.
    pub fn update<E: Element>(&mut self, x: &Tensor<E>) -> Result<(), DataError> {
        let columns = self.mean.len();
        check_columns("moments", x, columns)?;
        let source = x.contiguous();
        let all = source.as_slice().unwrap_or_default();
        let mut gathered = self.clone();
        let rows = (BLOCK / columns.max(1)).max(16);
        for (wave, part) in all.chunks((WAVE * rows * columns).max(1)).enumerate() {
            let first = wave * WAVE * rows;
            let blocks: Vec<Result<Moments, DataError>> = part
                .par_chunks(rows * columns)
                .enumerate()
                .map(|(b, block)| of_rows(block, columns, self.count as usize + first + b * rows))
                .collect();
            for block in blocks {
                gathered.merge(&block?);
            }
        }
        *self = gathered;
        Ok(())
    }

    /// Adds images `[n, channels, ...]`; every place of an image counts for its channel.
    ///
    /// # Errors
    /// As [`Moments::update`]; the row is the image's, the column the place within it.
    pub fn update_channels<E: Element>(&mut self, x: &Tensor<E>) -> Result<(), DataError> {
        let channels = self.mean.len();
        if x.rank() < 2 || x.shape()[1] != channels {
            return Err(DataError::Shape {
                what: "moments",
                expected: format!("[n, {channels}, ...]"),
                found: *x.shape(),
            });
        }
        crate::targets::check_finite("moments", x)?;
        let source = x.contiguous();
        let all = source.as_slice().unwrap_or_default();
        let places: usize = x.shape()[2..].iter().product();
        if all.is_empty() {
            return Ok(());
        }
        let images = (BLOCK / (channels * places)).max(1);
        for wave in all.chunks(WAVE * images * channels * places) {
            let blocks: Vec<Moments> = wave
                .par_chunks(images * channels * places)
                .map(|block| {
                    let mut sum = Moments::new(channels);
                    block.chunks(channels * places).for_each(|image| sum.merge(&of_image(image, places)));
                    sum
                })
                .collect();
            blocks.iter().for_each(|block| self.merge(block));
        }
        Ok(())
    }

    /// Adds what another has gathered, as if its examples had come here.
    ///
    /// # Panics
    /// If the numbers of columns differ.
    #[track_caller]
    pub fn merge(&mut self, other: &Moments) {
        assert_eq!(self.mean.len(), other.mean.len(), "Moments::merge: the numbers of columns differ");
        if other.count == 0 {
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let (share, cross) = (b / (a + b), a * b / (a + b));
        for c in 0..self.mean.len() {
            let d = other.mean[c] - self.mean[c];
            self.mean[c] += d * share;
            self.m2[c] += other.m2[c] + d * d * cross;
            self.min[c] = self.min[c].min(other.min[c]);
            self.max[c] = self.max[c].max(other.max[c]);
        }
        self.count += other.count;
    }

    /// How many examples (for channels: places) were gathered.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// The mean of each column.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance of each column: squared deviations over n - `ddof`; NaN where that is not positive.
    pub fn variance(&self, ddof: u64) -> Vec<f64> {
        let n = if self.count > ddof { (self.count - ddof) as f64 } else { f64::NAN };
        self.m2.iter().map(|m| m / n).collect()
    }

    /// The smallest number of each column.
    pub fn min(&self) -> &[f64] {
        &self.min
    }

    /// The largest number of each column.
    pub fn max(&self) -> &[f64] {
        &self.max
    }

    /// The columns that hold one and the same number throughout.
    ///
    /// Told by minimum and maximum, not by the variance, in which rounding could hide a constant or make one up.
    pub fn constant_columns(&self) -> Vec<usize> {
        (0..self.mean.len()).filter(|&c| self.min[c] >= self.max[c]).collect()
    }

    /// Refuses to go on from nothing.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        if self.count == 0 {
            return Err(DataError::Empty { what: "the data to fit on" });
        }
        if let Some(c) = (0..self.mean.len()).find(|&c| !self.m2[c].is_finite()) {
            let found = format!("column {c} from {:e} to {:e}", self.min[c], self.max[c]);
            return Err(DataError::setting("data to fit on", "numbers whose squares can be represented", found));
        }
        Ok(())
    }
}

/// Refuses tensors whose examples do not have so many columns.
pub(crate) fn check_columns<E: Element>(what: &'static str, x: &Tensor<E>, columns: usize) -> Result<(), DataError> {
    if x.rank() == 0 || x.shape()[1..].iter().product::<usize>() != columns {
        return Err(DataError::Shape { what, expected: format!("[n, {columns}]"), found: *x.shape() });
    }
    Ok(())
}

fn of_rows<E: Element>(block: &[E], columns: usize, first: usize) -> Result<Moments, DataError> {
    let mut m = Moments::new(columns);
    m.count = (block.len() / columns) as u64;
    dispatch(Sums { block, sums: &mut m.mean });
    m.mean.iter_mut().for_each(|s| *s /= m.count as f64);
    if m.mean.iter().any(|s| !s.is_finite()) {
        not_finite(block, columns, first)?;
    }
    dispatch(Deviations { block, m: &mut m });
    Ok(m)
}

/// The error for the first number of the block that is not finite, if there is one.
pub(crate) fn not_finite<E: Element>(block: &[E], columns: usize, first: usize) -> Result<(), DataError> {
    match block.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(DataError::NotFinite {
            what: "data to fit on",
            row: first + at / columns,
            column: at % columns,
            value: block[at].to_f64(),
        }),
    }
}

fn of_image<E: Element>(image: &[E], places: usize) -> Moments {
    let channels = image.len() / places;
    let mut m = Moments::new(channels);
    m.count = places as u64;
    for (c, plane) in image.chunks_exact(places).enumerate() {
        let mean = plane.iter().map(|x| x.to_f64()).sum::<f64>() / places as f64;
        m.mean[c] = mean;
        m.m2[c] = plane.iter().map(|x| (x.to_f64() - mean).powi(2)).sum();
        m.min[c] = plane.iter().fold(f64::INFINITY, |a, x| a.min(x.to_f64()));
        m.max[c] = plane.iter().fold(f64::NEG_INFINITY, |a, x| a.max(x.to_f64()));
    }
    m
}

/// Adds the rows of a block to the columns' sums.
pub(crate) struct Sums<'a, E> {
    pub(crate) block: &'a [E],
    pub(crate) sums: &'a mut [f64],
}

impl<E: Element> Kernel for Sums<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        for row in self.block.chunks_exact(self.sums.len()) {
            for (s, x) in self.sums.iter_mut().zip(row) {
                *s += x.to_f64();
            }
        }
    }
}

struct Deviations<'a, E> {
    block: &'a [E],
    m: &'a mut Moments,
}

impl<E: Element> Kernel for Deviations<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let m = self.m;
        let columns = m.mean.len();
        for row in self.block.chunks_exact(columns) {
            for ((m2, mean), x) in m.m2.iter_mut().zip(&m.mean).zip(row) {
                let d = x.to_f64() - mean;
                *m2 += d * d;
            }
            for ((min, max), x) in m.min.iter_mut().zip(&mut m.max).zip(row) {
                let x = x.to_f64();
                *min = if x < *min { x } else { *min };
                *max = if x > *max { x } else { *max };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::{Rng, parallel::with_threads};

    #[test]
    fn parts_of_any_size_give_the_same() {
        let x = Tensor::<f64>::randn([1000, 3], &mut Rng::new(0)).affine(2.0, 1e6);
        let whole = {
            let mut m = Moments::new(3);
            m.update(&x).unwrap();
            m
        };
        let mut parts = Moments::new(3);
        for (from, to) in [(0, 1), (1, 400), (400, 1000)] {
            parts.update(&x.slice_axis(0, from..to)).unwrap();
        }
        assert_eq!((parts.count(), parts.min(), parts.max()), (1000, whole.min(), whole.max()));
        for c in 0..3 {
            assert!((parts.mean()[c] - whole.mean()[c]).abs() < 1e-9);
            assert!((parts.variance(0)[c] - whole.variance(0)[c]).abs() < 1e-9);
            assert!((whole.variance(0)[c] - 4.0).abs() < 1.0);
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let x = Tensor::<f32>::randn([30_000, 17], &mut Rng::new(0));
        let of = |threads| {
            let mut m = Moments::new(17);
            with_threads(threads, || m.update(&x)).unwrap();
            m
        };
        assert_eq!(of(1), of(3));
    }

    #[test]
    fn channels_count_every_place() {
        let x = Tensor::<f64>::from_slice(&[1.0, 3.0, 10.0, 10.0, 5.0, 7.0, 10.0, 10.0], [2, 2, 2]);
        let mut m = Moments::new(2);
        m.update_channels(&x).unwrap();
        assert_eq!((m.mean(), m.variance(0), m.count()), ([4.0, 10.0].as_slice(), vec![5.0, 0.0], 4));
        assert_eq!(m.constant_columns(), [1]);
        assert!(m.update_channels(&Tensor::<f32>::zeros([1, 3, 2])).is_err());
    }

    #[test]
    fn what_is_not_finite_is_named_and_changes_nothing() {
        let mut m = Moments::new(2);
        m.update(&Tensor::<f32>::ones([5, 2])).unwrap();
        let before = m.clone();
        let e = m.update(&Tensor::<f32>::from_slice(&[0.0, 1.0, 2.0, f32::NAN], [2, 2])).unwrap_err();
        assert!(matches!(e, DataError::NotFinite { row: 6, column: 1, .. }), "{e}");
        assert_eq!(m, before);
        assert!(m.update(&Tensor::<f32>::ones([2, 3])).is_err());
    }
}
