//! The operations: one file each, with its value, both derivatives and a case to check them at.

#[cfg(feature = "cases")]
use crate::case::Case;

mod abs;
mod add;
mod affine;
mod avg_pool;
mod batch_norm;
mod batch_norm_relu;
mod bce;
mod bce_with_logits;
mod clamp;
mod compare;
mod concat;
mod conv;
mod cos;
mod cumsum;
mod div;
mod dropout;
mod elu;
mod erf;
mod exp;
mod exp_m1;
mod gelu;
mod group_norm;
mod huber;
mod index;
mod kl_divergence;
mod layer_norm;
mod leaky_relu;
mod linear;
mod ln;
mod ln_1p;
mod log_sigmoid;
mod matmul;
mod max;
mod max_pool;
mod maximum;
mod mse;
mod mul;
mod nll;
mod pow;
mod powf;
mod product;
mod rearrange;
mod recip;
mod relu;
mod residual;
mod rows;
mod rsqrt;
mod scaled_tanh;
mod sigmoid;
mod silu;
mod sin;
mod softmax;
mod softmax_cross_entropy;
mod softplus;
mod sqrt;
mod square;
mod sum;
mod tanh;
mod total;
mod view;
mod where_else;

pub use batch_norm::ChannelMoments;
pub use dropout::DropoutMask;
pub use rearrange::Border;
pub use softmax_cross_entropy::CrossEntropyOptions;
pub use total::Reduce;
pub use where_else::WhereVar;

/// One case per operation, for checking all of them; there with the feature `cases`.
#[cfg(feature = "cases")]
pub fn cases() -> Vec<Case> {
    vec![
        abs::CASE,
        add::ADD,
        add::SUB,
        affine::CASE,
        avg_pool::ADAPTIVE,
        avg_pool::CASE,
        batch_norm::BATCH,
        batch_norm::GIVEN,
        batch_norm_relu::CASE,
        bce::CASE,
        bce_with_logits::CASE,
        bce_with_logits::WEIGHTED,
        clamp::CASE,
        concat::CASE,
        conv::CONV,
        conv::GROUPED,
        conv::SIGNAL,
        conv::TRANSPOSE,
        conv::WEIGHT,
        cos::CASE,
        cumsum::CASE,
        div::CASE,
        dropout::CASE,
        elu::ELU,
        elu::SELU,
        erf::CASE,
        exp::CASE,
        exp_m1::CASE,
        gelu::GELU,
        gelu::GELU_TANH,
        group_norm::CASE,
        huber::HUBER,
        huber::SMOOTH_L1,
        index::GATHER,
        index::INDEX_SELECT,
        index::SCATTER_ADD,
        kl_divergence::CASE,
        layer_norm::CASE,
        leaky_relu::CASE,
        linear::CASE,
        ln::CASE,
        ln_1p::CASE,
        log_sigmoid::CASE,
        matmul::BATCHED,
        matmul::MATMUL,
        max::MAX,
        max::MAXOUT,
        max::MIN,
        max_pool::ADAPTIVE,
        max_pool::CASE,
        maximum::MAXIMUM,
        maximum::MINIMUM,
        mse::L1,
        mse::MSE,
        mul::CASE,
        nll::CASE,
        pow::CASE,
        powf::POWF,
        powf::POWI,
        product::CUMPROD,
        product::PROD,
        rearrange::FLIP,
        rearrange::REFLECT,
        rearrange::REPLICATE,
        rearrange::ROLL,
        rearrange::SORT,
        rearrange::TILE,
        rearrange::TOPK,
        rearrange::TRIL,
        rearrange::TRIU,
        recip::CASE,
        relu::CASE,
        rows::CASE,
        rsqrt::CASE,
        scaled_tanh::CASE,
        sigmoid::CASE,
        silu::CASE,
        sin::CASE,
        softmax::LOGSUMEXP,
        softmax::LOG_SOFTMAX,
        softmax::SOFTMAX,
        softmax_cross_entropy::ALL_OPTIONS,
        softmax_cross_entropy::LABELS,
        softmax_cross_entropy::SOFT,
        softplus::CASE,
        sqrt::CASE,
        square::CASE,
        sum::MEAN,
        sum::STD,
        sum::SUM,
        sum::VARIANCE,
        tanh::CASE,
        view::BROADCAST,
        view::PAD,
        view::PERMUTE,
        view::RESHAPE,
        view::SLICE,
        where_else::CASE,
    ]
}
