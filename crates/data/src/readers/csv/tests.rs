//! What whole files come to.

use super::*;
use crate::DataError;

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

#[test]
fn a_first_row_whose_numbers_are_missing_is_not_lost() {
    let r = CsvReader::new().missing(Missing::Constant(0.0)).label(1);
    let table = read(&r, "na,setosa\n5,versicolor\n").unwrap();
    assert_eq!((table.inputs.to_vec(), table.classes.len()), (vec![0.0, 5.0], 2));
    assert_eq!(read(&r.clone().label(0), "x,nan\n1,2\n").unwrap().inputs.shape(), &[2, 1]);
    says(&CsvReader::new(), "na,nan\n1,2\n", "line 1, column 0: expected a number, found \"na\"");
    assert_eq!(read(&CsvReader::new().header(true), "na,nan\n1,2\n").unwrap().columns, ["na", "nan"]);
}

#[test]
fn a_class_that_was_given_is_never_missing() {
    let r = CsvReader::new().missing(Missing::DropRow).label("risk");
    let text = "x,risk\n1,none\n2,some\n3,\n,none\n";
    let table = read(&r.clone().classes(["none", "some"]), text).unwrap();
    assert_eq!((table.inputs.to_vec(), table.labels.unwrap().as_slice().to_vec()), (vec![1.0, 2.0], vec![0, 1]));
    assert_eq!(read(&r, text).unwrap().classes, ["some"]);
}

#[test]
fn a_second_column_of_the_predicted_name_is_refused() {
    let text = "x,y,z,y\n1,2,3,2\n";
    let both = "expected one column y, found columns 1 and 3 (counted from 0)";
    says(&CsvReader::new().label("y"), text, both);
    says(&CsvReader::new().targets(["y"]), text, both);
    says(&CsvReader::new().label("x").inputs(["y"]), text, both);
    says(&CsvReader::new().label(3), text, both);
    assert_eq!(read(&CsvReader::new().label(3).inputs([0, 2]), text).unwrap().columns, ["x", "z"]);
    // Copies among the inputs predict nothing, and no name is no copy.
    assert_eq!(read(&CsvReader::new().label("x"), text).unwrap().columns.len(), 3);
    assert_eq!(read(&CsvReader::new().label(0), ",,a\n1,2,3\n").unwrap().columns, ["", "a"]);
}

#[test]
fn a_number_is_one_class_however_it_is_written() {
    let r = CsvReader::new().header(false).label(1);
    let table = read(&r, "0,1\n0,1.0\n0,01\n0,2\n").unwrap();
    assert_eq!(table.classes, ["1", "2"]);
    assert_eq!(table.labels.unwrap().as_slice(), [0, 0, 0, 1]);
    says(&r.classes(["1", "2"]), "0,1.0\n", "one of the 2 classes given, found \"1.0\"");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_cell() {
    let r = CsvReader::new().label("a, quoted");
    let table = read(&r, "\u{feff}\"a, quoted\",b\n1,2\n").unwrap();
    assert_eq!((table.columns, table.inputs.to_vec()), (vec!["b".to_owned()], vec![2.0]));
    assert_eq!(read(&CsvReader::new(), "\u{feff}1,2\n3,4\n").unwrap().inputs.to_vec(), [1.0, 2.0, 3.0, 4.0]);
    says(&CsvReader::new(), "\u{feff}", "at least one row");
}
