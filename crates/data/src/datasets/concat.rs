//! Data sets one after the other.

use crate::dataset::check_indices;
use crate::targets::{gather_rows, join_rows};
use crate::{Augment, Batch, DataError, Dataset, Provenance, Targets};
use kniff_tensor::{Element, Indices, Rng, Shape};

/// Several data sets of one kind, one after the other.
///
/// What is known of where the parts come from (the part of a split, the normaliser) holds for the whole, and must not differ.
#[derive(Clone, Debug)]
pub struct Concat<D> {
    parts: Vec<D>,
    /// Where each part ends.
    ends: Vec<usize>,
}

impl<D> Concat<D> {
    /// Joins the parts.
    ///
    /// # Errors
    /// If there are no parts, or their inputs have different shapes, or come from different parts of splits, or went through
    /// different normalisers.
    pub fn new<E: Element>(parts: Vec<D>) -> Result<Self, DataError>
    where
        D: Dataset<E>,
    {
        let shape = parts.first().ok_or(DataError::Empty { what: "a list of data sets to join" })?.input_shape();
        let mut ends = Vec::with_capacity(parts.len());
        let mut len = 0;
        for part in &parts {
            if part.input_shape() != shape {
                let (what, found) = ("the inputs of data sets to join", part.input_shape());
                return Err(DataError::Shape { what, expected: shape.to_string(), found });
            }
            len += part.len();
            ends.push(len);
        }
        let mut known = parts.iter().filter_map(Dataset::provenance);
        if let Some(first) = known.next()
            && let Some(other) = known.find(|other| *other != first)
        {
            return Err(DataError::Contract {
                expected: format!("data sets to join that come from one part, as {first}"),
                found: other.to_string(),
                mend: "join before splitting and normalising, so that each example has one role and one normaliser",
            });
        }
        Ok(Self { parts, ends })
    }
}

impl<E: Element, D: Dataset<E>> Dataset<E> for Concat<D> {
    type Target = D::Target;

    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch<E, D::Target>, DataError> {
        check_indices(indices, self.ends.last().copied().unwrap_or(0))?;
        // Each part is asked once, for all of its examples; `back` then restores the order asked for.
        let mut asked: Vec<Vec<usize>> = vec![Vec::new(); self.parts.len()];
        let mut place = Vec::with_capacity(indices.len());
        for &i in indices {
            let part = self.ends.partition_point(|&end| end <= i);
            let start = if part == 0 { 0 } else { self.ends[part - 1] };
            place.push((part, asked[part].len()));
            asked[part].push(i - start);
        }
        let (mut inputs, mut targets, mut first) = (Vec::new(), Vec::new(), vec![0; self.parts.len()]);
        let mut rows = 0;
        for (part, asked) in asked.iter().enumerate() {
            first[part] = rows;
            // An empty batch still knows its shapes: ask the first part even for nothing.
            if !asked.is_empty() || (indices.is_empty() && part == 0) {
                let batch = self.parts[part].batch(asked)?;
                inputs.push(batch.inputs);
                targets.push(batch.targets);
                rows += asked.len();
            }
        }
        let back: Vec<usize> = place.iter().map(|&(part, at)| first[part] + at).collect();
        let (inputs, targets) = (join_rows("inputs", &inputs)?, D::Target::stack(&targets)?);
        let sorted = back.iter().enumerate().all(|(i, &b)| i == b);
        let (inputs, targets) =
            if sorted { (inputs, targets) } else { (gather_rows(&inputs, &back), targets.select(&back)) };
        Ok(Batch { inputs, targets, indices: indices.to_vec() })
    }

    fn input_shape(&self) -> Shape {
        self.parts[0].input_shape()
    }

    fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        check_indices(indices, self.ends.last().copied().unwrap_or(0))?;
        for (number, part) in self.parts.iter().enumerate() {
            let start = if number == 0 { 0 } else { self.ends[number - 1] };
            let own: Vec<usize> =
                indices.iter().filter(|&&i| i >= start && i < self.ends[number]).map(|&i| i - start).collect();
            part.check(&own).map_err(|error| match error {
                DataError::NotFinite { what, row, column, value } => {
                    DataError::NotFinite { what, row: start + row, column, value }
                }
                other => other,
            })?;
        }
        Ok(())
    }

    fn provenance(&self) -> Option<Provenance> {
        self.parts.iter().find_map(Dataset::provenance)
    }

    fn augmented_batch(
        &self,
        indices: &[usize],
        augment: &Augment<E>,
        rng: &Rng,
        first: usize,
    ) -> Result<Batch<E, D::Target>, DataError> {
        check_indices(indices, self.ends.last().copied().unwrap_or(0))?;
        if indices.is_empty() {
            return self.parts[0].augmented_batch(indices, augment, rng, first);
        }
        let part_of = |i: usize| self.ends.partition_point(|&end| end <= i);
        let (mut inputs, mut targets, mut done) = (Vec::new(), Vec::new(), 0);
        // What an example draws depends on its place, so each run of one part is asked for at its own.
        for run in indices.chunk_by(|&a, &b| part_of(a) == part_of(b)) {
            let part = part_of(run[0]);
            let start = if part == 0 { 0 } else { self.ends[part - 1] };
            let inner: Vec<usize> = run.iter().map(|i| i - start).collect();
            let batch = self.parts[part].augmented_batch(&inner, augment, rng, first + done)?;
            inputs.push(batch.inputs);
            targets.push(batch.targets);
            done += run.len();
        }
        let (inputs, targets) = (join_rows("inputs", &inputs)?, D::Target::stack(&targets)?);
        Ok(Batch { inputs, targets, indices: indices.to_vec() })
    }

    fn augmented_shape(&self, augment: &Augment<E>) -> Shape {
        self.parts[0].augmented_shape(augment)
    }

    fn labels(&self) -> Option<Indices> {
        let labels: Option<Vec<Indices>> = self.parts.iter().map(Dataset::labels).collect();
        Indices::stack(&labels?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorDataset;
    use kniff_tensor::Tensor;

    fn part(rows: usize, from: f32, label: usize) -> TensorDataset {
        TensorDataset::new(Tensor::from_fn([rows, 1], |i| from + i as f32), vec![label; rows].into()).unwrap()
    }

    #[test]
    fn the_order_asked_for_is_kept() {
        let joined = Concat::new(vec![part(2, 0.0, 0), part(0, 0.0, 0), part(3, 10.0, 1)]).unwrap();
        assert_eq!(joined.len(), 5);
        let batch = joined.batch(&[4, 0, 2, 1]).unwrap();
        assert_eq!(batch.inputs.to_vec(), [12.0, 0.0, 10.0, 1.0]);
        assert_eq!(batch.targets.as_slice(), [1, 0, 1, 0]);
        assert_eq!(Dataset::<f32>::labels(&joined).unwrap().as_slice(), [0, 0, 1, 1, 1]);
        assert!(joined.batch(&[]).unwrap().is_empty());
        assert!(joined.batch(&[5]).is_err());
    }
}
