//! Whether a first row that nothing is said of is a header.

use super::{Column, CsvReader, missing::is_missing};
use csv::StringRecord;

/// A header says something that data could not say, and says nothing that only data would.
pub(super) fn looks_so(reader: &CsvReader, record: &StringRecord) -> bool {
    let number = |cell: &str| cell.parse::<f64>().is_ok();
    // A row of data whose numbers are missing has no number either: its loss would go unnoticed.
    let strange = |column: usize| record.get(column).is_some_and(|cell| !number(cell) && !is_missing(cell));
    !record.iter().any(number) && (0..record.len()).filter(|&c| holds_numbers(reader, c)).any(strange)
}

/// Whether a column is an input or a target; columns are asked for by number here, as a name would ask for a header.
fn holds_numbers(reader: &CsvReader, column: usize) -> bool {
    let column = Column::Index(column);
    let target = reader.targets.contains(&column);
    target || reader.inputs.as_ref().map_or(reader.label.as_ref() != Some(&column), |inputs| inputs.contains(&column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(reader: &CsvReader, cells: &[&str]) -> bool {
        looks_so(reader, &StringRecord::from(cells.to_vec()))
    }

    #[test]
    fn names_in_columns_of_numbers_make_a_header() {
        let plain = CsvReader::new();
        assert!(looks(&plain, &["length", "width"]));
        // Sodium is a name like the others, and tables of some tools begin with a cell without a name.
        assert!(looks(&plain, &["Na", "Mg", ""]));
        assert!(looks(&plain.clone().label(1), &["length", "species"]));
        assert!(!looks(&plain, &["length", "2"]));
    }

    #[test]
    fn a_row_that_may_be_data_with_missing_values_is_data() {
        let plain = CsvReader::new();
        assert!(!looks(&plain, &["nan", "na"]));
        assert!(!looks(&plain, &["", "?"]));
        assert!(!looks(&plain.clone().label(1), &["na", "setosa"]));
        assert!(!looks(&plain.clone().inputs([0]).label(2), &["na", "anything", "setosa"]));
        assert!(looks(&plain.clone().inputs([0]).targets([1]), &["na", "height"]));
    }
}
