//! Regions are emitted, validated, and run by an interpreter of WebAssembly, against the IR's own interpreter.

use super::{Features, emit_module};
use crate::ir::Region;
use crate::ir::generate::{self, Case, case_of_seed};
use crate::ir::passes::{Level, PassSet, optimise};
use crate::jit::CompileError;
use crate::jit::harness::wasm::check;

#[test]
fn random_regions_do_what_the_interpreter_does() {
    for seed in 0..4000 {
        let case = case_of_seed(seed, 20 + seed as usize % 200);
        let features = Features {
            tail_calls: seed % 2 == 1,
            relaxed_madd_is_fused: false,
        };
        check(&case, &case, features, &format!("seed {seed}"));
    }
}

#[test]
fn optimised_regions_do_what_they_did() {
    for seed in 10_000..12_000 {
        let mut case = case_of_seed(seed, 20 + seed as usize % 200);
        let expected = case.clone();
        let level = if seed % 2 == 0 { Level::Quick } else { Level::Hot };
        optimise(&mut case.region, level, PassSet::ALL);
        let features = Features {
            tail_calls: true,
            relaxed_madd_is_fused: false,
        };
        check(&expected, &case, features, &format!("seed {seed}"));
    }
}

/// A module that puts its functions into places which do not follow one another, some of which are taken already.
#[test]
fn functions_go_to_their_places_in_the_table() {
    let abi = generate::abi(4);
    let cases: Vec<Case> = (0..5).map(|seed| case_of_seed(seed, 30)).collect();
    let regions: Vec<_> = cases
        .iter()
        .zip(0..)
        .map(|(case, number)| (number, &case.region))
        .collect();
    let module = emit_module(&regions, &abi, Features::default(), &[3, 4, 9, 1, 2]).unwrap();
    wasmparser::Validator::new().validate_all(&module.bytes).unwrap();
    let mut segments = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&module.bytes) {
        let wasmparser::Payload::ElementSection(section) = payload.unwrap() else {
            continue;
        };
        for element in section {
            let element = element.unwrap();
            let wasmparser::ElementItems::Functions(functions) = element.items else {
                panic!()
            };
            let wasmparser::ElementKind::Active { offset_expr, .. } = element.kind else {
                panic!()
            };
            let first = offset_expr.get_operators_reader().read().unwrap();
            segments.push(format!("{first:?} {}", functions.count()));
        }
    }
    assert_eq!(
        segments,
        [
            "I32Const { value: 3 } 2",
            "I32Const { value: 9 } 1",
            "I32Const { value: 1 } 2"
        ]
    );
    assert_eq!(module.sizes.len(), 5);
}

#[test]
fn a_region_without_entry_is_refused() {
    let error = emit_module(
        &[(7, &Region::default())],
        &generate::abi(4),
        Features::default(),
        &[1],
    );
    assert_eq!(
        error.unwrap_err(),
        CompileError::Refused {
            number: 7,
            text: "it has no entry".into()
        }
    );
}
