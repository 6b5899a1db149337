//! Generated programs: every instruction with random operands, and random words that are mostly no instructions.

use crate::assembler;
use crate::encode::{COMPRESSED, FLOAT, INTEGER, Instruction};
use crate::image::{Environment, Mode, Paging, Protection};
use crate::prng::Prng;
use crate::program::{self, Program};
use crate::unit::Unit;

const MACHINE: Environment = Environment {
    mode: Mode::Machine,
    paging: Paging::Bare,
    protection: Protection::Open,
};
const FENCED: Environment = Environment {
    mode: Mode::User,
    paging: Paging::Bare,
    protection: Protection::Fenced,
};

fn paged(mode: Mode, paging: Paging) -> Environment {
    Environment {
        mode,
        paging,
        protection: Protection::Open,
    }
}

/// How many times the usual number of cases: set `TABVISOR_CONFORMANCE_ROUNDS` for a long search.
fn rounds() -> usize {
    std::env::var("TABVISOR_CONFORMANCE_ROUNDS").map_or(1, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("TABVISOR_CONFORMANCE_ROUNDS must be a number, not {text:?}"))
    })
}

/// `each` units of every instruction in `tables`, in random order.
fn units(r: &mut Prng, tables: &[(&'static [Instruction], usize)]) -> Vec<Unit> {
    let mut units = Vec::new();
    for &(table, each) in tables {
        for instruction in table {
            for _ in 0..each {
                units.push(Unit::Known {
                    instruction,
                    seed: r.next(),
                });
            }
        }
    }
    r.shuffle(&mut units);
    units
}

fn known(
    name: &'static str,
    seed: u64,
    environment: Environment,
    tables: &[(&'static [Instruction], usize)],
) {
    for round in 0..rounds() as u64 {
        let mut r = Prng::new(seed + (round << 32));
        let units = units(&mut r, tables);
        let blocks = program::blocks(&mut r, units, 12, false);
        Program {
            name,
            environment,
            blocks,
        }
        .compare(false);
    }
}

#[test]
fn integer_instructions_in_machine_mode() {
    known("integer", 1, MACHINE, &[(INTEGER, 400)]);
}

#[test]
fn float_instructions() {
    known("float", 2, MACHINE, &[(FLOAT, 2000)]);
}

#[test]
fn compressed_instructions() {
    known("compressed", 3, MACHINE, &[(COMPRESSED, 500)]);
}

#[test]
fn all_instructions_mixed_in_user_mode_under_sv39() {
    known(
        "Sv39",
        4,
        paged(Mode::User, Paging::Sv39),
        &[(INTEGER, 30), (FLOAT, 60), (COMPRESSED, 60)],
    );
}

#[test]
fn all_instructions_mixed_in_supervisor_mode_under_sv48() {
    known(
        "Sv48",
        5,
        paged(Mode::Supervisor, Paging::Sv48),
        &[(INTEGER, 30), (FLOAT, 30), (COMPRESSED, 60)],
    );
}

#[test]
fn all_instructions_mixed_in_user_mode_under_sv57() {
    known(
        "Sv57",
        6,
        paged(Mode::User, Paging::Sv57),
        &[(INTEGER, 30), (FLOAT, 30), (COMPRESSED, 60)],
    );
}

/// In a page that PMP divides an engine may have to check each instruction.
#[test]
fn all_instructions_mixed_in_user_mode_under_divided_protection() {
    let environment = Environment {
        protection: Protection::Divided,
        ..paged(Mode::User, Paging::Bare)
    };
    for seed in 11..15 {
        known(
            "divided pages",
            seed,
            environment,
            &[(INTEGER, 2), (FLOAT, 2), (COMPRESSED, 3)],
        );
    }
}

/// Whether a random word can be let loose: nothing that jumps, and nothing the runtime's protocol uses.
fn is_harmless(word: u32) -> bool {
    if word & 3 != 3 {
        let half = word & 0xffff;
        return match (half & 3, half >> 13) {
            (1, 5..=7) => false,                          // c.j, c.beqz, c.bnez
            (2, 4) => half & 0x7c != 0 || half == 0x8002, // not c.jr, c.jalr, c.ebreak; but c.jr of x0 is reserved
            _ => true,
        };
    }
    let funct3 = word >> 12 & 7;
    match word & 0x7f {
        0x6f => false,
        0x67 => funct3 != 0,
        0x63 => funct3 == 2 || funct3 == 3,
        // ecall, ebreak and the returns; user mode may not reach the CSRs but the float ones.
        0x73 => funct3 != 0,
        // Of the atomics only what does not exist: QEMU 7.2 reports their faults as the load's, and
        // reservations are not kept across traps alike. A lr with a second operand is not one.
        0x2f => {
            let funct5 = word >> 27;
            let exists = [0, 1, 2, 3, 4, 8, 12, 16, 20, 24, 28].contains(&funct5) && (2..4).contains(&funct3);
            !exists || funct5 == 2 && word >> 20 & 31 != 0
        }
        // QEMU 7.2 lacks Zicbom and Zicboz.
        0x0f => funct3 != 2,
        // ctzw, which QEMU 7.2 has wrong.
        0x1b => word & 0xfff0_7000 != 0x6010_1000,
        _ => true,
    }
}

fn raw(name: &'static str, r: &mut Prng, words: Vec<u32>) {
    let units = words
        .into_iter()
        .filter(|&word| is_harmless(word))
        .map(Unit::Raw)
        .collect();
    let blocks = program::blocks(r, units, 16, true);
    Program {
        name,
        environment: FENCED,
        blocks,
    }
    .compare(true);
}

#[test]
fn every_16_bit_word() {
    let mut r = Prng::new(7);
    let mut words: Vec<u32> = (0..0x1_0000).filter(|word| word & 3 != 3).collect();
    r.shuffle(&mut words);
    raw("16-bit words", &mut r, words);
}

#[test]
fn random_32_bit_words() {
    for round in 0..rounds() as u64 {
        let mut r = Prng::new(8 + (round << 32));
        let words = (0..60_000).map(|_| r.next() as u32 | 3).collect();
        raw("random words", &mut r, words);
    }
}

/// Words one, two or three bits away from an instruction: where a decoder that looks at too few bits is caught.
#[test]
fn almost_instructions() {
    for round in 0..rounds() as u64 {
        let mut r = Prng::new(9 + (round << 32));
        let mut words = Vec::new();
        for instruction in INTEGER.iter().chain(FLOAT) {
            for _ in 0..300 {
                let operands = r.next() as u32 & 0x000f_8f80;
                let flips = (0..1 + r.below(3)).fold(0, |flips, _| flips | 1u32 << (2 + r.below(30)));
                words.push((instruction.bits | operands) ^ flips);
            }
        }
        raw("almost instructions", &mut r, words);
    }
}

/// The tests' own tables against the GNU disassembler: a wrong encoding would be tested in vain.
#[test]
fn the_tables_encode_what_they_name() {
    let mut r = Prng::new(10);
    for instruction in INTEGER.iter().chain(FLOAT).chain(COMPRESSED) {
        let mut code = Vec::new();
        for _ in 0..16 {
            let unit = Unit::Known {
                instruction,
                seed: r.next(),
            };
            code.extend(unit.place(code.len() as u64, true).bytes);
        }
        let name = match instruction.name {
            "lr/sc.w" => "lr.w",
            "lr/sc.d" => "lr.d",
            // That is what the disassembler calls it.
            "pause" => "fence",
            name => name,
        };
        // Once in sixteen will do: it does not know the rounding modes of conversions that are exact.
        let found = assembler::disassemble(&code);
        assert!(
            found.iter().any(|text| text.starts_with(name)),
            "{name} is disassembled as {found:?}"
        );
    }
}
