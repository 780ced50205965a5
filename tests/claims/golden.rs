//! Every family of reference values, computed by PyTorch, JAX, optax and scikit-learn, holds.

use kniff_golden::{Set, run};
use std::path::Path;

/// No required case of a family fails or is left unknown.
fn holds(family: &str) {
    let set = Set::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"))).unwrap();
    let report = run(&set, |case| case.family == family);
    assert!(report.required().passed > 0, "there are no cases of {family}");
    assert!(report.is_good(), "{report}");
}

macro_rules! families {
    ($($family:ident)*) => {$(
        #[test]
        fn $family() {
            holds(stringify!($family));
        }
    )*};
}

families! {
    activations
    clip_average
    conv
    data
    dropout
    embedding
    init
    linear
    losses
    norm
    optimizers
    pool
    recurrent
    schedules
    second_order
    tensor_ops
}
