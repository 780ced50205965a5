//! The rows read so far.

use super::{CsvReader, Missing, Table, classes::Classes, missing::is_missing, plan::Plan};
use crate::DataError;
use csv::StringRecord;
use kniff_tensor::{Element, Indices, Tensor};

/// The rows read so far.
pub(super) struct Rows<E> {
    plan: Plan,
    missing: Missing,
    inputs: Vec<E>,
    targets: Vec<E>,
    /// The classes' numbers so far.
    labels: Vec<usize>,
    classes: Classes,
    /// Places in `inputs` that wait for their column's mean.
    holes: Vec<usize>,
    count: usize,
}

impl<E: Element> Rows<E> {
    pub(super) fn new(plan: Plan, reader: &CsvReader) -> Self {
        Self {
            plan,
            missing: reader.missing,
            inputs: Vec::new(),
            targets: Vec::new(),
            labels: Vec::new(),
            classes: Classes::new(reader.classes.as_deref()),
            holes: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn add(&mut self, record: &StringRecord) -> Result<(), DataError> {
        let line = record.position().map_or(0, csv::Position::line);
        let plan = &self.plan;
        let mut numbers = plan.inputs.iter().chain(&plan.targets);
        let no_class = |c: usize| is_missing(&record[c]) && !self.classes.are_given(&record[c]);
        if self.missing == Missing::DropRow
            && (numbers.any(|&c| is_missing(&record[c])) || plan.label.is_some_and(no_class))
        {
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
            if no_class(c) {
                return Err(plan.cell(line, c, "a class", name, "fill it or drop the row"));
            }
            let Some(number) = self.classes.number(name) else {
                let expected = format!("one of the {} classes given", self.classes.len());
                return Err(plan.cell(line, c, &expected, name, "correct it or add it to CsvReader::classes"));
            };
            self.labels.push(number);
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Table<E>, DataError> {
        let (rows, columns) = (self.count, self.plan.inputs.len());
        if rows == 0 {
            return Err(DataError::format(&self.plan.file, "at least one row of numbers", "none"));
        }
        self.fill_holes(columns)?;
        let (classes, order) = self.classes.order();
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
}

fn number<E: Element>(plan: &Plan, line: u64, column: usize, cell: &str) -> Result<E, DataError> {
    let parsed = cell.parse::<f64>().ok().map(E::from_f64).filter(|x| x.is_finite());
    parsed.ok_or_else(|| {
        let expected = format!("a number that {} can hold", E::NAME);
        plan.cell(line, column, &expected, cell, "correct it, or leave the column out by CsvReader::inputs")
    })
}
