//! What a warm step asks of the system: nothing that grows with the batch or the weights, and no memory that is new to the process.
//!
//! A program of its own with one test: whatever else ran would take from the same buffers.

use kniff::tensor::parallel::with_threads;
use kniff_benches::workloads;

const WARM: usize = 20;
const STEPS: usize = 50;

/// Workload, most pieces and most bytes that one warm step may ask the allocator for.
///
/// Left are the records of the operations, the lists of an optimiser's parameters, and buffers below a kilobyte; the activations and gradients
/// of these steps take from 0.1 to 5 MB.
const CASES: [(&str, u64, u64); 6] = [
    ("mlp_small", 60, 20_000),
    ("mlp_bn", 170, 60_000),
    ("residual_small", 260, 110_000),
    ("infer_mlp_small_b1", 10, 3_000),
    ("infer_mlp_bn_b1", 10, 1_000),
    ("infer_residual_small_b1", 20, 3_000),
];

/// So many steps.
fn run(step: &mut workloads::Step, steps: usize) {
    for _ in 0..steps {
        step();
    }
}

#[test]
fn a_warm_step_asks_for_little_and_touches_no_page_for_the_first_time() {
    asks_for_little_whatever_the_batch();
    #[cfg(target_os = "linux")]
    touches_no_page_for_the_first_time();
}

fn asks_for_little_whatever_the_batch() {
    // The engine of the portable product packs into room of its own at each call.
    if kniff::tensor::simd::isa_name() == "baseline" {
        return println!("left out: the portable matrix product allocates");
    }
    with_threads(1, || {
        for (workload, most_pieces, most_bytes) in CASES {
            let (_, mut step) = workloads::step(workload).unwrap();
            run(&mut step, WARM);
            let asked = allocation_counter::measure(|| run(&mut step, STEPS));
            let (pieces, bytes) = (asked.count_total / STEPS as u64, asked.bytes_total / STEPS as u64);
            println!("{workload}: {pieces} pieces and {bytes} bytes a step, {} left over", asked.bytes_current);
            assert!(pieces <= most_pieces && bytes <= most_bytes, "{workload}: {pieces} pieces, {bytes} bytes a step");
            assert_eq!(asked.bytes_current, 0, "{workload} keeps more after each step");
        }
    });
}

/// Pages that this thread touched for the first time.
#[cfg(target_os = "linux")]
fn faults() -> i64 {
    use nix::sys::resource::{UsageWho, getrusage};
    getrusage(UsageWho::RUSAGE_THREAD).unwrap().minor_page_faults()
}

#[cfg(target_os = "linux")]
fn touches_no_page_for_the_first_time() {
    with_threads(1, || {
        for (workload, ..) in CASES {
            let (_, mut step) = workloads::step(workload).unwrap();
            run(&mut step, WARM);
            // The least of three: the system may take a page away and give it back.
            let window = |step: &mut workloads::Step| {
                let before = faults();
                run(step, STEPS);
                faults() - before
            };
            let least = (0..3).map(|_| window(&mut step)).min().unwrap();
            println!("{workload}: {least} faults");
            assert_eq!(least, 0, "{workload}: {least} faults in {STEPS} steps");
        }
    });
}
