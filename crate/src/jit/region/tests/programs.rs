//! Random programs.

use super::Random;
use crate::isa::riscv::decode::decode;
use crate::isa::riscv::insn::{Insn, Op};

/// Where programs start.
pub const CODE: u64 = 0x8000_0000;
/// Middle of the memory that they load and store.
pub const DATA: u64 = 0x8001_0000;
/// Where the handler of exceptions is.
pub const HANDLER: u64 = 0x8000_8000;
/// Size of memory.
pub const SIZE: u64 = 0x2_0000;

pub const WFI: u32 = 0x1050_0073;
/// Left to the interpreter, which does not come back behind it.
pub const EBREAK: u32 = 0x0010_0073;

/// `jal rd, offset`
pub fn jal(rd: u32, offset: i32) -> u32 {
    let imm = offset as u32;
    0x6f | rd << 7
        | (imm >> 12 & 0xff) << 12
        | (imm >> 11 & 1) << 20
        | (imm >> 1 & 0x3ff) << 21
        | (imm >> 20 & 1) << 31
}

/// `jalr rd, offset(rs1)`
pub fn jalr(rd: u32, rs1: u32, offset: i32) -> u32 {
    0x67 | rd << 7 | rs1 << 15 | (offset as u32) << 20
}

/// `addi rd, rs1, imm`
pub fn addi(rd: u32, rs1: u32, imm: i32) -> u32 {
    0x13 | rd << 7 | rs1 << 15 | (imm as u32) << 20
}

/// `auipc rd, pages`
pub fn auipc(rd: u32, pages: i32) -> u32 {
    0x17 | rd << 7 | (pages as u32) << 12
}

/// A branch of `funct3` (0 is `beq`, 1 `bne`).
pub fn branch(funct3: u32, rs1: u32, rs2: u32, offset: i32) -> u32 {
    let imm = offset as u32;
    0x63 | funct3 << 12
        | rs1 << 15
        | rs2 << 20
        | (imm >> 11 & 1) << 7
        | (imm >> 1 & 0xf) << 8
        | (imm >> 5 & 0x3f) << 25
        | (imm >> 12 & 1) << 31
}

/// Registers that random instructions do not write: 1 (return address), 2 (saved one), 8 to 11 (addresses of data) and
/// 12 (counter of loops).
fn reserved(reg: u32) -> bool {
    matches!(reg, 1 | 2 | 8..=12)
}

/// A random instruction that goes on at the next.
pub fn straight(random: &mut Random) -> u32 {
    const OPCODES: [u32; 22] = [
        0x13, 0x13, 0x1b, 0x33, 0x33, 0x33, 0x3b, 0x03, 0x23, 0x07, 0x27, 0x43, 0x47, 0x4b, 0x4f, 0x53, 0x53,
        0x53, 0x2f, 0x37, 0x17, 0x0f,
    ];
    const FUNCT7: [u32; 14] = [0, 0, 0x20, 1, 4, 5, 7, 0x10, 0x14, 0x24, 0x30, 0x34, 0x35, 0x7f];
    const FLOATS: [u32; 13] = [0, 4, 8, 12, 0x2c, 0x10, 0x14, 0x50, 0x60, 0x68, 0x70, 0x78, 0x20];
    const COUNTS: [u32; 6] = [0, 1, 2, 4, 5, 7];
    // `lr.w`, `lr.d`, `zext.h`, `rev8` classes, and the moves between the files: few encodings are theirs.
    const RARE: [u32; 10] = [
        0x1000_202f,
        0x1000_302f,
        0x0800_403b,
        0x6b80_5013,
        0xf000_0053,
        0xf200_0053,
        0xe000_0053,
        0xe200_0053,
        0xe000_1053,
        0xe200_1053,
    ];
    loop {
        let opcode = random.pick(&OPCODES);
        let mut bits = random.next() as u32 & !0x7f | opcode;
        if opcode == 0x53 {
            bits = bits & 0x01ff_ffff | (random.pick(&FLOATS) + random.below(2) as u32) << 25;
        }
        match opcode {
            0x33 | 0x3b => bits = bits & 0x01ff_ffff | random.pick(&FUNCT7) << 25,
            0x13 | 0x1b if bits >> 12 & 3 == 1 => {
                bits = bits & 0x01ff_ffff | random.pick(&FUNCT7) << 25;
                if bits >> 25 == 0x30 {
                    bits = bits & !(31 << 20) | random.pick(&COUNTS) << 20;
                }
            }
            0x53 if random.below(2) == 0 => bits = bits & !(31 << 20) | (random.below(4) as u32) << 20,
            0x43..=0x4f => bits = with_rounding(random, bits),
            _ => {}
        }
        // Those that round, among the others of this opcode.
        if opcode == 0x53 && matches!(bits >> 27, 0..=3 | 8 | 11 | 24 | 26) {
            bits = with_rounding(random, bits);
        }
        if random.below(20) == 0 {
            bits = random.pick(&RARE) | (random.below(32) as u32) << 7 | (random.below(32) as u32) << 15;
        }
        let opcode = bits & 0x7f;
        let loads = matches!(opcode, 0x03 | 0x07 | 0x23 | 0x27 | 0x2f);
        if loads && random.below(300) != 0 {
            bits = bits & !(31 << 15) | (8 + random.below(4) as u32) << 15;
        }
        let insn = decode(bits);
        let integer =
            !matches!(opcode, 0x07 | 0x23 | 0x27 | 0x43..=0x4f) && (opcode != 0x53 || bits >> 31 == 1);
        if insn.op == Op::Illegal
            || integer && reserved(bits >> 7 & 31)
            || insn.op == Op::FenceI
            || is_cbo(&insn)
        {
            continue;
        }
        return bits;
    }
}

/// With a rounding mode that is rarely a reserved one.
fn with_rounding(random: &mut Random, bits: u32) -> u32 {
    const MODES: [u32; 11] = [0, 0, 0, 1, 1, 2, 3, 4, 7, 7, 7];
    let mode = if random.below(200) == 0 {
        5
    } else {
        random.pick(&MODES)
    };
    bits & !(7 << 12) | mode << 12
}

fn is_cbo(insn: &Insn) -> bool {
    matches!(insn.op, Op::CboClean | Op::CboFlush | Op::CboInval | Op::CboZero)
}

/// A program that ends: functions that call later ones, with branches forward and loops that are counted down. `wfi` ends
/// it.
pub fn program(random: &mut Random) -> Vec<u32> {
    let functions = 1 + random.below(4) as usize;
    let mut code: Vec<u32> = Vec::new();
    let mut starts = Vec::new();
    // Calls, whose targets are not known yet: where, and the number of the function.
    let mut calls = Vec::new();
    for function in 0..functions {
        starts.push(code.len());
        // Each function saves its return address in a register of its own.
        let saved = 24 + function as u32;
        code.push(addi(saved, 1, 0));
        for _ in 0..1 + random.below(6) {
            for _ in 0..random.below(8) {
                push(&mut code, random);
            }
            match random.below(6) {
                0 if function + 1 < functions => {
                    let callee = function + 1 + random.below((functions - function - 1) as u64) as usize;
                    calls.push((code.len(), callee));
                    code.extend([0, 0]);
                }
                1 => {
                    // A loop: its counter is one for each function.
                    let counter = 28 + function as u32;
                    code.push(addi(counter, 0, 1 + random.below(4) as i32));
                    let head = code.len();
                    for _ in 0..random.below(5) {
                        push(&mut code, random);
                    }
                    code.push(addi(counter, counter, -1));
                    code.push(branch(1, counter, 0, (head as i32 - code.len() as i32) * 4));
                }
                2 => {
                    // Over what follows.
                    let skipped = random.below(4) as i32;
                    code.push(jal(0, (skipped + 1) * 4));
                    (0..skipped).for_each(|_| push(&mut code, random));
                }
                _ => {
                    let skipped = random.below(5) as i32;
                    let funct3 = random.pick(&[0, 1, 4, 5, 6, 7]);
                    let (a, b) = (random.below(32) as u32, random.below(32) as u32);
                    code.push(branch(funct3, a, b, (skipped + 1) * 4));
                    (0..skipped).for_each(|_| push(&mut code, random));
                }
            }
        }
        code.push(if function == 0 { WFI } else { jalr(0, saved, 0) });
        // By convention it is a return only from `ra`.
        if function > 0 && random.below(4) != 0 {
            code.pop();
            code.extend([addi(1, saved, 0), jalr(0, 1, 0)]);
        }
    }
    for (at, callee) in calls {
        let offset = (starts[callee] as i32 - at as i32) * 4;
        let near = random.below(2) == 0;
        (code[at], code[at + 1]) = if near {
            (jal(1, offset), addi(0, 0, 0))
        } else {
            (auipc(1, 0), jalr(1, 1, offset))
        };
    }
    code
}

/// Adds a random instruction that writes none of the registers that calls and loops need.
fn push(code: &mut Vec<u32>, random: &mut Random) {
    loop {
        let bits = straight(random);
        let insn = decode(bits);
        let rd = bits >> 7 & 31;
        if insn.op == Op::Auipc || (24..32).contains(&rd) && !matches!(bits & 0x7f, 0x23 | 0x27) {
            continue;
        }
        code.push(bits);
        return;
    }
}
