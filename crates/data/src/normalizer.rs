//! A normaliser: a map of the inputs, fitted on the training data, that makes them easier to learn from.

use crate::{DataError, Dataset};
use kniff_tensor::kernels::gemm::{MatMut, MatRef, gemm};
use kniff_tensor::{Element, MAX_RANK, Shape, Tensor, parallel};
use ndarray::{ArrayBase, ArrayD, Data, Dimension};

/// A fitted map of examples `[n, ...]`.
///
/// Every normaliser is made by fitting it, so none can be used unfitted: fit on the training examples only, then transform training, validation and
/// test examples alike; fitting on all of them would leak what is to be tested. They are for networks with dense first
/// layers; convolutions share weights over places and want [`PerChannel`](crate::PerChannel) instead.
pub trait Normalizer<E: Element = f32>: Send + Sync {
    /// The shape of an example (without the axis that counts them) after the map.
    ///
    /// # Errors
    /// If examples of that shape do not fit.
    fn output_shape(&self, example: &[usize]) -> Result<Shape, DataError>;

    /// The examples, mapped.
    ///
    /// # Errors
    /// [`DataError::Shape`] if they are not shaped like those that were fitted on.
    fn transform(&self, x: &Tensor<E>) -> Result<Tensor<E>, DataError>;

    /// Mapped examples, mapped back; exact but for rounding and for what the map leaves out.
    ///
    /// # Errors
    /// [`DataError::Shape`] if they are not shaped like what [`Normalizer::transform`] gives.
    fn inverse_transform(&self, z: &Tensor<E>) -> Result<Tensor<E>, DataError>;

    /// [`Normalizer::transform`] from ndarray to ndarray.
    ///
    /// # Errors
    /// As there.
    fn transform_array<S, D>(&self, x: &ArrayBase<S, D>) -> Result<ArrayD<E>, DataError>
    where
        S: Data<Elem = E>,
        D: Dimension,
        Self: Sized,
    {
        Ok(self.transform(&x.tensor())?.into_ndarray())
    }

    /// [`Normalizer::inverse_transform`] from ndarray to ndarray.
    ///
    /// # Errors
    /// As there.
    fn inverse_transform_array<S, D>(&self, z: &ArrayBase<S, D>) -> Result<ArrayD<E>, DataError>
    where
        S: Data<Elem = E>,
        D: Dimension,
        Self: Sized,
    {
        Ok(self.inverse_transform(&z.tensor())?.into_ndarray())
    }
}

/// What a normaliser can be fitted on: a [`Tensor`] or a plain ndarray array, the first axis counting the examples.
pub trait Examples<E: Element> {
    /// The examples as a tensor; a tensor is shared, an array copied.
    fn tensor(&self) -> Tensor<E>;
}

impl<E: Element> Examples<E> for Tensor<E> {
    fn tensor(&self) -> Tensor<E> {
        self.clone()
    }
}

impl<E: Element, S: Data<Elem = E>, D: Dimension> Examples<E> for ArrayBase<S, D> {
    fn tensor(&self) -> Tensor<E> {
        Tensor::from_ndarray_view(self)
    }
}

/// Examples that are read at once while a normaliser is fitted on a data set.
const ROWS: usize = 2048;

/// Calls `f` with the inputs of consecutive examples.
pub(crate) fn for_all<E: Element, D: Dataset<E>>(
    dataset: &D,
    mut f: impl FnMut(&Tensor<E>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut first = 0;
    while first < dataset.len() {
        let last = (first + ROWS).min(dataset.len());
        f(&dataset.batch(&(first..last).collect::<Vec<_>>())?.inputs)?;
        first = last;
    }
    Ok(())
}

/// The shape of an example, which may come from a file.
pub(crate) fn checked_shape(what: &'static str, example: &[usize]) -> Result<Shape, DataError> {
    Shape::try_new(example).ok_or_else(|| {
        let axes: Vec<usize> = example.iter().take(MAX_RANK + 1).copied().collect();
        DataError::setting(
            what,
            format!("an example of at most {MAX_RANK} axes that memory can hold"),
            format!("{axes:?}"),
        )
    })
}

/// Refuses examples that do not flatten to `columns` numbers.
pub(crate) fn check_example(what: &'static str, example: &[usize], columns: usize) -> Result<(), DataError> {
    let found = checked_shape(what, example)?;
    if found.numel() == columns {
        return Ok(());
    }
    Err(DataError::Shape { what, expected: format!("[{columns}]"), found })
}

/// Every row of `x`, flattened, through `f(row, out)`; the shape stays.
pub(crate) fn map_rows<E: Element>(
    what: &'static str,
    x: &Tensor<E>,
    columns: usize,
    f: impl Fn(&[E], &mut [E]) + Sync,
) -> Result<Tensor<E>, DataError> {
    crate::moments::check_columns(what, x, columns)?;
    let source = x.contiguous();
    let all = source.as_slice().unwrap_or_default();
    let mut out = Tensor::scratch(*x.shape());
    parallel::row_blocks(out.make_mut(), columns, columns, |first, block| {
        for (i, to) in block.chunks_exact_mut(columns).enumerate() {
            f(&all[(first + i) * columns..(first + i + 1) * columns], to);
        }
    });
    Ok(out)
}

/// `x w` for x `[n, k]` (flattened) and w `[k, m]`.
pub(crate) fn times<E: Element>(x: &Tensor<E>, w: &Tensor<E>) -> Tensor<E> {
    let (x, w) = (x.contiguous(), w.contiguous());
    let (rows, inner, columns) = (x.shape()[0], w.shape()[0], w.shape()[1]);
    let mut out = Tensor::scratch([rows, columns]);
    let a = MatRef::row_major(x.as_slice().unwrap_or_default(), rows, inner);
    let b = MatRef::row_major(w.as_slice().unwrap_or_default(), inner, columns);
    gemm(a, b, E::ZERO, MatMut::row_major(out.make_mut(), rows, columns));
    out
}

/// Refuses stored numbers that cannot come from a fit.
pub(crate) fn check_stored<E: Element>(what: &'static str, numbers: &[E], len: usize) -> Result<(), DataError> {
    if numbers.len() != len {
        return Err(DataError::setting(what, format!("{len} numbers"), numbers.len()));
    }
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(DataError::setting(what, "finite numbers", format!("{} at {at}", numbers[at]))),
        None => Ok(()),
    }
}

/// Refuses stored scales that are not above 0.
pub(crate) fn check_scales<E: Element>(what: &'static str, scales: &[E], len: usize) -> Result<(), DataError> {
    check_stored(what, scales, len)?;
    match scales.iter().position(|&x| x <= E::ZERO) {
        Some(at) => Err(DataError::setting(what, "numbers above 0", format!("{} at {at}", scales[at]))),
        None => Ok(()),
    }
}
