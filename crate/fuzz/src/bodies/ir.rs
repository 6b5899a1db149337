//! Regions of the intermediate representation: whatever is generated is well-formed, survives being printed and parsed,
//! and does the same after the passes, as machine code of each tier, and as WebAssembly.

use std::cell::RefCell;

use tabvisor::ir::{
    self, Region,
    generate::{self, Case},
    interpret::{self, Left},
    passes::{self, Level, PASSES, PassSet},
    scene::Scene,
    text,
};
use tabvisor::jit::{Tier, wasm::Features};

use harness::native::Bench;

#[path = "../../../src/jit/harness/mod.rs"]
mod harness;

/// Blocks that may run.
const BLOCKS: u64 = 10_000;

/// The first byte says which passes, the others are the region.
pub fn run(input: &[u8]) {
    let (&first, rest) = input.split_first().unwrap_or((&0, &[]));
    let case = generate::case(rest);
    let abi = generate::abi(8);
    well_formed(&case.region);
    let printed = text::print(&case.region, &abi);
    let again = text::parse(&printed, &abi).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(text::print(&again, &abi), printed);

    let level = if first & 0x80 == 0 {
        Level::Quick
    } else {
        Level::Hot
    };
    let passes = match PASSES.get(usize::from(first & 0x0f)) {
        Some((pass, _)) if first & 0x40 == 0 => PassSet::NONE.with(*pass),
        Some((pass, _)) => PassSet::ALL.without(*pass),
        None => PassSet::ALL,
    };
    let mut region = case.region.clone();
    passes::shape(&mut region, passes);
    passes::optimise(&mut region, level, passes);
    well_formed(&region);
    let (before, after) = (outcome(&case.region, &case), outcome(&region, &case));
    assert!(
        before == after,
        "{passes} changed\n{printed}\nto\n{}\n{before:?}\n{after:?}",
        text::print(&region, &abi)
    );
    // One that goes round for too long cannot be held against anything.
    if before.0.is_ok() {
        machine_code(&case);
        let features = Features {
            tail_calls: first & 0x20 != 0,
            relaxed_madd_is_fused: false,
        };
        let mut optimised = case.clone();
        // Without `shape`, so that points keep the numbers by which they are compared.
        passes::optimise(&mut optimised.region, level, passes);
        harness::wasm::check(&case, &optimised, features, "WebAssembly");
    }
}

thread_local! {
    /// Making a back end takes longer than all it is used for.
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

/// Runs the region as machine code of each tier.
fn machine_code(case: &Case) {
    let mut bench = BENCH.take().unwrap_or_else(|| Bench::new(PassSet::ALL));
    for tier in [Tier::Quick, Tier::Hot] {
        bench.check(&case.region, case.entry, &case.state, tier);
    }
    BENCH.set(Some(bench));
}

/// How a region was left, the state afterwards, what was done to the device, whether memory changed, and to what.
type Outcome = (
    Result<Left, interpret::RunError>,
    interpret::State,
    Vec<(u64, Option<u64>)>,
    bool,
    u64,
);

/// Text as the parser may be given it.
pub fn parse(input: &[u8]) {
    let abi = generate::abi(8);
    if let Ok(region) = text::parse(&String::from_utf8_lossy(input), &abi) {
        // Malformed regions are refused, not printed: names of things that are not there have no text.
        if ir::verify(&region, &abi).is_ok() {
            text::print(&region, &abi);
        }
    }
}

fn well_formed(region: &Region) {
    if let Err(error) = ir::verify(region, &generate::abi(8)) {
        panic!("{error}\n{}", text::print(region, &generate::abi(8)));
    }
}

fn outcome(region: &Region, case: &Case) -> Outcome {
    let (mut state, mut scene) = (case.state.clone(), Scene::default());
    let left = interpret::run(region, case.entry, &mut state, &mut scene, BLOCKS)
        .map(|left| Left { point: None, ..left });
    (
        left,
        state,
        scene.device,
        scene.memory == Scene::default().memory,
        checksum(&scene.memory),
    )
}

fn checksum(memory: &[u8]) -> u64 {
    memory.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
