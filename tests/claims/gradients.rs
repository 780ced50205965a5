//! Every operation's derivatives are right, at points that no one chose.

use kniff_autograd::ops;
use kniff_tests::gradients::check;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_derivative_agrees_with_differences_and_with_its_adjoint(seed in any::<u64>()) {
        for case in ops::cases() {
            if let Err(e) = check(&case, 1, seed) {
                return Err(TestCaseError::fail(e));
            }
        }
    }
}

/// `cargo xtask gradcheck --cases 3`, whose draws are always the same.
#[test]
fn every_derivative_is_right_where_the_command_looks() {
    let wrong: Vec<String> = ops::cases().iter().filter_map(|case| check(case, 3, 0).err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
