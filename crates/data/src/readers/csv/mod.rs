//! CSV: a table of numbers, with class names or numbers to predict in some of its columns.

mod classes;
mod column;
mod header;
mod missing;
mod plan;
mod reader;
mod rows;
mod table;

pub use column::Column;
pub use missing::Missing;
pub use reader::CsvReader;
pub use table::Table;

#[cfg(test)]
mod tests;
