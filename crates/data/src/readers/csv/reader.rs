//! How a CSV file is to be read.

use super::{Column, Missing, Table, header, plan::Plan, rows::Rows};
use crate::DataError;
use crate::reader::{Source, UNPACKED, broken, open};
use csv::{ErrorKind, StringRecord, Trim};
use kniff_tensor::Element;
use std::io::{Cursor, Read};
use std::path::Path;

/// How many bytes a plain file may have unless told otherwise.
const PLAIN: u64 = 4 << 30;

/// How a CSV file is to be read. It may be gzip, which its first bytes tell.
///
/// ```
/// use kniff_data::CsvReader;
/// let file = "length,width,species\n5.1,3.5,setosa\n7.0,3.2,versicolor\n";
/// let table = CsvReader::new().label("species").parse::<f32>("iris.csv", file.as_bytes())?;
/// assert_eq!(table.columns, ["length", "width"]);
/// assert_eq!(table.inputs.to_vec(), [5.1, 3.5, 7.0, 3.2]);
/// assert_eq!(table.classes, ["setosa", "versicolor"]);
/// let data = table.into_classes()?;
/// assert_eq!(data.targets().as_slice(), [0, 1]);
/// # Ok::<(), kniff_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CsvReader {
    delimiter: u8,
    header: Option<bool>,
    pub(super) inputs: Option<Vec<Column>>,
    pub(super) label: Option<Column>,
    pub(super) classes: Option<Vec<String>>,
    pub(super) targets: Vec<Column>,
    pub(super) missing: Missing,
    limit: Option<u64>,
}

impl Default for CsvReader {
    fn default() -> Self {
        Self::new()
    }
}

impl CsvReader {
    /// Commas; a header if there is one; every column that is not a label or target is an input; missing values are refused.
    pub fn new() -> Self {
        Self {
            delimiter: b',',
            header: None,
            inputs: None,
            label: None,
            classes: None,
            targets: Vec::new(),
            missing: Missing::Refuse,
            limit: None,
        }
    }

    /// Whether the first line is a header.
    ///
    /// Unless told, it is one if a column is asked for by name; or if none of its cells is a number and at least one cell of an input or
    /// target column is no missing value either. So a first row of data is kept where all its numbers are missing; a header of such
    /// words only, such as `na,none`, must be told of.
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.header = Some(header);
        self
    }

    /// What separates the cells, such as `b';'` or `b'\t'`.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Only these columns are inputs, in this order.
    #[must_use]
    pub fn inputs(mut self, columns: impl IntoIterator<Item = impl Into<Column>>) -> Self {
        self.inputs = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// This column names the class.
    ///
    /// Labels count the names that occur, in order: by number if all are numbers, by alphabet otherwise. Numbers are told apart by their
    /// value, whichever way they are written: 1, 1.0 and 01 are one class, called `1`. [`CsvReader::classes`] takes names as they stand.
    /// A name that the header has twice is refused, lest the second copy become an input.
    #[must_use]
    pub fn label(mut self, column: impl Into<Column>) -> Self {
        self.label = Some(column.into());
        self
    }

    /// The classes and their order, so that training and test file agree; any other name is refused, and none of these stands for a missing
    /// value.
    #[must_use]
    pub fn classes(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.classes = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// These columns are numbers to predict.
    #[must_use]
    pub fn targets(mut self, columns: impl IntoIterator<Item = impl Into<Column>>) -> Self {
        self.targets = columns.into_iter().map(Into::into).collect();
        self
    }

    /// What to do about missing inputs: empty cells, and NA, N/A, NaN, null, none and ? in any case.
    #[must_use]
    pub fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// How many bytes a file may have after unpacking; unless told, 1 GiB if it is gzip and 4 GiB if not.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = Some(bytes);
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read; [`DataError::Format`] if it has no rows, rows of different lengths, or not the
    /// columns asked for; [`DataError::Cell`] with line and column for a cell that is missing, not a finite number, or not a class.
    pub fn read<E: Element>(&self, path: impl AsRef<Path>) -> Result<Table<E>, DataError> {
        self.table(open(path.as_ref())?)
    }

    /// Reads a stream, which messages call `name`.
    ///
    /// # Errors
    /// As [`CsvReader::read`].
    pub fn parse<E: Element>(&self, name: &str, stream: impl Read) -> Result<Table<E>, DataError> {
        self.table(Source::new(name, stream)?)
    }

    fn table<E: Element>(&self, source: Source<'_>) -> Result<Table<E>, DataError> {
        let name = source.name().to_owned();
        if let Missing::Constant(value) = self.missing
            && !E::from_f64(value).is_finite()
        {
            let expected = format!("a finite number that {} can hold", E::NAME);
            return Err(DataError::setting("constant for missing values", expected, value));
        }
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(self.delimiter).has_headers(false).trim(Trim::All);
        let limit = self.limit.unwrap_or(if source.is_packed() { UNPACKED } else { PLAIN });
        let mend = "raise CsvReader::limit if the file is meant to be so large";
        let stream = without_byte_order_mark(source.into_stream(limit, mend)).map_err(|e| broken(&name, e))?;
        let mut reader = builder.from_reader(stream);
        let mut record = StringRecord::new();
        let mut next = |record: &mut StringRecord| reader.read_record(record).map_err(|e| refused(&name, e));
        if !next(&mut record)? {
            return Err(DataError::format(&name, "at least one row", "none"));
        }
        let named = self.inputs.iter().flatten().chain(&self.label).chain(&self.targets);
        let by_name = named.clone().any(|c| matches!(c, Column::Name(_)));
        let header = self.header.unwrap_or_else(|| by_name || header::looks_so(self, &record));
        let names: Vec<String> = match header {
            true => record.iter().map(str::to_owned).collect(),
            false => (0..record.len()).map(|c| c.to_string()).collect(),
        };
        let plan = Plan::new(self, &name, names, header)?;
        let mut rows = Rows::<E>::new(plan, self);
        let mut more = if header { next(&mut record)? } else { true };
        while more {
            rows.add(&record)?;
            more = next(&mut record)?;
        }
        rows.finish()
    }
}

/// The stream without the mark that spreadsheets write before UTF-8: it is no part of the first name or number.
fn without_byte_order_mark(mut stream: impl Read) -> std::io::Result<impl Read> {
    const MARK: &[u8; 3] = b"\xef\xbb\xbf";
    let mut first = Vec::new();
    stream.by_ref().take(MARK.len() as u64).read_to_end(&mut first)?;
    if first == MARK {
        first.clear();
    }
    Ok(Cursor::new(first).chain(stream))
}

fn refused(file: &str, error: csv::Error) -> DataError {
    let line = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        ErrorKind::Io(error) => broken(file, error),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            DataError::format(file, format!("{expected_len} cells in line {line}, as in the first"), len.to_string())
        }
        ErrorKind::Utf8 { .. } => DataError::format(file, format!("UTF-8 text in line {line}"), "other bytes"),
        other => DataError::format(file, "CSV", format!("{other:?}")),
    }
}
