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
        let direct = match () {
            () if implicit::fits(self, images) => Method::Grid,
            () if self.depthwise() => Method::Depthwise,
            () if self.pointwise() => Method::Pointwise,
            () => Method::Columns,
        };
        let of = |winograd: Option<Winograd>| if winograd.is_some() { Method::Winograd } else { direct };
        ConvPlan {
            forward: of(Winograd::forward::<E>(self, images)),
            backward_input: of(Winograd::backward::<E>(self, images)),
            backward_weight: of(Winograd::forward::<E>(self, images)),
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
        assert_eq!(plan(ConvOptions { algorithm: Algorithm::Exact, ..same }, x, w), all(Method::Grid));
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
}
