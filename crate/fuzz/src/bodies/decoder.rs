//! The instruction decoder: every encoding gives an instruction whose fields are in the ranges its users rely on.

use tabvisor::isa::riscv::decode::decode;
use tabvisor::isa::riscv::insn::{Insn, Op, Reg};

/// Decodes at every half-word.
pub fn run(input: &[u8]) {
    for bits in input.windows(4).step_by(2) {
        check(u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]));
    }
}

/// Decodes `bits`, checks the outcome and returns it.
pub fn check(bits: u32) -> Insn {
    let insn = decode(bits);
    let compressed = bits & 3 != 3;
    let say = || format!("{bits:#010x} decodes to {insn:?}");
    assert_eq!(insn.len, if compressed { 2 } else { 4 }, "{}", say());
    if compressed {
        let other = decode(bits ^ 0xffff_0000);
        assert_eq!(insn, other, "the next half-word matters: {}", say());
    }
    for source in [insn.rs1, insn.rs2, insn.rs3] {
        assert!(source.index() < 32, "{}", say());
    }
    assert!(insn.rd.index() < 32 || insn.rd == Reg::SINK, "{}", say());
    assert!(insn.rm < 8 && insn.offset == 0, "{}", say());
    match immediate(insn.op) {
        Some((least, most)) => assert!((least..=most).contains(&insn.imm), "{}", say()),
        None => {
            let kept = if compressed { bits & 0xffff } else { bits };
            assert_eq!(insn.imm as u32, kept, "{}", say());
        }
    }
    if insn.op == Op::Jal || (Op::Beq as u8..=Op::Bgeu as u8).contains(&(insn.op as u8)) {
        assert_eq!(insn.imm & 1, 0, "{}", say());
    }
    assert!(!matches!(insn.op, Op::Straddle | Op::Continue), "{}", say());
    insn
}

/// The range of an operation's immediate: that of its widest encoding. `None` where it is the encoding itself, for the
/// trap that may come of it.
fn immediate(op: Op) -> Option<(i32, i32)> {
    use Op::*;
    Some(match op {
        Illegal | Ecall | Ebreak | Mret | Sret | Wfi => return None,
        SfenceVma | SinvalVma | SfenceWInval | SfenceInvalIr => return None,
        CboInval | CboClean | CboFlush | CboZero => return None,
        Li | Auipc => (i32::MIN, i32::MAX),
        Jal => (-(1 << 20), (1 << 20) - 2),
        Beq | Bne | Blt | Bge | Bltu | Bgeu => (-4096, 4094),
        Slli | Srli | Srai | SlliUw | Rori | Bclri | Bexti | Binvi | Bseti => (0, 63),
        Slliw | Srliw | Sraiw | Roriw => (0, 31),
        Csrrw | Csrrs | Csrrc | Csrrwi | Csrrsi | Csrrci => (0, 4095),
        _ => (-2048, 2047),
    })
}
