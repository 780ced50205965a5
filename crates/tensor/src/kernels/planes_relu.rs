//! Planes of an image batch that are shifted, scaled, perhaps added to others, and rectified, in one pass; and the way back.
//!
//! The numbers are those of [`super::planes`], to the bit: what is saved is the way through memory between the steps.

use super::planes::{check, two_sums};
use crate::simd::{Isa, Kernel, dispatch};
use crate::{Element, parallel};

/// `max(z, 0)`; NaN stays.
#[inline(always)]
fn relu<E: Element>(z: E) -> E {
    if z < E::ZERO { E::ZERO } else { z }
}

struct Forward<'a, E> {
    x: &'a [E],
    plus: Option<&'a [E]>,
    length: usize,
    rows: &'a [[E; 3]],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Forward<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.length;
        let rows = self.out.chunks_exact_mut(n).zip(self.x.chunks_exact(n)).zip(self.rows).enumerate();
        for (r, ((out, x), &[centre, factor, shift])) in rows {
            match self.plus {
                None => {
                    for (o, &x) in out.iter_mut().zip(x) {
                        *o = relu(I::mul_add(x - centre, factor, shift));
                    }
                }
                Some(plus) => {
                    for ((o, &x), &p) in out.iter_mut().zip(x).zip(&plus[r * n..][..n]) {
                        *o = relu(I::mul_add(x - centre, factor, shift) + p);
                    }
                }
            }
        }
    }
}

/// `out[r] = max(0, (x[r] - centre) factor + shift + plus[r])` with `[centre, factor, shift]` of each row in `rows`.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn forward<E: Element>(x: &[E], plus: Option<&[E]>, length: usize, rows: &[[E; 3]], out: &mut [E]) {
    E::planes_relu(x, plus, length, rows, out);
}

/// [`forward`], where it is compiled.
pub(super) fn forward_here<E: Element>(x: &[E], plus: Option<&[E]>, length: usize, rows: &[[E; 3]], out: &mut [E]) {
    check("planes_relu::forward", length, rows.len(), &[x.len(), out.len(), plus.map_or(x.len(), <[E]>::len)]);
    parallel::row_blocks(out, length, length, |first, out| {
        let (here, count) = (first * length..first * length + out.len(), out.len() / length);
        let plus = plus.map(|plus| &plus[here.clone()]);
        dispatch(Forward { x: &x[here], plus, length, rows: &rows[first..first + count], out });
    });
}

/// The gradient that passes the rectifier where nothing was added: where what it rectified was above 0.
#[inline(always)]
fn passed<I: Isa, E: Element>(dy: E, x: E, [centre, factor, shift]: [E; 3]) -> E {
    if I::mul_add(x - centre, factor, shift) > E::ZERO { dy } else { E::ZERO }
}

struct Sums<'a, E> {
    dy: &'a [E],
    x: &'a [E],
    length: usize,
    rows: &'a [[E; 3]],
    out: &'a mut [E],
}

impl<E: Element> Kernel for Sums<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.length;
        let inputs = self.dy.chunks_exact(n).zip(self.x.chunks_exact(n)).zip(self.rows);
        for (out, ((dy, x), &row)) in self.out.chunks_exact_mut(2).zip(inputs) {
            let (dy, x) = (&dy[..n], &x[..n]);
            (out[0], out[1]) = two_sums(
                n,
                #[inline(always)]
                |i| {
                    let g = passed::<I, E>(dy[i], x[i], row);
                    (g, g * (x[i] - row[0]))
                },
            );
        }
    }
}

/// For every row a pair in `out`: `sum g` and `sum g (x - centre)` with the gradient g that passes the rectifier.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn sums<E: Element>(dy: &[E], x: &[E], length: usize, rows: &[[E; 3]], out: &mut [E]) {
    E::planes_relu_sums(dy, x, length, rows, out);
}

/// [`sums`], where it is compiled.
pub(super) fn sums_here<E: Element>(dy: &[E], x: &[E], length: usize, rows: &[[E; 3]], out: &mut [E]) {
    check("planes_relu::sums", length, rows.len(), &[dy.len(), x.len()]);
    assert!(out.len() == 2 * rows.len(), "planes_relu::sums: {} numbers for {} rows", out.len(), rows.len());
    parallel::row_blocks(out, 2, 2 * length, |first, out| {
        let count = out.len() / 2;
        let here = first * length..(first + count) * length;
        dispatch(Sums { dy: &dy[here.clone()], x: &x[here], length, rows: &rows[first..first + count], out });
    });
}

struct Combine<'a, E> {
    dy: &'a [E],
    x: &'a [E],
    length: usize,
    /// Of the way out and of the way back.
    rows: (&'a [[E; 3]], &'a [[E; 4]]),
    out: &'a mut [E],
}

impl<E: Element> Kernel for Combine<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.length;
        let rows = self.rows.0.iter().zip(self.rows.1);
        let inputs = self.dy.chunks_exact(n).zip(self.x.chunks_exact(n)).zip(rows);
        for (out, ((dy, x), (&row, &[of_dy, of_x, centre, shift]))) in self.out.chunks_exact_mut(n).zip(inputs) {
            for ((o, &dy), &x) in out.iter_mut().zip(dy).zip(x) {
                *o = I::mul_add(passed::<I, E>(dy, x, row), of_dy, I::mul_add(x - centre, of_x, shift));
            }
        }
    }
}

/// `out[r] = a g[r] + b (x[r] - centre) + shift` with the gradient g that passes the rectifier: `[centre, factor, shift]` of each row of
/// the way out in `rows.0`, `[a, b, centre, shift]` of the way back in `rows.1`.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn combine<E: Element>(dy: &[E], x: &[E], length: usize, rows: (&[[E; 3]], &[[E; 4]]), out: &mut [E]) {
    E::planes_relu_combine(dy, x, length, rows, out);
}

/// [`combine`], where it is compiled.
pub(super) fn combine_here<E: Element>(dy: &[E], x: &[E], length: usize, rows: (&[[E; 3]], &[[E; 4]]), out: &mut [E]) {
    check("planes_relu::combine", length, rows.0.len(), &[dy.len(), x.len(), out.len()]);
    assert!(rows.0.len() == rows.1.len(), "planes_relu::combine: {} rows and {}", rows.0.len(), rows.1.len());
    parallel::row_blocks(out, length, 2 * length, |first, out| {
        let (here, count) = (first * length..first * length + out.len(), out.len() / length);
        let rows = (&rows.0[first..first + count], &rows.1[first..first + count]);
        dispatch(Combine { dy: &dy[here.clone()], x: &x[here], length, rows, out });
    });
}

struct GatedSums<'a, E> {
    dy: &'a [E],
    y: &'a [E],
    x: &'a [E],
    length: usize,
    centres: &'a [E],
    gated: &'a mut [E],
    out: &'a mut [E],
}

impl<E: Element> Kernel for GatedSums<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let n = self.length;
        let inputs = self.dy.chunks_exact(n).zip(self.y.chunks_exact(n)).zip(self.x.chunks_exact(n)).zip(self.centres);
        let outputs = self.out.chunks_exact_mut(2).zip(self.gated.chunks_exact_mut(n));
        for ((out, gated), (((dy, y), x), &centre)) in outputs.zip(inputs) {
            for ((g, &dy), &y) in gated.iter_mut().zip(dy).zip(y) {
                *g = if y > E::ZERO { dy } else { E::ZERO };
            }
            let (g, x) = (&gated[..n], &x[..n]);
            (out[0], out[1]) = two_sums(
                n,
                #[inline(always)]
                |i| (g[i], g[i] * (x[i] - centre)),
            );
        }
    }
}

/// The gradient g that passes the rectifier, where its output `y` is above 0, into `gated`, and for every row a pair in `out`:
/// `sum g` and `sum g (x - centre)`.
///
/// # Panics
/// If lengths do not fit.
#[track_caller]
pub fn gated_sums<E: Element>(sides: (&[E], &[E], &[E]), length: usize, centres: &[E], gated: &mut [E], out: &mut [E]) {
    E::planes_relu_gated_sums(sides, length, centres, gated, out);
}

/// [`gated_sums`], where it is compiled.
pub(super) fn gated_sums_here<E: Element>(
    (dy, y, x): (&[E], &[E], &[E]),
    length: usize,
    centres: &[E],
    gated: &mut [E],
    out: &mut [E],
) {
    check("planes_relu::gated_sums", length, centres.len(), &[dy.len(), y.len(), x.len(), gated.len()]);
    assert!(out.len() == 2 * centres.len(), "planes_relu: {} numbers for {} rows", out.len(), centres.len());
    if length == 0 || centres.is_empty() {
        return out.fill(E::ZERO);
    }
    let together = (parallel::PIECE / (4 * length)).max(1);
    let (outs, gates) = ((out, 2 * together), (gated, together * length));
    parallel::chunks2_if(parallel::pays(dy.len()), outs, gates, |block, out, gated| {
        let first = block * together;
        let here = first * length..first * length + gated.len();
        let (dy, y, x) = (&dy[here.clone()], &y[here.clone()], &x[here]);
        dispatch(GatedSums { dy, y, x, length, centres: &centres[first..first + out.len() / 2], gated, out });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::planes;
    use crate::{Rng, Tensor};

    /// The same to the bit as one step after the other, for every length that ends differently.
    #[test]
    fn every_pass_is_its_steps() {
        let mut rng = Rng::new(1);
        for (rows, length) in [(1, 1), (3, 5), (7, 32), (4, 97), (90, 1000)] {
            let normal = |rng: &mut Rng| Tensor::<f32>::randn([rows, length], rng);
            let (x, dy, plus) = (normal(&mut rng), normal(&mut rng), normal(&mut rng));
            let numbers = Tensor::<f32>::randn([rows, 7], &mut rng);
            let number = |r: usize, i: usize| numbers.at(&[r, i]);
            let three: Vec<_> = (0..rows).map(|r| [number(r, 0), number(r, 1), number(r, 2)]).collect();
            let four: Vec<_> = (0..rows).map(|r| [number(r, 3), number(r, 4), number(r, 5), number(r, 6)]).collect();
            let centres: Vec<_> = three.iter().map(|row| row[0]).collect();
            let new = || Tensor::<f32>::full([rows, length], f32::NAN);
            let mut normed = new();
            planes::affine(x.slice_of(), length, &three, normed.make_mut());
            for with in [None, Some(&plus)] {
                let expected = with.map_or(normed.clone(), |plus| normed.add(plus)).relu();
                let mut y = new();
                forward(x.slice_of(), with.map(Tensor::slice_of), length, &three, y.make_mut());
                assert_eq!(y.to_vec(), expected.to_vec());

                let g: Vec<f32> =
                    dy.to_vec().iter().zip(y.to_vec()).map(|(&g, y)| if y > 0.0 { g } else { 0.0 }).collect();
                let (mut pairs, mut expected) = (vec![f32::NAN; 2 * rows], vec![f32::NAN; 2 * rows]);
                planes::sums(&g, x.slice_of(), length, &centres, &mut expected);
                if with.is_some() {
                    let mut gated = new();
                    let at = (dy.slice_of(), y.slice_of(), x.slice_of());
                    gated_sums(at, length, &centres, gated.make_mut(), &mut pairs);
                    assert_eq!(gated.to_vec(), g);
                    assert_eq!(pairs, expected);
                    continue;
                }
                sums(dy.slice_of(), x.slice_of(), length, &three, &mut pairs);
                assert_eq!(pairs, expected);
                let (mut dx, mut expected) = (new(), new());
                planes::combine(&g, x.slice_of(), length, &four, expected.make_mut());
                combine(dy.slice_of(), x.slice_of(), length, (&three, &four), dx.make_mut());
                assert_eq!(dx.to_vec(), expected.to_vec());
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let x = Tensor::<f32>::randn([200, 900], &mut Rng::new(3));
        let run = |threads| {
            parallel::with_threads(threads, || {
                let (mut gated, mut pairs) = (Tensor::<f32>::zeros([200, 900]), vec![0.0; 400]);
                gated_sums((x.slice_of(), x.slice_of(), x.slice_of()), 900, &[0.5; 200], gated.make_mut(), &mut pairs);
                [gated.to_vec(), pairs].concat()
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn not_a_number_stays_and_lets_nothing_back() {
        let (x, rows) = ([f32::NAN, 1.0], [[0.0, 1.0, 0.0]]);
        let mut y = [0.0; 2];
        forward(&x, None, 2, &rows, &mut y);
        assert!(y[0].is_nan() && y[1] == 1.0);
        let (mut gated, mut pair) = ([5.0; 2], [0.0; 2]);
        gated_sums((&[1.0; 2], &y, &x), 2, &[0.0], &mut gated, &mut pair);
        assert_eq!((gated, pair[0]), ([0.0, 1.0], 1.0));
    }
}
