//! Code made at run time in the page: regions compiled, run and released through the back end. Runs in Node and, with
//! `WASM_BINDGEN_USE_BROWSER=1` or `WASM_BINDGEN_USE_DEDICATED_WORKER=1`, in a headless browser.

#![cfg(target_arch = "wasm32")]

use tabvisor::ir::generate::{self, STATE_BYTES, case_of_seed};
use tabvisor::ir::interpret;
use tabvisor::ir::passes::PassSet;
use tabvisor::ir::scene::Scene;
use tabvisor::ir::{Abi, text};
use tabvisor::jit::wasm::{Features, WasmBackend};
use tabvisor::jit::{Backend, Code, Finished, Job, Tier};
use wasm_bindgen_test::wasm_bindgen_test;

/// Compiles regions, numbered from 0, and waits for all of them.
fn compile(backend: &mut WasmBackend, regions: Vec<tabvisor::ir::Region>) -> Vec<Code> {
    let mut codes = vec![None; regions.len()];
    for (number, region) in (0..).zip(regions) {
        let job = Job {
            number,
            region,
            tier: Tier::Hot,
        };
        backend.submit(job).expect("there is room");
    }
    let mut finished: Vec<Finished> = Vec::new();
    while backend.pending() > 0 {
        backend.finished(&mut finished);
    }
    for Finished { number, result } in finished {
        codes[number as usize] = Some(result.expect("it compiles"));
    }
    codes
        .into_iter()
        .map(|code| code.expect("every job is finished"))
        .collect()
}

/// A state, and what it points to. Regions that need a helper are not run here: there is none.
struct World {
    state: Vec<u64>,
    table: Vec<u8>,
    targets: Vec<u64>,
    memory: Vec<u8>,
}

impl World {
    fn new(abi: &Abi, state: &interpret::State) -> Self {
        let memory = Scene::default().memory;
        let table = Scene::table(abi, memory.as_ptr() as u64);
        let mut world = Self {
            state: vec![0; STATE_BYTES / 8],
            table,
            targets: vec![u64::MAX / 3; 128],
            memory,
        };
        let bytes = world.bytes();
        Scene::write_state(abi, state, bytes);
        let pointers = [
            (abi.table, world.table.as_ptr() as u32),
            (abi.targets, world.targets.as_ptr() as u32),
        ];
        for (at, pointer) in pointers {
            world.bytes()[at as usize..][..4].copy_from_slice(&pointer.to_le_bytes());
        }
        world
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: Any words are bytes.
        unsafe { std::slice::from_raw_parts_mut(self.state.as_mut_ptr().cast(), STATE_BYTES) }
    }
}

const LOOP: &str = "region locals x10 x11 x12 entry b0
b0 @0x80000000 poll:
  v0 = get x10
  v1 = load.64 v0 at 0x80000000+0
  v2 = get x12
  v3 = add v2, v1
  set x12, v3
  v5 = const 8
  v6 = add v0, v5
  set x10, v6
  v8 = get x11
  branch ltu v6, v8, b0, b1 retires 4
b1 @0x80000010:
  exit 0x80000010 retires 0
";

#[wasm_bindgen_test]
fn a_loop_is_compiled_and_run() {
    let abi = generate::abi(4);
    let region = text::parse(LOOP, &abi).expect("a good text");
    let plain = WasmBackend::with_features(abi.clone(), Features::default(), PassSet::NONE);
    for mut backend in [WasmBackend::new(abi.clone(), PassSet::ALL), plain] {
        let code = compile(&mut backend, vec![region.clone()])[0];
        let mut state = case_of_seed(0, 10).state;
        state.slots[10..13].copy_from_slice(&[0x8000_0000, 0x8000_2000, 0]);
        (state.retired, state.run_until) = (0, 1_000_000);
        let mut world = World::new(&abi, &state);
        let pointer = world.bytes().as_mut_ptr();
        // SAFETY: The code was made for such a state, which nothing else uses now.
        let leave = unsafe { backend.call(code.function, pointer, 0) };
        assert_eq!(leave, 0);
        let numbers = world.memory[..0x2000].chunks(8);
        let numbers = numbers.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight")));
        let sum = numbers.fold(0, u64::wrapping_add);
        let after = Scene::read_state(&abi, world.bytes());
        assert_eq!(after.slots[12], sum);
        assert_eq!(after.retired, 4 * 1024);
        backend.release(code);
        assert_eq!(backend.code_bytes(), 0);
    }
}

#[wasm_bindgen_test]
fn many_regions_make_few_modules_and_places_are_used_again() {
    let mut backend = WasmBackend::new(generate::abi(4), PassSet::ALL);
    let mut places = std::collections::BTreeSet::new();
    for round in 0..4 {
        let regions = (0..100)
            .map(|seed| case_of_seed(round * 100 + seed, 60).region)
            .collect();
        let codes = compile(&mut backend, regions);
        assert!(
            backend.modules() <= (round as usize + 1) * 10,
            "{} modules",
            backend.modules()
        );
        for code in codes {
            places.insert(code.function);
            backend.release(code);
        }
    }
    assert_eq!(places.len(), 100);
}
