//! The confusion matrix: which class was taken for which.

use crate::Metric;
use crate::metric::{MOST, is_count};
use kniff_nn::Logits;
use kniff_tensor::{Element, Indices};
use std::fmt;

/// How often each class was taken for each: rows are the true classes, columns the predicted ones.
///
/// As a metric its value is the accuracy. Shown with `{}` it is a table with precision, recall and F1 of each class.
///
/// ```
/// use kniff_trainer::metrics::ConfusionMatrix;
/// let mut matrix = ConfusionMatrix::with_names(["cat", "dog"]);
/// for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
///     matrix.add(truth, predicted);
/// }
/// assert_eq!(matrix.accuracy(), 0.75);
/// assert_eq!(matrix.class(1).precision, 0.5);
/// assert_eq!(matrix.to_string(), "\
/// true \\ predicted  cat  dog  precision  recall      F1
/// cat                 2    1     1.0000  0.6667  0.8000
/// dog                 0    1     0.5000  1.0000  0.6667
/// accuracy 0.7500 (3 of 4)
/// ");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    names: Vec<String>,
    /// Row-major: `counts[truth * classes + predicted]`.
    counts: Vec<u64>,
    /// Examples whose label names no class: those that the loss ignores.
    skipped: u64,
}

/// How well one class is told from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassReport {
    /// Of the examples taken for this class, the share that belongs to it; NaN if there are none.
    pub precision: f64,
    /// Of the examples of this class, the share taken for it; NaN if there are none.
    pub recall: f64,
    /// The harmonic mean of the two: `2 right / (examples + predicted)`; NaN if the class does not occur at all.
    pub f1: f64,
    /// How many examples of this class there are.
    pub examples: u64,
}

impl ConfusionMatrix {
    /// Classes named 0, 1, 2, ...
    pub fn new(classes: usize) -> Self {
        Self::with_names((0..classes).map(|c| c.to_string()))
    }

    /// Named classes.
    pub fn with_names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Self { counts: vec![0; names.len() * names.len()], names, skipped: 0 }
    }

    /// Counts one example.
    ///
    /// # Panics
    /// If the predicted class is none of the matrix. A true one that is none is only counted as skipped.
    #[track_caller]
    pub fn add(&mut self, truth: usize, predicted: usize) {
        let classes = self.classes();
        assert!(predicted < classes, "ConfusionMatrix: class {predicted} was predicted, there are {classes}");
        if truth < classes {
            self.counts[truth * classes + predicted] += 1;
        } else {
            self.skipped += 1;
        }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// The classes' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many examples of class `truth` were taken for class `predicted`.
    ///
    /// # Panics
    /// If one of them is no class.
    #[track_caller]
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        let classes = self.classes();
        assert!(truth < classes && predicted < classes, "ConfusionMatrix::count: there are {classes} classes");
        self.counts[truth * classes + predicted]
    }

    /// How many examples were counted.
    pub fn examples(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many examples had a label that names no class.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn right(&self) -> u64 {
        (0..self.classes()).map(|c| self.count(c, c)).sum()
    }

    /// The share on the diagonal.
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.examples() as f64
    }

    /// Precision, recall and F1 of one class.
    ///
    /// # Panics
    /// If it is no class.
    #[track_caller]
    pub fn class(&self, class: usize) -> ClassReport {
        let right = self.count(class, class);
        let examples: u64 = (0..self.classes()).map(|other| self.count(class, other)).sum();
        let predicted: u64 = (0..self.classes()).map(|other| self.count(other, class)).sum();
        ClassReport {
            precision: right as f64 / predicted as f64,
            recall: right as f64 / examples as f64,
            f1: 2.0 * right as f64 / (examples + predicted) as f64,
            examples,
        }
    }

    /// The mean of the classes' F1, each class counting alike; classes that do not occur are left out.
    pub fn macro_f1(&self) -> f64 {
        let all: Vec<f64> = (0..self.classes()).map(|c| self.class(c).f1).filter(|f| !f.is_nan()).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }
}

impl<E: Element> Metric<E, Logits<E>, Indices> for ConfusionMatrix {
    fn name(&self) -> &str {
        "confusion matrix"
    }

    fn reset(&mut self) {
        self.counts.fill(0);
        self.skipped = 0;
    }

    fn check(&self, output: &Logits<E>, _: &Indices) -> Result<(), String> {
        let (outputs, classes) = (output.var().shape().get(1).copied().unwrap_or(0), self.classes());
        if outputs == classes {
            Ok(())
        } else {
            Err(format!("it has {classes} classes, the model has {outputs} outputs; give it as many"))
        }
    }

    #[track_caller]
    fn update(&mut self, output: &Logits<E>, target: &Indices) {
        let found = output.classes();
        assert!(found.len() == target.len(), "ConfusionMatrix: {} outputs, but {} labels", found.len(), target.len());
        for (&truth, &predicted) in target.as_slice().iter().zip(found.as_slice()) {
            self.add(truth, predicted);
        }
    }

    fn state(&self) -> Option<Vec<f64>> {
        Some(self.counts.iter().chain([&self.skipped]).map(|&count| count as f64).collect())
    }

    fn load_state(&mut self, state: &[f64]) -> Result<(), String> {
        let expected = self.counts.len() + 1;
        if state.len() != expected {
            return Err(format!("its state is {expected} numbers, but {} were given", state.len()));
        }
        // Rows and columns are summed: all of them together must be a count.
        if !state.iter().all(|&x| is_count(x)) || state.iter().sum::<f64>() > MOST as f64 {
            return Err("its state holds what is not a number of examples".to_owned());
        }
        self.counts.iter_mut().chain([&mut self.skipped]).zip(state).for_each(|(count, &x)| *count = x as u64);
        Ok(())
    }

    fn value(&self) -> f64 {
        self.accuracy()
    }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CORNER: &str = "true \\ predicted";
        let letters = |text: &str| text.chars().count();
        let left = self.names.iter().map(|n| letters(n)).chain([letters(CORNER)]).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.classes())
            .map(|c| {
                let largest = (0..self.classes()).map(|truth| self.count(truth, c)).max().unwrap_or(0);
                letters(&self.names[c]).max(largest.to_string().len())
            })
            .collect();
        write!(f, "{CORNER:left$}")?;
        for (name, width) in self.names.iter().zip(&widths) {
            write!(f, "  {name:>width$}")?;
        }
        writeln!(f, "  precision  recall      F1")?;
        for (truth, name) in self.names.iter().enumerate() {
            write!(f, "{name:left$}")?;
            for (predicted, width) in widths.iter().enumerate() {
                write!(f, "  {:>width$}", self.count(truth, predicted))?;
            }
            let ClassReport { precision, recall, f1, .. } = self.class(truth);
            writeln!(f, "  {}  {}  {}", Share(precision, 9), Share(recall, 6), Share(f1, 6))?;
        }
        writeln!(f, "accuracy {} ({} of {})", Share(self.accuracy(), 6), self.right(), self.examples())
    }
}

/// A share with four decimals, or a dash where there is none, so wide.
struct Share(f64, usize);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(share, width) = *self;
        if share.is_nan() { write!(f, "{:>width$}", "-") } else { write!(f, "{share:width$.4}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_autograd::Var;
    use kniff_nn::{ClassHead, Head};
    use kniff_tensor::Tensor;

    #[test]
    fn shares_are_those_of_scikit_learn() {
        // y_true = [2, 0, 2, 2, 0, 1], y_pred = [0, 0, 2, 2, 0, 2]: classification_report's figures.
        let mut matrix = ConfusionMatrix::new(3);
        for (truth, predicted) in [(2, 0), (0, 0), (2, 2), (2, 2), (0, 0), (1, 2)] {
            matrix.add(truth, predicted);
        }
        assert_eq!((matrix.count(2, 0), matrix.count(1, 2), matrix.examples()), (1, 1, 6));
        let zero = matrix.class(0);
        assert_eq!((zero.precision, zero.recall, zero.f1, zero.examples), (2.0 / 3.0, 1.0, 0.8, 2));
        let one = matrix.class(1);
        assert!(one.precision.is_nan());
        assert_eq!((one.recall, one.f1), (0.0, 0.0));
        assert!((matrix.macro_f1() - (0.8 + 0.0 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        assert_eq!(matrix.accuracy(), 4.0 / 6.0);
        let table = matrix.to_string();
        assert!(table.lines().nth(2).unwrap().ends_with("          -  0.0000  0.0000"), "{table}");
        let widths: Vec<usize> = table.lines().take(4).map(str::len).collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{table}");
    }

    #[test]
    fn batches_are_counted_and_labels_outside_skipped() {
        let mut matrix = ConfusionMatrix::new(2);
        let logits: Logits =
            ClassHead::wrap(Var::constant(Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0], [3, 2])));
        matrix.update(&logits, &Indices::from_vec(vec![0, 0, 255]));
        assert_eq!((matrix.examples(), matrix.skipped(), matrix.accuracy()), (2, 1, 0.5));
        Metric::<f32, Logits, Indices>::reset(&mut matrix);
        assert_eq!(matrix, ConfusionMatrix::new(2));
    }

    #[test]
    fn an_empty_matrix_has_no_shares() {
        let text = ConfusionMatrix::new(1).to_string();
        assert!(text.contains("accuracy      - (0 of 0)"), "{text}");
        assert!(ConfusionMatrix::new(0).accuracy().is_nan());
    }
}
