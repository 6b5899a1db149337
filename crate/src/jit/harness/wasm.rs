//! WebAssembly, validated and run by an interpreter of it, with a [`Scene`] for a world.

use tabvisor::ir::abi::Helper;
use tabvisor::ir::generate::{self, Case, STATE_BYTES};
use tabvisor::ir::interpret::{self, Left};
use tabvisor::ir::scene::Scene;
use tabvisor::ir::text::print;
use tabvisor::ir::{Abi, Leave, PointId};
use tabvisor::jit::wasm::{Features, emit_module};
use wasmi::{
    Caller, Engine, Func, Linker, Memory, MemoryType, Module, Ref, Store, Table, TableType, Val, ValType,
};

/// Where things lie in the memory.
const STATE: u32 = 4096;
const TABLE: u32 = 8192;
const TARGETS: u32 = 12288;
const GUEST: u32 = 16384;
/// Where the region's function is in the table; the helpers come first.
const SLOT: u32 = 8;
/// The region's number.
const NUMBER: u32 = 77;

struct World {
    scene: Scene,
    abi: Abi,
    memory: Option<Memory>,
}

impl World {
    /// Brings the scene's memory and the module's into line by calling `f` between.
    fn help(mut caller: Caller<'_, World>, helper: Helper, args: [u64; 3], code: u32) -> u64 {
        let memory = caller.data().memory.unwrap();
        let (bytes, world) = memory.data_and_store_mut(&mut caller);
        let guest = GUEST as usize..GUEST as usize + world.scene.memory.len();
        world.scene.memory.copy_from_slice(&bytes[guest.clone()]);
        let state_bytes = &mut bytes[STATE as usize..][..STATE_BYTES];
        let mut state = Scene::read_state(&world.abi, state_bytes);
        let result = world
            .scene
            .help(helper, args, code, &mut state.run_until, &mut state.inexact);
        Scene::write_state(&world.abi, &state, state_bytes);
        if result.is_none() {
            state_bytes[world.abi.trapped as usize] = 1;
        }
        bytes[guest].copy_from_slice(&world.scene.memory);
        result.unwrap_or(0xdead_dead_dead_dead)
    }
}

/// Runs a case in emitted code: how it was left, with the state and the scene then.
fn run(case: &Case, features: Features) -> (Left, interpret::State, Scene) {
    let abi = generate::abi(4);
    let module = emit_module(&[(NUMBER, &case.region)], &abi, features, &[SLOT]).unwrap();
    wasmparser::Validator::new()
        .validate_all(&module.bytes)
        .unwrap_or_else(|error| panic!("{error}\n{}", print(&case.region, &abi)));
    let engine = Engine::default();
    let mut store = Store::new(
        &engine,
        World {
            scene: Scene::default(),
            abi: abi.clone(),
            memory: None,
        },
    );
    let memory = Memory::new(&mut store, MemoryType::new(2, None)).unwrap();
    store.data_mut().memory = Some(memory);
    let table = Table::new(
        &mut store,
        TableType::new(ValType::FuncRef, 16, None),
        Val::FuncRef(Ref::Null),
    )
    .unwrap();
    for (index, helper) in Helper::ALL.into_iter().enumerate() {
        let function = Func::wrap(
            &mut store,
            move |caller: Caller<'_, World>, _: u32, a: u64, b: u64, c: u64, code: u32| {
                World::help(caller, helper, [a, b, c], code)
            },
        );
        table
            .set(&mut store, index as u64, Val::FuncRef(Ref::Val(function)))
            .unwrap();
    }
    let mut linker = Linker::new(&engine);
    linker.define("env", "memory", memory).unwrap();
    linker.define("env", "table", table).unwrap();
    let module = Module::new(&engine, &module.bytes[..]).unwrap();
    linker.instantiate_and_start(&mut store, &module).unwrap();

    let (bytes, world) = memory.data_and_store_mut(&mut store);
    let fast = Scene::table(&abi, u64::from(GUEST));
    bytes[TABLE as usize..][..fast.len()].copy_from_slice(&fast);
    bytes[GUEST as usize..][..world.scene.memory.len()].copy_from_slice(&world.scene.memory);
    // Targets that are nobody's.
    bytes[TARGETS as usize..GUEST as usize].fill(0xa5);
    let state = &mut bytes[STATE as usize..][..STATE_BYTES];
    Scene::write_state(&abi, &case.state, state);
    let mut put =
        |offset: u32, number: u32| state[offset as usize..][..4].copy_from_slice(&number.to_le_bytes());
    put(abi.table, TABLE);
    put(abi.targets, TARGETS);
    for (index, helper) in Helper::ALL.into_iter().enumerate() {
        put(abi.helper(helper), index as u32);
    }
    let Some(Val::FuncRef(Ref::Val(function))) = table.get(&store, u64::from(SLOT)) else {
        panic!("there is no function in the table");
    };
    let function = function.typed::<(u32, u32), u32>(&store).unwrap();
    let leave = function.call(&mut store, (STATE, case.entry as u32)).unwrap();

    let (bytes, world) = memory.data_and_store_mut(&mut store);
    let guest = GUEST as usize..GUEST as usize + world.scene.memory.len();
    world.scene.memory.copy_from_slice(&bytes[guest]);
    let state_bytes = &bytes[STATE as usize..][..STATE_BYTES];
    let mut state = Scene::read_state(&abi, state_bytes);
    let number = |offset: u32| u64::from_le_bytes(state_bytes[offset as usize..][..8].try_into().unwrap());
    let left = match leave {
        0 | 3 => {
            let leave = if leave == 0 { Leave::Next } else { Leave::Budget };
            Left {
                leave,
                pc: number(abi.pc),
                point: None,
            }
        }
        1 | 2 => {
            assert_eq!(number(abi.region) as u32, NUMBER);
            let id = PointId(number(abi.point) as u32);
            let point = case.region.point(id);
            state.retired += u64::from(point.done);
            Left {
                leave: if leave == 1 {
                    Leave::Interpret
                } else {
                    Leave::Stopped
                },
                pc: point.pc,
                point: Some(id),
            }
        }
        other => panic!("left with {other}"),
    };
    (left, state, world.scene.clone())
}

/// Runs one case in the interpreter and another in emitted code.
pub fn check(plain: &Case, case: &Case, features: Features, name: &str) {
    let mut expected = (plain.state.clone(), Scene::default());
    let left = interpret::run(
        &plain.region,
        plain.entry,
        &mut expected.0,
        &mut expected.1,
        10_000,
    )
    .unwrap();
    let (got, state, scene) = run(case, features);
    let region = print(&case.region, &generate::abi(4));
    assert_eq!(got, left, "{name}\n{region}");
    for (slot, (got, want)) in state.slots.iter().zip(&expected.0.slots).enumerate() {
        assert_eq!(got, want, "{name}: slot {slot}: {got:#x} {want:#x}\n{region}");
    }
    assert_eq!(state, expected.0, "{name}\n{region}");
    assert!(scene == expected.1, "{name}: memory differs\n{region}");
}
