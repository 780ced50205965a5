//! The classes of a label column: their names, and their numbers.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The names that have occurred or that were given, each with its number by that order.
pub(super) struct Classes {
    numbers: BTreeMap<String, usize>,
    given: bool,
}

impl Classes {
    pub(super) fn new(given: Option<&[String]>) -> Self {
        let numbers = given.into_iter().flatten().enumerate().map(|(i, name)| (name.clone(), i));
        Self { numbers: numbers.collect(), given: given.is_some() }
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether the user gave this name: then it is a class, whatever else it may mean.
    pub(super) fn are_given(&self, name: &str) -> bool {
        self.given && self.numbers.contains_key(name)
    }

    /// The number of a name so far; none if it is not among the names given.
    pub(super) fn number(&mut self, name: &str) -> Option<usize> {
        if let Some(&number) = self.numbers.get(name) {
            return Some(number);
        }
        let next = self.numbers.len();
        (!self.given).then(|| *self.numbers.entry(name.to_owned()).or_insert(next))
    }

    /// The classes' names in their final order, and the label for each number so far.
    pub(super) fn order(&self) -> (Vec<String>, Vec<usize>) {
        let values = self.numbers.keys().map(|name| Value::of(name)).collect::<Option<Vec<_>>>();
        let mut groups: Vec<(String, Vec<usize>)> = match values {
            Some(values) if !self.given => by_value(values, &self.numbers),
            _ => self.numbers.iter().map(|(name, &number)| (name.clone(), vec![number])).collect(),
        };
        if self.given {
            groups.sort_by_key(|(_, numbers)| numbers[0]);
        }
        // A name given twice has one entry, so numbers may exceed the entries.
        let most = self.numbers.values().max().map_or(0, |number| number + 1);
        let mut labels = vec![0; most];
        for (label, (_, numbers)) in groups.iter().enumerate() {
            numbers.iter().for_each(|&number| labels[number] = label);
        }
        (groups.into_iter().map(|(name, _)| name).collect(), labels)
    }
}

/// Names that are the same number put together, in the order of the numbers.
fn by_value(values: Vec<Value>, numbers: &BTreeMap<String, usize>) -> Vec<(String, Vec<usize>)> {
    let mut names: Vec<(Value, usize)> = values.into_iter().zip(numbers.values().copied()).collect();
    names.sort_by(|a, b| a.0.compare(&b.0));
    let groups = names.chunk_by(|a, b| a.0.compare(&b.0).is_eq());
    groups.map(|group| (group[0].0.name.clone(), group.iter().map(|&(_, number)| number).collect())).collect()
}

/// A name that is a number.
struct Value {
    number: f64,
    /// Whole numbers beyond 2^53 differ here where they do not as f64: identifiers may be as long.
    whole: i128,
    /// The number as it is written shortest.
    name: String,
}

impl Value {
    fn of(name: &str) -> Option<Self> {
        // The sum makes -0 a 0.
        let number = name.parse::<f64>().ok().filter(|x| x.is_finite())? + 0.0;
        let exact = name.parse::<i128>().ok();
        let whole = exact.unwrap_or(number as i128);
        let shortest = format!("{number:?}");
        let shortest = shortest.strip_suffix(".0").unwrap_or(&shortest).to_owned();
        Some(Self { number, whole, name: exact.map_or(shortest, |whole| whole.to_string()) })
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.number.total_cmp(&other.number).then(self.whole.cmp(&other.whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: &[&str]) -> (Vec<String>, Vec<usize>) {
        let mut classes = Classes::new(None);
        let numbers: Vec<usize> = names.iter().map(|name| classes.number(name).unwrap()).collect();
        let (names, labels) = classes.order();
        (names, numbers.into_iter().map(|number| labels[number]).collect())
    }

    #[test]
    fn a_number_is_one_class_however_it_is_written() {
        let (names, labels) = order(&["01", "2.50", "1.0", "1", "+1", "-0", "1e0", "0"]);
        assert_eq!(names, ["0", "1", "2.5"]);
        assert_eq!(labels, [1, 2, 1, 1, 1, 0, 1, 0]);
    }

    #[test]
    fn among_words_a_number_is_a_word() {
        assert_eq!(order(&["1", "01", "x"]).0, ["01", "1", "x"]);
        assert_eq!(order(&["1", "inf"]).0, ["1", "inf"]);
    }

    #[test]
    fn numbers_that_f64_does_not_tell_apart_stay_apart() {
        let (names, labels) = order(&["9007199254740993", "9007199254740992", "9007199254740992.0"]);
        assert_eq!(names, ["9007199254740992", "9007199254740993"]);
        assert_eq!(labels, [1, 0, 0]);
    }

    #[test]
    fn given_names_are_as_they_are_given() {
        let mut classes = Classes::new(Some(&["1.0".into(), "none".into(), "1".into()]));
        assert_eq!([classes.number("1"), classes.number("01")], [Some(2), None]);
        assert!(classes.are_given("none") && !classes.are_given("na"));
        assert_eq!(classes.order(), (vec!["1.0".into(), "none".into(), "1".into()], vec![0, 1, 2]));
    }
}
