//! Programs written by hand: traps, CSRs, paging, protection, interrupts. `tests/conformance/support.inc` describes
//! what they print.

use crate::engines::ENGINES;
use crate::{assembler, qemu, tabvisor_side};

/// Runs `source` on both sides: no check may fail, and the lines must be equal. Lines starting with `~` are
/// about what QEMU 7.2 does not have or does otherwise: there Tabvisor answers to the test alone.
fn compare(source: &str, defines: &[&str]) {
    compare_on(1, source, defines);
}

/// The same on several harts.
fn compare_on(harts: usize, source: &str, defines: &[&str]) {
    let elf = assembler::elf(source, defines);
    let expected = qemu::run_on(&elf, harts);
    let shared = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.starts_with('~'))
            .map(str::to_owned)
            .collect()
    };
    let expected = shared(&expected);
    assert_eq!(
        expected.last().map(String::as_str),
        Some("DONE"),
        "{source}: not finished under QEMU: {expected:#?}"
    );
    let mistaken: Vec<&String> = expected.iter().filter(|line| line.contains("FAILED")).collect();
    assert!(
        mistaken.is_empty(),
        "{source}: the test is wrong about QEMU: {mistaken:#?}"
    );

    for engine in ENGINES {
        let got = tabvisor_side::run_on(engine, &elf, harts);
        let mut complaints: Vec<String> = got
            .lines()
            .filter(|line| line.starts_with('~') && line.contains("FAILED"))
            .map(str::to_owned)
            .collect();
        let got = shared(&got);
        for i in 0..expected.len().max(got.len()) {
            let nothing = String::from("(nothing)");
            let (expected, got) = (
                expected.get(i).unwrap_or(&nothing),
                got.get(i).unwrap_or(&nothing),
            );
            if expected != got {
                complaints.push(format!("expected {expected}, got {got}"));
            }
        }
        assert!(
            complaints.is_empty(),
            "{source} {defines:?}, {engine:?}: {complaints:#?}"
        );
    }
}

#[test]
fn traps_and_delegation() {
    compare("traps.S", &[]);
}

#[test]
fn control_and_status_registers() {
    compare("csr.S", &[]);
}

#[test]
fn paging_sv39() {
    compare("paging.S", &["-DSV=39"]);
}

#[test]
fn paging_sv48() {
    compare("paging.S", &["-DSV=48"]);
}

#[test]
fn paging_sv57() {
    compare("paging.S", &["-DSV=57"]);
}

#[test]
fn physical_memory_protection() {
    compare("pmp.S", &[]);
}

#[test]
fn cache_block_operations() {
    compare("zicbo.S", &[]);
}

#[test]
fn interrupts_and_timers() {
    compare("interrupts.S", &[]);
}

#[test]
fn counting_bits_of_empty_words() {
    compare("bits.S", &[]);
}

#[test]
fn code_that_changes() {
    compare("code.S", &[]);
}

#[test]
fn four_harts() {
    compare_on(4, "harts.S", &[]);
}
