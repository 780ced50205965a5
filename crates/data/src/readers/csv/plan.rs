//! Which cell of a row is what.

use super::{Column, CsvReader};
use crate::DataError;

/// Which cell of a row is what.
pub(super) struct Plan {
    pub(super) file: String,
    pub(super) names: Vec<String>,
    pub(super) inputs: Vec<usize>,
    pub(super) label: Option<usize>,
    pub(super) targets: Vec<usize>,
}

impl Plan {
    pub(super) fn new(reader: &CsvReader, file: &str, names: Vec<String>, header: bool) -> Result<Self, DataError> {
        let find = |column: &Column| match column {
            Column::Index(c) if *c < names.len() => Ok(*c),
            Column::Index(c) => Err(DataError::format(
                file,
                format!("a column {c}"),
                format!("{} columns, counted from 0", names.len()),
            )),
            Column::Name(n) if !header => {
                Err(DataError::format(file, format!("a header with a column {n}"), "no header"))
            }
            Column::Name(n) => {
                let mut places = (0..names.len()).filter(|&c| names[c] == *n);
                match (places.next(), places.next()) {
                    (Some(first), Some(second)) => Err(twice(file, n, first, second)),
                    (Some(only), None) => Ok(only),
                    (None, _) => {
                        let found = if names.len() > 40 { format!("{} others", names.len()) } else { names.join(", ") };
                        Err(DataError::format(file, format!("a column {n}"), found))
                    }
                }
            }
        };
        let label = reader.label.as_ref().map(find).transpose()?;
        let targets = reader.targets.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let inputs = match &reader.inputs {
            Some(columns) => columns.iter().map(find).collect::<Result<Vec<_>, _>>()?,
            None => {
                let predicted = || label.iter().chain(&targets).copied();
                let others: Vec<usize> = (0..names.len()).filter(|&c| !predicted().any(|p| p == c)).collect();
                // A copy of what is to be predicted must not become an input unseen; columns without a name may be many.
                let copy = |p: usize| others.iter().map(move |&c| (p, c));
                let same = |&(p, c): &(usize, usize)| !names[p].is_empty() && names[p] == names[c];
                if let Some((p, c)) = predicted().flat_map(copy).find(same) {
                    return Err(twice(file, &names[p], p.min(c), p.max(c)));
                }
                others
            }
        };
        if inputs.is_empty() {
            return Err(DataError::format(file, "at least one input column", "none besides label and targets"));
        }
        if let Some(&c) = inputs.iter().find(|c| label == Some(**c) || targets.contains(c)) {
            let expected = "inputs that are not what is to be predicted";
            return Err(DataError::format(file, expected, format!("column {} as both", names[c])));
        }
        Ok(Self { file: file.to_owned(), names, inputs, label, targets })
    }

    pub(super) fn cell(&self, line: u64, column: usize, expected: &str, found: &str, mend: &'static str) -> DataError {
        let found = if found.is_empty() {
            "an empty cell".into()
        } else {
            format!("{:?}", found.chars().take(60).collect::<String>())
        };
        let column = self.names[column].clone();
        DataError::Cell { file: self.file.clone(), line, column, expected: expected.into(), found, mend }
    }
}

fn twice(file: &str, name: &str, first: usize, second: usize) -> DataError {
    let found = format!(
        "columns {first} and {second} (counted from 0) of that name; rename one in the file, or choose the columns by number, CsvReader::inputs too"
    );
    DataError::format(file, format!("one column {name}"), found)
}
