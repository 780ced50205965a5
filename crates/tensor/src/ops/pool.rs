//! Pooling of images: the largest and the mean under windows, over [n, channels, h, w].

use crate::kernels::max_pool::PoolPicks;
use crate::kernels::pool::{self, Divisor, PoolWindows};
use crate::{Element, Tensor};

impl<E: Element> Tensor<E> {
    /// The largest under every window of images [n, c, h, w], and where each was.
    ///
    /// Of several that tie the first counts, as in PyTorch; a NaN is larger than everything, of several the last counts.
    ///
    /// ```
    /// use kniff_tensor::{PoolOptions, Tensor};
    /// let x = Tensor::<f32>::arange(16).reshape([1, 1, 4, 4]);
    /// let windows = PoolOptions::new([2, 2]).windows([4, 4]).unwrap();
    /// let (y, picks) = x.max_pool(&windows);
    /// assert_eq!(y.to_vec(), [5.0, 7.0, 13.0, 15.0]);
    /// assert_eq!(picks.positions().as_slice(), [5, 7, 13, 15]);
    /// ```
    ///
    /// # Panics
    /// Unless this has four axes, the last two those of the windows.
    #[track_caller]
    pub fn max_pool(&self, windows: &PoolWindows) -> (Tensor<E>, PoolPicks) {
        self.planes("max_pool", windows.input());
        let [oh, ow] = windows.output();
        let (x, mut y) = (self.contiguous(), Tensor::scratch([self.shape[0], self.shape[1], oh, ow]));
        let shape = y.shape;
        let picks = PoolPicks::largest(windows, x.slice_of(), y.fresh_mut(), shape);
        (y, picks)
    }

    /// The elements at the places that [`Tensor::max_pool`] found in images of the same shape: [n, c, oh, ow].
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn pick_in_planes(&self, picks: &PoolPicks) -> Tensor<E> {
        let fits = self.rank() == 4 && self.shape[..2] == picks.shape()[..2] && self.shape[2..] == picks.input();
        assert!(fits, "pick_in_planes: shape {} and picks of shape {} do not fit", self.shape, picks.shape());
        let (x, mut y) = (self.contiguous(), Tensor::scratch(*picks.shape()));
        picks.pick(x.slice_of(), y.fresh_mut());
        y
    }

    /// The adjoint of [`Tensor::pick_in_planes`]: these elements added up at their places in planes of zeros.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn put_in_planes(&self, picks: &PoolPicks) -> Tensor<E> {
        let fits = self.shape == *picks.shape();
        assert!(fits, "put_in_planes: shape {} and picks of shape {} do not fit", self.shape, picks.shape());
        let (y, [h, w]) = (self.contiguous(), picks.input());
        let mut x = Tensor::scratch([self.shape[0], self.shape[1], h, w]);
        picks.put(y.slice_of(), x.fresh_mut());
        x
    }

    /// The mean under every window of images [n, c, h, w].
    ///
    /// ```
    /// use kniff_tensor::{Tensor, kernels::pool::{Divisor, PoolWindows}};
    /// let x = Tensor::<f32>::arange(16).reshape([1, 1, 4, 4]);
    /// let all = PoolWindows::adaptive([4, 4], [1, 1]).unwrap();
    /// assert_eq!(x.avg_pool(&all, Divisor::Inside).to_vec(), [7.5]);
    /// ```
    ///
    /// # Panics
    /// Unless this has four axes, the last two those of the windows.
    #[track_caller]
    pub fn avg_pool(&self, windows: &PoolWindows, divisor: Divisor) -> Tensor<E> {
        self.planes("avg_pool", windows.input());
        let (x, [oh, ow]) = (self.contiguous(), windows.output());
        let mut y = Tensor::scratch([self.shape[0], self.shape[1], oh, ow]);
        pool::mean(windows, divisor, x.slice_of(), y.fresh_mut());
        y
    }

    /// The adjoint of [`Tensor::avg_pool`]: every element spread over its window.
    ///
    /// # Panics
    /// Unless this has four axes, the last two those of the windows' outputs.
    #[track_caller]
    pub fn avg_unpool(&self, windows: &PoolWindows, divisor: Divisor) -> Tensor<E> {
        self.planes("avg_unpool", windows.output());
        let (y, [h, w]) = (self.contiguous(), windows.input());
        let mut x = Tensor::scratch([self.shape[0], self.shape[1], h, w]);
        pool::spread(windows, divisor, y.slice_of(), x.fresh_mut());
        x
    }

    /// How many planes of a size there are.
    #[track_caller]
    fn planes(&self, name: &str, size: [usize; 2]) -> usize {
        let fits = self.rank() == 4 && self.shape[2..] == size;
        assert!(fits, "{name}: shape {} where [n, c, {}, {}] was expected", self.shape, size[0], size[1]);
        self.shape[0] * self.shape[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PoolOptions, Rng, parallel};

    #[test]
    fn ties_go_to_the_first_and_nan_is_the_largest() {
        let windows = PoolOptions::new([2, 2]).windows([2, 4]).unwrap();
        let x = Tensor::from_slice(&[3.0, 3.0, f64::NAN, 9.0, 3.0, 1.0, 2.0, 2.0], [1, 1, 2, 4]);
        let (y, at) = x.max_pool(&windows);
        assert_eq!((y.at(&[0, 0, 0, 0]), at.positions().as_slice()), (3.0, &[0, 2][..]));
        assert!(y.at(&[0, 0, 0, 1]).is_nan());
    }

    #[test]
    fn padding_counts_or_not_and_never_wins() {
        let options = PoolOptions { stride: [2, 2], padding: [1, 1], ..PoolOptions::new([3, 3]) };
        let windows = options.windows([3, 3]).unwrap();
        let x = Tensor::<f64>::full([1, 1, 3, 3], -1.0);
        assert_eq!(x.max_pool(&windows).0.to_vec(), [-1.0; 4]);
        assert_eq!(x.avg_pool(&windows, Divisor::Inside).to_vec(), [-1.0; 4]);
        assert_eq!(x.avg_pool(&windows, Divisor::WithPadding).to_vec(), [-4.0 / 9.0; 4]);
        assert_eq!(x.avg_pool(&windows, Divisor::Fixed(2)).to_vec(), [-2.0; 4]);
    }

    #[test]
    fn adjoints_are_adjoint() {
        let mut rng = Rng::new(3);
        let inner = |a: &Tensor<f64>, b: &Tensor<f64>| a.mul(b).to_vec().iter().sum::<f64>();
        let options =
            PoolOptions { kernel: [2, 3], stride: [1, 2], padding: [1, 1], dilation: [2, 1], ceil_mode: true };
        for windows in [options.windows([6, 8]).unwrap(), PoolWindows::adaptive([6, 8], [4, 11]).unwrap()] {
            let x = Tensor::randn([2, 3, 6, 8], &mut rng);
            let (y, at) = x.max_pool(&windows);
            assert_eq!(x.pick_in_planes(&at), y);
            let u = Tensor::randn(y.shape(), &mut rng);
            assert!((inner(&y, &u) - inner(&x, &u.put_in_planes(&at))).abs() < 1e-12);
            for divisor in [Divisor::WithPadding, Divisor::Inside, Divisor::Fixed(5)] {
                let y = x.avg_pool(&windows, divisor);
                assert!((inner(&y, &u) - inner(&x, &u.avg_unpool(&windows, divisor))).abs() < 1e-12);
            }
        }
    }

    /// Every window by itself, in the order that the rule for ties asks for.
    fn by_hand(x: &Tensor<f32>, options: &PoolOptions) -> (Vec<f32>, Vec<usize>) {
        let (h, w) = (x.shape()[2], x.shape()[3]);
        let [oh, ow] = options.output_size([h, w]).unwrap();
        let (mut y, mut at) = (Vec::new(), Vec::new());
        for plane in x.to_vec().chunks_exact(h * w) {
            for (o, p) in (0..oh).flat_map(|o| (0..ow).map(move |p| (o, p))) {
                let mut best: Option<(f32, usize)> = None;
                for (i, j) in (0..options.kernel[0]).flat_map(|i| (0..options.kernel[1]).map(move |j| (i, j))) {
                    let r = (o * options.stride[0] + i * options.dilation[0]).checked_sub(options.padding[0]);
                    let c = (p * options.stride[1] + j * options.dilation[1]).checked_sub(options.padding[1]);
                    let (Some(r), Some(c)) = (r.filter(|r| *r < h), c.filter(|c| *c < w)) else { continue };
                    let v = plane[r * w + c];
                    if best.is_none_or(|(b, _)| v > b || v.is_nan()) {
                        best = Some((v, r * w + c));
                    }
                }
                let (v, place) = best.unwrap();
                y.push(v);
                at.push(place);
            }
        }
        (y, at)
    }

    #[test]
    fn every_kind_of_window_finds_what_a_search_finds() {
        let mut rng = Rng::new(8);
        let plain = PoolOptions::new([2, 2]);
        let cases = [
            plain,
            PoolOptions { ceil_mode: true, ..plain },
            PoolOptions { stride: [1, 1], ..PoolOptions::new([3, 3]) },
            PoolOptions { stride: [2, 2], padding: [1, 1], ..PoolOptions::new([3, 3]) },
            PoolOptions { stride: [3, 1], padding: [1, 2], dilation: [2, 3], ..PoolOptions::new([2, 3]) },
            PoolOptions { stride: [1, 5], padding: [0, 1], ceil_mode: true, ..PoolOptions::new([1, 4]) },
            PoolOptions { stride: [4, 4], padding: [8, 8], ..PoolOptions::new([17, 17]) },
        ];
        for options in cases {
            for (h, w) in [(8, 10), (11, 35), (17, 20)] {
                let Ok(windows) = options.windows([h, w]) else { continue };
                // Few values, so that many tie; some that nothing is larger than, some that nothing is smaller than.
                let special = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, 0.0, -0.0];
                let x = Tensor::from_fn([2, 2, h, w], |_| match rng.below(12) {
                    k if k < 5 => special[k],
                    k => k as f32,
                });
                let (y, picks) = x.max_pool(&windows);
                let (expected, at) = by_hand(&x, &options);
                assert_eq!(picks.positions().as_slice(), at, "{options:?} on {h} x {w}");
                let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&y.to_vec()), bits(&expected));
                assert_eq!(bits(&x.pick_in_planes(&picks).to_vec()), bits(&expected));
                let g = Tensor::<f32>::from_fn(*y.shape(), |i| (i % 7) as f32);
                let mut back = vec![0.0; x.len()];
                let outputs = y.shape()[2] * y.shape()[3];
                for (i, (place, g)) in at.iter().zip(g.to_vec()).enumerate() {
                    back[i / outputs * h * w + place] += g;
                }
                assert_eq!(g.put_in_planes(&picks).to_vec(), back, "{options:?} on {h} x {w}");
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let x = Tensor::<f32>::randn([40, 16, 16, 16], &mut Rng::new(4));
        let windows = PoolOptions { stride: [1, 1], ..PoolOptions::new([3, 3]) }.windows([16, 16]).unwrap();
        let run = |threads| {
            parallel::with_threads(threads, || {
                let ((y, at), mean) = (x.max_pool(&windows), x.avg_pool(&windows, Divisor::Inside));
                let back = (y.put_in_planes(&at).to_vec(), mean.avg_unpool(&windows, Divisor::Inside).to_vec());
                (y.to_vec(), mean.to_vec(), back)
            })
        };
        assert!(run(1) == run(3));
    }

    #[test]
    fn an_empty_batch_stays_empty() {
        let windows = PoolOptions::new([2, 2]).windows([4, 4]).unwrap();
        let x = Tensor::<f32>::zeros([0, 3, 4, 4]);
        let (y, at) = x.max_pool(&windows);
        assert_eq!((*y.shape(), at.positions().len()), ([0, 3, 2, 2].into(), 0));
        assert_eq!(*y.put_in_planes(&at).shape(), [0, 3, 4, 4]);
        assert_eq!(*x.avg_pool(&windows, Divisor::Inside).shape(), [0, 3, 2, 2]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |options: PoolOptions, size| options.windows(size).unwrap_err();
        let plain = PoolOptions::new([3, 3]);
        assert_eq!(message(plain, [2, 9]), "a window that spans [3, 3] does not fit into a padded image of [2, 9]");
        let wide = PoolOptions { padding: [2, 0], ..plain };
        assert_eq!(message(wide, [5, 5]), "a padding of [2, 0] is more than half of a window that spans [3, 3]");
        let still = PoolOptions { stride: [0, 1], ..plain };
        assert!(message(still, [5, 5]).contains("not all above 0"));
        let between = PoolOptions { padding: [2, 0], dilation: [3, 1], kernel: [2, 1], ..plain };
        assert!(message(between, [1, 4]).contains("between the elements"));
        assert!(PoolWindows::adaptive([0, 3], [1, 1]).unwrap_err().contains("cannot be cut"));
    }
}
