//! Code made at run time in the page: regions compiled, run and released through the back end. Runs in Node and, with
//! `WASM_BINDGEN_USE_BROWSER=1` or `WASM_BINDGEN_USE_DEDICATED_WORKER=1`, in a headless browser.

#![cfg(target_arch = "wasm32")]

#[path = "common/event_loop.rs"]
mod event_loop;

use std::cell::Cell;

use event_loop::event_loop;
use tabvisor::ir::abi::Helper;
use tabvisor::ir::generate::{self, Case, STATE_BYTES, case_of_seed};
use tabvisor::ir::interpret;
use tabvisor::ir::passes::PassSet;
use tabvisor::ir::scene::{Scene, float_code};
use tabvisor::ir::verify::float_operands;
use tabvisor::ir::{
    Abi, Block, BlockId, FloatOp, Inst, Precision, Region, Slot, SlotSet, Terminator, Type, Value, text,
};
use tabvisor::jit::wasm::{Features, WasmBackend};
use tabvisor::jit::{Backend, Code, Finished, Job, Tier};
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

/// Compiles regions, numbered from 0, and waits for all of them.
fn compile(backend: &mut WasmBackend, regions: Vec<Region>) -> Vec<Code> {
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

/// Where the state has the pointer to its scene.
const SCENE: usize = 1000;

/// A state, and what it points to.
struct World {
    state: Vec<u64>,
    table: Vec<u8>,
    targets: Vec<u64>,
    scene: Box<Scene>,
}

extern "C" fn help<const N: usize>(state: *mut u8, a: u64, b: u64, c: u64, code: u32) -> u64 {
    let abi = generate::abi(4);
    // SAFETY: the world laid its state out so, and waits while compiled code uses it.
    let (scene, memory) = unsafe {
        let scene = &mut **state.add(SCENE).cast::<*mut Scene>();
        (scene, std::slice::from_raw_parts_mut(state, STATE_BYTES))
    };
    let at = abi.run_until as usize;
    let mut run_until = u64::from_le_bytes(memory[at..at + 8].try_into().expect("eight"));
    let flags = &mut memory[abi.float_flags as usize];
    let mut inexact = *flags & abi.inexact != 0;
    let made = scene.help(Helper::ALL[N], [a, b, c], code, &mut run_until, &mut inexact);
    *flags |= if inexact { abi.inexact } else { 0 };
    memory[at..at + 8].copy_from_slice(&run_until.to_le_bytes());
    memory[abi.trapped as usize] = made.is_none().into();
    if N == Helper::Float as usize {
        FLOAT_HELPS.set(FLOAT_HELPS.get() + 1);
    }
    made.unwrap_or(0x5a5a_5a5a_5a5a_5a5a)
}

thread_local! {
    /// Floating-point operations that compiled code has left to the helper.
    static FLOAT_HELPS: Cell<u32> = const { Cell::new(0) };
}

impl World {
    fn new(abi: &Abi, state: &interpret::State) -> Self {
        let scene = Box::<Scene>::default();
        let table = Scene::table(abi, scene.memory.as_ptr() as u64);
        let mut world = Self {
            state: vec![0; STATE_BYTES / 8],
            table,
            targets: vec![u64::MAX / 3; 128],
            scene,
        };
        Scene::write_state(abi, state, world.bytes());
        let mut pointers = vec![
            (abi.table as usize, world.table.as_ptr() as u32),
            (abi.targets as usize, world.targets.as_ptr() as u32),
            (SCENE, &raw mut *world.scene as u32),
        ];
        type Help = extern "C" fn(*mut u8, u64, u64, u64, u32) -> u64;
        let helps: [Help; Helper::COUNT] = [
            help::<0>, help::<1>, help::<2>, help::<3>, help::<4>, help::<5>, help::<6>,
        ];
        for (helper, function) in Helper::ALL.into_iter().zip(helps) {
            pointers.push((abi.helper(helper) as usize, function as usize as u32));
        }
        for (at, pointer) in pointers {
            world.bytes()[at..at + 4].copy_from_slice(&pointer.to_le_bytes());
        }
        world
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: Any words are bytes.
        unsafe { std::slice::from_raw_parts_mut(self.state.as_mut_ptr().cast(), STATE_BYTES) }
    }

    fn number(&mut self, offset: u32) -> u64 {
        u64::from_le_bytes(self.bytes()[offset as usize..][..8].try_into().expect("eight"))
    }

    /// Runs code that was made for such a state. Gives the reason it was left for.
    fn run(&mut self, backend: &WasmBackend, code: Code, entry: u32) -> u32 {
        let pointer = self.bytes().as_mut_ptr();
        // SAFETY: The code was made for such a state, which nothing else uses now.
        unsafe { backend.call(code.function, pointer, entry) }
    }
}

/// Back ends: one that uses all that the engine can, and one that uses nothing that not every engine can.
fn backends(abi: &Abi) -> [WasmBackend; 2] {
    let plain = WasmBackend::with_features(abi.clone(), Features::default(), PassSet::ALL);
    [WasmBackend::new(abi.clone(), PassSet::ALL), plain]
}

/// Regions of a module.
const BATCH: u64 = 50;

#[wasm_bindgen_test]
fn generated_regions_do_what_the_reference_does() {
    let abi = generate::abi(4);
    for mut backend in backends(&abi) {
        let features = backend.features();
        for first in (0..500).step_by(BATCH as usize) {
            let cases: Vec<_> = (first..first + BATCH)
                .map(|seed| case_of_seed(seed, 20 + seed as usize % 200))
                .collect();
            let regions = cases.iter().map(|case| case.region.clone()).collect();
            for ((number, case), code) in (0..).zip(&cases).zip(compile(&mut backend, regions)) {
                let name = format!("seed {}, {features:?}", first + number);
                does_what_the_reference_does(&backend, code, number as u32, case, &name);
                backend.release(code);
            }
        }
    }
}

/// Runs the code of the region with this number beside the reference.
fn does_what_the_reference_does(backend: &WasmBackend, code: Code, number: u32, case: &Case, name: &str) {
    let abi = generate::abi(4);
    let (mut expected, mut scene) = (case.state.clone(), Scene::default());
    let left = interpret::run(&case.region, case.entry, &mut expected, &mut scene, 10_000);
    let left = left.expect("these end");
    let mut world = World::new(&abi, &case.state);
    let reason = world.run(backend, code, case.entry as u32);
    assert_eq!(reason, left.leave as u32, "{name}");
    let mut after = Scene::read_state(&abi, world.bytes());
    match left.point {
        Some(point) => {
            assert_eq!(world.number(abi.point) as u32, point.0, "{name}");
            assert_eq!(world.number(abi.region) as u32, number, "{name}");
            after.retired += u64::from(case.region.point(point).done);
        }
        None => assert_eq!(world.number(abi.pc), left.pc, "{name}"),
    }
    assert_eq!(after, expected, "{name}");
    assert!(*world.scene == scene, "{name}: memory differs");
}

/// Slots of floating-point registers start here.
const FLOATS: u8 = 32;

/// A region that puts `a * b + c`, of the first three registers of its kind, into the fourth.
fn multiply_and_add(precision: Precision) -> (Region, u8) {
    let (operand, _) = float_operands(FloatOp::Fma, precision);
    let first = if operand == Type::F64 { FLOATS } else { 0 } + 1;
    let float = Inst::Float {
        op: FloatOp::Fma,
        precision,
        a: Value(0),
        b: Value(1),
        c: Value(2),
        code: float_code(FloatOp::Fma, precision),
    };
    let mut insts: Vec<_> = (first..first + 3).map(|slot| Inst::Get(Slot(slot))).collect();
    insts.extend([float, Inst::Set(Slot(first + 3), Value(3))]);
    let block = Block {
        pc: 0x1000,
        poll: false,
        insts,
        retired: 1,
        end: Terminator::Exit(0x2000),
    };
    let region = Region {
        blocks: vec![block],
        entries: vec![BlockId(0)],
        points: Vec::new(),
        locals: SlotSet(0),
    };
    (region, first)
}

/// Where the engine has relaxed SIMD and its multiply-and-add rounds once, compiled code uses that.
#[wasm_bindgen_test]
fn products_and_sums_round_once() {
    const STEP: f64 = 1.0 / (1 << 30) as f64;
    const NUMBERS: [f64; 16] = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        1.0 + STEP,
        -(1.0 + 2.0 * STEP),
        1e10,
        3e-20,
        1e300,
        -1e-300,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
    ];
    let abi = generate::abi(4);
    for (mut backend, everything) in backends(&abi).into_iter().zip([true, false]) {
        let fused = backend.features().relaxed_madd_is_fused;
        for precision in [Precision::Single, Precision::Double] {
            let (region, first) = multiply_and_add(precision);
            let code = compile(&mut backend, vec![region.clone()])[0];
            let (mut all, before) = (0, FLOAT_HELPS.get());
            for (a, b, c) in NUMBERS
                .iter()
                .flat_map(|&a| NUMBERS.iter().flat_map(move |&b| NUMBERS.map(|c| (a, b, c))))
            {
                let mut state = case_of_seed(0, 10).state;
                (state.inexact, state.rounding) = (true, 0);
                (state.retired, state.run_until) = (0, 1000);
                for (slot, number) in (usize::from(first)..).zip([a, b, c]) {
                    state.slots[slot] = match precision {
                        Precision::Double => number.to_bits(),
                        Precision::Single => (number as f32).to_bits().into(),
                    };
                }
                let mut expected = state.clone();
                interpret::run(&region, 0, &mut expected, &mut Scene::default(), 9).expect("it ends");
                let mut world = World::new(&abi, &state);
                world.run(&backend, code, 0);
                let after = Scene::read_state(&abi, world.bytes());
                assert_eq!(
                    after, expected,
                    "{precision:?}, fused: {fused}: {a:e} * {b:e} + {c:e}"
                );
                all += 1;
            }
            let helped = FLOAT_HELPS.get() - before;
            if fused {
                // Zeros, tiny results, infinities and NaN are for the helper.
                assert!(helped < all, "the helper did all {all}");
                console_log!(
                    "{precision:?}: the engine's multiply-and-add did {} of {all}",
                    all - helped
                );
            } else {
                assert_eq!(helped, all);
            }
        }
        if everything && !fused {
            console_log!(
                "skipped: this engine has no relaxed SIMD whose multiply-and-add rounds once; the helper did it"
            );
        }
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
        let leave = world.run(&backend, code, 0);
        assert_eq!(leave, 0);
        let numbers = world.scene.memory[..0x2000].chunks(8);
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

#[wasm_bindgen_test]
async fn functions_of_small_modules_move_together_and_do_the_same() {
    let mut backend = WasmBackend::new(generate::abi(4), PassSet::ALL);
    let cases: Vec<_> = (0..1400).map(|seed| case_of_seed(seed, 20)).collect();
    let codes: Vec<_> = cases
        .iter()
        .map(|case| compile(&mut backend, vec![case.region.clone()])[0])
        .collect();
    let before = backend.modules();
    assert_eq!(before, codes.len());
    // Some go while others move.
    let mut alive: Vec<_> = cases.iter().zip(codes).collect();
    for round in 0..400 {
        for _ in 0..20 {
            backend.compact(&mut Vec::new());
        }
        if round % 4 == 0 && alive.len() > 1000 {
            let (_, code) = alive.swap_remove(round * 7 % alive.len());
            backend.release(code);
        }
        event_loop().await;
    }
    let moved = backend.compaction().moved;
    assert!(moved >= 200, "{moved} functions have moved");
    let modules = backend.modules();
    assert!(modules + 100 < alive.len(), "{modules} modules of {before}");
    for (case, code) in alive {
        does_what_the_reference_does(&backend, code, 0, case, "moved or not");
        backend.release(code);
    }
    assert_eq!((backend.code_bytes(), backend.modules()), (0, 0));
}
