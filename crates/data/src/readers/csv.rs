//! CSV: a table of numbers, with class names or numbers to predict in some of its columns.

use crate::reader::{Source, broken, open};
use crate::{DataError, TensorDataset};
use csv::{ErrorKind, StringRecord, Trim};
use kniff_tensor::{Element, Indices, Tensor};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Words that stand for a missing value, whatever their case, besides the empty cell.
const MISSING: [&str; 6] = ["na", "n/a", "nan", "null", "none", "?"];
/// How many bytes a file may have (after unpacking) unless told otherwise.
const LIMIT: u64 = 4 << 30;
/// What helps against it.
const MEND: &str = "raise CsvReader::limit if the file is meant to be so large";

/// A column, by its name in the header or by its number, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// By name.
    Name(String),
    /// By number.
    Index(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<usize> for Column {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// What to do about a missing input; a missing label or target is refused unless its row is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// Give an error with the line and the column.
    Refuse,
    /// Leave the row out.
    DropRow,
    /// Put this number in its place.
    Constant(f64),
    /// Put the mean of the column's other numbers in its place. The mean is this file's: to keep test data out of it, read that from a file of its own.
    Mean,
}

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
    inputs: Option<Vec<Column>>,
    label: Option<Column>,
    classes: Option<Vec<String>>,
    targets: Vec<Column>,
    missing: Missing,
    limit: u64,
}

/// What was read from a CSV file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Table<E: Element = f32> {
    /// The names of the input columns; numbers where there was no header.
    pub columns: Vec<String>,
    /// The inputs, `[rows, columns]`.
    pub inputs: Tensor<E>,
    /// The class of each row, where a label column was named.
    pub labels: Option<Indices>,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// The numbers to predict, `[rows, targets]`, where target columns were named.
    pub targets: Option<Tensor<E>>,
}

impl<E: Element> Table<E> {
    /// The inputs with the class labels.
    ///
    /// # Errors
    /// If no label column was named.
    pub fn into_classes(self) -> Result<TensorDataset<E, Indices>, DataError> {
        let labels =
            self.labels.ok_or_else(|| DataError::setting("label column", "one named by CsvReader::label", "none"))?;
        TensorDataset::new(self.inputs, labels)
    }

    /// The inputs with the numbers to predict.
    ///
    /// # Errors
    /// If no target columns were named.
    pub fn into_values(self) -> Result<TensorDataset<E, Tensor<E>>, DataError> {
        let expected = "some named by CsvReader::targets";
        let targets = self.targets.ok_or_else(|| DataError::setting("target columns", expected, "none"))?;
        TensorDataset::new(self.inputs, targets)
    }
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
            limit: LIMIT,
        }
    }

    /// Whether the first line is a header. Unless told, it is one if a column is asked for by name or none of its cells is a number.
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
    /// Labels count the names that occur, in order: by number if all are numbers, by alphabet otherwise.
    #[must_use]
    pub fn label(mut self, column: impl Into<Column>) -> Self {
        self.label = Some(column.into());
        self
    }

    /// The classes and their order, so that training and test file agree; any other name is refused.
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

    /// How many bytes a file may have after unpacking; 4 GiB unless told.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
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
        let mut reader = builder.from_reader(source.into_stream(self.limit, MEND));
        let mut record = StringRecord::new();
        let mut next = |record: &mut StringRecord| reader.read_record(record).map_err(|e| refused(&name, e));
        if !next(&mut record)? {
            return Err(DataError::format(&name, "at least one row", "none"));
        }
        let named = self.inputs.iter().flatten().chain(&self.label).chain(&self.targets);
        let by_name = named.clone().any(|c| matches!(c, Column::Name(_)));
        let looks_so = || record.iter().all(|cell| cell.parse::<f64>().is_err()) && !record.iter().all(is_missing);
        let header = self.header.unwrap_or_else(|| by_name || looks_so());
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

/// Which cell of a row is what.
struct Plan {
    file: String,
    names: Vec<String>,
    inputs: Vec<usize>,
    label: Option<usize>,
    targets: Vec<usize>,
}

impl Plan {
    fn new(reader: &CsvReader, file: &str, names: Vec<String>, header: bool) -> Result<Self, DataError> {
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
            Column::Name(n) => names.iter().position(|name| name == n).ok_or_else(|| {
                let found = if names.len() > 40 { format!("{} others", names.len()) } else { names.join(", ") };
                DataError::format(file, format!("a column {n}"), found)
            }),
        };
        let label = reader.label.as_ref().map(find).transpose()?;
        let targets = reader.targets.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let inputs = match &reader.inputs {
            Some(columns) => columns.iter().map(find).collect::<Result<Vec<_>, _>>()?,
            None => (0..names.len()).filter(|c| label != Some(*c) && !targets.contains(c)).collect(),
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

    fn cell(&self, line: u64, column: usize, expected: &str, found: &str, mend: &'static str) -> DataError {
        let found = if found.is_empty() {
            "an empty cell".into()
        } else {
            format!("{:?}", found.chars().take(60).collect::<String>())
        };
        let column = self.names[column].clone();
        DataError::Cell { file: self.file.clone(), line, column, expected: expected.into(), found, mend }
    }
}

/// The rows read so far.
struct Rows<E> {
    plan: Plan,
    missing: Missing,
    inputs: Vec<E>,
    targets: Vec<E>,
    /// Labels by first appearance, or by the order that was given.
    labels: Vec<usize>,
    classes: BTreeMap<String, usize>,
    fixed: bool,
    /// Places in `inputs` that wait for their column's mean.
    holes: Vec<usize>,
    count: usize,
}

impl<E: Element> Rows<E> {
    fn new(plan: Plan, reader: &CsvReader) -> Self {
        let given = reader.classes.iter().flatten().enumerate().map(|(i, name)| (name.clone(), i));
        Self {
            plan,
            missing: reader.missing,
            inputs: Vec::new(),
            targets: Vec::new(),
            labels: Vec::new(),
            classes: given.collect(),
            fixed: reader.classes.is_some(),
            holes: Vec::new(),
            count: 0,
        }
    }

    fn add(&mut self, record: &StringRecord) -> Result<(), DataError> {
        let line = record.position().map_or(0, csv::Position::line);
        let plan = &self.plan;
        let used = plan.inputs.iter().chain(&plan.label).chain(&plan.targets);
        if self.missing == Missing::DropRow && used.clone().any(|&c| is_missing(&record[c])) {
            return Ok(());
        }
        for &c in &plan.inputs {
            let value = match (is_missing(&record[c]), self.missing) {
                (false, _) => number(plan, line, c, &record[c])?,
                (true, Missing::Constant(value)) => E::from_f64(value),
                (true, Missing::Mean) => {
                    self.holes.push(self.inputs.len());
                    E::ZERO
                }
                (true, _) => {
                    let mend = "fill it, drop the row, or choose CsvReader::missing";
                    return Err(plan.cell(line, c, "a number", &record[c], mend));
                }
            };
            self.inputs.push(value);
        }
        for &c in &plan.targets {
            self.targets.push(number(plan, line, c, &record[c])?);
        }
        if let Some(c) = plan.label {
            let name = &record[c];
            if is_missing(name) && !self.classes.contains_key(name) {
                return Err(plan.cell(line, c, "a class", name, "fill it or drop the row"));
            }
            let next = self.classes.len();
            let label = match self.classes.get(name) {
                Some(&label) => label,
                None if self.fixed => {
                    let expected = format!("one of the {next} classes given");
                    return Err(plan.cell(line, c, &expected, name, "correct it or add it to CsvReader::classes"));
                }
                None => *self.classes.entry(name.to_owned()).or_insert(next),
            };
            self.labels.push(label);
        }
        self.count += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Table<E>, DataError> {
        let (rows, columns) = (self.count, self.plan.inputs.len());
        if rows == 0 {
            return Err(DataError::format(&self.plan.file, "at least one row of numbers", "none"));
        }
        self.fill_holes(columns)?;
        let (classes, order) = self.order_classes();
        let label = self.plan.label;
        let labels = label.map(|_| Indices::from_vec(self.labels.iter().map(|&l| order[l]).collect()));
        let wide = self.plan.targets.len();
        Ok(Table {
            columns: self.plan.inputs.iter().map(|&c| self.plan.names[c].clone()).collect(),
            inputs: Tensor::from_vec(self.inputs, [rows, columns]),
            labels,
            classes,
            targets: (wide > 0).then(|| Tensor::from_vec(self.targets, [rows, wide])),
        })
    }

    fn fill_holes(&mut self, columns: usize) -> Result<(), DataError> {
        if self.holes.is_empty() {
            return Ok(());
        }
        let (mut sum, mut count) = (vec![0.0; columns], vec![self.count; columns]);
        // Holes hold 0 so far, so they add nothing to the sum.
        self.inputs.iter().enumerate().for_each(|(i, x)| sum[i % columns] += x.to_f64());
        self.holes.iter().for_each(|i| count[i % columns] -= 1);
        for &i in &self.holes {
            let c = i % columns;
            if count[c] == 0 {
                let name = &self.plan.names[self.plan.inputs[c]];
                let expected = format!("at least one number in column {name}, to take the mean of");
                return Err(DataError::format(&self.plan.file, expected, "none"));
            }
            self.inputs[i] = E::from_f64(sum[c] / count[c] as f64);
        }
        Ok(())
    }

    /// The classes' names in their final order, and the final label by first appearance.
    fn order_classes(&self) -> (Vec<String>, Vec<usize>) {
        let mut names: Vec<(&String, usize)> = self.classes.iter().map(|(name, &first)| (name, first)).collect();
        let numbers: Option<Vec<f64>> = names.iter().map(|(name, _)| name.parse().ok()).collect();
        if self.fixed {
            names.sort_by_key(|&(_, first)| first);
        } else if let Some(numbers) = numbers {
            let mut keyed: Vec<_> = numbers.into_iter().zip(names).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            names = keyed.into_iter().map(|(_, name)| name).collect();
        }
        let mut order = vec![0; names.len()];
        // A name given twice has one entry, so positions may exceed the entries.
        let most = names.iter().map(|&(_, first)| first + 1).max().unwrap_or(0);
        order.resize(most, 0);
        names.iter().enumerate().for_each(|(label, &(_, first))| order[first] = label);
        (names.into_iter().map(|(name, _)| name.clone()).collect(), order)
    }
}

fn number<E: Element>(plan: &Plan, line: u64, column: usize, cell: &str) -> Result<E, DataError> {
    let parsed = cell.parse::<f64>().ok().map(E::from_f64).filter(|x| x.is_finite());
    parsed.ok_or_else(|| {
        let expected = format!("a number that {} can hold", E::NAME);
        plan.cell(line, column, &expected, cell, "correct it, or leave the column out by CsvReader::inputs")
    })
}

fn is_missing(cell: &str) -> bool {
    cell.is_empty() || MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &CsvReader, text: &str) -> Result<Table<f64>, DataError> {
        reader.parse("t.csv", text.as_bytes())
    }

    fn says(reader: &CsvReader, text: &str, words: &str) {
        let said = read(reader, text).unwrap_err().to_string();
        assert!(said.starts_with("t.csv") && said.contains(words), "{said}");
    }

    #[test]
    fn a_header_is_told_from_numbers() {
        let plain = CsvReader::new();
        assert_eq!(read(&plain, "1,2\n3,4\n").unwrap().columns, ["0", "1"]);
        assert_eq!(read(&plain, "a,b\n3,4\n").unwrap().columns, ["a", "b"]);
        assert_eq!(read(&plain.clone().label(1), "5.1,x\n4,y\n").unwrap().inputs.shape(), &[2, 1]);
        // Digits as names: only the reader's user can tell.
        assert_eq!(read(&plain.clone().header(true), "1,2\n3,4\n").unwrap().inputs.to_vec(), [3.0, 4.0]);
        assert_eq!(read(&plain.clone().inputs(["2"]), "1,2\n3,4\n").unwrap().inputs.to_vec(), [4.0]);
    }

    #[test]
    fn columns_are_chosen_by_name_and_number() {
        let text = "a;b;c;d\n1;2;3;4\n5;6;7;8\n";
        let table = read(&CsvReader::new().delimiter(b';').inputs(["c", "a"]).targets(["d"]), text).unwrap();
        assert_eq!(
            (table.columns.clone(), table.inputs.to_vec()),
            (vec!["c".into(), "a".into()], vec![3.0, 1.0, 7.0, 5.0])
        );
        assert!(table.clone().into_classes().is_err());
        assert_eq!(table.into_values().unwrap().targets().to_vec(), [4.0, 8.0]);
        let r = CsvReader::new().delimiter(b';');
        says(&r.clone().label("e"), text, "expected a column e, found a, b, c, d");
        says(&r.clone().label(4), text, "expected a column 4, found 4 columns");
        says(&r.clone().label("a").header(false), text, "found no header");
        says(&r.clone().label("a").inputs(["a"]), text, "column a as both");
        says(&CsvReader::new().label(0), "x\ny\n", "at least one input column");
    }

    #[test]
    fn classes_have_an_order() {
        let r = CsvReader::new().header(false).label(1);
        let t = read(&r, "0,10\n0,9\n0,10\n0,2\n").unwrap();
        assert_eq!(
            (t.classes, t.labels.unwrap().as_slice().to_vec()),
            (["2", "9", "10"].map(String::from).to_vec(), vec![2, 1, 2, 0])
        );
        let t = read(&r, "0,pear\n0,apple\n").unwrap();
        assert_eq!(
            (t.classes, t.labels.unwrap().as_slice().to_vec()),
            (["apple", "pear"].map(String::from).to_vec(), vec![1, 0])
        );
        let given = r.clone().classes(["pear", "plum", "apple"]);
        let t = read(&given, "0,apple\n0,pear\n").unwrap();
        assert_eq!((t.classes.len(), t.labels.unwrap().as_slice().to_vec()), (3, vec![2, 0]));
        says(&given, "0,fig\n", "line 1, column 1: expected one of the 3 classes given, found \"fig\"");
        assert!(read(&r.clone().classes(["a", "a", "b"]), "0,b\n0,a\n").is_ok());
        says(&r, "0,\n", "expected a class, found an empty cell");
    }

    #[test]
    fn missing_values_are_refused_or_filled() {
        let text = "a,b\n1,10\n,20\n5,NA\n";
        let r = CsvReader::new();
        says(&r, text, "line 3, column a: expected a number, found an empty cell; fill it");
        let filled = |m| read(&r.clone().missing(m), text).unwrap().inputs.to_vec();
        assert_eq!(filled(Missing::DropRow), [1.0, 10.0]);
        assert_eq!(filled(Missing::Constant(-1.0)), [1.0, 10.0, -1.0, 20.0, 5.0, -1.0]);
        assert_eq!(filled(Missing::Mean), [1.0, 10.0, 3.0, 20.0, 5.0, 15.0]);
        says(&r.clone().missing(Missing::Mean), "a,b\n1,\n2,\n", "at least one number in column b");
        says(&r.clone().missing(Missing::DropRow), "a\n?\n", "at least one row of numbers");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let r = CsvReader::new();
        says(&r, "", "at least one row, found none");
        says(&r, "a,b\n", "at least one row of numbers");
        says(&r, "1,2\n3\n", "2 cells in line 2, as in the first, found 1");
        says(&r, "1,2\n3,x\n", "line 2, column 1: expected a number that f64 can hold, found \"x\"");
        says(&r, "1\ninf\n", "found \"inf\"");
        assert!(r.parse::<f32>("t.csv", &b"1\n1e39\n"[..]).is_err());
        assert!(r.parse::<f32>("t.csv", &b"1\n\xff\n"[..]).unwrap_err().to_string().contains("UTF-8 text in line 2"));
        let said = read(&r.missing(Missing::Constant(f64::NAN)), "1\n").unwrap_err().to_string();
        assert!(said.starts_with("constant for missing values"), "{said}");
    }
}
