//! The operators `+ - * /` between variables and numbers.

use crate::Var;
use kniff_tensor::Element;
use std::ops::{Add, Div, Mul, Neg, Sub};

macro_rules! operator {
    ($trait:ident $method:ident |$v:ident, $c:ident| $scalar:expr) => {
        impl<E: Element> $trait<&Var<E>> for &Var<E> {
            type Output = Var<E>;
            #[track_caller]
            fn $method(self, other: &Var<E>) -> Var<E> {
                Var::$method(self, other)
            }
        }
        impl<E: Element> $trait<Var<E>> for &Var<E> {
            type Output = Var<E>;
            #[track_caller]
            fn $method(self, other: Var<E>) -> Var<E> {
                Var::$method(self, &other)
            }
        }
        impl<E: Element> $trait<&Var<E>> for Var<E> {
            type Output = Var<E>;
            #[track_caller]
            fn $method(self, other: &Var<E>) -> Var<E> {
                Var::$method(&self, other)
            }
        }
        impl<E: Element> $trait<Var<E>> for Var<E> {
            type Output = Var<E>;
            #[track_caller]
            fn $method(self, other: Var<E>) -> Var<E> {
                Var::$method(&self, &other)
            }
        }
        impl<E: Element> $trait<E> for &Var<E> {
            type Output = Var<E>;
            fn $method(self, $c: E) -> Var<E> {
                let $v = self;
                $scalar
            }
        }
        impl<E: Element> $trait<E> for Var<E> {
            type Output = Var<E>;
            fn $method(self, $c: E) -> Var<E> {
                let $v = &self;
                $scalar
            }
        }
    };
}

operator!(Add add |v, c| v.affine(E::ONE, c));
operator!(Sub sub |v, c| v.affine(E::ONE, -c));
operator!(Mul mul |v, c| v.affine(c, E::ZERO));
operator!(Div div |v, c| v.affine(E::ONE / c, E::ZERO));

impl<E: Element> Neg for &Var<E> {
    type Output = Var<E>;
    fn neg(self) -> Var<E> {
        self.affine(-E::ONE, E::ZERO)
    }
}

impl<E: Element> Neg for Var<E> {
    type Output = Var<E>;
    fn neg(self) -> Var<E> {
        -&self
    }
}
