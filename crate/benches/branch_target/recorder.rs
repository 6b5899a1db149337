//! Records where a real Linux jumps.
//!
//! [`Machine::run`] looks at its budget on jumps, so a budget of one instruction comes back after each straight line of
//! code, with the program counter at what follows. The last instruction of the line says how it got there.

use std::collections::HashMap;

use tabvisor::engine::Engine;
use tabvisor::isa::riscv::csr::number;
use tabvisor::isa::riscv::decode::decode;
use tabvisor::isa::riscv::hart::Privilege;
use tabvisor::isa::riscv::insn::{Insn, Op, Reg};
use tabvisor::machine::{Exit, Machine};

use super::debian;
use super::traces::Event;

/// What ends a line.
#[derive(Clone, Copy)]
enum End {
    /// A jump to an address in a register: always asked for.
    Indirect,
    /// A jump or branch: asked for where compiled regions end, of which pages are taken for the borders.
    Direct,
    FlushAll,
    FlushPage(Reg),
    Other,
}

/// What was recorded.
pub struct Recording {
    /// Jumps to addresses in registers, returns among them.
    pub indirect: Vec<Event>,
    /// The same and jumps to other pages.
    pub crossing: Vec<Event>,
}

/// Records of Debian's Linux booting, and of its shell running commands. `None` where the guest was not fetched.
pub fn record(lines: usize) -> Option<[Recording; 2]> {
    let mut machine = debian::machine(Engine::Interp.into())?;
    // Past the kernel's unpacking of its first file system, which is one loop.
    while machine.stats().instructions < 400_000_000 {
        assert_eq!(machine.run(1_000_000), Exit::Budget, "Linux boots");
    }
    let boot = record_lines(&mut machine, lines)?;
    debian::run_until(&mut machine, debian::READY);
    let commands =
        b"while :; do for n in 1 2 3 4; do ls -lR /bin | sort | wc; done; seq 1 2000 | sha256sum; done\n";
    machine.console_input(commands);
    let shell = record_lines(&mut machine, lines)?;
    Some([boot, shell])
}

/// Records the next `lines` lines of code.
fn record_lines(machine: &mut Machine, lines: usize) -> Option<Recording> {
    let mut recording = Recording {
        indirect: Vec::new(),
        crossing: Vec::new(),
    };
    let mut ends: HashMap<(u64, u64, u64), End> = HashMap::new();
    for _ in 0..lines {
        let before = &machine.hart(0)?.state;
        let (pc, retired, satp) = (before.pc, before.retired, before.csr.satp);
        let user_before = before.privilege == Privilege::User;
        if machine.run(1) != Exit::Budget {
            break;
        }
        machine.take_console_output();
        let after = &machine.hart(0)?.state;
        let count = after.retired - retired;
        let end = *ends
            .entry((satp, pc, count))
            .or_insert_with(|| end_of_line(machine, satp, pc, count).unwrap_or(End::Other));
        let user = after.privilege == Privilege::User;
        let go = Event::Go { pc: after.pc, user };
        let event = match end {
            End::Indirect => go,
            End::Direct if user == user_before && (after.pc ^ pc) >> 12 != 0 => {
                recording.crossing.push(go);
                continue;
            }
            End::Direct | End::Other => continue,
            End::FlushAll => Event::FlushAll,
            End::FlushPage(reg) => Event::FlushPage(after.x.get(reg)),
        };
        recording.indirect.push(event);
        recording.crossing.push(event);
        // Pages of programs come and go.
        if matches!(event, Event::FlushAll) {
            ends.retain(|(_, pc, _), _| *pc >> 63 != 0);
        }
    }
    Some(recording)
}

/// What the last of `count` instructions from `pc` does.
fn end_of_line(machine: &Machine, satp: u64, mut pc: u64, count: u64) -> Option<End> {
    for _ in 1..count {
        pc += u64::from(fetch(machine, satp, pc)?.len);
    }
    let insn = fetch(machine, satp, pc)?;
    Some(match insn.op {
        Op::Jalr => End::Indirect,
        Op::Jal | Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => End::Direct,
        Op::FenceI => End::FlushAll,
        Op::SfenceVma if insn.rs1 == Reg::ZERO => End::FlushAll,
        Op::SfenceVma => End::FlushPage(insn.rs1),
        Op::Csrrw if insn.imm as u32 == number::SATP => End::FlushAll,
        _ => End::Other,
    })
}

fn fetch(machine: &Machine, satp: u64, pc: u64) -> Option<Insn> {
    let half = |pc| machine.ram().read_u16(translate(machine, satp, pc)?).ok();
    let low = half(pc)?;
    let high = if low & 3 == 3 { half(pc + 2)? } else { 0 };
    Some(decode(u32::from(low) | u32::from(high) << 16))
}

/// Walks the page table.
fn translate(machine: &Machine, satp: u64, vaddr: u64) -> Option<u64> {
    let levels = match satp >> 60 {
        0 => return Some(vaddr),
        mode => mode as u32 - 5,
    };
    let mut table = (satp & ((1 << 44) - 1)) << 12;
    for level in (0..levels).rev() {
        let shift = 12 + 9 * level;
        let entry = machine
            .ram()
            .read_u64(table + (vaddr >> shift & 0x1ff) * 8)
            .ok()?;
        let next = (entry >> 10 & ((1 << 44) - 1)) << 12;
        match entry & 0xf {
            1 => table = next,
            leaf if leaf & 1 != 0 => return Some(next | vaddr & ((1 << shift) - 1)),
            _ => return None,
        }
    }
    None
}
