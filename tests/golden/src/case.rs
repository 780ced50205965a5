//! One case of a set: an operation, its attributes, and tensors given and expected.

use super::compare::Tolerance;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a case asks of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It must agree.
    Required,
    /// It may choose otherwise, knowingly: a tie, a NaN, 0/0.
    Advisory,
    /// It need not have the operation.
    Optional,
}

/// What a tensor is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is fed.
    Given,
    /// It is compared with.
    Expected,
    /// It is there for who wants it.
    Extra,
}

/// A tensor's numbers, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Of double precision.
    F64(Vec<f64>),
    /// Of single precision.
    F32(Vec<f32>),
    /// Whole numbers.
    I64(Vec<i64>),
    /// Truths.
    Bool(Vec<bool>),
}

impl Data {
    /// The numbers as f64; a truth is 1.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Data::F64(x) => x.clone(),
            Data::F32(x) => x.iter().map(|&x| f64::from(x)).collect(),
            Data::I64(x) => x.iter().map(|&x| x as f64).collect(),
            Data::Bool(x) => x.iter().map(|&x| f64::from(u8::from(x))).collect(),
        }
    }
}

/// A tensor of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it is there for.
    pub role: Role,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub data: Data,
    /// Its own tolerance; otherwise the case's holds.
    pub tolerance: Option<Tolerance>,
}

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenCase {
    /// The family, by which cases are counted.
    pub family: String,
    /// The case's name.
    pub name: String,
    /// The operation.
    pub op: String,
    /// What the operation is to be called with.
    pub attrs: Map<String, Value>,
    /// What is asked.
    pub level: Level,
    /// How far off results may be.
    pub tolerance: Tolerance,
    /// The given tensors with respect to which the result is differentiated.
    pub differentiated: Vec<String>,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Entry>,
}

impl GoldenCase {
    /// Whether the case is in float32.
    pub fn is_single(&self) -> bool {
        self.tensors.values().any(|t| matches!(t.data, Data::F32(_)))
    }

    /// Whether some tensors are to be fed as views as well.
    pub fn has_views(&self) -> bool {
        self.attrs.contains_key("views")
    }
}
