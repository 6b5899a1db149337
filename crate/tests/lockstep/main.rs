//! Random programs through the lockstep: whatever the compiler makes of them, the interpreter must make the same.
//!
//! The programs have loops, calls, jumps through registers, code that changes itself, pages that are mapped elsewhere,
//! traps in the middle of everything, and timers that fire at any instruction, because turns end at any. Some machines
//! have several harts, which share memory and interrupt each other. What differs is made as small as it goes and printed.
//!
//! `npm run lockstep -- --minutes 10 --seed 7` runs them for longer, from another seed.

//! `crate/tests/wasm_lockstep.rs` runs the same under the compiler of the page.

#![cfg(not(target_arch = "wasm32"))]

#[path = "../conformance/encode.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod encode;
mod guest;
mod image;
mod minimise;
mod piece;
#[path = "../conformance/prng.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod prng;
mod program;
mod tally;
mod trial;
#[path = "../conformance/unit.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod unit;
#[path = "../conformance/values.rs"]
mod values;

use std::time::{Duration, Instant};

use tally::Tally;

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
    let mut tally = Tally::default();
    let mut told = Instant::now();
    // However slow the host is, some are run, and some more if nothing was revived by then.
    for seed in first.. {
        let least = if tally.has_revived() { 20 } else { 100 };
        if tally.guests() >= least && Instant::now() >= end {
            break;
        }
        tally.run(seed);
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!("{tally}");
        }
    }
    println!("{tally}: all agree");
    tally.check();
}
