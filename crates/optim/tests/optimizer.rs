//! The walk: groups, decay, clipping, state, threads, and what is refused.

use kniff_autograd::{Gradients, Parameter};
use kniff_optim::{
    AdaDelta, AdaGrad, Adam, AdamW, Adamax, Clip, Decay, Lion, Momentum, NAdam, Nesterov, OptimError, Optimizer,
    OptimizerState, RAdam, RmsProp, Rprop, Rule, Sgd,
};
use kniff_tensor::{Element, Rng, Tensor, parallel};

/// Two parameters with gradients that change from step to step.
struct Model<E: Element> {
    weight: Parameter<E>,
    bias: Parameter<E>,
    rng: Rng,
}

impl<E: Element> Model<E> {
    fn new(rows: usize) -> Self {
        let mut rng = Rng::new(7);
        let weight = Parameter::new(Tensor::randn([rows, 3], &mut rng));
        Self { weight, bias: Parameter::new(Tensor::randn([3], &mut rng)), rng }
    }

    fn gradients(&mut self) -> Gradients<E> {
        let mut gradients = Gradients::default();
        gradients.set(&self.weight, Tensor::randn(self.weight.value().shape(), &mut self.rng));
        gradients.set(&self.bias, Tensor::randn([3], &mut self.rng));
        gradients
    }

    fn step<R: Rule>(&mut self, optimizer: &mut Optimizer<R, E>) -> Result<(), OptimError> {
        let gradients = self.gradients();
        optimizer.step([("l.weight", &mut self.weight), ("l.bias", &mut self.bias)], &gradients).map(|_| ())
    }

    fn values(&self) -> (Vec<E>, Vec<E>) {
        (self.weight.value().to_vec(), self.bias.value().to_vec())
    }
}

fn one(value: f32, gradient: f32) -> (Parameter, Gradients) {
    let p = Parameter::new(Tensor::from_slice(&[value], [1]));
    let mut g = Gradients::default();
    g.set(&p, Tensor::from_slice(&[gradient], [1]));
    (p, g)
}

#[test]
fn every_rule_gives_the_same_bytes_at_any_number_of_threads_and_after_a_checkpoint() {
    fn check<R: Rule>(rule: R) {
        let steps = |threads: usize, checkpoint: bool| {
            parallel::with_threads(threads, || {
                let new = || Optimizer::new(rule.clone(), 0.01).clip(Clip::GlobalNorm(50.0)).weight_decay(0.1);
                // Two pieces and a half, so that a cut that depends on threads would show.
                let mut model = Model::<f32>::new(30_000);
                let mut optimizer = new();
                for step in 0..4 {
                    if checkpoint && step == 2 {
                        let state = serde_json::to_string(&optimizer.state()).unwrap();
                        optimizer = new();
                        optimizer.load_state(serde_json::from_str(&state).unwrap()).unwrap();
                    }
                    model.step(&mut optimizer).unwrap();
                }
                model.values()
            })
        };
        let reference = steps(1, false);
        assert!(reference.0.iter().all(|x| x.is_finite()));
        for (threads, checkpoint) in [(2, false), (3, false), (2, true)] {
            assert!(steps(threads, checkpoint) == reference, "{}: {threads} threads, {checkpoint}", R::NAME);
        }
    }
    check(Sgd);
    check(Momentum::default());
    check(Nesterov::default());
    check(RmsProp { centered: true, momentum: 0.9, ..RmsProp::default() });
    check(AdaGrad::default());
    check(AdaDelta::default());
    check(Adam { amsgrad: true, ..Adam::default() });
    check(AdamW::default());
    check(NAdam::default());
    check(RAdam::default());
    check(Adamax::default());
    check(Rprop::default());
    check(Lion::default());
}

#[test]
fn groups_have_their_own_rates_and_decay() {
    let (mut a, mut ga) = one(1.0, 1.0);
    let (mut b, gb) = one(1.0, 1.0);
    ga.set(&b, gb.get(&b).unwrap().clone());
    let mut optimizer = Optimizer::new(Sgd, 0.1)
        .weight_decay(1.0)
        .group("head", |g| g.learning_rate(0.01).weight_decay(0.0))
        .group_where("the rest", |path, _| path.starts_with("body"), |g| g);
    optimizer.step([("body.w", &mut a), ("head.w", &mut b)], &ga).unwrap();
    assert_eq!((a.value().item(), b.value().item()), (0.8, 0.99));
    // A schedule's change keeps the ratio.
    optimizer.set_learning_rate(1.0);
    optimizer.step([("body.w", &mut a), ("head.w", &mut b)], &ga).unwrap();
    assert!((b.value().item() - 0.89).abs() < 1e-6);
}

#[test]
fn a_group_that_matches_nothing_is_an_error() {
    let (mut p, g) = one(1.0, 1.0);
    let error = Optimizer::new(Sgd, 0.1).group("haed", |g| g).step([("head.w", &mut p)], &g).unwrap_err();
    assert_eq!(error.to_string(), "the group \"haed\" matches none of the parameters: head.w");
    assert_eq!(p.value().item(), 1.0);
}

#[test]
fn decay_can_leave_vectors_alone() {
    let mut model = Model::<f64>::new(2);
    let before = model.values();
    let mut gradients = Gradients::default();
    gradients.set(&model.weight, Tensor::zeros([2, 3]));
    gradients.set(&model.bias, Tensor::zeros([3]));
    let mut optimizer = Optimizer::new(Sgd, 0.5).weight_decay(0.5).decay(Decay::Decoupled).decay_matrices_only();
    optimizer.step([("w", &mut model.weight), ("b", &mut model.bias)], &gradients).unwrap();
    assert_eq!(model.values().0, before.0.iter().map(|x| x * 0.75).collect::<Vec<_>>());
    assert_eq!(model.values().1, before.1);
}

#[test]
fn maximising_climbs() {
    let (mut p, g) = one(1.0, 2.0);
    Optimizer::new(Sgd, 0.5).maximize().step([("p", &mut p)], &g).unwrap();
    assert_eq!(p.value().item(), 2.0);
}

#[test]
fn clipping_is_global_and_reported() {
    let (mut a, mut g) = one(0.0, 3.0);
    let (mut b, gb) = one(0.0, 4.0);
    g.set(&b, gb.get(&b).unwrap().clone());
    let clip = Clip::Norm { max_norm: 1.0, norm_type: 2.0, epsilon: 0.0 };
    let report = Optimizer::new(Sgd, 1.0).clip(clip).step([("a", &mut a), ("b", &mut b)], &g).unwrap();
    assert_eq!((report.gradient_norm, report.clip_scale, report.updated), (Some(5.0), 0.2, 2));
    assert_eq!((a.value().item(), b.value().item()), (-0.6, -0.8));
    let report = Optimizer::new(Sgd, 1.0).clip(Clip::Value(0.5)).step([("a", &mut a)], &g).unwrap();
    assert_eq!((report.gradient_norm, a.value().item()), (None, -1.1));
}

#[test]
fn a_non_finite_gradient_is_named_and_changes_nothing() {
    let (mut a, mut g) = one(1.0, 1.0);
    let (mut b, gb) = one(1.0, f32::NAN);
    g.set(&b, gb.get(&b).unwrap().clone());
    for mut optimizer in [Optimizer::new(Sgd, 1.0).clip(Clip::GlobalNorm(1.0)), Optimizer::new(Sgd, 1.0).measure_norm()]
    {
        let error = optimizer.step([("a", &mut a), ("b", &mut b)], &g).unwrap_err();
        assert_eq!(error, OptimError::NonFiniteGradient { path: "b".into() });
        assert_eq!((a.value().item(), b.value().item()), (1.0, 1.0));
    }
}

#[test]
fn missing_gradients_are_reported_and_frozen_parameters_are_not() {
    let (mut a, g) = one(1.0, 1.0);
    let (mut b, _) = one(1.0, 1.0);
    let mut optimizer = Optimizer::new(Sgd, 1.0);
    let report = optimizer.step([("a", &mut a), ("b", &mut b)], &g).unwrap();
    assert_eq!((report.updated, report.without_gradient), (1, vec!["b".to_owned()]));
    b.set_requires_grad(false);
    let report = optimizer.step([("a", &mut a), ("b", &mut b)], &g).unwrap();
    assert!(report.without_gradient.is_empty());
    let error = optimizer.step([("a", &mut a)], &Gradients::default()).unwrap_err();
    assert_eq!(error, OptimError::NothingToUpdate { parameters: 1 });
}

#[test]
fn what_does_not_fit_is_refused_before_anything_changes() {
    let (mut a, mut g) = one(1.0, 1.0);
    let (mut b, _) = one(1.0, 1.0);
    let bad = Adam { beta1: 1.0, ..Adam::default() };
    let error = Optimizer::new(bad, 1e-3).step([("a", &mut a)], &g).unwrap_err();
    assert_eq!(error.to_string(), "Adam: beta1 is 1, but must be at least 0 and below 1");
    assert!(Optimizer::<_, f32>::new(Sgd, f64::NAN).validate().is_err());
    assert!(Optimizer::<_, f32>::new(Sgd, 0.0).group("x", |g| g.learning_rate(0.1)).validate().is_err());
    let error = Optimizer::new(Sgd, 1.0).step([("a", &mut a), ("a", &mut b)], &g).unwrap_err();
    assert_eq!(error, OptimError::DuplicatePath { path: "a".into() });
    g.set(&b, Tensor::zeros([2]));
    let error = Optimizer::new(Sgd, 1.0).step([("a", &mut a), ("b", &mut b)], &g).unwrap_err();
    assert!(matches!(error, OptimError::GradientShape { path, .. } if path == "b"));
    assert_eq!(a.value().item(), 1.0);
}

#[test]
fn a_foreign_state_is_refused() {
    let (mut p, g) = one(1.0, 1.0);
    let mut adam = Optimizer::new(Adam::default(), 1e-3);
    adam.step([("p", &mut p)], &g).unwrap();
    let state: OptimizerState = adam.state();
    assert_eq!(state.slots, ["exp_avg", "exp_avg_sq"]);
    let amsgrad = Adam { amsgrad: true, ..Adam::default() };
    let error = Optimizer::new(amsgrad, 1e-3).load_state(state.clone()).unwrap_err();
    assert!(error.to_string().contains("max_exp_avg_sq"), "{error}");
    // A state for another shape is found out at the step.
    let mut other = Optimizer::new(Adam::default(), 1e-3);
    other.load_state(state).unwrap();
    let mut wide = Parameter::new(Tensor::<f32>::zeros([2]));
    let mut g = Gradients::default();
    g.set(&wide, Tensor::zeros([2]));
    assert!(matches!(other.step([("p", &mut wide)], &g), Err(OptimError::StateShape { .. })));
}

#[test]
fn a_gradient_that_is_a_view_is_read_in_its_order() {
    let mut p = Parameter::new(Tensor::<f32>::zeros([2, 3]));
    let mut g = Gradients::default();
    g.set(&p, Tensor::arange(6).reshape([3, 2]).t());
    Optimizer::new(Sgd, 1.0).clip(Clip::GlobalNorm(1e9)).step([("p", &mut p)], &g).unwrap();
    assert_eq!(p.value().to_vec(), [0.0, -2.0, -4.0, -1.0, -3.0, -5.0]);
}

#[test]
fn reset_starts_over() {
    let mut model = Model::<f64>::new(2);
    let mut optimizer = Optimizer::new(Adam::default(), 0.1);
    model.step(&mut optimizer).unwrap();
    optimizer.reset();
    assert!(optimizer.state().parameters.is_empty() && optimizer.steps() == 0);
    model.step(&mut optimizer).unwrap();
    assert_eq!(optimizer.state().parameters["l.bias"].step(), 1);
}

#[test]
fn settings_given_between_steps_are_checked_and_applied() {
    let mut p = Parameter::new(Tensor::<f64>::ones([2]));
    let mut gradients = Gradients::default();
    gradients.set(&p, Tensor::full([2], 1.0));
    let mut optimizer = Optimizer::new(Sgd, 0.5);
    optimizer.step([("p", &mut p)], &gradients).unwrap();
    assert_eq!(p.value().to_vec(), [0.5, 0.5]);
    let mut optimizer = optimizer.group("p", |g| g.learning_rate_factor(0.5)).clip(Clip::Value(0.5));
    optimizer.step([("p", &mut p)], &gradients).unwrap();
    assert_eq!(p.value().to_vec(), [0.375, 0.375]);
    let mut optimizer = optimizer.group("nothing", |g| g.weight_decay(0.1));
    let refused = optimizer.step([("p", &mut p)], &gradients);
    assert!(matches!(refused, Err(OptimError::GroupMatchesNothing { .. })), "{refused:?}");
    let mut wrong = Optimizer::new(Sgd, 0.5);
    wrong.step([("p", &mut p)], &gradients).unwrap();
    let before = p.value().to_vec();
    let refused = wrong.weight_decay(f64::NAN).step([("p", &mut p)], &gradients);
    assert!(matches!(refused, Err(OptimError::Setting { .. })), "{refused:?}");
    assert_eq!(p.value().to_vec(), before);
}

#[test]
fn a_momentum_that_is_set_is_that_of_the_rule() {
    let mut adam: Optimizer<Adam> = Optimizer::new(Adam::default(), 0.1);
    assert!(adam.set_momentum(0.5));
    assert_eq!(adam.rule().beta1, 0.5);
    assert!(!Optimizer::<Sgd>::new(Sgd, 0.1).set_momentum(0.5));
    assert!(!Optimizer::<RmsProp>::new(RmsProp::default(), 0.1).set_momentum(0.5));
    adam.set_momentum(1.5);
    assert!(adam.validate().is_err());
}
