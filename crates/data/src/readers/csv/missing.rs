//! Missing values: what stands for one, and what becomes of it.

/// Words that stand for a missing value, whatever their case, besides the empty cell.
const WORDS: [&str; 6] = ["na", "n/a", "nan", "null", "none", "?"];

/// What to do about a missing input; a missing label or target is refused unless its row is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// Give an error with the line and the column.
    Refuse,
    /// Leave the row out, also for a missing label or target.
    DropRow,
    /// Put this number in its place.
    Constant(f64),
    /// Put the mean of the column's other numbers in its place. The mean is this file's: to keep test data out of it, read that from a file of its own.
    Mean,
}

pub(super) fn is_missing(cell: &str) -> bool {
    cell.is_empty() || WORDS.iter().any(|word| cell.eq_ignore_ascii_case(word))
}
