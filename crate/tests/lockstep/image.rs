//! What lies where in the memory of the programs.
//!
//! Addresses are those of hart 0. What is a hart's own lies [`STRIDE`] further for the next; what several harts use is
//! said to be shared.

/// Start of RAM, where all harts begin, to go on at their own [`START`].
pub const BASE: u64 = 0x8000_0000;
/// From what belongs to a hart to what belongs to the next: a power of two.
pub const STRIDE: u64 = 1 << STRIDE_BITS;
pub const STRIDE_BITS: u32 = 17;
/// Most harts.
pub const MOST_HARTS: u64 = 4;
/// How many harts have come to their end. Shared.
pub const ENDED: u64 = BASE + 0x100;
/// Brings the hart into the state in which its program starts.
pub const START: u64 = BASE + 0x1000;
/// Handlers of traps to M-mode and to S-mode.
pub const MACHINE_HANDLER: u64 = BASE + 0x2000;
pub const SUPERVISOR_HANDLER: u64 = BASE + 0x2400;
/// Root of the page table, and the two tables of the page that is mapped to and fro.
pub const ROOT: u64 = BASE + 0x3000;
pub const MIDDLE: u64 = BASE + 0x4000;
pub const LEAF: u64 = BASE + 0x5000;
/// Where handlers save registers, and the one of the address to go on at after a jump to nowhere.
pub const MACHINE_SAVE: u64 = BASE + 0x6000;
pub const SUPERVISOR_SAVE: u64 = BASE + 0x6100;
/// Counters of loops, and return addresses.
pub const CELLS: u64 = BASE + 0x7000;
/// Values of the registers at the start.
pub const REGISTERS: u64 = BASE + 0x8000;
/// Memory for loads and stores: two pages. Shared.
pub const SCRATCH: u64 = BASE + 0xa000;
pub const SCRATCH_BYTES: u64 = 0x2000;
/// The two pages that [`REMAPPED`] is by turns, each with routines at every [`ROUTINE_BYTES`].
pub const PHYSICAL: u64 = BASE + 0xc000;
pub const ROUTINE_BYTES: u64 = 0x80;
/// The program, which begins somewhere in this page.
pub const CODE: u64 = BASE + 0x10000;
/// Size of RAM.
pub const MEMORY: u64 = 2 << 20;

/// The interruptor's registers: what interrupts each hart (4 bytes), and when its timer does (8 bytes).
pub const MSIP: u64 = 0x200_0000;
pub const MTIMECMP: u64 = 0x200_4000;

/// Virtual page that is one physical page, then the other.
pub const REMAPPED: u64 = 0xc000_0000;
/// RAM once more, for S-mode alone.
pub const SUPERVISOR_RAM: u64 = 0x1_0000_0000;
/// Nothing is here, whether addresses are translated or not.
pub const NOWHERE: u64 = 0x4000_0000;

/// Where a handler finds the address to go on at, in its save area.
pub const RESUME: u32 = 24;
