//! Results that no gradient passes through: comparisons, signs, roundings, positions.

use crate::Var;
use kniff_tensor::{Element, Indices, Tensor};

impl<E: Element> Var<E> {
    /// 1 where x > 0, else 0.
    pub fn positive(&self) -> Var<E> {
        self.cut("positive", self.value.gt(&Tensor::scalar(E::ZERO)))
    }

    /// 1, 0 or -1.
    pub fn sign(&self) -> Var<E> {
        self.cut("sign", self.value.sign())
    }

    /// The nearest integers, halves to even.
    pub fn round(&self) -> Var<E> {
        self.cut("round", self.value.round())
    }

    /// The largest integers not above.
    pub fn floor(&self) -> Var<E> {
        self.cut("floor", self.value.floor())
    }

    /// 1 where this is greater than `other`, else 0; broadcasts.
    #[track_caller]
    pub fn gt(&self, other: &Var<E>) -> Var<E> {
        let mask = self.value.gt(&other.value);
        if self.node.is_some() { self.cut("gt", mask) } else { other.cut("gt", mask) }
    }

    /// The position of the largest element along an axis.
    #[track_caller]
    pub fn argmax(&self, axis: usize) -> Indices {
        self.value.argmax(axis)
    }

    /// The position of the smallest element along an axis.
    #[track_caller]
    pub fn argmin(&self, axis: usize) -> Indices {
        self.value.argmin(axis)
    }
}
