//! Regions of the intermediate representation: whatever is generated is well-formed, survives being printed and parsed,
//! and does the same after the passes.

use tabvisor::ir::{
    self, Region,
    generate::{self, Case},
    interpret::{self, Left},
    passes::{self, Level, PASSES, PassSet},
    scene::Scene,
    text,
};

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
}

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

fn outcome(region: &Region, case: &Case) -> impl PartialEq + std::fmt::Debug {
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
