//! What lies where in the memory of the programs.

/// Start of RAM, where the machine begins.
pub const BASE: u64 = 0x8000_0000;
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
/// Memory for loads and stores: two pages.
pub const SCRATCH: u64 = BASE + 0xa000;
pub const SCRATCH_BYTES: u64 = 0x2000;
/// The two pages that [`REMAPPED`] is by turns, each with routines at every [`ROUTINE_BYTES`].
pub const PHYSICAL: u64 = BASE + 0xc000;
pub const ROUTINE_BYTES: u64 = 0x80;
/// The program, which begins somewhere in this page.
pub const CODE: u64 = BASE + 0x10000;
/// Size of RAM.
pub const MEMORY: u64 = 2 << 20;

/// Virtual page that is one physical page, then the other.
pub const REMAPPED: u64 = 0xc000_0000;
/// RAM once more, for S-mode alone.
pub const SUPERVISOR_RAM: u64 = 0x1_0000_0000;
/// Nothing is here, whether addresses are translated or not.
pub const NOWHERE: u64 = 0x4000_0000;

/// Where a handler finds the address to go on at, in its save area.
pub const RESUME: u32 = 24;
