//! Regions out of any bytes: well-formed, rich in what passes and back ends care about, and left after a while, for tests
//! and fuzzing. The same bytes give the same region.

use super::{
    Abi, BinaryOp, Block, BlockId, Compare, FloatOp, Inst, Point, PointId, Precision, Region, Slot, SlotInfo,
    Terminator, Type, UnaryOp, Value, Width,
    abi::{Helper, TableLayout, TargetLayout, width_code},
    interpret::State,
    scene::{self, FLOAT_OPS},
    verify::float_operands,
};

/// Bytes of the state that [`abi`] describes.
pub const STATE_BYTES: usize = 1024;

/// The layout of a state for tests: x1 to x31 are slots 1 to 31 (slot 0 is there, but not used), f0 to f31 slots 32 to
/// 63, mstatus 64.
pub fn abi(pointer_bytes: u32) -> Abi {
    let name = |slot| match slot {
        0..=31 => format!("x{slot}"),
        32..=63 => format!("f{}", slot - 32),
        _ => "mstatus".to_owned(),
    };
    let slots = (0..65).map(|slot| SlotInfo {
        name: name(slot),
        ty: if (32..64).contains(&slot) {
            Type::F64
        } else {
            Type::I64
        },
        offset: slot * 8,
    });
    Abi {
        slots: slots.collect(),
        pc: 520,
        retired: 528,
        run_until: 536,
        table: 544,
        table_layout: TableLayout {
            index_mask: 15,
            entry_bytes: 32,
            read: 0,
            write: 8,
            addend: 16,
        },
        targets: 552,
        target_layout: TargetLayout {
            set_mask: 15,
            fold_shift: 7,
            ways: 2,
            entry_bytes: 32,
            pc: 0,
            function: 8,
            entry: 16,
        },
        helpers: 560,
        trapped: 640,
        region: 644,
        point: 648,
        float_flags: 652,
        inexact: 1,
        rounding: 653,
        pointer_bytes,
    }
}

/// A region, and a state to run it from.
#[derive(Debug, Clone)]
pub struct Case {
    /// The region.
    pub region: Region,
    /// Where it is entered.
    pub entry: usize,
    /// The state then; memory is [`scene::Scene::default`].
    pub state: State,
}

/// Makes a case of bytes, for [`abi`].
pub fn case(bytes: &[u8]) -> Case {
    let mut source = Source(bytes);
    let state = state(&mut source);
    let region = region(&mut source);
    Case {
        entry: usize::from(bytes.first().copied().unwrap_or_default()) % region.entries.len(),
        region,
        state,
    }
}

/// Makes a case of a seed, of about `size` instructions.
pub fn case_of_seed(seed: u64, size: usize) -> Case {
    // xorshift64*
    let mut number = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        number ^= number >> 12;
        number ^= number << 25;
        number ^= number >> 27;
        (number.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    };
    let bytes: Vec<u8> = (0..96 + size * 4).map(|_| next()).collect();
    case(&bytes)
}

/// Bytes taken from the front; past their end come zeroes.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Numbers where something changes.
const NUMBERS: [u64; 24] = [
    0,
    1,
    2,
    8,
    12,
    16,
    31,
    32,
    48,
    56,
    63,
    0x7ff,
    0xfff,
    u64::MAX,
    0xffff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff_8000_0000,
    i64::MIN as u64,
    i64::MAX as u64,
    0xff,
    0xffff,
    0xffff_ffff_0000_0000,
    0x0123_4567_89ab_cdef,
];

/// Bits of doubles where something changes; boxed singles among them.
const DOUBLES: [u64; 14] = [
    0,
    1 << 63,
    0x3ff0_0000_0000_0000,
    0xc004_0000_0000_0000,
    0x3fb9_9999_9999_999a,
    0x0010_0000_0000_0000,
    0x0000_0000_0000_0001,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0xffff_ffff_3f80_0000,
    0xffff_ffff_7fa0_0000,
    0x41df_ffff_ffc0_0000,
];

fn number(source: &mut Source<'_>) -> u64 {
    match source.below(4) {
        0 => source.byte() as i8 as u64,
        1 => address(source),
        _ => source.of(&NUMBERS),
    }
}

/// An address in one of the scene's pages, often near an edge.
fn address(source: &mut Source<'_>) -> u64 {
    let page = scene::BASE + source.below(scene::PAGES as usize) as u64 * scene::PAGE;
    page + source.of(&[0, 8, 0x400, 0xff0, 0xff9, 0xfff])
}

fn state(source: &mut Source<'_>) -> State {
    let mut slots = vec![0; 65];
    slots[1..32].fill_with(|| number(source));
    slots[32..64].fill_with(|| source.of(&DOUBLES));
    slots[64] = 0x6000;
    let flags = source.byte();
    State {
        slots,
        retired: 1000,
        run_until: 1000 + u64::from(source.byte()) * 4,
        inexact: flags & 3 != 0,
        rounding: if flags & 12 == 12 { 1 } else { 0 },
    }
}

fn region(source: &mut Source<'_>) -> Region {
    let count = 1 + source.below(8);
    let mut region = Region::default();
    for number in 0..count {
        let mut maker = Maker {
            source,
            points: &mut region.points,
            pc: 0x8000_0000 + number as u64 * 0x1000,
            done: 0,
            insts: Vec::new(),
            ints: Vec::new(),
            doubles: Vec::new(),
            windows: Vec::new(),
        };
        let block = maker.block(count);
        region.blocks.push(block);
    }
    // Every edge that does not lead forward leads to a block that polls.
    for number in 0..count {
        for to in region.blocks[number].end.successors() {
            if to.0 as usize <= number {
                region.blocks[to.0 as usize].poll = true;
            }
        }
    }
    region.entries = vec![BlockId(0)];
    if source.one_in(3) {
        region.entries.push(BlockId(source.below(count) as u32));
    }
    for slot in 1..64 {
        if source.one_in(2) {
            region.locals.insert(Slot(slot));
        }
    }
    region
}

/// Makes one block.
struct Maker<'a, 'b> {
    source: &'a mut Source<'b>,
    points: &'a mut Vec<Point>,
    pc: u64,
    done: u32,
    insts: Vec<Inst>,
    ints: Vec<Value>,
    doubles: Vec<Value>,
    /// Windows, their addresses' values, spans and whether they are for stores.
    windows: Vec<(Value, Value, u32, bool)>,
}

impl Maker<'_, '_> {
    fn block(&mut self, count: usize) -> Block {
        let poll = self.source.one_in(8);
        let length = self.source.below(40);
        for _ in 0..length {
            if self.source.0.is_empty() {
                break;
            }
            self.inst();
            if self.source.one_in(3) {
                self.done += 1;
            }
        }
        let end = self.end(count);
        Block {
            pc: self.pc,
            poll,
            insts: std::mem::take(&mut self.insts),
            retired: self.done + 1,
            end,
        }
    }

    fn end(&mut self, count: usize) -> Terminator {
        let target = |source: &mut Source<'_>| BlockId(source.below(count) as u32);
        match self.source.below(8) {
            0 => Terminator::Exit(0x8000_0000 + u64::from(self.source.byte()) * 2),
            1 => Terminator::ExitTo(self.int()),
            2 => Terminator::Interpret(self.point()),
            3 | 4 => Terminator::Jump(target(self.source)),
            _ => {
                let (a, b) = (self.int(), self.int());
                Terminator::Branch {
                    compare: self.compare(),
                    a,
                    b,
                    yes: target(self.source),
                    no: target(self.source),
                }
            }
        }
    }

    fn push(&mut self, inst: Inst) -> Value {
        self.insts.push(inst);
        Value(self.insts.len() as u32 - 1)
    }

    fn push_int(&mut self, inst: Inst) -> Value {
        let value = self.push(inst);
        self.ints.push(value);
        value
    }

    fn constant(&mut self) -> Value {
        let number = number(self.source);
        self.push_int(Inst::Const(number))
    }

    /// A slot: mostly one of few.
    fn slot(&mut self) -> u8 {
        match self.source.below(4) {
            0 => 1 + self.source.below(31) as u8,
            _ => 5 + self.source.below(6) as u8,
        }
    }

    /// An integer: mostly a late one.
    fn int(&mut self) -> Value {
        let back = self.source.below(8);
        match self.ints.len().checked_sub(back + 1) {
            Some(index) => self.ints[index],
            None => {
                let slot = Slot(self.slot());
                self.push_int(Inst::Get(slot))
            }
        }
    }

    fn double(&mut self) -> Value {
        let back = self.source.below(4);
        match self.doubles.len().checked_sub(back + 1) {
            Some(index) => self.doubles[index],
            None => {
                let slot = Slot(32 + self.slot());
                let value = self.push(Inst::Get(slot));
                self.doubles.push(value);
                value
            }
        }
    }

    fn of_type(&mut self, ty: Type) -> Value {
        match ty {
            Type::I64 => self.int(),
            Type::F64 => self.double(),
        }
    }

    fn keep(&mut self, ty: Type, value: Value) {
        match ty {
            Type::I64 => self.ints.push(value),
            Type::F64 => self.doubles.push(value),
        }
    }

    fn compare(&mut self) -> Compare {
        use Compare::{Eq, Ge, Geu, Lt, Ltu, Ne};
        self.source.of(&[Eq, Ne, Lt, Ge, Ltu, Geu])
    }

    fn width(&mut self) -> Width {
        self.source.of(&[Width::W8, Width::W16, Width::W32, Width::W64])
    }

    fn point(&mut self) -> PointId {
        self.points.push(Point {
            pc: self.pc + u64::from(self.done) * 4,
            done: self.done,
        });
        PointId(self.points.len() as u32 - 1)
    }

    /// An address: a slot, the last one and a bit, one known to be in a page, or any number.
    fn addr(&mut self) -> Value {
        match self.source.below(8) {
            0 => self.int(),
            1 => self.constant(),
            2..5 => {
                let addr = address(self.source);
                self.push_int(Inst::Const(addr))
            }
            _ => {
                let base = self.int();
                let offset = self.source.byte() as i8 as u64;
                let offset = self.push(Inst::Const(offset));
                self.push_int(Inst::Binary(BinaryOp::Add, base, offset))
            }
        }
    }

    /// The address of an access, perhaps in a window.
    fn access(&mut self, width: Width, store: bool) -> (Value, Option<(Value, u32)>) {
        if self.windows.is_empty() || self.source.one_in(2) {
            return (self.addr(), None);
        }
        let index = self.source.below(self.windows.len());
        let (window, base, span, write) = self.windows[index];
        let room = span - width.bytes() as u32;
        let offset = self.source.below(room as usize + 1) as u32;
        let constant = self.push(Inst::Const(offset.into()));
        let addr = self.push(Inst::Binary(BinaryOp::Add, base, constant));
        let usable = write || !store;
        (addr, usable.then_some((window, offset)))
    }

    fn inst(&mut self) {
        match self.source.below(24) {
            0 | 1 => drop(self.constant()),
            2 => {
                let slot = Slot(self.slot());
                self.push_int(Inst::Get(slot));
            }
            3..6 => {
                let (value, slot) = (self.int(), self.slot());
                self.push(Inst::Set(Slot(slot), value));
            }
            6..10 => self.binary(),
            10 | 11 => self.unary(),
            12 => {
                let (a, b, compare) = (self.int(), self.int(), self.compare());
                self.push_int(Inst::Compare(compare, a, b));
            }
            13 => {
                let ty = self.source.of(&[Type::I64, Type::I64, Type::F64]);
                let (condition, a, b) = (self.int(), self.of_type(ty), self.of_type(ty));
                let value = self.push(Inst::Select(condition, a, b));
                self.keep(ty, value);
            }
            14 | 15 => {
                let width = self.width();
                let (addr, via) = self.access(width, false);
                let at = self.point();
                self.push_int(Inst::Load { width, addr, via, at });
            }
            16 | 17 => {
                let width = self.width();
                let (addr, via) = self.access(width, true);
                let (value, at) = (self.int(), self.point());
                self.push(Inst::Store {
                    width,
                    addr,
                    value,
                    via,
                    at,
                });
            }
            18 => self.atomic(),
            19 => {
                let (addr, span) = (self.addr(), self.source.of(&[8, 16, 64, 200]));
                let write = self.source.one_in(2);
                let window = self.push(Inst::Window { addr, span, write });
                self.windows.push((window, addr, span, write));
            }
            20 => {
                let (a, b, compare) = (self.int(), self.int(), self.compare());
                let at = self.point();
                self.push(Inst::ExitIf { compare, a, b, at });
            }
            21 => self.moved_doubles(),
            _ => self.float(),
        }
    }

    fn binary(&mut self) {
        use BinaryOp::{
            Add, And, Div, Divu, Mul, Mulh, Mulhsu, Mulhu, Or, Rem, Remu, Rotr, Rotr32, Sar, Shl, Shr, Sub,
            Xor,
        };
        let op = self.source.of(&[
            Add, Add, Add, Sub, And, Or, Xor, Shl, Shl, Shr, Sar, Rotr, Rotr32, Mul, Mulh, Mulhu, Mulhsu,
            Div, Divu, Rem, Remu,
        ]);
        let a = self.int();
        let b = match self.source.one_in(2) {
            true => self.constant(),
            false => self.int(),
        };
        let (a, b) = if self.source.one_in(6) { (b, a) } else { (a, b) };
        let value = self.push_int(Inst::Binary(op, a, b));
        // Half of a word is what word instructions make.
        if self.source.one_in(4) {
            self.push_int(Inst::Unary(UnaryOp::Sext(Width::W32), value));
        }
    }

    fn unary(&mut self) {
        let narrow = self.source.of(&[Width::W8, Width::W16, Width::W32, Width::W32]);
        let op = self.source.of(&[
            UnaryOp::Sext(narrow),
            UnaryOp::Sext(narrow),
            UnaryOp::Zext(narrow),
            UnaryOp::Zext(narrow),
            UnaryOp::Clz,
            UnaryOp::Ctz,
            UnaryOp::Cpop,
            UnaryOp::Rev8,
            UnaryOp::OrcB,
            UnaryOp::Unbox,
        ]);
        let value = self.int();
        self.push_int(Inst::Unary(op, value));
    }

    fn atomic(&mut self) {
        let width = self.source.of(&[Width::W32, Width::W64]);
        let addr = self.addr();
        let at = self.point();
        let inst = match self.source.below(4) {
            0 => Inst::LoadForUpdate { width, addr, at },
            kind => {
                let helper = [Helper::LoadReserved, Helper::StoreConditional, Helper::Control][kind - 1];
                let value = self.int();
                Inst::Call {
                    helper,
                    args: [addr, value],
                    code: width_code(width),
                    at,
                }
            }
        };
        self.push_int(inst);
    }

    fn moved_doubles(&mut self) {
        match self.source.below(4) {
            0 => {
                let value = self.double();
                self.push_int(Inst::Unary(UnaryOp::ToBits, value));
            }
            1 => {
                let value = self.int();
                let value = self.push(Inst::Unary(UnaryOp::FromBits, value));
                self.doubles.push(value);
            }
            2 => {
                let bits = self.source.of(&DOUBLES);
                let bits = self.push(Inst::Const(bits));
                let value = self.push(Inst::Unary(UnaryOp::FromBits, bits));
                self.doubles.push(value);
            }
            _ => {
                let (value, slot) = (self.double(), self.slot());
                self.push(Inst::Set(Slot(32 + slot), value));
            }
        }
    }

    fn float(&mut self) {
        let op = self.source.of(&FLOAT_OPS);
        let precision = match op {
            FloatOp::Widen => Precision::Double,
            FloatOp::Narrow => Precision::Single,
            _ => self
                .source
                .of(&[Precision::Single, Precision::Double, Precision::Double]),
        };
        let (ty, count) = float_operands(op, precision);
        let a = self.single_or(ty, op, precision);
        let b = if count > 1 {
            self.single_or(ty, op, precision)
        } else {
            a
        };
        let c = if count > 2 {
            self.single_or(ty, op, precision)
        } else {
            a
        };
        let code = scene::float_code(op, precision);
        let inst = Inst::Float {
            op,
            precision,
            a,
            b,
            c,
            code,
        };
        let integer = matches!(
            op,
            FloatOp::Eq
                | FloatOp::Lt
                | FloatOp::Le
                | FloatOp::ToI32
                | FloatOp::ToI64
                | FloatOp::Narrow
                | FloatOp::Other
        );
        let value = self.push(inst);
        self.keep(if integer { Type::I64 } else { precision.ty() }, value);
    }

    /// An operand; a single is unboxed first, as singles have nothing in their upper word.
    fn single_or(&mut self, ty: Type, op: FloatOp, precision: Precision) -> Value {
        let integer = matches!(
            op,
            FloatOp::FromI32 | FloatOp::FromU32 | FloatOp::FromI64 | FloatOp::FromU64 | FloatOp::Other
        );
        let single = !integer && (precision == Precision::Single || op == FloatOp::Widen) && ty == Type::I64;
        if !single {
            return self.of_type(ty);
        }
        let bits = match self.source.one_in(2) {
            true => self.push(Inst::Get(Slot(32 + 5))),
            false => self.double(),
        };
        let bits = self.push(Inst::Unary(UnaryOp::ToBits, bits));
        self.push(Inst::Unary(UnaryOp::Unbox, bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{
        Leave,
        interpret::{RunError, run},
        scene::Scene,
        verify,
    };

    #[test]
    fn whatever_is_made_is_well_formed_and_is_left() {
        let abi = abi(8);
        let mut leaves = [0; 4];
        for seed in 0..3000 {
            let mut case = case_of_seed(seed, 20 + seed as usize % 200);
            verify(&case.region, &abi).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let mut scene = Scene::default();
            match run(&case.region, case.entry, &mut case.state, &mut scene, 10_000) {
                Ok(left) => leaves[left.leave as usize] += 1,
                Err(error @ (RunError::Endless | RunError::Astray { .. })) => panic!("seed {seed}: {error}"),
            }
        }
        for leave in [Leave::Next, Leave::Interpret, Leave::Stopped, Leave::Budget] {
            assert!(leaves[leave as usize] > 100, "{leave:?} is rare: {leaves:?}");
        }
    }

    #[test]
    fn no_bytes_are_too_few() {
        for length in 0..200 {
            let case = case(&[0xff; 200][..length]);
            assert_eq!(verify(&case.region, &abi(4)), Ok(()));
        }
    }

    #[test]
    fn states_lie_in_memory_as_the_layout_says() {
        let abi = abi(4);
        let case = case_of_seed(7, 10);
        let mut memory = vec![0; STATE_BYTES];
        Scene::write_state(&abi, &case.state, &mut memory);
        assert_eq!(Scene::read_state(&abi, &memory), case.state);
    }
}
