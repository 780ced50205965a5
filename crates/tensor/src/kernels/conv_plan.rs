//! Which way a convolution is computed, to be looked at.

use super::conv::ConvGeometry;
use super::implicit;
use super::winograd::Winograd;
use crate::Element;
use std::fmt;

/// A way to compute a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Winograd's F(4x4, 3x3): a quarter of the products, for windows of 3x3.
    Winograd,
    /// Row by row, for groups of one input channel.
    Depthwise,
    /// A product of the weight and the image as it lies, for windows of one element.
    Pointwise,
    /// A product for each element of the window, of its weight and the image on a grid, for batches of eight channels and more.
    Grid,
    /// A product of the weight and the windows, laid out as columns a block at a time.
    Columns,
    /// Sums of products in bfloat16, where [`crate::Precision::Bf16`] was asked for and is there.
    Bf16,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Winograd => "Winograd F(4x4, 3x3)",
            Self::Depthwise => "depthwise",
            Self::Pointwise => "pointwise",
            Self::Grid => "grid",
            Self::Columns => "columns",
            Self::Bf16 => "bfloat16",
        })
    }
}

/// How the three directions of a convolution are computed: a function of the sizes, the type, the thread's
/// [`crate::precision`] and [`super::conv::Algorithm`] alone.
///
/// ```
/// use kniff_tensor::{ConvOptions, Method};
/// let options = ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() };
/// let geometry = options.geometry(&[64, 64, 32, 32], &[64, 64, 3, 3]).unwrap();
/// let plan = geometry.plan::<f32>(64);
/// assert_eq!(plan.forward, Method::Winograd);
/// assert_eq!(geometry.plan::<f64>(64).forward, Method::Grid);
/// assert_eq!(plan.to_string(), "forward Winograd F(4x4, 3x3), dx Winograd F(4x4, 3x3), dw Winograd F(4x4, 3x3)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvPlan {
    /// The output.
    pub forward: Method,
    /// The gradient in the input.
    pub backward_input: Method,
    /// The gradient in the weight.
    pub backward_weight: Method,
}

impl fmt::Display for ConvPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forward {}, dx {}, dw {}", self.forward, self.backward_input, self.backward_weight)
    }
}

impl ConvGeometry {
    /// How a batch of so many images is computed.
    pub fn plan<E: Element>(&self, images: usize) -> ConvPlan {
        if size_of::<E>() == size_of::<f32>() && self.in_tiles(images) {
            return ConvPlan { forward: Method::Bf16, backward_input: Method::Bf16, backward_weight: Method::Bf16 };
        }
        let of = |winograd: Option<Winograd>, grid: bool| match () {
            () if winograd.is_some() => Method::Winograd,
            () if grid => Method::Grid,
            () if self.depthwise() => Method::Depthwise,
            () if self.pointwise() => Method::Pointwise,
            () => Method::Columns,
        };
        let grid = implicit::fits(self, images);
        ConvPlan {
            forward: of(Winograd::forward::<E>(self, images), grid),
            backward_input: of(Winograd::backward::<E>(self, images), grid),
            backward_weight: of(Winograd::forward::<E>(self, images), implicit::fits_gradient(self, images)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::conv::{Algorithm, ConvOptions};

    #[test]
    fn sizes_and_the_algorithm_decide() {
        let same = ConvOptions { padding: [(1, 1); 2], ..ConvOptions::default() };
        let plan = |options: ConvOptions, input: [usize; 4], weight: [usize; 4]| {
            options.geometry(&input, &weight).unwrap().plan::<f32>(input[0])
        };
        let all = |method| ConvPlan { forward: method, backward_input: method, backward_weight: method };
        let (x, w) = ([8, 16, 16, 16], [16, 16, 3, 3]);
        assert_eq!(plan(same, x, w), all(Method::Winograd));
        let exact = ConvPlan { backward_weight: Method::Columns, ..all(Method::Grid) };
        assert_eq!(plan(ConvOptions { algorithm: Algorithm::Exact, ..same }, x, w), exact);
        // Windows that are far apart, or step far.
        assert_eq!(plan(ConvOptions { dilation: [8; 2], padding: [(8, 8); 2], ..same }, x, w), all(Method::Columns));
        assert_eq!(
            plan(ConvOptions { stride: [4; 2], ..ConvOptions::default() }, x, [16, 16, 4, 4]),
            all(Method::Columns)
        );
        assert_eq!(plan(same, [1, 16, 16, 16], w), all(Method::Columns));
        assert_eq!(plan(ConvOptions { groups: 16, ..same }, x, [16, 1, 3, 3]), all(Method::Depthwise));
        assert_eq!(plan(ConvOptions::default(), x, [4, 16, 1, 1]), all(Method::Pointwise));
        let wide = ConvOptions { padding: [(3, 3); 2], ..same };
        let wide = plan(wide, x, w);
        assert_eq!((wide.forward, wide.backward_input), (Method::Winograd, Method::Grid));
        if crate::bf16_is_there() {
            let narrow = crate::with_precision(crate::Precision::Bf16, || plan(same, x, w));
            assert_eq!(narrow, all(Method::Bf16));
        }
    }

    #[test]
    fn sizes_beyond_all_numbers_are_refused_in_words() {
        let (x, w, plain) = ([1, 8, 5, 5], [8, 8, 3, 3], ConvOptions::default());
        let half = 1 << (usize::BITS - 1);
        let far = ConvOptions { dilation: [half; 2], ..plain };
        let wide = ConvOptions { padding: [(half, half); 2], ..plain };
        for options in [far, wide, ConvOptions { padding: [(usize::MAX, 1); 2], ..plain }] {
            let said = options.geometry(&x, &w).unwrap_err();
            assert!(said.contains("does not fit"), "{said}");
            assert!(options.transposed_geometry(&x, &w, [0; 2]).is_err());
        }
        let groups = ConvOptions { groups: usize::MAX, ..plain };
        assert!(groups.geometry(&x, &w).is_err() && groups.transposed_geometry(&x, &w, [0; 2]).is_err());
        // A window of a thousand million that fits asks for no grid of that size.
        let sparse =
            ConvOptions { dilation: [1_000_000_000; 2], padding: [(1_000_000_000, 1_000_000_000); 2], ..plain };
        let plan = sparse.geometry(&x, &w).unwrap().plan::<f32>(2);
        assert_eq!(plan.forward, Method::Columns);
    }
}
