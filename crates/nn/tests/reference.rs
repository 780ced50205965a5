//! Activations, layers and losses against values and gradients computed by PyTorch.

use kniff_autograd::ops::{CrossEntropyOptions, Reduce};
use kniff_autograd::{Var, grad};
use kniff_nn::layers::{
    BatchNorm1d, Elu, Flatten, Gelu, HardTanh, LeakyRelu, Linear, LogSigmoid, Maxout, Prelu, Relu, ScaledTanh, Selu,
    Sigmoid, Silu, Softplus, Tanh,
};
use kniff_nn::{ClassHead, Head, Layer, Logits, Loss, ModuleExt, Reduction, losses};
use kniff_tensor::{Indices, Rng, Tensor};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    case: String,
    op: String,
    attrs: BTreeMap<String, Value>,
    level: String,
    tolerance: BTreeMap<String, f64>,
    tensors: BTreeMap<String, Stored>,
}

#[derive(Deserialize)]
struct Stored {
    shape: Vec<usize>,
    data: Vec<Value>,
    tolerance: Option<BTreeMap<String, f64>>,
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| v.as_str().unwrap().parse().unwrap())
}

impl Case {
    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn given(&self, name: &str) -> Tensor<f64> {
        let stored = self.tensors.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.case));
        Tensor::from_vec(stored.data.iter().map(number).collect(), stored.shape.clone())
    }

    fn labels(&self, ignore: i64) -> Indices {
        let label = |y: &f64| if *y == ignore as f64 { usize::MAX } else { *y as usize };
        let target = self.given("target");
        Indices::new(target.to_vec().iter().map(label).collect(), *target.shape())
    }

    fn attr(&self, name: &str) -> f64 {
        number(&self.attrs[name])
    }

    fn yes(&self, name: &str) -> bool {
        self.attrs[name].as_bool().unwrap()
    }

    fn text(&self, name: &str) -> &str {
        self.attrs[name].as_str().unwrap()
    }

    fn reduce(&self) -> Reduce {
        match self.text("reduction") {
            "none" => Reduce::None,
            "sum" => Reduce::Sum,
            "mean" => Reduce::Mean,
            other => panic!("{}: reduction {other}", self.case),
        }
    }

    fn check(&self, name: &str, found: &Tensor<f64>) {
        let expected = self.given(name);
        assert_eq!(found.shape(), expected.shape(), "{}/{name}", self.case);
        let expected = expected.to_vec();
        let tolerance = self.tensors[name].tolerance.as_ref().unwrap_or(&self.tolerance);
        let finite = expected.iter().filter(|e| e.is_finite());
        let largest = finite.fold(0.0_f64, |m, e| m.max(e.abs()));
        for (f, &e) in found.to_vec().iter().zip(&expected) {
            let allowed = tolerance["atol"] + tolerance["rtol"] * e.abs() + tolerance["mtol"] * largest;
            let same = f.is_nan() && e.is_nan() || *f == e || (f - e).abs() <= allowed;
            assert!(same, "{}/{name}: {f:e} instead of {e:e}", self.case);
        }
    }

    /// Checks the output of a function of the named tensors and the gradients that the case has.
    fn run(&self, inputs: &[&str], f: impl Fn(&[Var<f64>]) -> Var<f64>) {
        let point: Vec<Var<f64>> = inputs.iter().map(|name| Var::constant(self.given(name))).collect();
        self.check("output", f(&point).value());
        let cotangent = Var::constant(self.given("grad_out"));
        let gradients = grad(|x: &Vec<Var<f64>>| f(x).mul(&cotangent).sum_all(), &point);
        for (name, gradient) in inputs.iter().zip(&gradients) {
            let name = format!("grad_{name}");
            if self.has(&name) {
                self.check(&name, gradient.value());
            }
        }
    }
}

/// The cases that must hold. Advisory ones (a choice that PyTorch made at a corner or for 0/0) are `Case::level` apart.
fn required(json: &str) -> Vec<Case> {
    let cases = serde_json::from_str::<Fixture>(json).unwrap().cases;
    cases.into_iter().filter(|c| c.level == "required").collect()
}

#[test]
fn activations() {
    for case in required(include_str!("fixtures/activations.json")) {
        let layer = |layer: &dyn Layer<f64>| case.run(&["input"], |x| layer.forward(&x[0]));
        let axis = || case.attr("axis").rem_euclid(case.given("input").rank() as f64) as usize;
        match case.op.as_str() {
            "sigmoid" => layer(&Sigmoid),
            "log_sigmoid" => layer(&LogSigmoid),
            "tanh" => layer(&Tanh),
            "scaled_tanh" => layer(&ScaledTanh),
            "hardtanh" if case.attr("min") == -1.0 => layer(&HardTanh),
            "hardtanh" => case.run(&["input"], |x| x[0].clamp(case.attr("min"), case.attr("max"))),
            "relu" => layer(&Relu),
            "leaky_relu" => layer(&LeakyRelu::new(case.attr("slope"))),
            "elu" => layer(&Elu::new(case.attr("alpha"))),
            "selu" => layer(&Selu),
            "gelu" if case.text("approximate") == "none" => layer(&Gelu),
            "gelu" => case.run(&["input"], |x| x[0].gelu_tanh()),
            "silu" => layer(&Silu),
            "softplus" if case.attr("beta") == 1.0 => layer(&Softplus),
            "softplus" => {
                let beta = case.attr("beta");
                case.run(&["input"], |x| x[0].mul_scalar(beta).softplus().mul_scalar(1.0 / beta));
            }
            "prelu" => case.run(&["input", "weight"], |x| {
                let mut prelu = Prelu::from_slopes(case.given("weight"));
                prelu.with_parameters(&x[1..], |prelu| prelu.forward(&x[0]))
            }),
            // The layer works along the last axis; here the channels are brought there.
            "maxout" => case.run(&["input"], |x| {
                let maxout = Maxout::new(case.attr("pieces") as usize);
                let last = x[0].rank() - 1;
                if last == 1 {
                    return maxout.forward(&x[0]);
                }
                let (mut there, mut back) = (vec![0], vec![0, last]);
                there.extend(2..=last);
                there.push(1);
                back.extend(1..last);
                maxout.forward(&x[0].permute(&there)).permute(&back)
            }),
            "softmax" => case.run(&["input"], |x| x[0].softmax(axis())),
            "log_softmax" => case.run(&["input"], |x| x[0].log_softmax(axis())),
            other => panic!("no test for {other}"),
        }
    }
}

#[test]
fn linear_layers() {
    for case in required(include_str!("fixtures/linear.json")) {
        let bias = case.has("bias").then(|| case.given("bias"));
        let inputs: &[&str] = if bias.is_some() { &["input", "weight", "bias"] } else { &["input", "weight"] };
        case.run(inputs, |x| {
            let mut layer = Linear::from_parts(case.given("weight"), bias.clone());
            layer.with_parameters(&x[1..], |layer| layer.forward(&x[0]))
        });
    }
}

#[test]
fn batch_norm_in_three_steps_of_training_and_then_at_test_time() {
    let mut tried = 0;
    for case in required(include_str!("fixtures/norm.json")) {
        tried += 1;
        let features = case.given("x1").shape()[1];
        let affine = case.yes("affine");
        let momentum = case.attrs["momentum"].as_f64();
        let plain = if affine { BatchNorm1d::new(features) } else { BatchNorm1d::<f64>::without_affine(features) };
        let mut norm = plain.with_eps(case.attr("eps")).with_momentum(momentum);
        let point = |x: &str| {
            let mut point = vec![Var::constant(case.given(x))];
            if affine {
                point.extend([case.given("weight"), case.given("bias")].map(Var::constant));
            }
            point
        };
        let mut rng = Rng::new(0);
        for step in 1..=3 {
            let x = point(&format!("x{step}"));
            if step == 3 {
                let before = norm.clone();
                let cotangent = Var::constant(case.given("grad_out"));
                let run = |x: &Vec<Var<f64>>| {
                    let mut norm = before.clone();
                    let y = norm.with_parameters(&x[1..], |norm| norm.forward_train(&x[0], &mut Rng::new(0)));
                    y.mul(&cotangent).sum_all()
                };
                let g = grad(run, &x);
                case.check("grad_x3", g[0].value());
                if affine {
                    case.check("grad_weight", g[1].value());
                    case.check("grad_bias", g[2].value());
                }
            }
            let y = norm.with_parameters(&x[1..], |norm| norm.forward_train(&x[0], &mut rng));
            case.check(&format!("y{step}"), y.value());
            case.check(&format!("running_mean_{step}"), norm.running_mean());
            case.check(&format!("running_var_{step}"), norm.running_var());
        }
        let x = point("x_eval");
        let evaluate = |x: &Vec<Var<f64>>| norm.clone().with_parameters(&x[1..], |norm| norm.forward(&x[0]));
        case.check("y_eval", evaluate(&x).value());
        let cotangent = Var::constant(case.given("grad_out_eval"));
        let g = grad(|x: &Vec<Var<f64>>| evaluate(x).mul(&cotangent).sum_all(), &x);
        case.check("grad_x_eval", g[0].value());
        if affine {
            case.check("grad_weight_eval", g[1].value());
            case.check("grad_bias_eval", g[2].value());
        }
    }
    assert!(tried >= 4);
}

#[test]
fn losses_and_their_gradients() {
    for case in required(include_str!("fixtures/losses.json")) {
        let reduce = case.reduce();
        let pair: &[&str] = &["input", "target"];
        match case.op.as_str() {
            "cross_entropy" => {
                let options = CrossEntropyOptions {
                    class_weights: case.yes("class_weights").then(|| case.given("weight")),
                    label_smoothing: case.attr("label_smoothing"),
                    ignore_index: Some(usize::MAX),
                    reduce,
                };
                match case.text("target_kind") {
                    "index" => {
                        let labels = case.labels(case.attr("ignore_index") as i64);
                        case.run(&["input"], |x| x[0].softmax_cross_entropy(&labels, &options));
                    }
                    _ => case.run(&["input"], |x| x[0].soft_cross_entropy(&case.given("target"), &options)),
                }
            }
            "bce_with_logits" => {
                let weight = case.has("weight").then(|| case.given("weight"));
                let pos_weight = case.has("pos_weight").then(|| case.given("pos_weight"));
                let target = case.given("target");
                case.run(&["input"], |x| x[0].bce_with_logits(&target, weight.as_ref(), pos_weight.as_ref(), reduce));
            }
            "mse" => case.run(pair, |x| x[0].mse(&x[1], reduce)),
            "l1" => case.run(pair, |x| x[0].l1(&x[1], reduce)),
            "huber" => case.run(pair, |x| x[0].huber(&x[1], case.attr("delta"), reduce)),
            "smooth_l1" => case.run(pair, |x| x[0].smooth_l1(&x[1], case.attr("beta"), reduce)),
            other => panic!("no test for {other}"),
        }
    }
}

#[test]
fn the_cross_entropy_loss_passes_its_options_on() {
    for case in required(include_str!("fixtures/losses.json")) {
        if case.op != "cross_entropy" || case.text("target_kind") != "index" || case.reduce() == Reduce::None {
            continue;
        }
        let reduction = if case.reduce() == Reduce::Sum { Reduction::Sum } else { Reduction::Mean };
        let mut loss = losses::CrossEntropy::new()
            .label_smoothing(case.attr("label_smoothing"))
            .ignore_index(usize::MAX)
            .reduction(reduction);
        if case.yes("class_weights") {
            loss = loss.class_weights(&case.given("weight").to_vec());
        }
        let logits: Logits<f64> = ClassHead::wrap(case.given("input").into());
        let value = loss.loss(&logits, &case.labels(case.attr("ignore_index") as i64)).unwrap();
        case.check("output", value.value());
    }
}

#[test]
fn inverted_dropout_scales_what_it_keeps() {
    for case in required(include_str!("fixtures/dropout.json")) {
        let p = case.attr("p");
        let x = case.given("input");
        // The mask is given there and drawn here: what is kept must have the value that it has there with any mask.
        let drawn = kniff_autograd::ops::DropoutMask::draw(*x.shape(), p, &mut Rng::new(1));
        let kept = Tensor::from_fn(*x.shape(), |i| f64::from(u8::from(drawn.keeps(i))));
        let y = Var::constant(x.clone()).dropout(&drawn);
        let (mask, output, input) = (case.given("mask").to_vec(), case.given("output").to_vec(), x.to_vec());
        for (i, &y) in y.value().to_vec().iter().enumerate() {
            if kept.to_vec()[i] == 0.0 {
                assert_eq!(y, 0.0);
            } else if mask[i] != 0.0 {
                assert!((y - output[i]).abs() <= 1e-15 * output[i].abs(), "{}: {y} {}", case.case, output[i]);
            } else {
                assert!((y - input[i] / (1.0 - p)).abs() <= 1e-15 * y.abs());
            }
        }
        let layer = kniff_nn::layers::Dropout::new(p);
        case.check("output_eval", layer.forward(&Var::constant(x)).value());
    }
}

#[test]
fn flatten_keeps_the_batch() {
    let x = Var::<f64>::constant(Tensor::zeros([0, 3, 4]));
    assert_eq!(*Flatten.forward(&x).shape(), [0, 12]);
}
