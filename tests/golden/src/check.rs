//! A case in the hands of the family that runs it: typed access to what is given, and comparison with what is expected.

use super::case::{Data, Entry, GoldenCase, Role};
use super::compare::{Comparison, compare};
use kniff_autograd::Var;
use kniff_tensor::{Element, Indices, Tensor};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// One run of a case.
///
/// What the manifest lacks or has of another kind panics with a message; the runner makes that a failure of this case.
pub struct Check<'a, E: Element> {
    case: &'a GoldenCase,
    /// Whether the tensors that have one are fed as their non-contiguous view.
    through_views: bool,
    found: RefCell<BTreeMap<String, Comparison>>,
    left_out: RefCell<Vec<String>>,
    element: std::marker::PhantomData<E>,
}

impl<'a, E: Element> Check<'a, E> {
    /// A run of `case`, its tensors fed as they are or through the views it names.
    pub fn new(case: &'a GoldenCase, through_views: bool) -> Self {
        let (found, left_out) = (RefCell::default(), RefCell::default());
        Self { case, through_views, found, left_out, element: std::marker::PhantomData }
    }

    /// The case.
    pub fn case(&self) -> &GoldenCase {
        self.case
    }

    /// What was compared, and the expected tensors that were left out by name.
    pub fn finish(self) -> (Vec<Comparison>, Vec<String>) {
        (self.found.into_inner().into_values().collect(), self.left_out.into_inner())
    }

    // Tensors.

    fn entry(&self, name: &str) -> &Entry {
        self.case.tensors.get(name).unwrap_or_else(|| panic!("the case has no tensor `{name}`"))
    }

    /// Whether the case has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.case.tensors.contains_key(name)
    }

    /// Whether the case expects a tensor of this name.
    pub fn expects(&self, name: &str) -> bool {
        self.case.tensors.get(name).is_some_and(|t| t.role == Role::Expected)
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> &[usize] {
        &self.entry(name).shape
    }

    /// A tensor, where it is asked for as the view that the case names.
    pub fn tensor(&self, name: &str) -> Tensor<E> {
        let stored = self.stored(name);
        let view = self.case.attrs.get("views").and_then(|v| v.get(name));
        let Some(view) = view.filter(|_| self.through_views) else { return stored };
        let base =
            view.get("base").and_then(Value::as_str).unwrap_or_else(|| panic!("the view of `{name}` has no base"));
        let seen = look(&self.stored(base), view).unwrap_or_else(|| panic!("the view of `{name}` is {view}"));
        assert!(
            seen.shape() == stored.shape(),
            "the view of `{name}` has shape {}, not {}",
            seen.shape(),
            stored.shape()
        );
        seen
    }

    fn stored(&self, name: &str) -> Tensor<E> {
        let entry = self.entry(name);
        let numbers = entry.data.to_f64().into_iter().map(E::from_f64).collect();
        Tensor::from_vec(numbers, entry.shape.clone())
    }

    /// A tensor that gradients are asked for.
    pub fn tracked(&self, name: &str) -> Var<E> {
        Var::tracked(self.tensor(name))
    }

    /// A tensor that no gradient is asked for.
    pub fn constant(&self, name: &str) -> Var<E> {
        Var::constant(self.tensor(name))
    }

    /// A tensor of whole numbers, signs included.
    pub fn signed(&self, name: &str) -> Vec<i64> {
        match &self.entry(name).data {
            Data::I64(x) => x.clone(),
            other => panic!("`{name}` should hold whole numbers and is {other:?}"),
        }
    }

    /// A tensor of positions or labels; a negative one becomes `usize::MAX`.
    pub fn indices(&self, name: &str) -> Indices {
        let numbers = self.signed(name).into_iter().map(|i| usize::try_from(i).unwrap_or(usize::MAX));
        Indices::new(numbers.collect(), self.shape(name).to_vec())
    }

    /// A tensor of truths.
    pub fn mask(&self, name: &str) -> Vec<bool> {
        match &self.entry(name).data {
            Data::Bool(x) => x.clone(),
            other => panic!("`{name}` should hold truths and is {other:?}"),
        }
    }

    // Attributes.

    fn attr(&self, name: &str) -> &Value {
        self.case.attrs.get(name).unwrap_or_else(|| panic!("the case has no attribute `{name}`"))
    }

    /// Whether an attribute is there and is not null.
    pub fn has_attr(&self, name: &str) -> bool {
        self.case.attrs.get(name).is_some_and(|v| !v.is_null())
    }

    /// A number; infinities and NaN are written as text.
    pub fn number(&self, name: &str) -> f64 {
        number(self.attr(name)).unwrap_or_else(|| panic!("the attribute `{name}` is {}, no number", self.attr(name)))
    }

    /// A number, or nothing where it is null or absent.
    pub fn maybe_number(&self, name: &str) -> Option<f64> {
        self.has_attr(name).then(|| self.number(name))
    }

    /// A number of the case's type.
    pub fn scalar(&self, name: &str) -> E {
        E::from_f64(self.number(name))
    }

    /// A truth.
    pub fn flag(&self, name: &str) -> bool {
        self.attr(name).as_bool().unwrap_or_else(|| panic!("the attribute `{name}` is {}, no truth", self.attr(name)))
    }

    /// A text.
    pub fn text(&self, name: &str) -> &str {
        self.attr(name).as_str().unwrap_or_else(|| panic!("the attribute `{name}` is {}, no text", self.attr(name)))
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> i64 {
        self.attr(name).as_i64().unwrap_or_else(|| panic!("the attribute `{name}` is {}, not whole", self.attr(name)))
    }

    /// A count.
    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.integer(name)).unwrap_or_else(|_| panic!("the attribute `{name}` is negative"))
    }

    /// An axis of a tensor of that many axes, where a negative one counts from the end.
    pub fn axis(&self, name: &str, rank: usize) -> usize {
        counted(self.integer(name), rank).unwrap_or_else(|| panic!("the attribute `{name}` is no axis of {rank}"))
    }

    /// A list of axes of a tensor of that many axes, where a negative one counts from the end.
    pub fn axes(&self, name: &str, rank: usize) -> Vec<usize> {
        let list = self.integers(name).into_iter().map(|axis| counted(axis, rank)).collect::<Option<_>>();
        list.unwrap_or_else(|| panic!("the attribute `{name}` names no axes of {rank}"))
    }

    /// A list of counts.
    pub fn sizes(&self, name: &str) -> Vec<usize> {
        let list = self.integers(name).into_iter().map(|i| usize::try_from(i).ok()).collect::<Option<_>>();
        list.unwrap_or_else(|| panic!("the attribute `{name}` has a negative number"))
    }

    /// A list of whole numbers.
    pub fn integers(&self, name: &str) -> Vec<i64> {
        let value = self.attr(name);
        let list = value.as_array().and_then(|l| l.iter().map(Value::as_i64).collect());
        list.unwrap_or_else(|| panic!("the attribute `{name}` is {value}, no list of whole numbers"))
    }

    /// A list of numbers.
    pub fn numbers(&self, name: &str) -> Vec<f64> {
        let value = self.attr(name);
        let list = value.as_array().and_then(|l| l.iter().map(number).collect());
        list.unwrap_or_else(|| panic!("the attribute `{name}` is {value}, no list of numbers"))
    }

    /// A list of lists of whole numbers.
    pub fn tables(&self, name: &str) -> Vec<Vec<i64>> {
        let value = self.attr(name);
        table(value).unwrap_or_else(|| panic!("the attribute `{name}` is {value}, no list of lists"))
    }

    // Comparison.

    /// Compares a result with the expected tensor of that name.
    ///
    /// # Panics
    /// If nothing of that name is expected.
    pub fn compare(&self, name: &str, actual: &Tensor<E>) {
        let numbers: Vec<f64> = actual.to_vec().into_iter().map(E::to_f64).collect();
        self.compare_numbers(name, actual.shape(), &numbers);
    }

    /// Compares positions with the expected tensor of that name.
    pub fn compare_indices(&self, name: &str, actual: &Indices) {
        let numbers: Vec<f64> = actual.as_slice().iter().map(|&i| i as f64).collect();
        self.compare_numbers(name, actual.shape(), &numbers);
    }

    /// Compares numbers under a shape with the expected tensor of that name.
    pub fn compare_numbers(&self, name: &str, shape: &[usize], actual: &[f64]) {
        let entry = self.entry(name);
        assert!(entry.role == Role::Expected, "`{name}` is not an expected tensor");
        let rule = entry.tolerance.unwrap_or(self.case.tolerance);
        let found = compare(name, (shape, actual), (&entry.shape, &entry.data.to_f64()), rule);
        // Of several comparisons with one tensor, the worst stands.
        let mut all = self.found.borrow_mut();
        if all.get(name).is_none_or(|before| before.worst <= found.worst) {
            all.insert(name.to_owned(), found);
        }
    }

    /// Says that an expected tensor has no counterpart here: the report names it.
    pub fn leave_out(&self, name: &str) {
        if self.expects(name) {
            self.left_out.borrow_mut().push(name.to_owned());
        }
    }

    /// Runs a function of the given tensors, compares its outputs, and compares the gradient of
    /// `sum(outputs * cotangents)` with respect to each.
    ///
    /// `f` takes the tensors of `inputs` in that order and gives its outputs by name. The cotangent of `output` is the
    /// given `grad_out`, that of `NAME` is `grad_out_NAME`; an output without one does not enter the gradients, and one
    /// that is not expected is not compared.
    pub fn differentiate<'n>(&self, inputs: &[&str], f: impl FnOnce(&[Var<E>]) -> Vec<(&'n str, Var<E>)>) {
        let leaves: Vec<Var<E>> = inputs.iter().map(|name| self.tracked(name)).collect();
        let outputs = f(&leaves);
        let mut total: Option<Var<E>> = None;
        for (name, y) in outputs {
            if self.expects(name) {
                self.compare(name, y.value());
            }
            let cotangent = if name == "output" { "grad_out".to_owned() } else { format!("grad_out_{name}") };
            if self.has(&cotangent) {
                let part = y.mul(&self.constant(&cotangent)).sum_all();
                total = Some(total.map_or(part.clone(), |t| t.add(&part)));
            }
        }
        let gradients = total.map(Var::backward);
        for name in &self.case.differentiated {
            let at = inputs.iter().position(|i| i == name);
            let leaf = &leaves[at.unwrap_or_else(|| panic!("the gradient of `{name}` is expected, which was not fed"))];
            let gradient = gradients.as_ref().and_then(|g| g.of(leaf)).cloned();
            self.compare(&format!("grad_{name}"), &gradient.unwrap_or_else(|| leaf.value().zeros_like()));
        }
    }

    /// [`Check::differentiate`] for a function of `input` with one `output`.
    pub fn unary(&self, f: impl FnOnce(&Var<E>) -> Var<E>) {
        self.differentiate(&["input"], |x| vec![("output", f(&x[0]))]);
    }

    /// [`Check::differentiate`] for a function of `a` and `b` with one `output`.
    pub fn binary(&self, f: impl FnOnce(&Var<E>, &Var<E>) -> Var<E>) {
        self.differentiate(&["a", "b"], |x| vec![("output", f(&x[0], &x[1]))]);
    }
}

fn counted(axis: i64, rank: usize) -> Option<usize> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_front).ok().filter(|&axis| axis < rank)
}

fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        None => value.as_f64(),
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some("nan") => Some(f64::NAN),
        Some(_) => None,
    }
}

fn table(value: &Value) -> Option<Vec<Vec<i64>>> {
    value.as_array()?.iter().map(|row| row.as_array()?.iter().map(Value::as_i64).collect()).collect()
}

/// A view of a contiguous base: `permute` reorders its axes, `slice` takes `[start, stop, step]` of each.
fn look<E: Element>(base: &Tensor<E>, view: &Value) -> Option<Tensor<E>> {
    let mut seen = base.clone();
    if let Some(order) = view.get("permute") {
        let order: Option<Vec<usize>> = order.as_array()?.iter().map(|a| Some(a.as_u64()? as usize)).collect();
        seen = seen.permute(&order?);
    }
    if let Some(slices) = view.get("slice") {
        for (axis, slice) in table(slices)?.iter().enumerate() {
            let [start, stop, step] =
                <[usize; 3]>::try_from(slice.iter().map(|&i| usize::try_from(i).ok()).collect::<Option<Vec<_>>>()?)
                    .ok()?;
            seen = seen.slice_axis(axis, start..stop).step_axis(axis, step);
        }
    }
    Some(seen)
}
