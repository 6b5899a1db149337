//! Regions are emitted, validated, and run by an interpreter of WebAssembly, against the IR's own interpreter.

use super::{Body, Builder, Features, Placing, emit_module};
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

/// A function moves from module to module as it is.
#[test]
fn a_body_is_the_same_in_any_module() {
    let abi = generate::abi(4);
    let bodies: Vec<Body> = (0..5)
        .map(|seed| {
            Body::new(
                seed,
                seed,
                &case_of_seed(seed.into(), 30).region,
                &abi,
                Features::default(),
            )
            .unwrap()
        })
        .collect();
    let codes = |chosen: &[usize], placing: Placing<'_>| {
        let mut builder = Builder::new(&abi);
        chosen.iter().for_each(|&at| builder.add(&bodies[at]));
        let module = builder.finish(placing);
        wasmparser::Validator::new().validate_all(&module.bytes).unwrap();
        let mut codes = Vec::new();
        let mut exports = Vec::new();
        for payload in wasmparser::Parser::new(0).parse_all(&module.bytes) {
            match payload.unwrap() {
                wasmparser::Payload::CodeSectionEntry(body) => codes.push(body.as_bytes().to_vec()),
                wasmparser::Payload::ExportSection(section) => {
                    exports.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
                }
                _ => {}
            }
        }
        (codes, exports)
    };
    let (all, none) = codes(&[0, 1, 2, 3, 4], Placing::AtOnce(&[5, 6, 7, 8, 9]));
    let (some, names) = codes(&[3, 1], Placing::ByCalls);
    assert_eq!((none.len(), names), (0, vec!["put".to_owned()]));
    // Those of every module come first, and here `put` comes last.
    let ours = all.len() - 5;
    assert_eq!(
        some[ours..ours + 2],
        [all[ours + 3].clone(), all[ours + 1].clone()]
    );
    assert_eq!(some.len(), ours + 3);
}
