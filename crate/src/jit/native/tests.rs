//! Compiled code against the reference interpreter of the intermediate representation.

use std::{thread::sleep, time::Duration};

use proptest::prelude::*;

use super::{NativeBackend, Options, Threading};
use crate::{
    ir::{
        BinaryOp, Block, BlockId, Compare, FloatOp, Inst, Leave, Point, PointId, Precision, Region, Slot,
        SlotSet, Terminator, Type, UnaryOp, Value, Width, eval, generate,
        interpret::{self, State},
        passes::PassSet,
        scene::{BASE, FLOAT_OPS, PAGE, Scene, float_code},
        verify,
    },
    jit::{
        Backend, Job, Tier,
        harness::native::{Bench, NOWHERE},
    },
};

fn state() -> State {
    State {
        slots: vec![0; 65],
        retired: 0,
        run_until: 1000,
        inexact: true,
        rounding: 0,
    }
}

/// A region of one block.
fn straight(insts: Vec<Inst>) -> Region {
    let points = vec![Point { pc: 0x1008, done: 1 }];
    let block = Block {
        pc: 0x1000,
        poll: false,
        insts,
        retired: 3,
        end: Terminator::Exit(0x2000),
    };
    Region {
        blocks: vec![block],
        entries: vec![BlockId(0)],
        points,
        locals: SlotSet(u128::MAX >> 64 & !1),
    }
}

const TIERS: [Tier; 2] = [Tier::Quick, Tier::Hot];

const CORNERS: [u64; 14] = [
    0,
    1,
    2,
    31,
    63,
    64,
    u64::MAX,
    i64::MIN as u64,
    i64::MAX as u64,
    0xffff_ffff,
    0x8000_0000,
    0x0123_4567_89ab_cdef,
    0xffff_ffff_8000_0000,
    0x00ff_0000_7f80_0001,
];

const BINARY: [BinaryOp; 18] = [
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::And,
    BinaryOp::Or,
    BinaryOp::Xor,
    BinaryOp::Shl,
    BinaryOp::Shr,
    BinaryOp::Sar,
    BinaryOp::Rotr,
    BinaryOp::Rotr32,
    BinaryOp::Mul,
    BinaryOp::Mulh,
    BinaryOp::Mulhu,
    BinaryOp::Mulhsu,
    BinaryOp::Div,
    BinaryOp::Divu,
    BinaryOp::Rem,
    BinaryOp::Remu,
];

#[test]
fn operations_on_two_integers() {
    let mut bench = Bench::new(PassSet::NONE);
    let (x1, x2) = (Inst::Get(Slot(1)), Inst::Get(Slot(2)));
    let set = |slot, value| Inst::Set(Slot(slot), Value(value));
    for tier in TIERS {
        for op in BINARY {
            let code = bench.compile(
                &straight(vec![x1, x2, Inst::Binary(op, Value(0), Value(1)), set(3, 2)]),
                0,
                tier,
            );
            for b in CORNERS {
                let constant = vec![
                    x1,
                    Inst::Const(b),
                    Inst::Binary(op, Value(0), Value(1)),
                    set(3, 2),
                ];
                let with_constant = bench.compile(&straight(constant), 0, tier);
                for a in CORNERS {
                    let mut before = state();
                    (before.slots[1], before.slots[2]) = (a, b);
                    for code in [code, with_constant] {
                        let (_, after, ..) = bench.run(code, &before, 0);
                        let right = eval::binary(op, a, b);
                        assert_eq!(after.slots[3], right, "{op:?} of {a:#x} and {b:#x}, {tier:?}");
                    }
                }
                bench.backend.release(with_constant);
            }
        }
    }
}

/// More values at once than the host has registers: some are put away, and read where they are by the instruction that
/// makes others be put away.
#[test]
fn many_values_at_once() {
    let mut bench = Bench::new(PassSet::NONE);
    for seed in 0..200u64 {
        let mut random = seed;
        let mut below = |limit: usize| {
            random = random
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            (random >> 33) as usize % limit
        };
        // Slots that are kept in registers leave fewer to values.
        let kept = below(8) as u8;
        let mut insts = vec![Inst::Get(Slot(1)), Inst::Get(Slot(2))];
        let mut push = |inst| {
            insts.push(inst);
            Value(insts.len() as u32 - 1)
        };
        let mut values = vec![Value(0), Value(1)];
        let count = 6 + below(16);
        for _ in 0..200 {
            let op = [BinaryOp::Add, BinaryOp::Xor, BinaryOp::Sub, BinaryOp::Mul][below(4)];
            let (a, b) = (values[below(values.len())], values[below(values.len())]);
            let made = push(match below(3) {
                0 => Inst::Unary(UnaryOp::Sext(Width::W32), a),
                _ => Inst::Binary(op, a, b),
            });
            if values.len() < count {
                values.push(made);
            } else {
                values[below(count)] = made;
            }
        }
        let all = values.into_iter().reduce(|all, value| {
            let turned = push(Inst::Binary(BinaryOp::Rotr, all, Value(1)));
            push(Inst::Binary(BinaryOp::Xor, turned, value))
        });
        for slot in 0..=kept {
            push(Inst::Set(Slot(slot), all.unwrap()));
        }
        let mut region = straight(insts);
        (0..=kept).for_each(|slot| region.locals.insert(Slot(slot)));
        for tier in TIERS {
            bench.check(&region, 0, &state(), tier);
        }
    }
}

#[test]
fn operations_on_one_value_and_comparisons() {
    let mut bench = Bench::new(PassSet::NONE);
    let widths = [Width::W8, Width::W16, Width::W32];
    let mut ops = vec![
        UnaryOp::Clz,
        UnaryOp::Ctz,
        UnaryOp::Cpop,
        UnaryOp::Rev8,
        UnaryOp::OrcB,
        UnaryOp::Unbox,
    ];
    ops.extend(widths.map(UnaryOp::Sext));
    ops.extend(widths.map(UnaryOp::Zext));
    let compares = [
        Compare::Eq,
        Compare::Ne,
        Compare::Lt,
        Compare::Ge,
        Compare::Ltu,
        Compare::Geu,
    ];
    for tier in TIERS {
        for &op in &ops {
            let insts = vec![
                Inst::Get(Slot(1)),
                Inst::Unary(op, Value(0)),
                Inst::Set(Slot(3), Value(1)),
            ];
            let code = bench.compile(&straight(insts), 0, tier);
            for a in CORNERS.into_iter().chain([0xffff_ffff_4049_0fdb]) {
                let mut before = state();
                before.slots[1] = a;
                let (_, after, ..) = bench.run(code, &before, 0);
                assert_eq!(after.slots[3], eval::unary(op, a), "{op:?} of {a:#x}");
            }
        }
        for compare in compares {
            let insts = vec![
                Inst::Get(Slot(1)),
                Inst::Get(Slot(2)),
                Inst::Compare(compare, Value(0), Value(1)),
                Inst::Set(Slot(3), Value(2)),
                Inst::Select(Value(2), Value(0), Value(1)),
                Inst::Set(Slot(4), Value(4)),
            ];
            let code = bench.compile(&straight(insts), 0, tier);
            for (a, b) in CORNERS.iter().flat_map(|&a| CORNERS.map(|b| (a, b))) {
                let mut before = state();
                (before.slots[1], before.slots[2]) = (a, b);
                let (_, after, ..) = bench.run(code, &before, 0);
                let holds = compare.holds(a, b);
                assert_eq!(after.slots[3], holds.into());
                assert_eq!(after.slots[4], if holds { a } else { b });
            }
        }
    }
}

/// Operands of floating-point operations, as doubles; singles and integers are made of them.
const NUMBERS: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1,
    3e9,
    -2147483649.0,
    9.3e18,
    1e300,
    -1e300,
    1e-300,
    f64::MIN_POSITIVE,
    5e-324,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

#[test]
fn floating_point() {
    let mut bench = Bench::new(PassSet::NONE);
    for tier in TIERS {
        for (op, precision) in FLOAT_OPS
            .iter()
            .flat_map(|&op| [Precision::Single, Precision::Double].map(|precision| (op, precision)))
        {
            if (op == FloatOp::Widen && precision == Precision::Single)
                || (op == FloatOp::Narrow && precision == Precision::Double)
            {
                continue;
            }
            let (operand, count) = verify::float_operands(op, precision);
            let from = if operand == Type::F64 { 32 } else { 0 };
            let get = |slot: u8| Inst::Get(Slot(from + slot));
            let code = float_code(op, precision);
            let [a, b, c] = [0, 1, 2].map(|number| Value(if number < count as u32 { number } else { 0 }));
            let float = Inst::Float {
                op,
                precision,
                a,
                b,
                c,
                code,
            };
            let mut insts = vec![get(1), get(2), get(3), float];
            let made = float.ty(&insts, &bench.abi).unwrap();
            insts.push(Inst::Set(Slot(if made == Type::F64 { 40 } else { 8 }), Value(3)));
            let region = straight(insts);
            let compiled = bench.compile(&region, 0, tier);
            for (x, y) in NUMBERS.iter().flat_map(|&x| NUMBERS.map(|y| (x, y))) {
                let mut before = state();
                before.inexact = x != 3e9;
                before.rounding = (y == 3e9).into();
                for (slot, number) in [(1, x), (2, y), (3, x - y)] {
                    before.slots[from as usize + slot] = match (operand, op) {
                        (Type::F64, _) => number.to_bits(),
                        (_, FloatOp::FromI32 | FloatOp::FromI64) => number as i64 as u64,
                        (_, FloatOp::FromU32 | FloatOp::FromU64) => (number as u64).wrapping_mul(3),
                        _ => (number as f32).to_bits().into(),
                    };
                }
                let mut reference = before.clone();
                interpret::run(&region, 0, &mut reference, &mut Scene::default(), 9).unwrap();
                let (_, after, ..) = bench.run(compiled, &before, 0);
                assert_eq!(after, reference, "{op:?} {precision:?} of {x:?} and {y:?}");
            }
        }
    }
}

#[test]
fn numbers_that_are_moved_keep_their_bits() {
    let mut bench = Bench::new(PassSet::NONE);
    let insts = vec![
        Inst::Get(Slot(33)),
        Inst::Set(Slot(34), Value(0)),
        Inst::Unary(UnaryOp::ToBits, Value(0)),
        Inst::Set(Slot(5), Value(2)),
        Inst::Unary(UnaryOp::FromBits, Value(2)),
        Inst::Select(Value(2), Value(4), Value(0)),
        Inst::Set(Slot(35), Value(5)),
    ];
    for (tier, locals) in TIERS.into_iter().flat_map(|tier| [(tier, 0), (tier, u128::MAX)]) {
        let mut region = straight(insts.clone());
        region.locals = SlotSet(locals & ((1 << 65) - 2));
        // A signalling NaN, a negative one with a payload, and a boxed single.
        for bits in [
            0x7ff0_0000_0000_0001,
            0xfff0_dead_beef_0001,
            0xffff_ffff_7f80_0001,
        ] {
            let mut before = state();
            before.slots[33] = bits;
            let code = bench.compile(&region, 0, tier);
            let (_, after, ..) = bench.run(code, &before, 0);
            assert_eq!([after.slots[34], after.slots[35], after.slots[5]], [bits; 3]);
        }
    }
}

#[test]
fn memory() {
    let mut bench = Bench::new(PassSet::NONE);
    let widths = [Width::W8, Width::W16, Width::W32, Width::W64];
    let at = PointId(0);
    let addresses =
        (0..7).flat_map(|page| [0, 1, 8, 0xff9, 0xffc, 0xfff].map(|low| BASE + page * PAGE + low));
    let addresses: Vec<u64> = addresses.chain([0, u64::MAX, BASE - 1]).collect();
    for (tier, width) in TIERS
        .into_iter()
        .flat_map(|tier| widths.map(|width| (tier, width)))
    {
        let addr = Value(0);
        let load = Inst::Load {
            width,
            addr,
            via: None,
            at,
        };
        let store = Inst::Store {
            width,
            addr,
            value: Value(1),
            via: None,
            at,
        };
        let update = Inst::LoadForUpdate { width, addr, at };
        for access in [load, store, update] {
            let mut insts = vec![Inst::Get(Slot(1)), Inst::Get(Slot(2)), access];
            if access != store {
                insts.push(Inst::Set(Slot(3), Value(2)));
            }
            let region = straight(insts);
            for &address in &addresses {
                let mut before = state();
                before.slots[1] = address;
                before.slots[2] = 0x8182_8384_8586_8788;
                bench.check(&region, 0, &before, tier);
            }
        }
    }
}

/// A region whose blocks, each an entry, add to x1 and leave for the address in a slot of their own, from x10 on.
fn leaving_for_slots(pcs: &[u64]) -> Region {
    let blocks = pcs.iter().enumerate().map(|(number, &pc)| Block {
        pc,
        poll: false,
        insts: vec![
            Inst::Get(Slot(1)),
            Inst::Const(3 << number),
            Inst::Binary(BinaryOp::Add, Value(0), Value(1)),
            Inst::Set(Slot(1), Value(2)),
            Inst::Get(Slot(10 + number as u8)),
        ],
        retired: 2,
        end: Terminator::ExitTo(Value(4)),
    });
    // Whoever calls what is in the region says where to return.
    let call = Block {
        pc: 0x3000,
        poll: false,
        insts: vec![Inst::Const(pcs[1]), Inst::Set(Slot(2), Value(0))],
        retired: 1,
        end: Terminator::Jump(BlockId(0)),
    };
    Region {
        blocks: blocks.chain([call]).collect(),
        entries: (0..pcs.len() as u32).map(BlockId).collect(),
        points: Vec::new(),
        locals: SlotSet(u128::MAX >> 64 & !1),
    }
}

/// Where a region leaves for an entry of its own, it goes on there, until the budget is used up; nowhere else.
#[test]
fn regions_go_on_in_themselves() {
    let mut bench = Bench::new(PassSet::NONE);
    if !bench.backend.is_immediate() {
        println!("skipped: this host lacks an instruction set that our own compiler uses");
        return;
    }
    let near = [0x1000, 0x1002, 0x1010, 0x1018, 0x10fc];
    // No bits that are looked at tell these apart.
    let far = [0x1000, 0x1000 + (1 << 40), 0x1000 + (1 << 41)];
    for pcs in [&near[..], &near[..2], &far] {
        let region = leaving_for_slots(pcs);
        let own = bench.compile(&region, 77, Tier::Quick);
        for seed in 0..300u64 {
            let others = [0, 1, 0x1001, 0x1003, 0x1004, 0x1000 + (1 << 40), u64::MAX];
            let mut before = state();
            before.run_until = seed % 16;
            for number in 0..pcs.len() {
                let random = (seed + 1)
                    .wrapping_mul(0x5851_f42d_4c95_7f2d)
                    .rotate_left(number as u32 * 9) as usize
                    % 16;
                before.slots[10 + number] = match pcs.get(random % (pcs.len() + 2)) {
                    Some(&pc) => pc,
                    None => others[random % others.len()],
                };
            }
            let (mut expected, mut entry) = (before.clone(), 0);
            let pc = loop {
                let left = interpret::run(&region, entry, &mut expected, &mut Scene::default(), 100).unwrap();
                match pcs.iter().position(|&pc| pc == left.pc) {
                    // Entries that no table tells apart are the run loop's to find.
                    Some(at) if expected.retired < expected.run_until && pcs != far => entry = at,
                    _ => break left.pc,
                }
            };
            let (reason, after, stored, _) = bench.run(own, &before, 0);
            assert_eq!((reason, stored), (Leave::Next as u32, pc), "seed {seed}");
            assert_eq!(after, expected, "seed {seed}");
        }
        bench.backend.release(own);
    }
}

#[test]
fn windows() {
    let mut bench = Bench::new(PassSet::NONE);
    let (width, at) = (Width::W32, PointId(0));
    for (tier, write) in TIERS.into_iter().flat_map(|tier| [(tier, false), (tier, true)]) {
        let addr = Value(2);
        let via = Some((Value(3), 4));
        let mut insts = vec![
            Inst::Get(Slot(1)),
            Inst::Const(4),
            Inst::Binary(BinaryOp::Add, Value(0), Value(1)),
            Inst::Window {
                addr: Value(0),
                span: 16,
                write,
            },
            Inst::Load { width, addr, via, at },
            Inst::Set(Slot(3), Value(4)),
        ];
        if write {
            insts.push(Inst::Store {
                width,
                addr,
                value: Value(1),
                via,
                at,
            });
        }
        let region = straight(insts);
        for address in (0..7).flat_map(|page| [0, 0xff0, 0xff1, 0xffe].map(|low| BASE + page * PAGE + low)) {
            let mut before = state();
            before.slots[1] = address;
            bench.check(&region, 0, &before, tier);
        }
    }
}

/// A loop that counts x1 up to x2, entered at its head or behind it.
fn counting() -> Region {
    let insts = vec![
        Inst::Get(Slot(1)),
        Inst::Const(1),
        Inst::Binary(BinaryOp::Add, Value(0), Value(1)),
        Inst::Set(Slot(1), Value(2)),
        Inst::Get(Slot(2)),
    ];
    let (a, b) = (Value(2), Value(4));
    let end = Terminator::Branch {
        compare: Compare::Ltu,
        a,
        b,
        yes: BlockId(0),
        no: BlockId(1),
    };
    let head = Block {
        pc: 0x1000,
        poll: true,
        insts,
        retired: 2,
        end,
    };
    let insts = vec![Inst::Get(Slot(1)), Inst::Set(Slot(4), Value(0))];
    let tail = Block {
        pc: 0x1008,
        poll: false,
        insts,
        retired: 1,
        end: Terminator::ExitTo(Value(0)),
    };
    Region {
        blocks: vec![head, tail],
        entries: vec![BlockId(0), BlockId(1)],
        points: Vec::new(),
        locals: SlotSet(0b10110),
    }
}

#[test]
fn loops_poll_and_entries_are_told_apart() {
    let mut bench = Bench::new(PassSet::NONE);
    for tier in TIERS {
        let code = bench.compile(&counting(), 0, tier);
        let mut before = state();
        before.slots[2] = 100;
        let (reason, after, pc, _) = bench.run(code, &before, 0);
        assert_eq!(
            (reason, after.slots[4], after.retired, pc),
            (Leave::Next as u32, 100, 201, 100)
        );
        before.run_until = 50;
        let (reason, after, pc, _) = bench.run(code, &before, 0);
        assert_eq!(
            (reason, after.slots[1], after.retired, pc),
            (Leave::Budget as u32, 25, 50, 0x1000)
        );
        before.slots[1] = 7;
        let (reason, after, pc, _) = bench.run(code, &before, 1);
        assert_eq!(
            (reason, after.slots[4], after.retired, pc),
            (Leave::Next as u32, 7, 1, 7)
        );
    }
}

#[test]
fn regions_go_on_in_the_next_by_the_branch_target_cache() {
    let mut bench = Bench::new(PassSet::NONE);
    for tier in TIERS {
        // x1 counts up; the region that a `straight` one leaves for is its own.
        let mut region = counting();
        region.blocks[0].end = Terminator::Exit(0x2000);
        region.blocks[0].poll = false;
        let code = bench.compile(&region, 0, tier);
        let layout = bench.abi.target_layout.clone();
        let set = (0x2000 >> 1 ^ 0x2000 >> layout.fold_shift) & layout.set_mask as usize;
        for way in 0..layout.ways as usize {
            bench.targets.fill(NOWHERE);
            let entry = (set * layout.ways as usize + way) * 4;
            bench.targets[entry] = 0x2000;
            bench.targets[entry + 1] = code.function as u64;
            bench.targets[entry + 2] = 0;
            let (reason, after, pc, _) = bench.run(code, &state(), 0);
            assert_eq!(
                (reason, after.slots[1], after.retired),
                (Leave::Next as u32, 500, 1000)
            );
            assert_eq!(pc, 0x2000);
        }
        bench.targets.fill(NOWHERE);
        let (_, after, ..) = bench.run(code, &state(), 0);
        assert_eq!(after.slots[1], 1);
    }
}

#[test]
fn a_thread_compiles_and_all_memory_comes_back() {
    let mut backend = NativeBackend::new(generate::abi(8), Options::usual(Threading::Background)).unwrap();
    let own = backend.code_bytes();
    let mut finished = Vec::new();
    let mut submitted = 0;
    while finished.len() < 300 {
        let case = generate::case_of_seed(submitted, 200);
        let tier = TIERS[submitted as usize % 2];
        if submitted < 300
            && backend
                .submit(Job {
                    number: submitted as u32,
                    region: case.region,
                    tier,
                })
                .is_ok()
        {
            submitted += 1;
        } else {
            sleep(Duration::from_millis(1));
        }
        backend.finished(&mut finished);
    }
    assert_eq!(backend.pending(), 0);
    assert!(backend.code_bytes() > own);
    for done in finished {
        backend.release(done.result.unwrap());
    }
    assert_eq!(backend.code_bytes(), own);
    assert_eq!(backend.memory.lock().mapped(), 1 << 20);
}

#[test]
fn code_memory_is_bounded_and_used_again() {
    let mut memory = super::code_memory::CodeMemory::new(2 << 20);
    let code = vec![0xcc; 300 << 10];
    let places: Vec<usize> = (0..6).map(|_| memory.place(&code, 0).unwrap()).collect();
    assert!(memory.place(&code, 0).is_err());
    assert!(memory.place(&vec![0; 2 << 20], 0).is_err());
    memory.release(places[1], code.len());
    memory.release(places[0], code.len());
    assert_eq!(memory.place(&vec![0; 600 << 10], 0).unwrap(), places[0]);
    memory.release(places[0], 600 << 10);
    for place in &places[2..] {
        memory.release(*place, code.len());
    }
    assert_eq!((memory.used(), memory.mapped()), (0, 0));
}

/// Functions that return their numbers, most of which are given back: the others can still be called when all is moved.
#[test]
#[cfg(target_arch = "x86_64")]
fn scattered_code_is_moved_together() {
    const FUNCTIONS: u32 = 4000;
    let mut memory = super::code_memory::CodeMemory::new(64 << 20);
    // mov eax, number; ret; and zeros, to make it large.
    let code = |number: u32| {
        let mut code = vec![0; 3000];
        code[0] = 0xb8;
        code[1..5].copy_from_slice(&number.to_le_bytes());
        code[5] = 0xc3;
        code
    };
    let mut live: std::collections::BTreeMap<u32, usize> = (0..FUNCTIONS)
        .map(|number| (number, memory.place(&code(number), number).unwrap()))
        .collect();
    let mut moved = Vec::new();
    assert!(!memory.compact(&mut moved), "all of it lives");
    let mapped = memory.mapped();
    live.retain(|number, place| {
        let keep = number % 10 == 3;
        if !keep {
            memory.release(*place, 3000);
        }
        keep
    });
    assert_eq!(memory.mapped(), mapped, "each arena holds some");
    while memory.compact(&mut moved) {
        assert!(moved.len() <= 64, "a step is bounded");
        for (number, code) in moved.drain(..) {
            assert!(live.insert(number, code.function).is_some());
        }
    }
    assert!(memory.mapped() <= 2 * memory.used() + (2 << 20));
    assert!(memory.compaction().returned_bytes >= mapped as u64 / 2);
    for (&number, &place) in &live {
        // SAFETY: there is a function of this type at each place.
        let function: extern "C" fn() -> u32 = unsafe { std::mem::transmute(place) };
        assert_eq!(function(), number);
        memory.release(place, 3000);
    }
    assert_eq!((memory.used(), memory.mapped()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn regions_do_what_the_reference_does(seed: u64, size in 1usize..120, hot: bool, passes: bool, locals: u128) {
        let mut case = generate::case_of_seed(seed, size);
        case.region.locals.0 &= locals | locals >> 64;
        let passes = if passes { PassSet::ALL } else { PassSet::NONE };
        Bench::new(passes).check(&case.region, case.entry, &case.state, TIERS[usize::from(hot)]);
    }
}
