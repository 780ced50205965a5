//! What computes the pieces of a large product on one thread: the library that measured fastest on this processor.

use super::{MatRef, Target};
use crate::{Element, simd};

/// Which library computes the pieces of a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Engine {
    /// `gemm-f32` and `gemm-f64`, where there is AVX2 or AVX-512: 1.02 to 1.3 times as fast as `matrixmultiply`.
    Wide,
    /// `matrixmultiply`, everywhere else; it allocates room for its packing at every call.
    Portable,
}

impl Engine {
    /// The one for this processor; the same throughout a process.
    pub(super) fn here() -> Self {
        if simd::is_baseline() { Engine::Portable } else { Engine::Wide }
    }

    /// The fewest columns on which the engine is as fast as on more of them.
    pub(super) fn narrowest(self) -> usize {
        match self {
            Engine::Wide => 64,
            Engine::Portable => 256,
        }
    }

    /// `c = a b + beta c`; where `beta` is 0, what `c` held is not read.
    ///
    /// # Safety
    /// A block of `a.rows` x `b.cols` starts at `c`, and nothing else reads or writes it meanwhile.
    pub(super) unsafe fn multiply<E: Element>(self, a: MatRef<'_, E>, b: MatRef<'_, E>, beta: E, c: Target<E>) {
        match self {
            // SAFETY: the caller's promise.
            Engine::Wide => unsafe { E::wide(a, b, beta, c) },
            // SAFETY: the caller's promise.
            Engine::Portable => unsafe { E::portable(a, b, beta, c) },
        }
    }
}

/// A number whose products the libraries compute.
pub trait Product: Sized {
    /// # Safety
    /// As for `Engine::multiply`.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only this module's neighbours have a target to pass")]
    unsafe fn portable(a: MatRef<'_, Self>, b: MatRef<'_, Self>, beta: Self, c: Target<Self>);
    /// # Safety
    /// As for `Engine::multiply`.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only this module's neighbours have a target to pass")]
    unsafe fn wide(a: MatRef<'_, Self>, b: MatRef<'_, Self>, beta: Self, c: Target<Self>);
}

macro_rules! product {
    ($t:ident, $portable:path, $wide:path) => {
        impl Product for $t {
            #[expect(private_interfaces, reason = "only this module's neighbours have a target to pass")]
            // SAFETY: nothing is asked of the caller but what the trait says.
            unsafe fn portable(a: MatRef<'_, Self>, b: MatRef<'_, Self>, beta: Self, c: Target<Self>) {
                let strides = |m: &MatRef<'_, $t>| (m.row_stride as isize, m.col_stride as isize);
                let ((ar, ac), (br, bc)) = (strides(&a), strides(&b));
                let (at, bt) = (a.data.as_ptr(), b.data.as_ptr());
                let row = c.row_stride as isize;
                // SAFETY: `MatRef::new` checked that the operands are inside their slices; the caller promises the
                // same of c, whose rows do not overlap.
                unsafe { $portable(a.rows, a.cols, b.cols, 1.0, at, ar, ac, bt, br, bc, beta, c.at, row, 1) }
            }

            #[expect(private_interfaces, reason = "only this module's neighbours have a target to pass")]
            // SAFETY: nothing is asked of the caller but what the trait says.
            unsafe fn wide(a: MatRef<'_, Self>, b: MatRef<'_, Self>, beta: Self, c: Target<Self>) {
                let strides = |m: &MatRef<'_, $t>| (m.col_stride as isize, m.row_stride as isize);
                let ((ac, ar), (bc, br)) = (strides(&a), strides(&b));
                let (at, bt) = (a.data.as_ptr(), b.data.as_ptr());
                let (row, read) = (c.row_stride as isize, beta != 0.0);
                let alone = gemm_common::Parallelism::None;
                // It is fast where the columns of the result lie one after the other: c^T = b^T a^T.
                // SAFETY: `MatRef::new` checked that the operands are inside their slices; the caller promises the
                // same of c, whose rows do not overlap.
                unsafe {
                    $wide()(
                        b.cols, a.rows, a.cols, c.at, row, 1, read, bt, br, bc, at, ar, ac, beta, 1.0, false, false,
                        false, alone,
                    );
                }
            }
        }
    };
}
product!(f32, matrixmultiply::sgemm, gemm_f32::gemm::f32::get_gemm_fn);
product!(f64, matrixmultiply::dgemm, gemm_f64::gemm::f64::get_gemm_fn);
