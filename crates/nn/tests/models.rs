//! Whole models: a user's own struct, second derivatives through batch norm, states, shapes and heads.

use kniff_autograd::{Var, grad, hvp};
use kniff_init::{GlorotNormal, GlorotUniform, HeNormal};
use kniff_nn::layers::{
    BatchNorm1d, Dropout, Flatten, LastStep, Linear, Relu, Rnn, ScaledTanh, Sequential, Sigmoid, Tanh,
};
use kniff_nn::losses::{BinaryCrossEntropy, CrossEntropy};
use kniff_nn::{Layer, Logits, Loss, Model, Module, ModuleExt, check_coverage, summary};
use kniff_tensor::{Element, Indices, Rng, Tensor};

#[derive(Module)]
#[module(crate = "kniff_nn")]
struct Residual<E: Element = f32> {
    input: Linear<E>,
    norm: BatchNorm1d<E>,
    #[module(rename = "head")]
    output: Linear<E>,
    #[module(skip)]
    scale: f64,
}

impl<E: Element> Residual<E> {
    fn new(rng: &mut Rng) -> Self {
        Self {
            input: Linear::new(4, 6, GlorotNormal, rng),
            norm: BatchNorm1d::new(6),
            output: Linear::new(6, 3, GlorotNormal, rng),
            scale: 0.5,
        }
    }
}

impl<E: Element> Layer<E> for Residual<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        let h = self.norm.forward(&self.input.forward(x)).tanh();
        self.output.forward(&h).mul_scalar(E::from_f64(self.scale))
    }

    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        let h = self.norm.forward_train(&self.input.forward(x), rng).tanh();
        self.output.forward(&h).mul_scalar(E::from_f64(self.scale))
    }

    fn smallest_training_batch(&self, _: &[usize]) -> usize {
        self.norm.smallest_training_batch(&[6])
    }
}

#[test]
fn a_users_own_struct_is_a_layer_with_named_parameters() {
    let net = Residual::<f32>::new(&mut Rng::new(0));
    let names: Vec<String> = net.parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["input.weight", "input.bias", "norm.weight", "norm.bias", "head.weight", "head.bias"]);
    let table = summary(&net, [4]).unwrap();
    assert_eq!((table.output.to_vec(), table.parameters), (vec![3], 30 + 12 + 21));
    let error = summary(&Sequential::<f32>::new().with(Flatten).named("body", net), [5]).unwrap_err();
    assert!(error.to_string().starts_with("Residual at `body` was given examples of shape [5]"), "{error}");
}

#[test]
fn a_hessian_vector_product_goes_through_batch_norm_in_training() {
    let mut rng = Rng::new(1);
    let model = std::cell::RefCell::new(
        Sequential::<f64>::new()
            .with(Linear::new(3, 5, GlorotNormal, &mut rng))
            .with(BatchNorm1d::new(5))
            .with(Tanh)
            .with(Dropout::new(0.3))
            .with(Linear::new(5, 4, GlorotNormal, &mut rng)),
    );
    let x = Var::constant(Tensor::<f64>::randn([8, 3], &mut rng));
    let labels = Indices::from_vec(vec![0, 1, 2, 3, 3, 2, 1, 0]);
    let loss = |parameters: &Vec<Var<f64>>| {
        // The same generator each time: the same units are dropped.
        let y = model.borrow_mut().with_parameters(parameters, |net| net.forward_train(&x, &mut Rng::new(7)));
        y.softmax_cross_entropy(&labels, &Default::default())
    };
    let point: Vec<Var<f64>> =
        model.borrow().parameters().into_iter().map(|(_, p)| Var::constant(p.value().clone())).collect();
    let v: Vec<Var<f64>> = point.iter().map(|p| Var::constant(Tensor::randn(*p.shape(), &mut rng))).collect();
    let product = hvp(loss, &point, &v);
    let gradient = |t: f64| {
        let moved: Vec<Var<f64>> =
            point.iter().zip(&v).map(|(p, v)| Var::constant(p.value().add(&v.value().mul_scalar(t)))).collect();
        grad(loss, &moved)
    };
    let h = 1e-3;
    let samples = [gradient(-2.0 * h), gradient(-h), gradient(h), gradient(2.0 * h)];
    for (i, product) in product.iter().enumerate() {
        for (j, &exact) in product.value().to_vec().iter().enumerate() {
            let at = |k: usize| samples[k][i].value().to_vec()[j];
            let numeric = (at(0) - 8.0 * at(1) + 8.0 * at(2) - at(3)) / (12.0 * h);
            assert!((exact - numeric).abs() < 1e-7, "parameter {i}, element {j}: {exact} instead of {numeric}");
        }
    }
}

#[test]
fn a_state_goes_from_one_model_to_another_or_changes_nothing() {
    let mut a = Residual::<f32>::new(&mut Rng::new(0));
    let mut b = Residual::<f32>::new(&mut Rng::new(1));
    let x = Var::constant(Tensor::randn([5, 4], &mut Rng::new(2)));
    a.forward_train(&x, &mut Rng::new(0));
    assert_ne!(a.forward(&x).value().to_vec(), b.forward(&x).value().to_vec());
    b.load_state(&a.state()).unwrap();
    assert_eq!(a.forward(&x).value().to_vec(), b.forward(&x).value().to_vec());

    let mut state = a.state();
    state[0].0 = "input.wieght".to_owned();
    state[1].1 = Tensor::zeros([7]);
    let before = b.state();
    let text = b.load_state(&state).unwrap_err().to_string();
    for part in
        ["missing: input.weight", "unexpected: input.wieght", "input.bias: the model has shape [6], the state [7]"]
    {
        assert!(text.contains(part), "{text}");
    }
    for ((name, old), (_, new)) in before.iter().zip(b.state()) {
        assert_eq!(old.to_vec(), new.to_vec(), "{name}");
    }
}

#[test]
fn a_head_refuses_a_network_that_squashes() {
    let mut rng = Rng::new(0);
    let mut net = |squash: bool| {
        let net = Sequential::<f32>::new().with(Linear::new(2, 2, HeNormal, &mut rng));
        if squash { net.with(Sigmoid).with(Dropout::new(0.1)) } else { net.with(Relu) }
    };
    assert!(Model::binary(net(false)).is_ok());
    let text = Model::binary(net(true)).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("ends in a sigmoid") && text.contains("squashed twice"), "{text}");
    assert!(Model::bounded_regressor(net(true)).is_err());
    let text = Model::regressor(net(true)).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("no gradient where it is saturated") && text.contains("Model::binary"), "{text}");
    let tanh = Sequential::<f32>::new().with(Linear::new(2, 2, HeNormal, &mut Rng::new(0))).with(ScaledTanh);
    assert!(Model::regressor(tanh).is_ok() && Model::regressor(net(false)).is_ok());
    // So does a recurrent layer, unless its step ends in a ReLU.
    let rnn = || Rnn::<f32>::new(2, 1, GlorotUniform, GlorotUniform, &mut Rng::new(0));
    let text = Model::binary(Sequential::new().with(rnn()).with(LastStep)).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("ends in a tanh"), "{text}");
    assert!(Model::binary(Sequential::new().with(rnn().with_relu()).with(LastStep)).is_ok());
}

#[test]
fn a_model_gives_a_typed_output_that_its_loss_takes() {
    let mut rng = Rng::new(3);
    let net = Sequential::<f32>::new().with(Linear::new(4, 3, GlorotNormal, &mut rng)).with(BatchNorm1d::new(3));
    assert_eq!(Layer::<f32>::smallest_training_batch(&net, &[4]), 2);
    let mut model = Model::classifier(net).unwrap();
    let labels = Indices::from_vec(vec![0, 1, 2]);
    let x = Tensor::randn([3, 4], &mut rng);
    let reached = check_coverage(&mut model, |m| {
        let output = m.forward_train(&Var::constant(x.clone()), &mut Rng::new(0));
        CrossEntropy::new().loss(&output, &labels).unwrap()
    });
    // A bias before batch norm has a gradient of 0, but it is reached.
    assert!(reached.is_ok());
    let output: Logits = model.predict(&x);
    assert!(!output.var().is_tracked());
    let probabilities = output.probabilities().tensor().sum(&[1], false).to_vec();
    assert!(probabilities.iter().all(|p| (p - 1.0).abs() < 1e-6));
    assert_eq!(output.classes().len(), 3);
    assert!(model.summary([4]).unwrap().to_string().contains("BatchNorm1d"));
}

#[test]
fn gradient_descent_separates_two_blobs() {
    let mut rng = Rng::new(5);
    let mut model = Model::binary(
        Sequential::<f32>::new().with(Linear::new(2, 8, HeNormal, &mut rng)).with(Relu).with(Linear::new(
            8,
            1,
            GlorotNormal,
            &mut rng,
        )),
    )
    .unwrap();
    let labels = Indices::from_vec((0..64).map(|i| i % 2).collect());
    let x = Tensor::<f32>::randn([64, 2], &mut rng).mul_scalar(0.3);
    let x = x.add(&Tensor::from_fn([64, 1], |i| if i % 2 == 0 { -1.0 } else { 1.0 }));
    let loss = BinaryCrossEntropy::new();
    for _ in 0..100 {
        let output = model.forward_train(&Var::constant(x.clone()), &mut rng);
        let gradients = loss.loss(&output, &labels).unwrap().backward();
        for (_, p) in model.parameters_mut() {
            let step = gradients.get(p).unwrap().mul_scalar(-0.5);
            p.value_mut().add_assign(&step);
        }
    }
    let right = model.predict(&x).classes();
    assert_eq!(right.as_slice(), labels.as_slice());
}
