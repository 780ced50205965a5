//! Data: normalisation fitted and applied.

use crate::Check;
use kniff::data::{
    Covariance, Keep, Moments, Normalizer, PcaOptions, PcaWhitening, PerChannel, Standardizer, ZcaWhitening,
};
use kniff_tensor::{Element, Tensor};

pub(super) fn run<E: Element>(op: &str, case: &Check<'_, E>) -> Option<()> {
    match op {
        "pca" => pca(case),
        "zca" => zca(case),
        "standardise" => standardise(case),
        "normalise_channels" => channels(case),
        _ => return None,
    }
    Some(())
}

fn good<T>(result: Result<T, kniff::data::DataError>) -> T {
    result.unwrap_or_else(|e| panic!("{e}"))
}

fn vector<E: Element>(x: &[E]) -> Tensor<E> {
    Tensor::from_slice(x, [x.len()])
}

fn covariance<E: Element>(x: &Tensor<E>, ddof: u64) -> Tensor<E> {
    let mut c = Covariance::new(x.shape()[1]);
    good(c.update(x));
    let matrix = good(c.matrix(ddof));
    let entries = matrix.to_vec().into_iter().map(E::from_f64).collect();
    Tensor::from_vec(entries, *matrix.shape())
}

fn pca<E: Element>(case: &Check<'_, E>) {
    let (x, z) = (case.tensor("x"), case.tensor("z"));
    let keep = Keep::Components(case.size("components"));
    let pca = good(PcaWhitening::fit_with(&x, &PcaOptions { keep, whiten: case.flag("whiten"), eps: 0.0 }));
    case.compare("mean", &vector(pca.mean()));
    case.compare("explained_variance", &vector(pca.explained_variance()));
    case.compare("explained_variance_ratio", &vector(&pca.explained_variance_ratio()));
    let components = pca.components();
    case.compare("abs_components", &components.abs());
    case.compare("projector", &components.t().matmul(components));
    case.compare("transformed_covariance", &covariance(&good(pca.transform(&x)), 1));
    let there = good(pca.transform(&z));
    case.compare("transformed_gram_z", &there.matmul(&there.t()));
    case.compare("reconstructed_z", &good(pca.inverse_transform(&there)));
}

fn zca<E: Element>(case: &Check<'_, E>) {
    let (x, z) = (case.tensor("x"), case.tensor("z"));
    let zca = good(ZcaWhitening::fit(&x, case.number("eps")));
    case.compare("mean", &vector(zca.mean()));
    case.compare("covariance", &covariance(&x, 0));
    case.compare("whitening", zca.matrix());
    let white = good(zca.transform(&x));
    case.compare("transformed_x", &white);
    if case.expects("transformed_covariance") {
        case.compare("transformed_covariance", &covariance(&white, 0));
    }
    if case.expects("reconstructed_z") {
        let there = good(zca.transform(&z));
        case.compare("transformed_z", &there);
        case.compare("reconstructed_z", &good(zca.inverse_transform(&there)));
    }
}

fn standardise<E: Element>(case: &Check<'_, E>) {
    let (x, z) = (case.tensor("x"), case.tensor("z"));
    let s = good(Standardizer::fit(&x));
    case.compare("mean", &vector(s.mean()));
    case.compare("scale", &vector(s.std()));
    case.compare("transformed_x", &good(s.transform(&x)));
    case.compare("transformed_z", &good(s.transform(&z)));
    case.compare("inverse_z", &good(s.inverse_transform(&z)));
    let columns = x.shape()[1];
    let compare = |name: &str, numbers: &[f64]| case.compare_numbers(name, &[columns], numbers);
    let mut whole = Moments::new(columns);
    good(whole.update(&x));
    compare("variance", &whole.variance(0));
    // The same from two parts, one after the other.
    let half = x.shape()[0] / 2;
    let mut parts = Moments::new(columns);
    good(parts.update(&x.slice_axis(0, ..half)));
    good(parts.update(&x.slice_axis(0, half..)));
    compare("mean_in_two_parts", parts.mean());
    compare("variance_in_two_parts", &parts.variance(0));
}

fn channels<E: Element>(case: &Check<'_, E>) {
    let x = case.tensor("input");
    let given = good(PerChannel::new(case.tensor("mean").to_vec(), case.tensor("std").to_vec()));
    case.compare("output", &good(given.transform(&x)));
    let fitted = good(PerChannel::fit(&x));
    case.compare("channel_mean", &vector(fitted.mean()));
    case.compare("channel_std", &vector(fitted.std()));
}
