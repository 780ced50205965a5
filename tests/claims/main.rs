//! The claims of the lecture, one module each, and the properties that hold across crates.

mod augmentation;
mod batch_norm;
mod convolution;
mod determinism;
mod dropout;
mod golden;
mod golden_rules;
mod gradients;
mod hostile;
mod inputs;
mod nonlinearities;
mod optimal_rate;
mod optimizer_behaviour;
mod signal_propagation;
mod softmax;
mod surprise;
mod survive;
