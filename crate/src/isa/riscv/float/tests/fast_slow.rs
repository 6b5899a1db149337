//! The fast path gives what the slow path gives: same bits, same flags, whatever flags were set before. Also under wasm,
//! whose arithmetic the page runs on.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::cases::{Cases, Operation, operations, resizes};
use crate::isa::riscv::float::{F32, F64, Flags, Format, Rounding};

const CASES: u64 = 300_000;

fn agree(operation: &Operation, operands: &[u64; 3]) {
    for rounding in Rounding::ALL {
        for before in [Flags::empty(), Flags::INEXACT] {
            let (mut offered_flags, mut slow_flags) = (before, before);
            let offered = (operation.offered)(operands, rounding, &mut offered_flags);
            let slow = (operation.slow)(operands, rounding, &mut slow_flags);
            assert_eq!(
                (offered, offered_flags),
                (slow, slow_flags),
                "{} of {operands:#x?}, {rounding:?}, after {before:?}",
                operation.name
            );
        }
    }
}

fn all_operations_agree<F: Format>(seed: u64) {
    let mut cases = Cases(seed);
    for operation in operations::<F>() {
        for _ in 0..CASES {
            let operands = if operation.name.starts_with("from") {
                cases.integers()
            } else {
                cases.operands::<F>()
            };
            agree(&operation, &operands);
        }
    }
}

#[test]
fn singles_agree() {
    all_operations_agree::<F32>(1);
}

#[test]
fn doubles_agree() {
    all_operations_agree::<F64>(2);
}

#[test]
fn resizes_agree() {
    let [widen, narrow] = resizes();
    let mut cases = Cases(3);
    for _ in 0..CASES {
        agree(&widen, &cases.operands::<F32>());
        agree(&narrow, &cases.operands::<F64>());
    }
}

/// Singles widened and moved by a few units of the double: what narrowing finds hard.
#[test]
fn narrowing_near_singles_agrees() {
    let [_, narrow] = resizes();
    let mut cases = Cases(4);
    for _ in 0..CASES {
        let [a, _, _] = cases.operands::<F32>();
        let wide = f64::from(f32::from_bits(a as u32)).to_bits();
        for offset in [0, 1, (1 << 28) - 1, 1 << 28, (1 << 28) + 1, u64::MAX] {
            agree(&narrow, &[wide.wrapping_add(offset), 0, 0]);
        }
    }
}
