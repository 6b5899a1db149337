//! Regions are emitted, validated, and run by an interpreter of WebAssembly, against the IR's own interpreter.

use wasmi::{Engine, Linker, Memory, MemoryType, Module, Ref, Store, Table, TableType, Val, ValType};

use super::module::clearing_module;
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

/// Functions are put into the table, and taken from it, by functions that are in it themselves.
#[test]
fn places_are_taken_and_cleared_by_functions_in_the_table() {
    const CLEAR: u32 = 1;
    const PUT: u32 = 2;
    let abi = generate::abi(4);
    let mut builder = Builder::new(&abi);
    for number in 0..3 {
        let region = case_of_seed(number.into(), 30).region;
        builder.add(&Body::new(number, number, &region, &abi, Features::default()).unwrap());
    }
    let putting = builder.finish(Placing::ByCalls(PUT)).bytes;
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    let kind = TableType::new(ValType::FuncRef, 8, None);
    let table = Table::new(&mut store, kind, Val::FuncRef(Ref::Null)).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define("env", "memory", memory).unwrap();
    linker.define("env", "table", table).unwrap();
    for bytes in [clearing_module(CLEAR), putting] {
        wasmparser::Validator::new().validate_all(&bytes).unwrap();
        let module = Module::new(&engine, &bytes[..]).unwrap();
        linker.instantiate_and_start(&mut store, &module).unwrap();
    }
    let call = |store: &mut Store<()>, place: u32, first: u32, second: u32| {
        let Some(Val::FuncRef(Ref::Val(function))) = table.get(&*store, place.into()) else {
            panic!("nothing is at {place}");
        };
        let function = function.typed::<(u32, u32), u32>(&*store).unwrap();
        function.call(store, (first, second)).unwrap();
    };
    let taken = |store: &Store<()>| {
        let places = (0..8).map(|place| table.get(store, place).unwrap());
        let taken = places.map(|value| !matches!(value, Val::FuncRef(Ref::Null)));
        taken.collect::<Vec<_>>()
    };
    assert_eq!(
        taken(&store),
        [false, true, true, false, false, false, false, false]
    );
    call(&mut store, PUT, 7, 2);
    call(&mut store, PUT, 4, 0);
    assert_eq!(
        taken(&store),
        [false, true, true, false, true, false, false, true]
    );
    call(&mut store, CLEAR, 7, 0);
    call(&mut store, CLEAR, PUT, 0);
    assert_eq!(
        taken(&store),
        [false, true, false, false, true, false, false, false]
    );
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
        let code = |payload| match payload {
            wasmparser::Payload::CodeSectionEntry(body) => Some(body.as_bytes().to_vec()),
            _ => None,
        };
        let payloads = wasmparser::Parser::new(0).parse_all(&module.bytes);
        let codes: Vec<_> = payloads.filter_map(|payload| code(payload.unwrap())).collect();
        codes
    };
    let all = codes(&[0, 1, 2, 3, 4], Placing::AtOnce(&[5, 6, 7, 8, 9]));
    let some = codes(&[3, 1], Placing::ByCalls(9));
    // Those of every module come first, and here `put` comes last.
    let ours = all.len() - 5;
    assert_eq!(
        some[ours..ours + 2],
        [all[ours + 3].clone(), all[ours + 1].clone()]
    );
    assert_eq!(some.len(), ours + 3);
}
