//! Pooling of images: the largest and the mean under windows, over [n, channels, h, w].

use crate::kernels::pool::{self, Divisor, PoolWindows};
use crate::{Element, Indices, Tensor};

impl<E: Element> Tensor<E> {
    /// The largest under every window of images [n, c, h, w], and its position in the plane of h times w, row by row.
    ///
    /// Of several that tie the first counts, as in PyTorch; a NaN is larger than everything.
    ///
    /// ```
    /// use kniff_tensor::{PoolOptions, Tensor};
    /// let x = Tensor::<f32>::arange(16).reshape([1, 1, 4, 4]);
    /// let windows = PoolOptions::new([2, 2]).windows([4, 4]).unwrap();
    /// let (y, at) = x.max_pool(&windows);
    /// assert_eq!(y.to_vec(), [5.0, 7.0, 13.0, 15.0]);
    /// assert_eq!(at.as_slice(), [5, 7, 13, 15]);
    /// ```
    ///
    /// # Panics
    /// Unless this has four axes, the last two those of the windows.
    #[track_caller]
    pub fn max_pool(&self, windows: &PoolWindows) -> (Tensor<E>, Indices) {
        let (planes, [oh, ow]) = (self.planes("max_pool", windows.input()), windows.output());
        let shape = [self.shape[0], self.shape[1], oh, ow];
        let (x, mut y) = (self.contiguous(), Tensor::scratch(shape));
        let mut at = vec![0; planes * oh * ow];
        pool::largest(windows, x.slice_of(), y.fresh_mut(), &mut at);
        (y, Indices::new(at, shape))
    }

    /// The elements at `at`, as [`Tensor::max_pool`] gives them, of every plane: [n, c, oh, ow].
    ///
    /// # Panics
    /// If the shapes do not fit or a position is outside the plane.
    #[track_caller]
    pub fn pick_in_planes(&self, at: &Indices) -> Tensor<E> {
        let fits = self.rank() == 4 && at.shape().len() == 4 && at.shape()[..2] == self.shape[..2];
        assert!(fits, "pick_in_planes: shape {} and positions of shape {} do not fit", self.shape, at.shape());
        let sizes = (self.shape[2] * self.shape[3], at.shape()[2] * at.shape()[3]);
        let (x, mut y) = (self.contiguous(), Tensor::scratch(*at.shape()));
        pool::pick(sizes, x.slice_of(), at.as_slice(), y.fresh_mut());
        y
    }

    /// The adjoint of [`Tensor::pick_in_planes`]: these elements added up at `at` of planes of zeros of size `plane`.
    ///
    /// # Panics
    /// If the shapes do not fit or a position is outside the plane.
    #[track_caller]
    pub fn put_in_planes(&self, at: &Indices, plane: [usize; 2]) -> Tensor<E> {
        let fits = self.rank() == 4 && self.shape == *at.shape();
        assert!(fits, "put_in_planes: shape {} and positions of shape {} do not fit", self.shape, at.shape());
        let (y, [n, c]) = (self.contiguous(), [self.shape[0], self.shape[1]]);
        let mut x = Tensor::scratch([n, c, plane[0], plane[1]]);
        let sizes = (plane[0] * plane[1], self.shape[2] * self.shape[3]);
        pool::put(sizes, y.slice_of(), at.as_slice(), x.fresh_mut());
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
        assert_eq!((y.at(&[0, 0, 0, 0]), at.as_slice()), (3.0, &[0, 2][..]));
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
            assert!((inner(&y, &u) - inner(&x, &u.put_in_planes(&at, [6, 8]))).abs() < 1e-12);
            for divisor in [Divisor::WithPadding, Divisor::Inside, Divisor::Fixed(5)] {
                let y = x.avg_pool(&windows, divisor);
                assert!((inner(&y, &u) - inner(&x, &u.avg_unpool(&windows, divisor))).abs() < 1e-12);
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
                let back =
                    (y.put_in_planes(&at, [16, 16]).to_vec(), mean.avg_unpool(&windows, Divisor::Inside).to_vec());
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
        assert_eq!((*y.shape(), at.len()), ([0, 3, 2, 2].into(), 0));
        assert_eq!(*y.put_in_planes(&at, [4, 4]).shape(), [0, 3, 4, 4]);
        assert_eq!(*x.avg_pool(&windows, Divisor::Inside).shape(), [0, 3, 2, 2]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |options: PoolOptions, size| options.windows(size).unwrap_err();
        let plain = PoolOptions::new([3, 3]);
        assert_eq!(message(plain, [2, 9]), "a window of [3, 3] does not fit into a padded image of [2, 9]");
        let wide = PoolOptions { padding: [2, 0], ..plain };
        assert_eq!(message(wide, [5, 5]), "a padding of [2, 0] is more than half of a window of [3, 3]");
        let still = PoolOptions { stride: [0, 1], ..plain };
        assert!(message(still, [5, 5]).contains("not all above 0"));
        let between = PoolOptions { padding: [2, 0], dilation: [3, 1], kernel: [2, 1], ..plain };
        assert!(message(between, [1, 4]).contains("between the elements"));
        assert!(PoolWindows::adaptive([0, 3], [1, 1]).unwrap_err().contains("cannot be cut"));
    }
}
