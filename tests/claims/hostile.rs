//! Files that are damaged, or were once found to break a reader, are read or refused.

use kniff_tests::fuzz::{Mutator, Outcome, READERS, corpus};
use proptest::prelude::*;

#[test]
fn every_reader_reads_its_whole_files() {
    for reader in READERS {
        let seeds = (reader.seeds)();
        let read = seeds.iter().filter(|seed| !matches!(Outcome::of(reader, seed), Outcome::Panicked(_))).count();
        assert_eq!(read, seeds.len(), "{}", reader.name);
        // Some seeds are of a type that only one of a reader's uses takes.
        assert!(
            seeds.iter().any(|seed| (reader.read)(seed).is_ok())
                || ["checkpoint", "cifar", "model-file", "normalizer", "safetensors"].contains(&reader.name),
            "{}",
            reader.name
        );
    }
}

#[test]
fn files_that_once_broke_a_reader_do_not_any_more() {
    for reader in READERS {
        for (path, bytes) in corpus(reader.name) {
            let outcome = Outcome::of(reader, &bytes);
            assert!(matches!(outcome, Outcome::Read | Outcome::Refused(_)), "{}: {outcome:?}", path.display());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn changed_files_are_read_or_refused(seed: u64) {
        for reader in READERS {
            let files = reader.start();
            let mut mutator = Mutator::new(seed, reader.words);
            for _ in 0..8 {
                let bytes = mutator.make(&files);
                let outcome = Outcome::of(reader, &bytes);
                prop_assert!(!matches!(outcome, Outcome::Panicked(_)), "{}: {:?}: {:?}", reader.name, outcome, bytes);
                if let Outcome::Refused(message) = outcome {
                    prop_assert!(!message.is_empty());
                }
            }
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_files_and_all_are_bounded() {
    let files = vec![b"{\"shape\":[12,3]}".to_vec(), (0..200).collect(), Vec::new()];
    let make = |seed| {
        let mut mutator = Mutator::new(seed, &[b"NaN", b"\x93NUMPY"]);
        (0..3000).map(|_| mutator.make(&files)).collect::<Vec<_>>()
    };
    let made = make(1);
    assert_eq!(made, make(1));
    assert_ne!(made, make(2));
    assert!(made.iter().all(|bytes| bytes.len() <= 1 << 16));
    let changed = made.iter().filter(|bytes| !files.contains(bytes)).count();
    assert!(changed > 2700, "{changed} of 3000");
}
