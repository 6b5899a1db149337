//! Where the values of a block are: an allocator that walks forward with the instructions.
//!
//! Guest registers that the region uses most are *pinned*: each has a register of the host throughout. The rest are in the
//! state. A value is in a temporary register, or where its slot is (as long as nobody else is written there), or in the
//! frame; when registers run out, the one whose value is needed last is vacated.

use super::asm::{Asm, Mem, Reg, Size, Xmm};
use crate::ir::{Abi, Block, Inst, Slot, Terminator, Type, Value, Width};

/// A register of either kind: general-purpose ones first, then SSE ones.
pub(super) type AnyReg = u8;

/// The state's address.
pub(super) const STATE: Reg = Reg::RDI;
/// The count of retired instructions, as of the block's start.
pub(super) const RETIRED: Reg = Reg::R14;
/// The fast table's address.
pub(super) const TABLE: Reg = Reg::R15;

/// Registers for temporaries and pinned slots. The first are never pinned: some instructions want just these.
const GENERAL: [Reg; 12] = [
    Reg::RAX,
    Reg::RCX,
    Reg::RDX,
    Reg::RSI,
    Reg::R13,
    Reg::R11,
    Reg::R10,
    Reg::R9,
    Reg::R8,
    Reg::R12,
    Reg::RBP,
    Reg::RBX,
];
/// General-purpose registers that stay temporaries.
const LEAST_TEMPORARIES: usize = 5;
/// SSE registers that stay temporaries.
const LEAST_SSE_TEMPORARIES: usize = 6;
/// Places of 8 bytes in the frame, which the trampoline has made above the return address.
pub(super) const FRAME: u32 = 32;
/// The last of them says whether floating point is ready.
pub(super) const READY: u32 = FRAME - 1;

/// The first SSE register as an [`AnyReg`].
const SSE: AnyReg = 16;
const NO_REG: AnyReg = u8::MAX;

/// A place in the frame.
pub(super) fn frame(number: u32) -> Mem {
    Mem::at(Reg::RSP, 8 + 8 * number as i32)
}

/// Too many values are alive at once for the frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooManyValues;

/// Where a value is besides, or instead of, a temporary register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backing {
    Nowhere,
    Const(u64),
    Slot(Slot),
    Frame(u32),
}

#[derive(Debug, Clone, Copy)]
struct Place {
    reg: AnyReg,
    backing: Backing,
    class: Type,
}

const NOWHERE: Place = Place {
    reg: NO_REG,
    backing: Backing::Nowhere,
    class: Type::I64,
};

/// The pinned slots of a region.
#[derive(Debug)]
pub(super) struct Pins {
    of_slot: [AnyReg; 128],
    /// Registers that are pinned.
    taken: u32,
    pub slots: Vec<Slot>,
}

impl Pins {
    /// Pins the most used of the slots that are kept in locals.
    pub fn choose(locals: crate::ir::SlotSet, uses: &[f32; 128], abi: &Abi) -> Self {
        let mut by_use: Vec<Slot> = locals
            .iter()
            .filter(|slot| uses[usize::from(slot.0)] > 0.0)
            .collect();
        by_use.sort_by(|a, b| uses[usize::from(b.0)].total_cmp(&uses[usize::from(a.0)]));
        let mut pins = Pins {
            of_slot: [NO_REG; 128],
            taken: 0,
            slots: Vec::new(),
        };
        let mut general = GENERAL[LEAST_TEMPORARIES..].iter().rev();
        let mut sse = (LEAST_SSE_TEMPORARIES as u8..16).rev();
        for slot in by_use {
            let reg = match abi.slot(slot).ty {
                Type::I64 => general.next().map(|reg| reg.0),
                Type::F64 => sse.next().map(|number| SSE + number),
            };
            if let Some(reg) = reg {
                pins.of_slot[usize::from(slot.0)] = reg;
                pins.taken |= 1 << reg;
                pins.slots.push(slot);
            }
        }
        pins
    }

    /// The register of a slot.
    pub fn of(&self, slot: Slot) -> Option<AnyReg> {
        match self.of_slot[usize::from(slot.0)] {
            NO_REG => None,
            reg => Some(reg),
        }
    }
}

/// What is known of the uses of a block's values.
#[derive(Debug, Default)]
struct Uses {
    /// The instructions that use each value, value by value.
    at: Vec<u32>,
    /// Where the next use of each value stands there, and where its last ends.
    ranges: Vec<(u32, u32)>,
}

/// The allocator.
#[derive(Debug)]
pub(super) struct Registers<'a> {
    pub asm: &'a mut Asm,
    pub abi: &'a Abi,
    pub pins: &'a Pins,
    places: Vec<Place>,
    uses: Uses,
    /// Which value is in each register.
    owners: [Option<Value>; 32],
    /// Registers that the instruction at hand needs.
    locked: u32,
    /// Values that are where a slot is.
    holders: Vec<(Slot, Value)>,
    frame_taken: u32,
    /// Places of the frame that the instruction at hand was the last to read: it may read them at its very end.
    frame_left: u32,
    /// `Set`s that were done when their value was made.
    done: Vec<bool>,
    /// Instructions that are written with another: comparisons that a `Select` makes, extensions that a load makes.
    pub fused: Vec<bool>,
    temporaries: u32,
}

/// General-purpose.
pub(super) fn gpr(reg: AnyReg) -> Reg {
    debug_assert!(reg < SSE);
    Reg(reg)
}

/// SSE.
pub(super) fn xmm(reg: AnyReg) -> Xmm {
    debug_assert!((SSE..32).contains(&reg));
    Xmm(reg - SSE)
}

/// Operands of a terminator.
fn end_operands(end: &Terminator) -> impl Iterator<Item = Value> + use<> {
    let (first, second) = match *end {
        Terminator::Branch { a, b, .. } => (Some(a), Some(b)),
        Terminator::ExitTo(to) => (Some(to), None),
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

impl<'a> Registers<'a> {
    pub fn new(asm: &'a mut Asm, abi: &'a Abi, pins: &'a Pins) -> Self {
        let general = GENERAL.iter().fold(0, |mask, reg| mask | 1 << reg.0);
        Registers {
            asm,
            abi,
            pins,
            places: Vec::new(),
            uses: Uses::default(),
            owners: [None; 32],
            locked: 0,
            holders: Vec::new(),
            frame_taken: 1 << READY,
            frame_left: 0,
            done: Vec::new(),
            fused: Vec::new(),
            temporaries: (general | 0xffff << SSE) & !pins.taken,
        }
    }

    /// Starts a block: no value is anywhere.
    pub fn start(&mut self, block: &Block) {
        let count = block.insts.len();
        self.places.clear();
        self.places.resize(count, NOWHERE);
        self.owners = [None; 32];
        self.holders.clear();
        self.frame_taken = 1 << READY;
        self.frame_left = 0;
        self.done.clear();
        self.done.resize(count, false);
        self.fused.clear();
        self.fused.resize(count, false);
        self.locked = 0;
        for (index, inst) in block.insts.iter().enumerate() {
            if let Inst::Const(number) = *inst {
                self.places[index].backing = Backing::Const(number);
            }
        }
        self.count_uses(block);
    }

    fn count_uses(&mut self, block: &Block) {
        let count = block.insts.len();
        let ranges = &mut self.uses.ranges;
        ranges.clear();
        ranges.resize(count, (0, 0));
        for inst in &block.insts {
            inst.operands(|value| ranges[value.0 as usize].1 += 1);
        }
        end_operands(&block.end).for_each(|value| ranges[value.0 as usize].1 += 1);
        for index in 1..count {
            self.fused[index] = fuses(block, index, &|value: Value| ranges[value.0 as usize].1);
        }
        let mut total = 0;
        for range in ranges.iter_mut() {
            let uses = range.1;
            *range = (total, total);
            total += uses;
        }
        let at = &mut self.uses.at;
        at.clear();
        at.resize(total as usize, 0);
        let mut note = |value: Value, index: usize| {
            let end = &mut ranges[value.0 as usize].1;
            at[*end as usize] = index as u32;
            *end += 1;
        };
        for (index, inst) in block.insts.iter().enumerate() {
            // A comparison that is written with the instruction that follows is used there.
            let by = match inst {
                Inst::Compare(..) if self.fused[index] => index + 1,
                _ => index,
            };
            inst.operands(|value| note(value, by));
        }
        end_operands(&block.end).for_each(|value| note(value, count));
    }

    /// The instruction that needs the value next.
    pub fn next_use(&self, value: Value) -> Option<u32> {
        let (next, end) = self.uses.ranges[value.0 as usize];
        (next < end).then(|| self.uses.at[next as usize])
    }

    /// Whether the value is needed after instruction `at`.
    fn needed_after(&self, value: Value, at: u32) -> bool {
        let (next, end) = self.uses.ranges[value.0 as usize];
        next < end && self.uses.at[end as usize - 1] > at
    }

    /// The number that a value is.
    pub fn known(&self, value: Value) -> Option<u64> {
        match self.places[value.0 as usize].backing {
            Backing::Const(number) => Some(number),
            _ => None,
        }
    }

    /// The number that a value is, if it can be an immediate of 32 bits that is sign-extended.
    pub fn immediate(&self, value: Value) -> Option<i32> {
        i32::try_from(self.known(value)? as i64).ok()
    }

    /// The next instruction begins: nothing is locked.
    pub fn unlock(&mut self) {
        self.locked = 0;
        self.frame_taken &= !std::mem::take(&mut self.frame_left);
    }

    fn lock(&mut self, reg: AnyReg) {
        self.locked |= 1 << reg;
    }

    /// `dst = src`, both of one kind.
    pub fn copy(&mut self, dst: AnyReg, src: AnyReg) {
        match (dst < SSE, src < SSE) {
            _ if dst == src => {}
            (true, true) => self.asm.mov(Size::Q, gpr(dst), gpr(src)),
            (false, false) => self.asm.mov_xmm(xmm(dst), xmm(src)),
            (true, false) => self.asm.move_from_xmm(Size::Q, gpr(dst), xmm(src)),
            (false, true) => self.asm.move_to_xmm(Size::Q, xmm(dst), gpr(src)),
        }
    }

    /// Loads 64 bits.
    pub fn fetch(&mut self, dst: AnyReg, mem: Mem) {
        if dst < SSE {
            self.asm.mov(Size::Q, gpr(dst), mem);
        } else {
            self.asm.load_xmm(xmm(dst), mem);
        }
    }

    /// Stores 64 bits.
    pub fn put(&mut self, mem: Mem, src: AnyReg) {
        if src < SSE {
            self.asm.store(8, mem, gpr(src));
        } else {
            self.asm.store_xmm(mem, xmm(src));
        }
    }

    /// The place of a slot in the state.
    pub fn slot_memory(&self, slot: Slot) -> Mem {
        Mem::at(STATE, self.abi.slot(slot).offset as i32)
    }

    fn candidates(&self, class: Type) -> u32 {
        let class = match class {
            Type::I64 => 0xffff,
            Type::F64 => 0xffff << SSE,
        };
        self.temporaries & class & !self.locked
    }

    /// A register of a kind, which is locked and belongs to nobody.
    pub fn scratch(&mut self, class: Type) -> Result<AnyReg, TooManyValues> {
        let candidates = self.candidates(class);
        let free =
            (0..32u8).find(|&reg| candidates >> reg & 1 != 0 && self.owners[usize::from(reg)].is_none());
        let reg = match free {
            Some(reg) => reg,
            None => {
                let last = (0..32u8)
                    .filter(|reg| candidates >> reg & 1 != 0)
                    .max_by_key(|&reg| {
                        let owner = self.owners[usize::from(reg)];
                        owner.and_then(|value| self.next_use(value)).unwrap_or(u32::MAX)
                    })
                    .ok_or(TooManyValues)?;
                self.vacate(last)?;
                last
            }
        };
        self.lock(reg);
        Ok(reg)
    }

    /// Makes a register free; what is there goes to where it is besides, or to the frame.
    fn vacate(&mut self, reg: AnyReg) -> Result<(), TooManyValues> {
        let Some(value) = self.owners[usize::from(reg)].take() else {
            return Ok(());
        };
        let place = self.places[value.0 as usize];
        if place.backing == Backing::Nowhere {
            let number = (!self.frame_taken).trailing_zeros();
            if number >= FRAME {
                return Err(TooManyValues);
            }
            self.frame_taken |= 1 << number;
            self.put(frame(number), reg);
            self.places[value.0 as usize].backing = Backing::Frame(number);
        }
        self.places[value.0 as usize].reg = NO_REG;
        Ok(())
    }

    /// Makes just this register free and locks it; what is there is moved.
    pub fn claim(&mut self, reg: Reg) -> Result<(), TooManyValues> {
        let number = reg.0;
        if let Some(value) = self.owners[usize::from(number)] {
            self.lock(number);
            let other = (0..16u8).find(|&other| {
                self.candidates(Type::I64) >> other & 1 != 0 && self.owners[usize::from(other)].is_none()
            });
            match other {
                Some(other) => {
                    self.copy(other, number);
                    self.owners[usize::from(number)] = None;
                    self.owners[usize::from(other)] = Some(value);
                    self.places[value.0 as usize].reg = other;
                }
                None => self.vacate(number)?,
            }
        }
        self.lock(number);
        Ok(())
    }

    fn own(&mut self, value: Value, reg: AnyReg) {
        self.owners[usize::from(reg)] = Some(value);
        let place = &mut self.places[value.0 as usize];
        place.reg = reg;
        place.class = if reg < SSE { Type::I64 } else { Type::F64 };
        self.lock(reg);
    }

    /// A value in a register, which is locked.
    pub fn read(&mut self, value: Value) -> Result<AnyReg, TooManyValues> {
        let place = self.places[value.0 as usize];
        if place.reg != NO_REG {
            self.lock(place.reg);
            return Ok(place.reg);
        }
        match place.backing {
            Backing::Const(number) => {
                let reg = self.scratch(Type::I64)?;
                self.asm.mov_imm(gpr(reg), number);
                // It is there for who needs it soon.
                self.own(value, reg);
                Ok(reg)
            }
            Backing::Slot(slot) => match self.pins.of(slot) {
                Some(pinned) => Ok(pinned),
                None => {
                    let reg = self.scratch(place.class)?;
                    let memory = self.slot_memory(slot);
                    self.fetch(reg, memory);
                    self.own(value, reg);
                    Ok(reg)
                }
            },
            Backing::Frame(number) => {
                let reg = self.scratch(place.class)?;
                self.fetch(reg, frame(number));
                self.own(value, reg);
                Ok(reg)
            }
            Backing::Nowhere => unreachable!("operands are made before they are used"),
        }
    }

    /// An integer in a register.
    pub fn read_gpr(&mut self, value: Value) -> Result<Reg, TooManyValues> {
        Ok(gpr(self.read(value)?))
    }

    /// A value where it is, if nobody needs it in a register again; else in a register.
    pub fn read_anywhere(&mut self, value: Value, at: u32) -> Result<super::asm::Rm, TooManyValues> {
        let place = self.places[value.0 as usize];
        if place.reg == NO_REG && !self.needed_after(value, at) {
            match place.backing {
                Backing::Slot(slot) if self.pins.of(slot).is_none() => {
                    return Ok(self.slot_memory(slot).into());
                }
                Backing::Frame(number) => return Ok(frame(number).into()),
                _ => {}
            }
        }
        let reg = self.read(value)?;
        Ok(match reg < SSE {
            true => gpr(reg).into(),
            false => xmm(reg).into(),
        })
    }

    /// Instruction `at` has read `values`: those that nobody else needs leave their registers, which stay locked.
    pub fn used(&mut self, at: u32, values: &[Value]) {
        for &value in values {
            let range = &mut self.uses.ranges[value.0 as usize];
            while range.0 < range.1 && self.uses.at[range.0 as usize] <= at {
                range.0 += 1;
            }
            if range.0 == range.1 {
                self.release(value);
            }
        }
    }

    fn release(&mut self, value: Value) {
        let place = &mut self.places[value.0 as usize];
        if place.reg != NO_REG {
            self.owners[usize::from(place.reg)] = None;
            place.reg = NO_REG;
        }
        if let Backing::Frame(number) = place.backing {
            self.frame_left |= 1 << number;
            place.backing = Backing::Nowhere;
        }
    }

    /// The register for what instruction `at` makes: that of the slot it will be written to, if nobody can tell; else
    /// `prefer`, if that is free; else another.
    pub fn define(
        &mut self,
        block: &Block,
        at: u32,
        class: Type,
        prefer: Option<AnyReg>,
    ) -> Result<AnyReg, TooManyValues> {
        let value = Value(at);
        if let Some((slot, set)) = self.home(block, at)
            && let Some(pinned) = self.pins.of(slot)
            && (pinned < SSE) == (class == Type::I64)
        {
            self.done[set as usize] = true;
            self.holders.retain(|&(of, _)| of != slot);
            self.holders.push((slot, value));
            self.places[at as usize] = Place {
                reg: NO_REG,
                backing: Backing::Slot(slot),
                class,
            };
            return Ok(pinned);
        }
        let reg = match prefer {
            Some(reg)
                if self.temporaries >> reg & 1 != 0
                    && self.owners[usize::from(reg)].is_none()
                    && (reg < SSE) == (class == Type::I64) =>
            {
                reg
            }
            _ => self.scratch(class)?,
        };
        if self.next_use(value).is_some() {
            self.own(value, reg);
        }
        Ok(reg)
    }

    /// The slot that a value is about to be written to, and by which instruction, if it can be put there at once: nobody
    /// looks at the slot in between, nor can the region be left.
    fn home(&self, block: &Block, at: u32) -> Option<(Slot, u32)> {
        const NEAR: u32 = 8;
        let set = self.next_use(Value(at)).filter(|&set| set - at <= NEAR)?;
        let Inst::Set(slot, _) = *block.insts.get(set as usize)? else {
            return None;
        };
        let between = &block.insts[at as usize + 1..set as usize];
        let seen = between.iter().any(|inst| {
            inst.exit_point().is_some() || matches!(inst, Inst::Get(of) | Inst::Set(of, _) if *of == slot)
        });
        let held = self
            .holders
            .iter()
            .any(|&(of, value)| of == slot && self.needed_after(value, at));
        (!seen && !held).then_some((slot, set))
    }

    /// `Get`: the value is where the slot is.
    pub fn get(&mut self, at: u32, slot: Slot) {
        if self.next_use(Value(at)).is_none() {
            return;
        }
        self.places[at as usize] = Place {
            reg: NO_REG,
            backing: Backing::Slot(slot),
            class: self.abi.slot(slot).ty,
        };
        self.holders.push((slot, Value(at)));
    }

    /// `Set`.
    pub fn set(&mut self, at: u32, slot: Slot, value: Value) -> Result<(), TooManyValues> {
        if self.done[at as usize] {
            self.used(at, &[value]);
            return Ok(());
        }
        if self.places[value.0 as usize].backing == Backing::Slot(slot) {
            // It is what the slot holds.
            self.used(at, &[value]);
            return Ok(());
        }
        self.displace(at, slot)?;
        let pinned = self.pins.of(slot);
        let memory = self.slot_memory(slot);
        let place = self.places[value.0 as usize];
        match (pinned, place.backing) {
            (Some(pinned), Backing::Const(number)) if place.reg == NO_REG && pinned < SSE => {
                self.asm.mov_imm(gpr(pinned), number);
            }
            (Some(pinned), Backing::Slot(other)) if place.reg == NO_REG && self.pins.of(other).is_none() => {
                let from = self.slot_memory(other);
                self.fetch(pinned, from);
            }
            (Some(pinned), Backing::Frame(number)) if place.reg == NO_REG => {
                self.fetch(pinned, frame(number));
            }
            (Some(pinned), _) => {
                let reg = self.read(value)?;
                self.copy(pinned, reg);
            }
            (None, Backing::Const(number)) if i32::try_from(number as i64).is_ok() => {
                self.asm.store_imm(8, memory, number as i32);
            }
            (None, _) => {
                let reg = self.read(value)?;
                self.put(memory, reg);
            }
        }
        self.used(at, &[value]);
        // Where the slot is, the value is too.
        let place = &mut self.places[value.0 as usize];
        if place.backing == Backing::Nowhere && self.needed_after(value, at) {
            let place = &mut self.places[value.0 as usize];
            place.backing = Backing::Slot(slot);
            if pinned.is_some() && place.reg != NO_REG {
                self.owners[usize::from(place.reg)] = None;
                place.reg = NO_REG;
            }
            self.holders.push((slot, value));
        }
        Ok(())
    }

    /// The slot is about to be written: values that are there and still needed move to a register.
    fn displace(&mut self, at: u32, slot: Slot) -> Result<(), TooManyValues> {
        let mut number = 0;
        while number < self.holders.len() {
            let (of, value) = self.holders[number];
            if of != slot {
                number += 1;
                continue;
            }
            self.holders.swap_remove(number);
            let place = self.places[value.0 as usize];
            if !self.needed_after(value, at - 1) || place.backing != Backing::Slot(slot) {
                continue;
            }
            if place.reg == NO_REG {
                let reg = self.scratch(place.class)?;
                match self.pins.of(slot) {
                    Some(pinned) => self.copy(reg, pinned),
                    None => {
                        let memory = self.slot_memory(slot);
                        self.fetch(reg, memory);
                    }
                }
                self.own(value, reg);
            }
            self.places[value.0 as usize].backing = Backing::Nowhere;
        }
        Ok(())
    }
}

/// Whether instruction `index` is written with its neighbour: a comparison with the selection that follows it, or a
/// sign extension with the load right before it.
fn fuses(block: &Block, index: usize, uses: &dyn Fn(Value) -> u32) -> bool {
    let value = Value(index as u32);
    match block.insts[index] {
        Inst::Compare(..) => {
            uses(value) == 1
                && matches!(block.insts.get(index + 1), Some(Inst::Select(which, a, b))
                    if *which == value && *a != value && *b != value)
        }
        Inst::Unary(crate::ir::UnaryOp::Sext(width), load) => {
            load.0 as usize == index - 1
                && uses(load) == 1
                && width != Width::W64
                && matches!(block.insts[index - 1], Inst::Load { width: of, .. } if of == width)
        }
        _ => false,
    }
}
