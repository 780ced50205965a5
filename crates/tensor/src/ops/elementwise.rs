//! Elementwise arithmetic and functions, broadcast by NumPy's rule.

use crate::kernels::elementwise::{self as k, Along, Binary, Unary};
use crate::kernels::strided::Offsets;
use crate::simd::Isa;
use crate::{Element, Shape, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

impl<E: Element> Tensor<E> {
    /// Applies a kernel function to every element.
    pub fn map_with<F: Unary<E>>(&self, f: F) -> Tensor<E> {
        let source = self.contiguous();
        let mut out = Tensor::scratch(self.shape);
        k::map(f, source.slice_of(), out.fresh_mut());
        out
    }

    /// Applies a kernel function to every element in place.
    pub fn map_mut_with<F: Unary<E>>(&mut self, f: F) {
        k::map_in_place(f, self.make_mut());
    }

    /// Applies any function to every element; for functions that no kernel has, on one thread.
    pub fn map(&self, f: impl Fn(E) -> E) -> Tensor<E> {
        let source = self.contiguous();
        let mut out = Tensor::scratch(self.shape);
        for (o, &x) in out.fresh_mut().iter_mut().zip(source.slice_of()) {
            *o = f(x);
        }
        out
    }

    /// Applies a kernel function to pairs of elements, broadcasting.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn zip_with<F: Binary<E>>(&self, name: &str, f: F, other: &Tensor<E>) -> Tensor<E> {
        let shape = match self.shape.broadcast(&other.shape) {
            Some(shape) => shape,
            None => panic!("{name}: shapes {} and {} do not broadcast", self.shape, other.shape),
        };
        let mut out = Tensor::scratch(shape);
        broadcast_zip(f, self, other, out.fresh_mut(), &shape);
        out
    }

    /// `self[i] = f(self[i], other[i])` for equal shapes, in place.
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn zip_mut_with<F: Binary<E>>(&mut self, name: &str, f: F, other: &Tensor<E>) {
        assert!(self.shape == other.shape, "{name}: shapes {} and {} differ", self.shape, other.shape);
        let other = other.contiguous();
        k::zip_in_place(f, self.make_mut(), other.slice_of());
    }

    /// Sums the axes that broadcasting from `shape` to this tensor's shape repeated: its adjoint.
    ///
    /// # Panics
    /// If `shape` does not broadcast to this tensor's shape.
    #[track_caller]
    pub fn sum_to(&self, shape: impl Into<Shape>) -> Tensor<E> {
        let shape = shape.into();
        if shape == self.shape {
            return self.clone();
        }
        let fits = shape.broadcast(&self.shape) == Some(self.shape);
        assert!(fits, "sum_to: shape {shape} does not broadcast to {}", self.shape);
        let lead = self.rank() - shape.len();
        let axes: Vec<usize> =
            (0..self.rank()).filter(|&a| a < lead || (shape[a - lead] == 1 && self.shape[a] != 1)).collect();
        self.sum(&axes, false).reshape(shape)
    }
}

/// Writes `f` of two broadcast operands: one loop over rows, whatever the strides were.
fn broadcast_zip<E: Element, F: Binary<E>>(f: F, a: &Tensor<E>, b: &Tensor<E>, out: &mut [E], shape: &Shape) {
    if out.is_empty() {
        return;
    }
    if a.shape == b.shape
        && let (Some(a), Some(b)) = (a.as_slice(), b.as_slice())
    {
        return k::zip(f, a, b, out);
    }
    // Operands with gaps along the last axis are made dense first; repeated axes stay unrepeated.
    let (a, b) = (dense_along_last(a), dense_along_last(b));
    let (a, b) = (a.broadcast_to(*shape), b.broadcast_to(*shape));
    let (axes, sa, sb) = merge_axes(shape, &a.strides, &b.strides);
    let last = axes.len() - 1;
    let along = |stride: usize| if stride == 0 && axes[last] != 1 { Along::Same } else { Along::Each };
    let (oa, ob) = (Offsets::new(&axes[..last], &sa[..last]), Offsets::new(&axes[..last], &sb[..last]));
    k::zip_rows(f, (a.raw(), b.raw()), (along(sa[last]), along(sb[last])), axes[last], &|r| (oa.at(r), ob.at(r)), out);
}

fn dense_along_last<E: Element>(t: &Tensor<E>) -> Tensor<E> {
    // Axes of size 1 are no part of the walk, so what counts is the last one before them.
    match (0..t.rank()).rev().find(|&axis| t.shape[axis] != 1) {
        Some(axis) if t.strides[axis] > 1 => t.contiguous(),
        _ => t.clone(),
    }
}

/// Axes that both operands walk through evenly become one, so that rows are as long as can be.
fn merge_axes(shape: &Shape, a: &Shape, b: &Shape) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
    let (mut axes, mut sa, mut sb): (Vec<usize>, Vec<usize>, Vec<usize>) = (vec![], vec![], vec![]);
    for i in 0..shape.len() {
        if shape[i] == 1 {
            continue;
        }
        if let (Some(n), Some(pa), Some(pb)) = (axes.last_mut(), sa.last_mut(), sb.last_mut())
            && *pa == a[i] * shape[i]
            && *pb == b[i] * shape[i]
        {
            (*n, *pa, *pb) = (*n * shape[i], a[i], b[i]);
            continue;
        }
        axes.push(shape[i]);
        sa.push(a[i]);
        sb.push(b[i]);
    }
    if axes.is_empty() {
        (axes, sa, sb) = (vec![1], vec![1], vec![1]);
    }
    (axes, sa, sb)
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $kernel:ident |$x:ident| $value:expr;)*) => {$(
        #[doc = concat!("The kernel of [`Tensor::", stringify!($name), "`].")]
        #[derive(Clone, Copy)]
        pub struct $kernel;
        impl<E: Element> Unary<E> for $kernel {
            #[inline(always)]
            fn at<I: Isa>(self, $x: E) -> E {
                $value
            }
        }
    )*
    impl<E: Element> Tensor<E> {$(
        $(#[$doc])*
        pub fn $name(&self) -> Tensor<E> {
            self.map_with($kernel)
        }
    )*}};
}

unary! {
    /// `-x`.
    neg NegKernel |x| -x;
    /// `|x|`.
    abs AbsKernel |x| x.abs();
    /// 1, 0 or -1; NaN for NaN.
    sign SignKernel |x| if x > E::ZERO { E::ONE } else if x < E::ZERO { -E::ONE } else { x };
    /// `e^x`.
    exp ExpKernel |x| x.v_exp::<I>();
    /// `e^x - 1`, exact near 0.
    exp_m1 ExpM1Kernel |x| x.v_exp_m1::<I>();
    /// The natural logarithm.
    ln LnKernel |x| x.v_ln::<I>();
    /// `ln(1 + x)`, exact near 0.
    ln_1p Ln1pKernel |x| x.v_ln_1p::<I>();
    /// `sqrt(x)`.
    sqrt SqrtKernel |x| x.sqrt();
    /// `x^2`.
    square SquareKernel |x| x * x;
    /// `1/x`.
    recip RecipKernel |x| E::ONE / x;
    /// `sin x`.
    sin SinKernel |x| x.sin();
    /// `cos x`.
    cos CosKernel |x| x.cos();
    /// `tanh x`.
    tanh TanhKernel |x| x.v_tanh::<I>();
    /// `1 / (1 + e^-x)`.
    sigmoid SigmoidKernel |x| x.v_sigmoid::<I>();
    /// `ln(1 + e^x)`, without overflow.
    softplus SoftplusKernel |x| x.v_softplus::<I>();
    /// The error function.
    erf ErfKernel |x| x.v_erf::<I>();
    /// `max(0, x)`; NaN stays NaN.
    relu ReluKernel |x| if x < E::ZERO { E::ZERO } else { x };
    /// The largest integer not above x.
    floor FloorKernel |x| x.floor();
    /// The smallest integer not below x.
    ceil CeilKernel |x| x.ceil();
    /// The nearest integer, halves to even.
    round RoundKernel |x| x.round();
}

/// `scale x + shift`.
#[derive(Clone, Copy)]
pub struct AffineKernel<E> {
    /// The factor.
    pub scale: E,
    /// What is added after.
    pub shift: E,
}
impl<E: Element> Unary<E> for AffineKernel<E> {
    #[inline(always)]
    fn at<I: Isa>(self, x: E) -> E {
        I::mul_add(x, self.scale, self.shift)
    }
}

/// `x c`.
#[derive(Clone, Copy)]
pub struct ScaleKernel<E>(pub E);
impl<E: Element> Unary<E> for ScaleKernel<E> {
    #[inline(always)]
    fn at<I: Isa>(self, x: E) -> E {
        x * self.0
    }
}

/// `x + c`.
#[derive(Clone, Copy)]
pub struct ShiftKernel<E>(pub E);
impl<E: Element> Unary<E> for ShiftKernel<E> {
    #[inline(always)]
    fn at<I: Isa>(self, x: E) -> E {
        x + self.0
    }
}

#[derive(Clone, Copy)]
struct PowfKernel<E>(E);
impl<E: Element> Unary<E> for PowfKernel<E> {
    #[inline(always)]
    fn at<I: Isa>(self, x: E) -> E {
        x.powf(self.0)
    }
}

#[derive(Clone, Copy)]
struct PowiKernel(i32);
impl<E: Element> Unary<E> for PowiKernel {
    #[inline(always)]
    fn at<I: Isa>(self, x: E) -> E {
        x.powi(self.0)
    }
}

#[derive(Clone, Copy)]
struct ClampKernel<E>(E, E);
impl<E: Element> Unary<E> for ClampKernel<E> {
    #[inline(always)]
    fn at<I: Isa>(self, x: E) -> E {
        if x < self.0 {
            self.0
        } else if x > self.1 {
            self.1
        } else {
            x
        }
    }
}

impl<E: Element> Tensor<E> {
    /// `scale x + shift`.
    pub fn affine(&self, scale: E, shift: E) -> Tensor<E> {
        self.map_with(AffineKernel { scale, shift })
    }

    /// `x c`.
    pub fn mul_scalar(&self, c: E) -> Tensor<E> {
        self.map_with(ScaleKernel(c))
    }

    /// `x + c`.
    pub fn add_scalar(&self, c: E) -> Tensor<E> {
        self.map_with(ShiftKernel(c))
    }

    /// `x^c`.
    pub fn powf(&self, c: E) -> Tensor<E> {
        self.map_with(PowfKernel(c))
    }

    /// `x^n`.
    pub fn powi(&self, n: i32) -> Tensor<E> {
        self.map_with(PowiKernel(n))
    }

    /// x limited to `low..=high`; NaN stays NaN.
    ///
    /// # Panics
    /// If `low > high`.
    #[track_caller]
    pub fn clamp(&self, low: E, high: E) -> Tensor<E> {
        assert!(low <= high, "clamp: the bounds {low} and {high} are the wrong way round");
        self.map_with(ClampKernel(low, high))
    }

    /// `self += other` in place, for equal shapes.
    #[track_caller]
    pub fn add_assign(&mut self, other: &Tensor<E>) {
        self.zip_mut_with("add_assign", AddKernel, other);
    }

    /// `self *= c` in place.
    pub fn scale_assign(&mut self, c: E) {
        self.map_mut_with(ScaleKernel(c));
    }
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $kernel:ident |$a:ident, $b:ident| $value:expr;)*) => {$(
        #[doc = concat!("The kernel of [`Tensor::", stringify!($name), "`].")]
        #[derive(Clone, Copy)]
        pub struct $kernel;
        impl<E: Element> Binary<E> for $kernel {
            #[inline(always)]
            fn at<I: Isa>(self, $a: E, $b: E) -> E {
                $value
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

binary! {
    /// `a + b`.
    add AddKernel |a, b| a + b;
    /// `a - b`.
    sub SubKernel |a, b| a - b;
    /// `a b`.
    mul MulKernel |a, b| a * b;
    /// `a / b`.
    div DivKernel |a, b| a / b;
    /// `a^b`.
    pow PowKernel |a, b| a.powf(b);
    /// The larger of the two; NaN if either is.
    maximum MaximumKernel |a, b| if a > b || a.is_nan() { a } else { b };
    /// The smaller of the two; NaN if either is.
    minimum MinimumKernel |a, b| if a < b || a.is_nan() { a } else { b };
}

macro_rules! operator {
    ($trait:ident $method:ident $scalar:expr) => {
        impl<E: Element> $trait<&Tensor<E>> for &Tensor<E> {
            type Output = Tensor<E>;
            #[track_caller]
            fn $method(self, other: &Tensor<E>) -> Tensor<E> {
                Tensor::$method(self, other)
            }
        }
        impl<E: Element> $trait<E> for &Tensor<E> {
            type Output = Tensor<E>;
            fn $method(self, c: E) -> Tensor<E> {
                let apply: fn(&Tensor<E>, E) -> Tensor<E> = $scalar;
                apply(self, c)
            }
        }
    };
}

operator!(Add add |t, c| t.add_scalar(c));
operator!(Sub sub |t, c| t.add_scalar(-c));
operator!(Mul mul |t, c| t.mul_scalar(c));
operator!(Div div |t, c| t.div(&Tensor::scalar(c)));

impl<E: Element> Neg for &Tensor<E> {
    type Output = Tensor<E>;
    fn neg(self) -> Tensor<E> {
        Tensor::neg(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(data: &[f64], shape: &[usize]) -> Tensor<f64> {
        Tensor::from_slice(data, shape)
    }

    #[test]
    fn gaps_before_axes_of_size_one_are_seen() {
        let a = Tensor::<f64>::arange(24).reshape([2, 3, 4]);
        let (x, y) = (a.slice_axis(2, 0..1), a.slice_axis(2, 3..4));
        let row = Tensor::<f64>::arange(5);
        for (x, y) in [(&x, &y), (&x, &row), (&row, &y), (&x.permute(&[1, 2, 0]), &y.permute(&[1, 2, 0]))] {
            assert_eq!(x.mul(y).view(), &x.view() * &y.view());
        }
    }

    #[test]
    fn broadcasting_agrees_with_ndarray_in_every_layout() {
        let a = Tensor::<f64>::arange(24).reshape([2, 3, 4]);
        let row = Tensor::<f64>::arange(4).add_scalar(1.0);
        let col = Tensor::<f64>::arange(3).add_scalar(2.0).reshape([3, 1]);
        let batch = Tensor::<f64>::arange(2).reshape([2, 1, 1]);
        for b in [&row, &col, &batch, &Tensor::scalar(3.0), &col.mul(&row)] {
            let expected = &a.view() + &b.view();
            assert_eq!(a.add(b).view(), expected);
            assert_eq!(b.add(&a).view(), expected);
        }
        let transposed = a.permute(&[2, 1, 0]);
        assert_eq!(transposed.sub(&col).view(), &transposed.view() - &col.view());
        assert_eq!(row.mul(&col).view(), &row.view() * &col.view());
        assert_eq!(t(&[], &[0, 4]).add(&row).shape(), &[0, 4]);
    }

    #[test]
    fn large_sums_agree_across_threads() {
        let mut rng = crate::Rng::new(1);
        let a = Tensor::<f32>::randn([300, 1000], &mut rng);
        let b = Tensor::<f32>::randn([1000], &mut rng);
        let one = crate::parallel::with_threads(1, || a.add(&b).exp().to_vec());
        let three = crate::parallel::with_threads(3, || a.add(&b).exp().to_vec());
        assert_eq!(one, three);
        assert_eq!(one[1500], (a.at(&[1, 500]) + b.at(&[500])).v_exp_reference());
    }

    trait Reference {
        fn v_exp_reference(self) -> f32;
    }
    impl Reference for f32 {
        fn v_exp_reference(self) -> f32 {
            Tensor::scalar(self).exp().item()
        }
    }

    #[test]
    fn nan_is_kept_and_zero_is_not_positive() {
        let x = t(&[f64::NAN, -1.0, 0.0, 2.0], &[4]);
        assert!(x.relu().to_vec()[0].is_nan() && x.clamp(-0.5, 1.0).to_vec()[0].is_nan());
        assert_eq!(x.relu().to_vec()[1..], [0.0, 0.0, 2.0]);
        assert_eq!(x.sign().to_vec()[1..], [-1.0, 0.0, 1.0]);
        assert!(x.maximum(&Tensor::scalar(0.0)).to_vec()[0].is_nan());
        assert!(Tensor::scalar(0.0).minimum(&x).to_vec()[0].is_nan());
    }

    #[test]
    #[should_panic(expected = "add: shapes [4] and [3] do not broadcast")]
    fn shapes_that_do_not_fit_are_named() {
        t(&[0.0; 4], &[4]).add(&t(&[0.0; 3], &[3]));
    }
}
