//! The record itself: long chains, memory, what keeps what alive, coverage.

use kniff_autograd::{Coverage, Parameter, Reach, Var, grad};
use kniff_tensor::{Tensor, pool_stats};

#[test]
fn a_million_operations_neither_overflow_the_stack_nor_leak() {
    let x = Var::<f64>::tracked(Tensor::scalar(1.0));
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y.affine(1.0, 1e-6);
    }
    let kept = y.clone();
    let gradients = y.backward();
    assert_eq!(gradients.of(&x).unwrap().item(), 1.0);
    drop(kept);
    // Dropped without ever being walked, on a thread with a small stack.
    std::thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(|| {
            let mut y = Var::<f64>::tracked(Tensor::scalar(1.0));
            for _ in 0..1_000_000 {
                y = y.sin();
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_long_chain_inside_a_door_is_freed_too() {
    let x = Var::<f64>::scalar(1.0);
    let g = grad(
        |x: &Var<f64>| {
            let mut y = x.clone();
            for _ in 0..200_000 {
                y = y.affine(1.0, 0.0);
            }
            y
        },
        &x,
    );
    assert_eq!(g.item(), 1.0);
}

#[test]
fn a_diamond_of_many_layers_is_walked_once_per_node() {
    // 2^60 paths; only a walk that sums per node ends.
    let x = Var::<f64>::tracked(Tensor::scalar(1.0));
    let mut y = x.clone();
    for _ in 0..60 {
        y = y.add(&y).affine(0.5, 0.0);
    }
    assert_eq!(y.backward().of(&x).unwrap().item(), 1.0);
}

#[test]
fn a_training_loop_reaches_a_state_without_allocation() {
    let mut w = Parameter::<f32>::new(Tensor::ones([64, 64]));
    let x = Var::constant(Tensor::ones([32, 64]));
    let mut step = || {
        let loss = x.linear(&w.var(), None).tanh().square().mean_all();
        let gradients = loss.backward();
        let at = w.value().as_slice().unwrap().as_ptr();
        let g = gradients.get(&w).unwrap().mul_scalar(-0.1);
        w.value_mut().add_assign(&g);
        assert_eq!(w.value().as_slice().unwrap().as_ptr(), at, "the parameter is updated in place");
    };
    for _ in 0..3 {
        step();
    }
    // Other tests share the pool, so the count may grow by what they do, but not by a buffer per step.
    let before = pool_stats().fresh;
    for _ in 0..1000 {
        step();
    }
    assert!(pool_stats().fresh - before < 500);
}

#[test]
fn frozen_parameters_are_constants() {
    let mut p = Parameter::new(Tensor::scalar(2.0));
    p.set_requires_grad(false);
    let q = Parameter::new(Tensor::scalar(3.0));
    let gradients = p.var().mul(&q.var()).backward();
    assert!(gradients.get(&p).is_none());
    assert_eq!(gradients.get(&q).unwrap().item(), 2.0);
}

#[test]
fn gradients_accumulate_as_values() {
    let p = Parameter::new(Tensor::scalar(2.0));
    let mut sum = p.var().square().backward();
    sum.accumulate(p.var().powi(3).backward());
    assert_eq!(sum.get(&p).unwrap().item(), 16.0);
    sum.scale(0.5);
    assert_eq!(sum.get(&p).unwrap().item(), 8.0);
}

#[test]
fn coverage_names_what_cuts() {
    let mut p: Vec<Parameter<f64>> = (0..5).map(|_| Parameter::new(Tensor::ones([3]))).collect();
    for p in &mut p {
        p.set_traced(true);
    }
    let hard = p[1].var().round().mul(&p[2].var().gt(&Var::scalar(0.0)));
    let loss = p[0].var().add(&hard).add(&p[3].var().exp().detach()).sum_all();
    let coverage = Coverage::of(&loss);
    assert_eq!(coverage.reach(&p[0]), Reach::Reached);
    assert_eq!(coverage.reach(&p[1]), Reach::CutBy("round"));
    assert_eq!(coverage.reach(&p[2]), Reach::CutBy("gt"));
    assert_eq!(coverage.reach(&p[3]), Reach::CutBy("detach"));
    assert_eq!(coverage.reach(&p[4]), Reach::Unused);
    // Cuts carry no gradient, and without tracing they leave no record.
    assert_eq!(loss.backward().len(), 1);
    assert!(!Parameter::<f64>::new(Tensor::ones([1])).var().detach().is_tracked());
}

#[test]
fn a_parameter_behind_a_cut_and_in_the_open_is_reached() {
    let mut p = Parameter::<f64>::new(Tensor::ones([3]));
    p.set_traced(true);
    let loss = p.var().sub(&p.var().mean_all().detach()).sum_all();
    assert_eq!(Coverage::of(&loss).reach(&p), Reach::Reached);
}
