//! A small world for regions to run in, for tests of passes and back ends: six pages of guest memory with different
//! rights, a device, and helpers. [`Scene::write_state`] lays it out in memory for compiled code, by an [`Abi`] such as
//! [`super::generate::abi`].

use super::{
    Abi, FloatOp, Precision,
    abi::Helper,
    eval,
    interpret::{State, World},
};

/// Where the pages start in guest memory.
pub const BASE: u64 = 0x8000_0000;
/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Number of pages.
pub const PAGES: u64 = 6;

/// What may be done to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// The fast table allows loads and stores.
    Fast,
    /// The fast table allows loads, the helpers stores too.
    FastLoads,
    /// Only the helpers access it.
    Slow,
    /// Loads give a different number each time, stores are noted, and the budget is used up.
    Device,
    /// Nothing: accesses trap.
    Missing,
}

/// The rights of each page.
pub const RIGHTS: [Rights; PAGES as usize] = [
    Rights::Fast,
    Rights::Fast,
    Rights::FastLoads,
    Rights::Fast,
    Rights::Slow,
    Rights::Device,
];

/// Guest memory and what was done to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The pages.
    pub memory: Vec<u8>,
    /// Accesses of the device: addresses, and values stored.
    pub device: Vec<(u64, Option<u64>)>,
    /// What is reserved by [`Helper::LoadReserved`].
    pub reservation: Option<u64>,
    /// What [`Helper::Control`] changes.
    pub control: u64,
}

impl Default for Scene {
    fn default() -> Self {
        let memory = (0..PAGE * PAGES)
            .map(|at| (at ^ at >> 5).wrapping_mul(29) as u8)
            .collect();
        Self {
            memory,
            device: Vec::new(),
            reservation: None,
            control: 0,
        }
    }
}

impl Scene {
    /// The page of an address, and its rights.
    fn rights(addr: u64) -> Rights {
        let page = addr.wrapping_sub(BASE) / PAGE;
        RIGHTS.get(page as usize).copied().unwrap_or(Rights::Missing)
    }

    /// Whether the fast table allows an access to the page of `addr`.
    fn allowed(addr: u64, write: bool) -> bool {
        match Self::rights(addr) {
            Rights::Fast => true,
            Rights::FastLoads => !write,
            _ => false,
        }
    }

    /// Does what a helper does. `read` and `write` tell it of the state that helpers change: it may set `run_until` to 0
    /// and `inexact` to true. `None` if it traps.
    pub fn help(
        &mut self,
        helper: Helper,
        [a, b, c]: [u64; 3],
        code: u32,
        run_until: &mut u64,
        inexact: &mut bool,
    ) -> Option<u64> {
        let bytes = u64::from(code);
        match helper {
            Helper::Load => self.load(a, bytes, run_until),
            Helper::Store => self.store(a, b, bytes, run_until),
            Helper::LoadForUpdate if !a.is_multiple_of(bytes) => None,
            Helper::LoadForUpdate => self.load(a, bytes, run_until),
            Helper::LoadReserved if !a.is_multiple_of(bytes) => None,
            Helper::LoadReserved => {
                let value = self.load(a, bytes, run_until)?;
                self.reservation = Some(a);
                Some(value)
            }
            Helper::StoreConditional if !a.is_multiple_of(bytes) => None,
            Helper::StoreConditional => match self.reservation.take() {
                Some(reserved) if reserved == a => self.store(a, b, bytes, run_until),
                _ => Some(1),
            },
            Helper::Control if a % 8 == 7 => None,
            Helper::Control => Some(std::mem::replace(&mut self.control, a ^ bytes)),
            Helper::Float => {
                let (op, precision) = float_of(code);
                *inexact |= op != FloatOp::Other && eval::needs_ready(op, precision);
                Some(float_helper(op, precision, [a, b, c]))
            }
        }
    }

    /// The bytes' places in memory; `None` if one may not be accessed.
    fn places(addr: u64, bytes: u64) -> Option<impl Iterator<Item = usize>> {
        let each = move |at: u64| addr.wrapping_add(at);
        let fine = (0..bytes).all(|at| !matches!(Self::rights(each(at)), Rights::Missing | Rights::Device));
        fine.then(|| (0..bytes).map(move |at| (each(at) - BASE) as usize))
    }

    fn load(&mut self, addr: u64, bytes: u64, run_until: &mut u64) -> Option<u64> {
        if Self::rights(addr) == Rights::Device {
            *run_until = 0;
            self.device.push((addr, None));
            let number = (self.device.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ addr;
            return Some(number & (u64::MAX >> (64 - bytes * 8)));
        }
        let mut number = [0; 8];
        for (to, place) in number.iter_mut().zip(Self::places(addr, bytes)?) {
            *to = self.memory[place];
        }
        Some(u64::from_le_bytes(number))
    }

    fn store(&mut self, addr: u64, value: u64, bytes: u64, run_until: &mut u64) -> Option<u64> {
        if Self::rights(addr) == Rights::Device {
            *run_until = 0;
            self.device
                .push((addr, Some(value & (u64::MAX >> (64 - bytes * 8)))));
            return Some(0);
        }
        for (byte, place) in value.to_le_bytes().into_iter().zip(Self::places(addr, bytes)?) {
            self.memory[place] = byte;
        }
        Some(0)
    }

    /// The fast table's bytes, for memory that lies at `host`.
    pub fn table(abi: &Abi, host: u64) -> Vec<u8> {
        let layout = &abi.table_layout;
        let size = layout.entry_bytes as usize;
        let mut table = vec![0; (layout.index_mask as usize + 1) * size];
        for entry in table.chunks_mut(size) {
            // No address of a page is odd.
            put(entry, layout.read, &1u64.to_le_bytes());
            put(entry, layout.write, &1u64.to_le_bytes());
        }
        for page in (0..PAGES).map(|page| BASE + page * PAGE) {
            let index = (page >> 12) as usize & layout.index_mask as usize;
            let entry = &mut table[index * size..][..size];
            for (write, tag) in [(false, layout.read), (true, layout.write)] {
                if Self::allowed(page, write) {
                    put(entry, tag, &page.to_le_bytes());
                }
            }
            let addend = host.wrapping_sub(BASE).to_le_bytes();
            put(entry, layout.addend, &addend[..abi.pointer_bytes as usize]);
        }
        table
    }

    /// Writes slots, counts and flags into the state's memory. Pointers are the caller's to write.
    pub fn write_state(abi: &Abi, state: &State, memory: &mut [u8]) {
        for (slot, bits) in abi.slots.iter().zip(&state.slots) {
            put(memory, slot.offset, &bits.to_le_bytes());
        }
        put(memory, abi.retired, &state.retired.to_le_bytes());
        put(memory, abi.run_until, &state.run_until.to_le_bytes());
        put(
            memory,
            abi.float_flags,
            &[if state.inexact { abi.inexact } else { 0 }],
        );
        put(memory, abi.rounding, &[state.rounding]);
        put(memory, abi.trapped, &[0; 4]);
    }

    /// Reads slots, counts and flags out of the state's memory.
    pub fn read_state(abi: &Abi, memory: &[u8]) -> State {
        let number = |at: u32| u64::from_le_bytes(memory[at as usize..][..8].try_into().unwrap_or_default());
        State {
            slots: abi.slots.iter().map(|slot| number(slot.offset)).collect(),
            retired: number(abi.retired),
            run_until: number(abi.run_until),
            inexact: memory[abi.float_flags as usize] & abi.inexact != 0,
            rounding: memory[abi.rounding as usize],
        }
    }
}

fn put(memory: &mut [u8], at: u32, bytes: &[u8]) {
    memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
}

impl World for Scene {
    fn fast(&mut self, addr: u64, bytes: u64, write: bool) -> Option<&mut [u8]> {
        let last = addr.wrapping_add(bytes - 1);
        if addr >> 12 != last >> 12 || !Self::allowed(addr, write) {
            return None;
        }
        self.memory
            .get_mut((addr - BASE) as usize..)?
            .get_mut(..bytes as usize)
    }

    fn help(&mut self, state: &mut State, helper: Helper, args: [u64; 3], code: u32) -> Option<u64> {
        self.help(helper, args, code, &mut state.run_until, &mut state.inexact)
    }
}

/// The floating-point operations, by the number that [`float_code`] gives them.
pub const FLOAT_OPS: [FloatOp; 20] = [
    FloatOp::Add,
    FloatOp::Sub,
    FloatOp::Mul,
    FloatOp::Div,
    FloatOp::Sqrt,
    FloatOp::Fma,
    FloatOp::Min,
    FloatOp::Max,
    FloatOp::Eq,
    FloatOp::Lt,
    FloatOp::Le,
    FloatOp::ToI32,
    FloatOp::ToI64,
    FloatOp::FromI32,
    FloatOp::FromU32,
    FloatOp::FromI64,
    FloatOp::FromU64,
    FloatOp::Widen,
    FloatOp::Narrow,
    FloatOp::Other,
];

/// The `code` by which the scene's helper knows an operation.
pub fn float_code(op: FloatOp, precision: Precision) -> u32 {
    let number = FLOAT_OPS
        .iter()
        .position(|&known| known == op)
        .unwrap_or_default();
    number as u32 + if precision == Precision::Double { 32 } else { 0 }
}

fn float_of(code: u32) -> (FloatOp, Precision) {
    let precision = match code & 32 {
        0 => Precision::Single,
        _ => Precision::Double,
    };
    (FLOAT_OPS[(code & 31) as usize % FLOAT_OPS.len()], precision)
}

/// The exact result where the fast way may be taken, so that it does not matter whether it is; else anything.
fn float_helper(op: FloatOp, precision: Precision, operands: [u64; 3]) -> u64 {
    let [a, b, c] = operands;
    eval::float(op, precision, operands, true).unwrap_or_else(|| {
        let mixed = a ^ b.rotate_left(17) ^ c.rotate_left(41);
        match (op, precision) {
            (FloatOp::Eq | FloatOp::Lt | FloatOp::Le, _) => mixed & 1,
            (FloatOp::ToI32, _) => mixed as i32 as u64,
            (FloatOp::Narrow, _) | (_, Precision::Single) => mixed & 0xffff_ffff,
            _ => mixed,
        }
    })
}
