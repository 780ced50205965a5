//! The covariance matrix of columns, gathered batch by batch.

use crate::DataError;
use crate::moments::{Sums, check_columns, not_finite};
use kniff_tensor::kernels::gemm::{MatMut, MatRef, gemm};
use kniff_tensor::simd::{Isa, Kernel, dispatch};
use kniff_tensor::{Element, Tensor, parallel};

/// Rows that are centred and multiplied together: few enough to stay in the cache, many enough to feed the matrix product.
const ROWS: usize = 2048;
/// Rows whose column sums are added up together.
const SUM_ROWS: usize = 128;
/// Width of a strip of the upper triangle; narrower computes less of the lower one, wider multiplies faster.
const STRIP: usize = 64;

/// Count, mean and the matrix of summed products of deviations of the columns.
///
/// Rows are taken 2048 at a time: centred near their mean, multiplied in the data's precision, and merged in f64 by Chan's
/// formula M = M_a + M_b + d d^T n_a n_b / (n_a + n_b), less what the block's own mean left. So f32 data is multiplied at
/// f32's speed without f32's cancellation: an error is small against the columns' whole deviation, however large their means.
/// Only the upper triangle is computed. Memory: 8 bytes for each pair of columns.
#[derive(Clone, Debug)]
pub struct Covariance {
    count: u64,
    mean: Vec<f64>,
    /// Row-major; only entries on and right of the diagonal mean anything.
    m2: Vec<f64>,
}

impl Covariance {
    /// Nothing gathered yet, for so many columns.
    ///
    /// # Panics
    /// If there is no memory for a number for each pair of columns; [`Covariance::try_new`] says so instead.
    #[track_caller]
    pub fn new(columns: usize) -> Self {
        Self::try_new(columns).unwrap_or_else(|error| panic!("Covariance::new: {error}"))
    }

    /// [`Covariance::new`], where the number of columns comes from data.
    ///
    /// # Errors
    /// [`DataError::Setting`] if there is no memory for a number for each pair of columns.
    pub fn try_new(columns: usize) -> Result<Self, DataError> {
        let mut m2 = Vec::new();
        let pairs = columns.checked_mul(columns).filter(|&pairs| m2.try_reserve_exact(pairs).is_ok());
        let few = "so few that 8 bytes for each pair of them fit into memory (smaller images, or fewer columns)";
        m2.resize(pairs.ok_or_else(|| DataError::setting("columns of a covariance", few, columns))?, 0.0);
        Ok(Self { count: 0, mean: vec![0.0; columns], m2 })
    }

    /// Adds examples `[n, ...]`; each is flattened to the columns.
    ///
    /// # Errors
    /// If an example has another number of columns; [`DataError::NotFinite`] with the row (counted over all updates) and the
    /// column of a number that is infinite or NaN: rows before its block are added then, so start over.
    pub fn update<E: Element>(&mut self, x: &Tensor<E>) -> Result<(), DataError> {
        let columns = self.mean.len();
        check_columns("covariance", x, columns)?;
        let source = x.contiguous();
        let all = source.as_slice().unwrap_or_default();
        if all.is_empty() {
            return Ok(());
        }
        let rows = ROWS.min(all.len() / columns);
        let mut centred = Tensor::<E>::scratch([rows * columns]);
        for block in all.chunks(ROWS * columns) {
            self.add_block(block, &mut centred.make_mut()[..block.len()])?;
        }
        Ok(())
    }

    fn add_block<E: Element>(&mut self, block: &[E], centred: &mut [E]) -> Result<(), DataError> {
        let columns = self.mean.len();
        let rows = block.len() / columns;
        // The mean of as many rows or more is near enough to centre at, which saves reading the block once more for its own:
        // what is left is taken off below, and costs digits only where the whole deviates as much.
        let at: Vec<E> = match self.count < rows as u64 {
            true => mean_of(block, columns),
            false => self.mean.iter().map(|&m| E::from_f64(m)).collect(),
        };
        let left = centre(block, &at, centred);
        if left.iter().any(|m| !m.is_finite()) {
            not_finite(block, columns, self.count as usize)?;
            let found = "numbers whose sum overflows";
            return Err(DataError::setting("data to fit on", "numbers whose squares can be represented", found));
        }
        let (a, b) = (self.count as f64, rows as f64);
        let merge = Merge {
            cross: a * b / (a + b),
            rows: b,
            shift: at.iter().zip(&left).zip(&self.mean).map(|((at, left), mean)| at.to_f64() + left - mean).collect(),
            left,
        };
        let centred = &*centred;
        parallel::chunks(&mut self.m2, STRIP * columns, |strip, into| {
            let start = strip * STRIP;
            let (height, width) = (into.len() / columns, columns - start);
            let mut product = Tensor::<E>::scratch([height * width]);
            let transposed = MatRef::new(&centred[start..], (height, rows), (1, columns));
            let plain = MatRef::new(&centred[start..], (rows, width), (columns, 1));
            gemm(transposed, plain, E::ZERO, MatMut::row_major(product.make_mut(), height, width));
            let product = product.as_slice().unwrap_or_default();
            for (i, into) in into.chunks_exact_mut(columns).enumerate() {
                let from = &product[i * width + i..(i + 1) * width];
                dispatch(MergeRow { merge: &merge, row: start + i, from, into: &mut into[start + i..] });
            }
        });
        for (m, shift) in self.mean.iter_mut().zip(&merge.shift) {
            *m += shift * (b / (a + b));
        }
        self.count += rows as u64;
        Ok(())
    }

    /// Adds what another has gathered, as if its examples had come here.
    ///
    /// # Panics
    /// If the numbers of columns differ.
    #[track_caller]
    pub fn merge(&mut self, other: &Covariance) {
        let columns = self.mean.len();
        assert_eq!(columns, other.mean.len(), "Covariance::merge: the numbers of columns differ");
        if other.count == 0 {
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let shift: Vec<f64> = other.mean.iter().zip(&self.mean).map(|(new, old)| new - old).collect();
        for i in 0..columns {
            for j in i..columns {
                self.m2[i * columns + j] += other.m2[i * columns + j] + a * b / (a + b) * shift[i] * shift[j];
            }
        }
        self.mean.iter_mut().zip(&shift).for_each(|(m, shift)| *m += shift * (b / (a + b)));
        self.count += other.count;
    }

    /// How many examples were gathered.
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

    /// The covariance matrix, `[columns, columns]`: summed products of deviations over n - `ddof`.
    ///
    /// # Errors
    /// Unless there are more than `ddof` examples.
    pub fn matrix(&self, ddof: u64) -> Result<Tensor<f64>, DataError> {
        let columns = self.mean.len();
        if self.count <= ddof {
            return Err(DataError::setting("data to fit on", format!("at least {} examples", ddof + 1), self.count));
        }
        let n = (self.count - ddof) as f64;
        let mut out = Tensor::scratch([columns, columns]);
        let entries = out.make_mut();
        for i in 0..columns {
            for j in i..columns {
                let value = self.m2[i * columns + j] / n;
                entries[i * columns + j] = value;
                entries[j * columns + i] = value;
            }
        }
        Ok(out)
    }
}

/// Column means, rounded.
fn mean_of<E: Element>(block: &[E], columns: usize) -> Vec<E> {
    let mut sums = vec![0.0; columns];
    dispatch(Sums { block, sums: &mut sums });
    let n = (block.len() / columns) as f64;
    sums.iter().map(|s| E::from_f64(s / n)).collect()
}

/// Writes the block less `at` to `centred`, and gives the column means of that, summed in pieces of fixed size.
fn centre<E: Element>(block: &[E], at: &[E], centred: &mut [E]) -> Vec<f64> {
    let columns = at.len();
    let size = SUM_ROWS * columns;
    let mut sums = vec![0.0; block.len().div_ceil(size) * columns];
    parallel::chunks2((centred, size), (&mut sums, columns), |i, centred, sums| {
        let block = &block[i * size..i * size + centred.len()];
        dispatch(Centre { block, at, centred, sums });
    });
    let n = (block.len() / columns) as f64;
    (0..columns).map(|c| sums.chunks_exact(columns).map(|s| s[c]).sum::<f64>() / n).collect()
}

struct Centre<'a, E> {
    block: &'a [E],
    at: &'a [E],
    centred: &'a mut [E],
    sums: &'a mut [f64],
}

impl<E: Element> Kernel for Centre<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let columns = self.at.len();
        for (row, out) in self.block.chunks_exact(columns).zip(self.centred.chunks_exact_mut(columns)) {
            for (((x, at), o), s) in row.iter().zip(self.at).zip(out).zip(&mut *self.sums) {
                let d = *x - *at;
                *o = d;
                *s += d.to_f64();
            }
        }
    }
}

/// What turns the products of a block, centred near its mean, into the change of the whole.
struct Merge {
    cross: f64,
    rows: f64,
    /// The block's mean less the mean so far.
    shift: Vec<f64>,
    /// The block's mean less what it was centred at.
    left: Vec<f64>,
}

struct MergeRow<'a, E> {
    merge: &'a Merge,
    row: usize,
    from: &'a [E],
    into: &'a mut [f64],
}

impl<E: Element> Kernel for MergeRow<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let Merge { cross, rows, shift, left } = self.merge;
        let (a, b) = (cross * shift[self.row], rows * left[self.row]);
        let factors = shift[self.row..].iter().zip(&left[self.row..]);
        for ((into, from), (s, l)) in self.into.iter_mut().zip(self.from).zip(factors) {
            *into += from.to_f64() + (a * s - b * l);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::{Rng, parallel::with_threads};

    fn of<E: Element>(parts: &[Tensor<E>], columns: usize) -> Covariance {
        let mut c = Covariance::new(columns);
        parts.iter().for_each(|p| c.update(p).unwrap());
        c
    }

    #[test]
    fn what_does_not_fit_into_memory_is_refused() {
        let error = Covariance::try_new(1 << 40).unwrap_err().to_string();
        assert!(error.contains("columns of a covariance") && error.contains("found 1099511627776"), "{error}");
        assert!(Covariance::try_new(usize::MAX).is_err());
    }

    #[test]
    fn two_columns_by_hand() {
        let x = Tensor::<f64>::from_slice(&[1.0, 2.0, 2.0, 4.0, 3.0, 6.0], [3, 2]);
        let c = of(&[x], 2);
        assert_eq!(c.mean(), [2.0, 4.0]);
        assert_eq!(c.matrix(1).unwrap().to_vec(), [1.0, 2.0, 2.0, 4.0]);
    }

    #[test]
    fn parts_and_offsets_change_nothing() {
        let mut rng = Rng::new(4);
        // More rows than a block and more columns than a strip, each with another mean.
        let plain = Tensor::<f64>::randn([5000, 150], &mut rng);
        let moved = Tensor::from_fn([5000, 150], |i| plain.as_slice().unwrap()[i] + 1000.0 * (i % 150) as f64);
        let a = of(std::slice::from_ref(&plain), 150).matrix(1).unwrap();
        let b = of(&[moved.slice_axis(0, ..3), moved.slice_axis(0, 3..2500), moved.slice_axis(0, 2500..)], 150);
        let b = b.matrix(1).unwrap();
        let low = of(&[moved.cast::<f32>()], 150).matrix(1).unwrap();
        let mut two = of(&[plain.slice_axis(0, ..1000)], 150);
        two.merge(&of(&[plain.slice_axis(0, 1000..)], 150));
        let two = two.matrix(1).unwrap();
        for i in 0..a.len() {
            let (a, b, two, low) = (a.at(&[i / 150, i % 150]), b.to_f64_at(i), two.to_f64_at(i), low.to_f64_at(i));
            assert!((a - b).abs() < 1e-8 && (a - two).abs() < 1e-10, "{i}: {a} {b} {two}");
            // A number near 150,000 has a rounding error of up to 0.008 in f32, and that is random here.
            assert!((a - low).abs() < 1e-3, "{i}: {a} {low}");
        }
    }

    trait At {
        fn to_f64_at(&self, i: usize) -> f64;
    }
    impl At for Tensor<f64> {
        fn to_f64_at(&self, i: usize) -> f64 {
            self.as_slice().unwrap()[i]
        }
    }

    #[test]
    fn a_first_row_far_away_costs_no_digits() {
        let x = Tensor::<f32>::randn([3000, 2], &mut Rng::new(4));
        let far = Tensor::<f32>::full([1, 2], 1e4);
        let (a, b) = (of(&[x.clone(), far.clone()], 2), of(&[far, x], 2));
        for (a, b) in a.matrix(1).unwrap().to_vec().iter().zip(b.matrix(1).unwrap().to_vec()) {
            assert!((a / b - 1.0).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let x = Tensor::<f32>::randn([5000, 200], &mut Rng::new(0));
        let of = |threads| with_threads(threads, || of(std::slice::from_ref(&x), 200).matrix(1).unwrap());
        assert_eq!(of(1), of(3));
    }

    #[test]
    fn nan_and_too_few_are_refused() {
        let mut c = Covariance::new(2);
        let e = c.update(&Tensor::<f32>::from_slice(&[0.0, f32::NAN], [1, 2])).unwrap_err();
        assert!(matches!(e, DataError::NotFinite { row: 0, column: 1, .. }));
        c.update(&Tensor::<f32>::ones([1, 2])).unwrap();
        assert!(c.matrix(1).is_err() && c.matrix(0).is_ok());
    }
}
