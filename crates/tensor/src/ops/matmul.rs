//! Matrix products, batched and broadcast.

use crate::kernels::Identity;
use crate::kernels::amx;
use crate::kernels::elementwise::Unary;
use crate::kernels::gemm::{Block, MatMut, MatRef, product_then};
use crate::kernels::strided::Offsets;
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, Shape, Tensor, parallel};

impl<E: Element> Tensor<E> {
    /// The matrix product, by the rules of NumPy and PyTorch.
    ///
    /// Two vectors give their dot product, a scalar. A vector is a row on the left and a column on the right, and its
    /// axis of size 1 is dropped from the result. Axes before the last two are batches, and broadcast. Transposed
    /// views are multiplied without being copied.
    ///
    /// ```
    /// use kniff_tensor::Tensor;
    /// let a = Tensor::<f64>::from_slice(&[1.0, 2.0, 3.0, 4.0], [2, 2]);
    /// let x = Tensor::from_slice(&[1.0, -1.0], [2]);
    /// assert_eq!(a.matmul(&x).to_vec(), [-1.0, -1.0]);
    /// assert_eq!(x.matmul(&a).to_vec(), [-2.0, -2.0]);
    /// ```
    ///
    /// # Panics
    /// If either is a scalar, the inner sizes differ or the batch axes do not broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor<E>) -> Tensor<E> {
        let Some(shapes) = Shapes::of(&self.shape, &other.shape) else {
            panic!("matmul: shapes {} and {} do not fit", self.shape, other.shape)
        };
        let mut out = Tensor::scratch(shapes.out);
        product(&shapes, self, other, E::ZERO, out.fresh_mut());
        out
    }

    /// `out = self other + beta out`: the product into a tensor that exists, for accumulating.
    ///
    /// # Panics
    /// If the shapes do not fit, or `out` has not the shape of the product.
    #[track_caller]
    pub fn matmul_into(&self, other: &Tensor<E>, beta: E, out: &mut Tensor<E>) {
        let shapes = Shapes::of(&self.shape, &other.shape).filter(|s| s.out == out.shape);
        let Some(shapes) = shapes else {
            panic!("matmul_into: shapes {} and {} do not fit into {}", self.shape, other.shape, out.shape)
        };
        product(&shapes, self, other, beta, out.make_mut());
    }

    /// The dot product of two vectors, a scalar.
    ///
    /// # Panics
    /// Unless both are vectors of one length.
    #[track_caller]
    pub fn dot(&self, other: &Tensor<E>) -> Tensor<E> {
        let fits = self.rank() == 1 && self.shape == other.shape;
        assert!(fits, "dot: shapes {} and {} are not two vectors of one length", self.shape, other.shape);
        self.matmul(other)
    }

    /// The outer product of two vectors: `out[i][j] = a[i] b[j]`.
    ///
    /// # Panics
    /// Unless both are vectors.
    #[track_caller]
    pub fn outer(&self, other: &Tensor<E>) -> Tensor<E> {
        let fits = self.rank() == 1 && other.rank() == 1;
        assert!(fits, "outer: shapes {} and {} are not two vectors", self.shape, other.shape);
        self.unsqueeze(1).mul(other)
    }

    /// `y = x Wᵀ + b` over the last axis of this tensor: weight `[out, in]`, bias `[out]`, as PyTorch keeps them.
    ///
    /// ```
    /// use kniff_tensor::Tensor;
    /// let x = Tensor::<f64>::from_slice(&[1.0, 2.0], [1, 2]);
    /// let w = Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2]);
    /// let b = Tensor::from_slice(&[0.5, 0.0, -1.0], [3]);
    /// assert_eq!(x.linear(&w, Some(&b)).to_vec(), [1.5, 2.0, 2.0]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor<E>, bias: Option<&Tensor<E>>) -> Tensor<E> {
        match bias {
            Some(_) => self.linear_with(weight, bias, Identity),
            None => linear(self, weight, None, |_| {}),
        }
    }

    /// `y = f(x Wᵀ + b)`: [`Tensor::linear`] with the bias and an activation applied while the product is in the cache.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn linear_with<F: Unary<E>>(&self, weight: &Tensor<E>, bias: Option<&Tensor<E>>, f: F) -> Tensor<E> {
        match bias {
            Some(bias) => {
                let dense = bias.contiguous();
                linear(self, weight, Some(bias), |block| {
                    let bias = &dense.slice_of()[block.columns()];
                    dispatch(BiasThen { f, bias, block });
                })
            }
            None => linear(self, weight, None, |block| dispatch(Then { f, block })),
        }
    }
}

#[track_caller]
fn linear<E: Element>(
    x: &Tensor<E>,
    weight: &Tensor<E>,
    bias: Option<&Tensor<E>>,
    then: impl Fn(Block<'_, E>) + Sync,
) -> Tensor<E> {
    let fits = x.rank() >= 1
        && weight.rank() == 2
        && x.shape[x.rank() - 1] == weight.shape[1]
        && bias.is_none_or(|b| b.shape == weight.shape[..1]);
    match bias {
        Some(b) => assert!(fits, "linear: shapes {}, {} and {} do not fit", x.shape, weight.shape, b.shape),
        None => assert!(fits, "linear: shapes {} and {} do not fit", x.shape, weight.shape),
    }
    let (outputs, inputs) = (weight.shape[0], weight.shape[1]);
    let rows: usize = x.shape[..x.rank() - 1].iter().product();
    let mut shape = x.shape;
    shape.axes_mut()[x.rank() - 1] = outputs;
    let flat = if x.rank() == 2 { x.clone() } else { x.reshape([rows, inputs]) };
    let mut out = Tensor::scratch(shape);
    let c = MatMut::row_major(out.fresh_mut(), rows, outputs);
    product_then(amx::asked(), matrix(&flat, 0), matrix(weight, 0).t(), E::ZERO, c, then);
    out
}

struct BiasThen<'a, E, F> {
    f: F,
    bias: &'a [E],
    block: Block<'a, E>,
}

impl<E: Element, F: Unary<E>> Kernel for BiasThen<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        self.block.for_each_row(|row| {
            for (x, &b) in row.iter_mut().zip(self.bias) {
                *x = self.f.at::<I>(*x + b);
            }
        });
    }
}

struct Then<'a, E, F> {
    f: F,
    block: Block<'a, E>,
}

impl<E: Element, F: Unary<E>> Kernel for Then<'_, E, F> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        self.block.for_each_row(|row| row.iter_mut().for_each(|x| *x = self.f.at::<I>(*x)));
    }
}

/// The last two axes of a tensor, from an offset on.
fn matrix<E: Element>(t: &Tensor<E>, offset: usize) -> MatRef<'_, E> {
    let last = t.rank() - 1;
    let data = t.raw();
    let (sizes, strides) = ((t.shape[last - 1], t.shape[last]), (t.strides[last - 1], t.strides[last]));
    MatRef::new(&data[offset.min(data.len())..], sizes, strides)
}

/// What a product's shapes are once vectors are matrices and batches are broadcast.
struct Shapes {
    a: Shape,
    b: Shape,
    batch: Shape,
    out: Shape,
}

impl Shapes {
    fn of(a: &Shape, b: &Shape) -> Option<Shapes> {
        if a.is_empty() || b.is_empty() {
            return None;
        }
        let (row, column) = (a.len() == 1, b.len() == 1);
        let a = if row { a.with_axis(0, 1) } else { *a };
        let b = if column { b.with_axis(1, 1) } else { *b };
        let (la, lb) = (a.len() - 2, b.len() - 2);
        if a[la + 1] != b[lb] {
            return None;
        }
        let batch = Shape::new(&a[..la]).broadcast(&Shape::new(&b[..lb]))?;
        let mut out = batch.to_vec();
        if !row {
            out.push(a[la]);
        }
        if !column {
            out.push(b[lb + 1]);
        }
        Some(Shapes { a, b, batch, out: Shape::new(&out) })
    }
}

/// Multiply-adds of one product of a batch from which on each product is cut for the threads by itself.
const LARGE: usize = 1 << 22;

fn product<E: Element>(shapes: &Shapes, a: &Tensor<E>, b: &Tensor<E>, beta: E, out: &mut [E]) {
    if out.is_empty() {
        return;
    }
    let narrow = amx::asked();
    let a = if a.rank() == 1 { a.unsqueeze(0) } else { a.clone() };
    let b = if b.rank() == 1 { b.unsqueeze(1) } else { b.clone() };
    let (m, k, n) = (shapes.a[a.rank() - 2], shapes.a[a.rank() - 1], shapes.b[b.rank() - 1]);
    if shapes.batch.is_empty() {
        return product_then(narrow, matrix(&a, 0), matrix(&b, 0), beta, MatMut::row_major(out, m, n), |_| {});
    }
    if b.rank() == 2 && a.is_contiguous() {
        // One matrix on the right for every batch: the batches are more rows.
        let rows = out.len() / n;
        let left = MatRef::row_major(a.slice_of(), rows, k);
        return product_then(narrow, left, matrix(&b, 0), beta, MatMut::row_major(out, rows, n), |_| {});
    }
    let offsets = |t: &Tensor<E>| {
        let mut full = shapes.batch.to_vec();
        full.extend_from_slice(&t.shape[t.rank() - 2..]);
        let wide = t.broadcast_to(full);
        Offsets::new(&shapes.batch, &wide.strides[..shapes.batch.len()])
    };
    let (at_a, at_b) = (offsets(&a), offsets(&b));
    let (work, batches) = (m * n * k, out.len() / (m * n));
    let together = (LARGE / work.max(1)).clamp(1, batches);
    parallel::chunks_if(work < LARGE && work * batches >= 2 * LARGE, out, together * m * n, |group, some| {
        for (i, c) in some.chunks_mut(m * n).enumerate() {
            let i = group * together + i;
            let (a, b) = (matrix(&a, at_a.at(i)), matrix(&b, at_b.at(i)));
            product_then(narrow, a, b, beta, MatMut::row_major(c, m, n), |_| {});
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::ops::elementwise::{ReluKernel, TanhKernel};
    use ndarray::{Ix1, Ix2};

    fn randn(shape: &[usize], seed: u64) -> Tensor<f64> {
        Tensor::randn(shape, &mut Rng::new(seed))
    }

    fn close(a: &Tensor<f64>, b: &Tensor<f64>) {
        assert_eq!(a.shape(), b.shape());
        for (x, y) in a.to_vec().iter().zip(b.to_vec()) {
            assert!((x - y).abs() < 1e-12, "{x} and {y}");
        }
    }

    #[test]
    fn matrices_and_vectors_agree_with_ndarray() {
        let (a, b, x) = (randn(&[3, 4], 1), randn(&[4, 5], 2), randn(&[4], 3));
        let view = |t: &Tensor<f64>| t.view().into_dimensionality::<Ix2>().unwrap().to_owned();
        let vector = x.view().into_dimensionality::<Ix1>().unwrap().to_owned();
        close(&a.matmul(&b), &view(&a).dot(&view(&b)).into());
        close(&a.matmul(&x), &view(&a).dot(&vector).into());
        close(&x.matmul(&b), &vector.dot(&view(&b)).into());
        close(&b.t().matmul(&a.t()), &view(&a).dot(&view(&b)).t().to_owned().into());
        assert!((x.dot(&x).item() - vector.dot(&vector)).abs() < 1e-12);
        close(&x.outer(&x), &x.reshape([4, 1]).matmul(&x.reshape([1, 4])));
    }

    #[test]
    fn batches_broadcast() {
        let cases: [(&[usize], &[usize]); 6] = [
            (&[2, 3, 4], &[4, 5]),
            (&[3, 4], &[2, 4, 5]),
            (&[2, 1, 3, 4], &[3, 4, 2]),
            (&[2, 3, 4], &[4]),
            (&[4], &[2, 4, 5]),
            (&[2, 0, 4], &[2, 4, 5]),
        ];
        for (sa, sb) in cases {
            let (a, b) = (randn(sa, 4), randn(sb, 5));
            let got = a.matmul(&b);
            // The same from views whose memory is in another order.
            if sa.len() > 1 && sb.len() > 1 {
                close(&got, &a.t().contiguous().t().matmul(&b.t().contiguous().t()));
            }
            let wa = if sa.len() == 1 { a.unsqueeze(0) } else { a };
            let wb = if sb.len() == 1 { b.unsqueeze(1) } else { b };
            let (la, lb) = (wa.rank() - 2, wb.rank() - 2);
            let batch = Shape::new(&wa.shape()[..la]).broadcast(&Shape::new(&wb.shape()[..lb])).unwrap();
            let wide = |t: &Tensor<f64>, l: usize| t.broadcast_to([&batch[..], &t.shape()[l..]].concat()).contiguous();
            let (wa, wb) = (wide(&wa, la), wide(&wb, lb));
            let mut expected = vec![];
            for i in 0..batch.numel() {
                let pick = |t: &Tensor<f64>| {
                    let s = t.shape();
                    let (r, c) = (s[s.len() - 2], s[s.len() - 1]);
                    t.reshape([batch.numel(), r, c]).select(0, i)
                };
                expected.extend(pick(&wa).matmul(&pick(&wb)).to_vec());
            }
            close(&got, &Tensor::from_vec(expected, got.shape()));
        }
    }

    #[test]
    fn empty_axes_give_zeros_or_nothing() {
        let product = Tensor::<f32>::zeros([2, 0]).matmul(&Tensor::zeros([0, 3]));
        assert_eq!(product.to_vec(), [0.0; 6]);
        assert_eq!(Tensor::<f32>::zeros([0, 2]).matmul(&Tensor::zeros([2, 3])).shape(), &[0, 3]);
        let bias_only = Tensor::<f32>::zeros([2, 0]).linear(&Tensor::zeros([2, 0]), Some(&Tensor::ones([2])));
        assert_eq!(bias_only.to_vec(), [1.0; 4]);
    }

    #[test]
    fn accumulating_adds_to_what_was_there() {
        let (a, b) = (randn(&[3, 4], 1), randn(&[4, 5], 2));
        let mut out = Tensor::ones([3, 5]);
        a.matmul_into(&b, 1.0, &mut out);
        close(&out, &a.matmul(&b).add_scalar(1.0));
    }

    #[test]
    fn linear_is_its_parts() {
        let (w, b) = (randn(&[70, 33], 2), randn(&[70], 3));
        for shape in [&[33][..], &[1, 33], &[5, 33], &[2, 3, 33], &[140, 33]] {
            let x = randn(shape, 1);
            let parts = x.matmul(&w.t()).add(&b);
            close(&x.linear(&w, Some(&b)), &parts);
            close(&x.linear(&w, None), &x.matmul(&w.t()));
            close(&x.linear_with(&w, Some(&b), ReluKernel), &parts.relu());
            close(&x.linear_with(&w, None, TanhKernel), &x.matmul(&w.t()).tanh());
        }
    }

    #[test]
    #[should_panic(expected = "matmul: shapes [2, 3] and [2, 3] do not fit")]
    fn shapes_that_do_not_fit_are_named() {
        randn(&[2, 3], 1).matmul(&randn(&[2, 3], 1));
    }
}
