//! Comparisons, as tensors of ones and zeros, and the choice between two tensors by them.

use crate::kernels::elementwise::Binary;
use crate::kernels::reduce;
use crate::simd::Isa;
use crate::{Element, Tensor};

macro_rules! compare {
    ($($(#[$doc:meta])* $name:ident $kernel:ident $op:tt;)*) => {$(
        #[derive(Clone, Copy)]
        struct $kernel;
        impl<E: Element> Binary<E> for $kernel {
            #[inline(always)]
            fn at<I: Isa>(self, a: E, b: E) -> E {
                if a $op b { E::ONE } else { E::ZERO }
            }
        }
    )*
    impl<E: Element> Tensor<E> {$(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the shapes do not broadcast.
        #[track_caller]
        pub fn $name(&self, other: &Tensor<E>) -> Tensor<E> {
            self.zip_with(stringify!($name), $kernel, other)
        }
    )*}};
}

compare! {
    /// 1 where `a > b`, else 0.
    gt GtKernel >;
    /// 1 where `a >= b`, else 0.
    ge GeKernel >=;
    /// 1 where `a < b`, else 0.
    lt LtKernel <;
    /// 1 where `a <= b`, else 0.
    le LeKernel <=;
    /// 1 where the elements are equal, else 0; NaN equals nothing.
    eq_elements EqKernel ==;
    /// 1 where the elements differ, else 0.
    ne_elements NeKernel !=;
}

impl<E: Element> Tensor<E> {
    /// `a` where this tensor is not 0, `b` where it is (NumPy's and PyTorch's `where`); all three broadcast.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn where_else(&self, a: &Tensor<E>, b: &Tensor<E>) -> Tensor<E> {
        let shape = self.shape.broadcast(&a.shape).and_then(|s| s.broadcast(&b.shape));
        let Some(shape) = shape else {
            panic!("where_else: shapes {}, {} and {} do not broadcast", self.shape, a.shape, b.shape)
        };
        let full = |t: &Tensor<E>| t.broadcast_to(shape).contiguous();
        let (m, a, b) = (full(self), full(a), full(b));
        let mut out = Tensor::scratch(shape);
        crate::kernels::elementwise::zip3(Choose, m.slice_of(), a.slice_of(), b.slice_of(), out.fresh_mut());
        out
    }

    /// Whether every element is finite.
    pub fn all_finite(&self) -> bool {
        let (whole, mut found) = (self.contiguous(), [E::ZERO]);
        // All of them, many at once: stopping at the first would look at one at a time.
        reduce::rows(reduce::Finite, whole.slice_of(), whole.len(), &mut found);
        found == [E::ZERO]
    }
}

#[derive(Clone, Copy)]
struct Choose;
impl<E: Element> crate::kernels::elementwise::Ternary<E> for Choose {
    #[inline(always)]
    fn at<I: Isa>(self, m: E, a: E, b: E) -> E {
        if m != E::ZERO { a } else { b }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_choose_and_broadcast() {
        let a = Tensor::<f32>::arange(6).reshape([2, 3]);
        let mask = a.gt(&Tensor::scalar(2.0));
        assert_eq!(mask.to_vec(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let b = mask.where_else(&a, &Tensor::scalar(-1.0));
        assert_eq!(b.to_vec(), [-1.0, -1.0, -1.0, 3.0, 4.0, 5.0]);
        assert!(Tensor::scalar(f64::NAN).eq_elements(&Tensor::scalar(f64::NAN)).item() == 0.0);
        assert!(!Tensor::scalar(f64::NAN).all_finite());
        for (length, at) in [(1, 0), (7, 6), (40, 33), (3000, 2999), (70_000, 65_537)] {
            let mut x = Tensor::<f32>::full([length], f32::MAX);
            assert!(x.all_finite());
            for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                x.make_mut()[at] = value;
                assert!(!x.all_finite(), "{value} at {at} of {length}");
            }
        }
        assert!(Tensor::<f64>::zeros([0, 3]).all_finite());
    }
}
