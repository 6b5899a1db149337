//! Random programs through the lockstep: whatever the compiler makes of them, the interpreter must make the same.
//!
//! The programs have loops, calls, jumps through registers, code that changes itself, pages that are mapped elsewhere,
//! traps in the middle of everything, and timers that fire at any instruction, because turns end at any. What differs is
//! made as small as it goes and printed.
//!
//! `npm run lockstep -- --minutes 10 --seed 7` runs them for longer, from another seed.

#![cfg(not(target_arch = "wasm32"))]

#[path = "../conformance/encode.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod encode;
mod image;
mod minimise;
mod piece;
#[path = "../conformance/prng.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod prng;
mod program;
mod trial;
#[path = "../conformance/unit.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod unit;
#[path = "../conformance/values.rs"]
mod values;

use std::time::{Duration, Instant};

use program::Program;
use trial::{Outcome, Trial};

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}"))
    })
}

#[test]
fn random_programs_run_the_same_under_the_compiler() {
    let seconds = number("TABVISOR_LOCKSTEP_SECONDS", 15);
    let first = number("TABVISOR_LOCKSTEP_SEED", 1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut programs, mut ended, mut regions, mut instructions) = (0, 0, 0, 0);
    let mut told = Instant::now();
    // However slow the host is, some are run.
    for seed in first.. {
        if programs >= 20 && Instant::now() >= end {
            break;
        }
        let program = Program::random(seed);
        let trial = Trial::random(seed);
        let outcome = trial.run(&program);
        if let Outcome::Differs(difference) = outcome {
            let (smallest, difference) = minimise::minimise(program, &trial, difference);
            panic!("seed {seed}, {trial:?}:\n{difference}\n{smallest}");
        }
        let Outcome::Agrees { ends, stats } = outcome else {
            continue;
        };
        let jit = stats.jit.expect("the tested machine has a compiler");
        programs += 1;
        ended += u64::from(ends);
        regions += jit.quick_regions + jit.hot_regions;
        instructions += stats.instructions;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!("{programs} programs, {regions} regions, {instructions} instructions");
        }
    }
    println!(
        "{programs} programs, {ended} of them to the end, {regions} regions, {instructions} instructions: all agree"
    );
    // Some count loops in loops for longer than anybody waits.
    assert!(
        ended * 2 >= programs,
        "only {ended} of {programs} programs came to their end"
    );
    assert!(regions > programs, "only {regions} regions were compiled");
}
