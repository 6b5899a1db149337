//! The memory image of a generated program: runtime, parameters, page tables, states and blocks.
//!
//! `tests/conformance/runtime.S` describes the protocol and the shapes of the parameters and states.

use crate::{assembler, elf};

/// Start of RAM, and of the runtime.
pub const BASE: u64 = 0x8000_0000;
const PARAMS: u64 = BASE + 0x4000;
const PAGE_TABLES: u64 = BASE + 0x8000;
/// The scratch memory: 128 bytes on each side of a page border, as the blocks see them.
pub const SCRATCH: u64 = 0x8020_1000 - SCRATCH_BYTES / 2;
/// Size of the scratch memory.
pub const SCRATCH_BYTES: u64 = 256;
/// Where the second page of the scratch memory really is when the program runs with paging.
const SECOND_PAGE: u64 = 0x8020_3000;
/// Where the blocks are.
pub const CODE: u64 = 0x8040_0000;

/// Privilege mode in which the blocks run, as in `mstatus.MPP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    User = 0,
    Supervisor = 1,
    Machine = 3,
}

/// Address translation under which the blocks run, as in `satp.MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    Bare = 0,
    Sv39 = 8,
    Sv48 = 9,
    Sv57 = 10,
}

/// Where the program's blocks run.
#[derive(Clone, Copy, Debug)]
pub struct Environment {
    pub mode: Mode,
    pub paging: Paging,
    pub protection: Protection,
}

/// What PMP lets U and S mode reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Everything.
    Open,
    /// Everything, but two entries share the second page of the code between them.
    Divided,
    /// Only the code (to read and run) and the scratch memory (to read and write).
    Fenced,
}

/// What a block starts with.
#[derive(Clone, Debug)]
pub struct State {
    /// fcsr, then x1 to x31.
    pub x: [u64; 32],
    pub f: [u64; 32],
    pub memory: [u64; SCRATCH_BYTES as usize / 8],
}

/// Builds the executable for blocks of machine code already placed one after the other from `CODE`.
///
/// `ends` are the addresses of the `ebreak` each block ends with.
pub fn build(
    environment: Environment,
    verbose: bool,
    code: Vec<u8>,
    starts: &[u64],
    ends: &[u64],
    states: &[State],
) -> Vec<u8> {
    let tables = CODE + code.len().next_multiple_of(4096) as u64;
    let mut data = Vec::new();
    for state in states {
        push_words(&mut data, &state.x);
        push_words(&mut data, &state.f);
        push_words(&mut data, &state.memory);
    }
    let starts_at = tables + data.len() as u64;
    push_words(&mut data, starts);
    let ends_at = tables + data.len() as u64;
    push_words(&mut data, ends);

    let paged = environment.paging != Paging::Bare;
    let (page_tables, root) = page_tables(environment);
    let satp = if paged {
        (environment.paging as u64) << 60 | root >> 12
    } else {
        0
    };
    let code_size = (tables - CODE).next_power_of_two();
    assert!(
        code_size <= CODE - BASE,
        "the code must fit in a naturally aligned region at its address"
    );
    let everything = u64::MAX >> 10;
    let (pmpcfg, pmpaddr) = match environment.protection {
        Protection::Open => (0x1f1f, [everything, everything]),
        // Top of range, then NAPOT.
        Protection::Divided => (0x1f0f, [(CODE + 0x1ff0) >> 2, everything]),
        // Both NAPOT: the code, and 16 KiB around the scratch memory.
        Protection::Fenced => (
            0x1b1d,
            [
                CODE >> 2 | (code_size / 8 - 1),
                0x8020_0000 >> 2 | (0x4000 / 8 - 1),
            ],
        ),
    };
    let half = SCRATCH_BYTES / 2;
    let mut params = Vec::new();
    push_words(
        &mut params,
        &[
            states.len() as u64,
            tables,
            starts_at,
            ends_at,
            environment.mode as u64,
            satp,
            u64::from(verbose),
            SCRATCH,
            if paged { SECOND_PAGE } else { SCRATCH + half },
            pmpcfg,
            pmpaddr[0],
            pmpaddr[1],
        ],
    );
    let runtime = assembler::flat("runtime.S", &[]);
    assert!(
        runtime.len() as u64 <= PARAMS - BASE,
        "the runtime must end before its parameters"
    );
    elf::write(&[
        (BASE, runtime),
        (PARAMS, params),
        (PAGE_TABLES, page_tables),
        (CODE, code),
        (tables, data),
    ])
}

fn push_words(out: &mut Vec<u8>, words: &[u64]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

/// Identity-maps the first gigabyte of RAM, except for the second page of the scratch memory, which is
/// elsewhere: an access across the border between the pages touches two distant places.
fn page_tables(environment: Environment) -> (Vec<u8>, u64) {
    const VALID: u64 = 1;
    let leaf = 0xcf | if environment.mode == Mode::User { 0x10 } else { 0 };
    let page = |n: u64| PAGE_TABLES + n * 4096;
    let pointer = |n: u64| page(n) >> 2 | VALID;
    let levels: u64 = match environment.paging {
        Paging::Bare => return (Vec::new(), 0),
        Paging::Sv39 => 3,
        Paging::Sv48 => 4,
        Paging::Sv57 => 5,
    };
    let mut tables = vec![vec![0u64; 512]; levels as usize];
    for (i, entry) in tables[0].iter_mut().enumerate() {
        let address = 0x8020_0000 + i as u64 * 4096;
        let physical = if address == 0x8020_1000 {
            SECOND_PAGE
        } else {
            address
        };
        *entry = physical >> 2 | leaf;
    }
    for (i, entry) in tables[1].iter_mut().enumerate() {
        *entry = (BASE + i as u64 * 0x20_0000) >> 2 | leaf;
    }
    tables[1][1] = pointer(0);
    tables[2][2] = pointer(1);
    for (level, table) in tables.iter_mut().enumerate().skip(3) {
        table[0] = pointer(level as u64 - 1);
    }
    let mut bytes = Vec::new();
    for table in &tables {
        push_words(&mut bytes, table);
    }
    (bytes, page(levels - 1))
}
