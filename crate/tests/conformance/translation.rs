//! Random page tables and accesses: `tests/conformance/translation.S` carries them out.
//!
//! Three address spaces share some tables. Entries change with the least fence that the manual asks for; modes, SUM,
//! MXR, MPRV and address spaces change with none. Whatever a machine caches, both must see the same.

use crate::assembler;
use crate::elf;
use crate::engines::ENGINES;
use crate::image::{BASE, Paging};
use crate::prng::Prng;
use crate::{qemu, tabvisor_side};

const OPERATIONS: u64 = BASE + 0x100_0000;
const TABLES: u64 = BASE + 0x20_0000;
/// Eight pages of data, at the start of a 2 MiB page.
const DATA: u64 = BASE + 0x40_0000;
const DATA_PAGES: u64 = 8;

/// Virtual addresses: each region has a 2 MiB stretch of small pages, one that all spaces share, and large pages.
const OWN: u64 = 0x4000_0000;
const SHARED: u64 = 0x4020_0000;
const LARGE: u64 = 0x4040_0000;
const LARGE_PAGES: u64 = 4;
/// Small pages in each stretch.
const SMALL_PAGES: u64 = 12;

const SPACES: u64 = 3;
const POINTER: u64 = 1;
const GLOBAL: u64 = 1 << 5;
const MPRV: u64 = 1 << 17;

/// One record of the program.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Load {
        address: u64,
        mstatus: u64,
    },
    Store {
        address: u64,
        mstatus: u64,
    },
    Fetch {
        address: u64,
        mstatus: u64,
    },
    Satp(u64),
    Entry {
        at: u64,
        entry: u64,
        fence: u64,
        address: u64,
        asid: u64,
    },
    End,
}

impl Operation {
    fn record(self) -> [u64; 6] {
        match self {
            Self::Load { address, mstatus } => {
                [if mstatus & MPRV == 0 { 0 } else { 3 }, address, mstatus, 0, 0, 0]
            }
            Self::Store { address, mstatus } => {
                [if mstatus & MPRV == 0 { 1 } else { 4 }, address, mstatus, 0, 0, 0]
            }
            Self::Fetch { address, mstatus } => [2, address, mstatus & !MPRV, 0, 0, 0],
            Self::Satp(value) => [5, value, 0, 0, 0, 0],
            Self::Entry {
                at,
                entry,
                fence,
                address,
                asid,
            } => [6, at, entry, fence, address, asid],
            Self::End => [7, 0, 0, 0, 0, 0],
        }
    }

    /// Whether the program prints a line for it.
    fn is_access(self) -> bool {
        matches!(self, Self::Load { .. } | Self::Store { .. } | Self::Fetch { .. })
    }
}

/// The tables of all spaces, as pages from `TABLES` on.
struct Tables {
    pages: Vec<[u64; 512]>,
    roots: Vec<u64>,
    /// Table of small pages of each space, then the shared one.
    small: Vec<usize>,
    /// Table with the large pages of each space.
    large: Vec<usize>,
}

fn address_of(page: usize) -> u64 {
    TABLES + page as u64 * 4096
}

fn leaf(r: &mut Prng, physical: u64, global: bool) -> u64 {
    let mut flags = r.below(256) & !GLOBAL;
    if !r.one_in(10) {
        flags |= 1;
    }
    if r.one_in(2) {
        flags |= 0xe;
    }
    // A pointer at the last level faults; above it a table would be made of data.
    if flags & 0xe == 0 {
        flags |= 2;
    }
    if global {
        flags |= GLOBAL;
    }
    physical >> 2 | flags
}

fn small_leaf(r: &mut Prng, global: bool) -> u64 {
    let page = r.below(DATA_PAGES);
    leaf(r, DATA + page * 4096, global)
}

impl Tables {
    fn new(r: &mut Prng, paging: Paging) -> Self {
        let mut tables = Self {
            pages: Vec::new(),
            roots: Vec::new(),
            small: Vec::new(),
            large: Vec::new(),
        };
        let shared = tables.page();
        for i in 0..SMALL_PAGES as usize {
            tables.pages[shared][i] = small_leaf(r, true);
        }
        for _ in 0..SPACES {
            let small = tables.page();
            for i in 0..SMALL_PAGES as usize {
                tables.pages[small][i] = small_leaf(r, false);
            }
            let large = tables.page();
            tables.pages[large][0] = address_of(small) >> 2 | POINTER;
            tables.pages[large][1] = address_of(shared) >> 2 | POINTER;
            for i in 0..LARGE_PAGES as usize {
                tables.pages[large][2 + i] = leaf(r, DATA, false);
            }
            let mut top = tables.page();
            tables.pages[top][1] = address_of(large) >> 2 | POINTER;
            // The program itself, for S and, higher, for U.
            tables.pages[top][2] = BASE >> 2 | 0xcf;
            tables.pages[top][3] = BASE >> 2 | 0xdf;
            for _ in Paging::Sv39 as u64..paging as u64 {
                let above = tables.page();
                tables.pages[above][0] = address_of(top) >> 2 | POINTER;
                top = above;
            }
            tables.small.push(small);
            tables.large.push(large);
            tables.roots.push(address_of(top));
        }
        tables.small.push(shared);
        tables
    }

    fn page(&mut self) -> usize {
        self.pages.push([0; 512]);
        self.pages.len() - 1
    }

    fn satp(&self, paging: Paging, space: u64) -> u64 {
        (paging as u64) << 60 | (space + 1) << 44 | self.roots[space as usize] >> 12
    }

    /// Changes one entry, fenced no more than needed.
    fn change(&self, r: &mut Prng) -> Operation {
        let space = r.below(SPACES);
        let asid = space + 1;
        let within = r.below(4096);
        match r.below(3) {
            0 => {
                let i = r.below(SMALL_PAGES);
                let entry = small_leaf(r, false);
                let at = address_of(self.small[space as usize]) + i * 8;
                Operation::Entry {
                    at,
                    entry,
                    fence: r.below(4),
                    address: OWN + i * 4096 + within,
                    asid,
                }
            }
            1 => {
                let i = r.below(SMALL_PAGES);
                let entry = small_leaf(r, true);
                let at = address_of(self.small[SPACES as usize]) + i * 8;
                // Global entries live in every space.
                Operation::Entry {
                    at,
                    entry,
                    fence: r.below(2),
                    address: SHARED + i * 4096 + within,
                    asid,
                }
            }
            _ => {
                let i = r.below(LARGE_PAGES);
                let entry = leaf(r, DATA, false);
                let at = address_of(self.large[space as usize]) + (2 + i) * 8;
                let address = LARGE + i * 0x20_0000 + r.below(0x20_0000);
                Operation::Entry {
                    at,
                    entry,
                    fence: r.below(4),
                    address,
                    asid,
                }
            }
        }
    }
}

/// A virtual page that is, or once was, mapped.
fn virtual_page(r: &mut Prng) -> u64 {
    match r.below(3) {
        0 => OWN + r.below(SMALL_PAGES) * 4096,
        1 => SHARED + r.below(SMALL_PAGES) * 4096,
        _ => LARGE + r.below(LARGE_PAGES) * 0x20_0000 + r.below(DATA_PAGES) * 4096,
    }
}

/// Units of 16 bytes: a word of data, an instruction that says which page it is in, an `ecall`.
fn data() -> Vec<u8> {
    let mut bytes = Vec::new();
    for page in 0..DATA_PAGES as u32 {
        for unit in 0..256u64 {
            bytes.extend((u64::from(page) << 56 | 0x0011_2233_4455_0000 | unit).to_le_bytes());
            bytes.extend((0x513 | (page * 64) << 20).to_le_bytes()); // addi a0, x0, page * 64
            bytes.extend(0x73u32.to_le_bytes());
        }
    }
    bytes
}

fn operations(r: &mut Prng, tables: &Tables, paging: Paging, count: usize) -> Vec<Operation> {
    let mut operations = vec![Operation::Satp(tables.satp(paging, 0))];
    for _ in 0..count {
        // SUM, MXR, and S or U.
        let mstatus = r.below(4) << 18 | r.below(2) << 11;
        let mprv = if r.one_in(3) { MPRV } else { 0 };
        let page = virtual_page(r);
        operations.push(match r.below(16) {
            0 | 1 => Operation::Satp(tables.satp(paging, r.below(SPACES))),
            2 | 3 => tables.change(r),
            // A page is code from unit 1 to the one before the last, so that stores across pages miss it.
            4..=6 => Operation::Fetch {
                address: page + (1 + r.below(253)) * 16 + 8,
                mstatus,
            },
            7..=10 => Operation::Store {
                address: page + r.below(256) * 16,
                mstatus: mstatus | mprv,
            },
            11 => Operation::Store {
                address: page + 4096 - r.below(8),
                mstatus: mstatus | mprv,
            },
            12 => Operation::Load {
                address: page + 4096 - r.below(8),
                mstatus: mstatus | mprv,
            },
            _ => Operation::Load {
                address: page + r.below(4088),
                mstatus: mstatus | mprv,
            },
        });
    }
    operations.push(Operation::End);
    operations
}

fn compare(seed: u64, paging: Paging) {
    let r = &mut Prng::new(seed);
    let tables = Tables::new(r, paging);
    let operations = operations(r, &tables, paging, 20_000);
    let words = |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let elf = elf::write(&[
        (BASE, assembler::flat("translation.S", &[])),
        (TABLES, tables.pages.iter().flat_map(|page| words(page)).collect()),
        (DATA, data()),
        (
            OPERATIONS,
            operations
                .iter()
                .flat_map(|operation| words(&operation.record()))
                .collect(),
        ),
    ]);
    let expected = qemu::run(&elf);
    assert!(
        expected.ends_with("DONE\n"),
        "QEMU did not finish: {}",
        qemu::tail(&expected)
    );
    let worked = expected
        .lines()
        .filter(|line| line.starts_with(['8', '9']) || line.len() < 4)
        .count();
    assert!(
        worked > operations.len() / 5,
        "only {worked} of {} accesses work: nothing is tested",
        operations.len()
    );
    for engine in ENGINES {
        let got = tabvisor_side::run(engine, &elf);
        if expected != got {
            explain(&format!("{paging:?}, {engine:?}"), &operations, &expected, &got);
        }
    }
}

/// Panics with the first access that differs.
fn explain(what: &str, operations: &[Operation], expected: &str, got: &str) -> ! {
    let accesses: Vec<usize> = (0..operations.len())
        .filter(|&i| operations[i].is_access())
        .collect();
    let wrong = expected
        .lines()
        .zip(got.lines())
        .position(|(expected, got)| expected != got);
    let wrong = wrong.unwrap_or(expected.lines().count().min(got.lines().count()));
    let line = |text: &str| text.lines().nth(wrong).unwrap_or("(nothing)").to_owned();
    let at = accesses.get(wrong).copied().unwrap_or(operations.len() - 1);
    panic!(
        "{what}: access {wrong}, cause and hash: expected {}, got {}; the operations before and it: {:#x?}",
        line(expected),
        line(got),
        &operations[at.saturating_sub(6)..=at]
    );
}

#[test]
fn sv39() {
    compare(1, Paging::Sv39);
}

#[test]
fn sv48() {
    compare(2, Paging::Sv48);
}

#[test]
fn sv57() {
    compare(3, Paging::Sv57);
}
