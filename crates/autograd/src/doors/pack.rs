//! The forms that the arguments of a door may have.

use crate::Var;
use kniff_tensor::Element;

/// Some variables in a form of the caller's choice: one, an array, a vector, a pair or a triple.
pub trait Pack<E: Element>: Sized {
    /// The variables, in order.
    fn vars(&self) -> Vec<Var<E>>;
    /// The same form from as many variables as [`Pack::vars`] gave.
    fn rebuild(&self, vars: Vec<Var<E>>) -> Self;
}

impl<E: Element> Pack<E> for Var<E> {
    fn vars(&self) -> Vec<Var<E>> {
        vec![self.clone()]
    }
    fn rebuild(&self, mut vars: Vec<Var<E>>) -> Self {
        vars.remove(0)
    }
}

impl<E: Element> Pack<E> for Vec<Var<E>> {
    fn vars(&self) -> Vec<Var<E>> {
        self.clone()
    }
    fn rebuild(&self, vars: Vec<Var<E>>) -> Self {
        vars
    }
}

impl<E: Element, const N: usize> Pack<E> for [Var<E>; N] {
    fn vars(&self) -> Vec<Var<E>> {
        self.to_vec()
    }
    fn rebuild(&self, vars: Vec<Var<E>>) -> Self {
        vars.try_into().unwrap_or_else(|_| panic!("an array of {N} variables comes back as {N}"))
    }
}

impl<E: Element, A: Pack<E>, B: Pack<E>> Pack<E> for (A, B) {
    fn vars(&self) -> Vec<Var<E>> {
        let mut all = self.0.vars();
        all.extend(self.1.vars());
        all
    }
    fn rebuild(&self, mut vars: Vec<Var<E>>) -> Self {
        let second = vars.split_off(self.0.vars().len());
        (self.0.rebuild(vars), self.1.rebuild(second))
    }
}
