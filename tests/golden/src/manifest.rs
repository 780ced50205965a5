//! Reading a folder of reference values: `manifest.json` and one safetensors file for each family.

use super::case::{Data, Entry, GoldenCase, Level, Role};
use super::compare::Tolerance;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder that cannot be read as a set of reference values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// A file that is not there or cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file that is not what it should be.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
}

/// A set of cases.
#[derive(Clone, Debug)]
pub struct Set {
    /// The folder that it was read from.
    pub folder: PathBuf,
    /// The cases, in the manifest's order.
    pub cases: Vec<GoldenCase>,
}

impl Set {
    /// Reads a folder.
    ///
    /// # Errors
    /// If a file is missing, damaged, or contradicts the manifest.
    pub fn read(folder: &Path) -> Result<Self, GoldenError> {
        let path = folder.join("manifest.json");
        let wrong = |reason: String| GoldenError::Format { path: path.clone(), reason };
        let text = read(&path)?;
        let manifest: Value = serde_json::from_slice(&text).map_err(|e| wrong(format!("is no JSON: {e}")))?;
        match manifest.get("format").and_then(Value::as_u64) {
            Some(1) => {}
            other => return Err(wrong(format!("`format` is {other:?}, and this reads format 1"))),
        }
        let listed = manifest.get("cases").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| wrong("has no list `cases`".to_owned()))?;
        let files = files(folder, manifest.get("families"), listed).map_err(|e| match e {
            Fault::Here(reason) => wrong(reason),
            Fault::There(error) => error,
        })?;
        let mut families = BTreeMap::new();
        for (family, (path, bytes)) in &files {
            let parsed = SafeTensors::deserialize(bytes);
            let damaged = |e| GoldenError::Format { path: path.clone(), reason: format!("is damaged: {e}") };
            families.insert(family.as_str(), parsed.map_err(damaged)?);
        }
        let mut cases = Vec::with_capacity(listed.len());
        for (i, entry) in listed.iter().enumerate() {
            let case = case(entry, &families).map_err(|reason| {
                let name = entry.get("case").and_then(Value::as_str).unwrap_or("without a name");
                wrong(format!("case {i} ({name}): {reason}"))
            })?;
            cases.push(case);
        }
        Ok(Self { folder: folder.to_owned(), cases })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, GoldenError> {
    std::fs::read(path).map_err(|e| GoldenError::File { path: path.to_owned(), reason: e.to_string() })
}

enum Fault {
    Here(String),
    There(GoldenError),
}

/// The path and the bytes of each family's safetensors file.
type Files = BTreeMap<String, (PathBuf, Vec<u8>)>;

fn files(folder: &Path, families: Option<&Value>, cases: &[Value]) -> Result<Files, Fault> {
    let mut files = BTreeMap::new();
    for family in cases.iter().filter_map(|c| c.get("family")?.as_str()) {
        if files.contains_key(family) {
            continue;
        }
        let named = families.and_then(|f| f.get(family)?.get("file")?.as_str());
        let name = named.map_or_else(|| format!("{family}.safetensors"), str::to_owned);
        // A manifest may not lead out of its folder.
        if Path::new(&name).file_name().is_none_or(|f| f != name.as_str()) {
            return Err(Fault::Here(format!("the file of family `{family}` is `{name}`, which is no plain name")));
        }
        let path = folder.join(name);
        let bytes = read(&path).map_err(Fault::There)?;
        files.insert(family.to_owned(), (path, bytes));
    }
    Ok(files)
}

/// The numbers of a tensor, which must have the type and shape that the manifest says.
fn data(file: &SafeTensors<'_>, name: &str, dtype: &str, shape: &[usize]) -> Result<Data, String> {
    let view = file.tensor(name).map_err(|e| format!("tensor `{name}`: {e}"))?;
    if view.shape() != shape {
        return Err(format!("tensor `{name}` has shape {:?}, the manifest says {shape:?}", view.shape()));
    }
    let bytes = view.data();
    match (view.dtype(), dtype) {
        (Dtype::F64, "F64") => Ok(Data::F64(numbers(bytes, f64::from_le_bytes))),
        (Dtype::F32, "F32") => Ok(Data::F32(numbers(bytes, f32::from_le_bytes))),
        (Dtype::I64, "I64") => Ok(Data::I64(numbers(bytes, i64::from_le_bytes))),
        (Dtype::BOOL, "BOOL") => Ok(Data::Bool(bytes.iter().map(|&b| b != 0).collect())),
        (found, said) => Err(format!("tensor `{name}` is of type {found:?}, the manifest says {said}")),
    }
}

fn numbers<const N: usize, T>(bytes: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&b| f(b)).collect()
}

fn case(entry: &Value, families: &BTreeMap<&str, SafeTensors<'_>>) -> Result<GoldenCase, String> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).ok_or_else(|| format!("has no text `{key}`"));
    let (family, name) = (text("family")?, text("case")?);
    let level = match text("level")? {
        "required" => Level::Required,
        "advisory" => Level::Advisory,
        "optional" => Level::Optional,
        other => return Err(format!("the level `{other}` is none of required, advisory, optional")),
    };
    let attrs = match entry.get("attrs") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(attrs)) => attrs.clone(),
        Some(other) => return Err(format!("`attrs` is {other}, not an object")),
    };
    let differentiated = match entry.get("differentiated") {
        None | Some(Value::Null) => Vec::new(),
        Some(list) => names(list).ok_or("`differentiated` is no list of names")?,
    };
    let file = &families[family];
    let listed = entry.get("tensors").and_then(Value::as_object).ok_or("has no object `tensors`")?;
    let mut tensors = BTreeMap::new();
    for (tensor, about) in listed {
        let role = match about.get("role").and_then(Value::as_str) {
            Some("given") => Role::Given,
            Some("expected") => Role::Expected,
            Some("extra") => Role::Extra,
            other => return Err(format!("the role of `{tensor}` is {other:?}, not given, expected or extra")),
        };
        let dtype = about.get("dtype").and_then(Value::as_str).ok_or_else(|| format!("`{tensor}` has no dtype"))?;
        let shape = about.get("shape").and_then(sizes).ok_or_else(|| format!("`{tensor}` has no shape"))?;
        let numbers = data(file, &format!("{name}/{tensor}"), dtype, &shape)?;
        let tolerance = about.get("tolerance").map(tolerance).transpose()?;
        tensors.insert(tensor.clone(), Entry { role, shape, data: numbers, tolerance });
    }
    Ok(GoldenCase {
        family: family.to_owned(),
        name: name.to_owned(),
        op: text("op")?.to_owned(),
        attrs,
        level,
        tolerance: tolerance(entry.get("tolerance").ok_or("has no tolerance")?)?,
        differentiated,
        tensors,
    })
}

fn names(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|n| Some(n.as_str()?.to_owned())).collect()
}

fn sizes(list: &Value) -> Option<Vec<usize>> {
    list.as_array()?.iter().map(|n| usize::try_from(n.as_u64()?).ok()).collect()
}

fn tolerance(value: &Value) -> Result<Tolerance, String> {
    let part = |key: &str| match value.get(key) {
        None => Ok(0.0),
        Some(x) => match x.as_f64() {
            Some(x) if x >= 0.0 => Ok(x),
            _ => Err(format!("the tolerance's `{key}` is {x}, not a number of at least 0")),
        },
    };
    Ok(Tolerance { rtol: part("rtol")?, atol: part("atol")?, mtol: part("mtol")? })
}
