//! The normalisers against values that scikit-learn and NumPy computed.

use kniff_data::{
    Covariance, Keep, Moments, Normalizer, PcaOptions, PcaWhitening, PerChannel, Standardizer, ZcaWhitening,
};
use kniff_tensor::Tensor;
use serde_json::Value;

/// One case of the fixture file.
struct Case(Value);

impl Case {
    fn all(op: &str) -> Vec<Case> {
        let file: Value = serde_json::from_str(include_str!("../fixtures/normalizers.json")).unwrap();
        let of_op = |case: &&Value| case["op"] == op;
        let cases: Vec<Case> = file["cases"].as_array().unwrap().iter().filter(of_op).cloned().map(Case).collect();
        assert!(!cases.is_empty());
        cases
    }

    fn tensor(&self, name: &str) -> Tensor<f64> {
        let t = &self.0["tensors"][name];
        let shape: Vec<usize> = serde_json::from_value(t["shape"].clone()).unwrap();
        Tensor::from_vec(serde_json::from_value(t["data"].clone()).unwrap(), shape)
    }

    fn check(&self, name: &str, actual: &[f64]) {
        let expected = self.tensor(name).to_vec();
        let tolerance = |key: &str| self.0["tolerance"][key].as_f64().unwrap();
        let most = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        assert_eq!(actual.len(), expected.len(), "{} {name}", self.0["case"]);
        for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
            let allowed = tolerance("atol") + tolerance("rtol") * e.abs() + tolerance("mtol") * most;
            assert!((a - e).abs() <= allowed, "{} {name} {i}: {a} instead of {e}", self.0["case"]);
        }
    }
}

fn covariance(x: &Tensor<f64>, ddof: u64) -> Vec<f64> {
    let mut c = Covariance::new(x.shape()[1]);
    c.update(x).unwrap();
    c.matrix(ddof).unwrap().to_vec()
}

#[test]
fn pca_agrees_with_scikit_learn() {
    for case in Case::all("pca") {
        let attrs = &case.0["attrs"];
        let axes = attrs["components"].as_u64().unwrap() as usize;
        let whiten = attrs["whiten"].as_bool().unwrap();
        let (x, z) = (case.tensor("x"), case.tensor("z"));
        let pca = PcaWhitening::fit_with(&x, &PcaOptions { keep: Keep::Components(axes), whiten, eps: 0.0 }).unwrap();
        case.check("mean", pca.mean());
        case.check("explained_variance", pca.explained_variance());
        case.check("explained_variance_ratio", &pca.explained_variance_ratio());
        let components = pca.components().to_vec();
        case.check("abs_components", &components.iter().map(|c| c.abs()).collect::<Vec<_>>());
        case.check("transformed_covariance", &covariance(&pca.transform(&x).unwrap(), 1));
        case.check("reconstructed_z", &pca.inverse_transform(&pca.transform(&z).unwrap()).unwrap().to_vec());
        let columns = x.shape()[1];
        let entry =
            |i: usize, j: usize| (0..axes).map(|k| components[k * columns + i] * components[k * columns + j]).sum();
        let projector: Vec<f64> = (0..columns * columns).map(|i| entry(i / columns, i % columns)).collect();
        case.check("projector", &projector);
    }
}

#[test]
fn zca_agrees_with_numpy() {
    for case in Case::all("zca") {
        let (x, z) = (case.tensor("x"), case.tensor("z"));
        let zca = ZcaWhitening::fit(&x, case.0["attrs"]["eps"].as_f64().unwrap()).unwrap();
        case.check("mean", zca.mean());
        case.check("covariance", &covariance(&x, 0));
        case.check("whitening", &zca.matrix().to_vec());
        case.check("transformed_x", &zca.transform(&x).unwrap().to_vec());
        if case.0["tensors"].get("reconstructed_z").is_some() {
            let there = zca.transform(&z).unwrap();
            case.check("transformed_z", &there.to_vec());
            case.check("reconstructed_z", &zca.inverse_transform(&there).unwrap().to_vec());
        }
    }
}

#[test]
fn standardising_agrees_with_scikit_learn() {
    for case in Case::all("standardise") {
        let (x, z) = (case.tensor("x"), case.tensor("z"));
        let s = Standardizer::fit(&x).unwrap();
        case.check("mean", s.mean());
        case.check("scale", s.std());
        case.check("transformed_x", &s.transform(&x).unwrap().to_vec());
        case.check("transformed_z", &s.transform(&z).unwrap().to_vec());
        case.check("inverse_z", &s.inverse_transform(&z).unwrap().to_vec());
        let half = x.shape()[0] / 2;
        let mut parts = Moments::new(x.shape()[1]);
        parts.update(&x.slice_axis(0, ..half)).unwrap();
        parts.update(&x.slice_axis(0, half..)).unwrap();
        case.check("mean_in_two_parts", parts.mean());
        case.check("variance_in_two_parts", &parts.variance(0));
        case.check("variance", &parts.variance(0));
    }
}

#[test]
fn channels_agree_with_numpy() {
    for case in Case::all("normalise_channels") {
        let x = case.tensor("input");
        let given = PerChannel::new(case.tensor("mean").to_vec(), case.tensor("std").to_vec()).unwrap();
        case.check("output", &given.transform(&x).unwrap().to_vec());
        let fitted = PerChannel::fit(&x).unwrap();
        case.check("channel_mean", fitted.mean());
        case.check("channel_std", fitted.std());
    }
}
