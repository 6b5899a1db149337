//! Privileged, CSR, cache-block and environment instructions.

use super::memory::{illegal, translate_quietly};
use crate::isa::riscv::CACHE_BLOCK;
use crate::isa::riscv::csr::access::Illegal;
use crate::isa::riscv::csr::instruction::CsrAccess;
use crate::isa::riscv::csr::{envcfg, mstatus};
use crate::isa::riscv::hart::{Hart, Privilege, Stop, StopReason};
use crate::isa::riscv::insn::{Insn, Op, Reg};
use crate::isa::riscv::mmu::Access;
use crate::isa::riscv::trap::{Cause, Exception};
use crate::mem::Bus;
use crate::mem::tlb::Fence;

/// Executes `insn`, which is at `pc`, and moves `pc` on.
#[inline(never)]
pub fn execute<B: Bus>(hart: &mut Hart, bus: &mut B, insn: &Insn) -> Result<(), Stop> {
    let pc = hart.state.pc;
    let next = pc.wrapping_add(u64::from(insn.len));
    match insn.op {
        Op::Csrrw | Op::Csrrs | Op::Csrrc | Op::Csrrwi | Op::Csrrsi | Op::Csrrci => csr(hart, bus, insn)?,
        Op::FenceI => {}
        Op::Ecall => return Err(environment_call(hart)),
        Op::Ebreak => return Err(hart.raise(Exception::new(Cause::Breakpoint, pc))),
        Op::Mret => {
            if hart.state.privilege != Privilege::Machine {
                return Err(illegal(hart));
            }
            hart.return_from_machine();
            return Ok(());
        }
        Op::Sret => {
            if forbidden_to_supervisor(hart, mstatus::TSR) {
                return Err(illegal(hart));
            }
            hart.return_from_supervisor();
            return Ok(());
        }
        Op::Wfi => {
            let forbidden = match hart.state.privilege {
                Privilege::Machine => false,
                Privilege::Supervisor => hart.state.csr.mstatus & mstatus::TW != 0,
                // May trap in U-mode where it does not end within a bounded time; here it always would.
                Privilege::User => true,
            };
            if forbidden {
                return Err(illegal(hart));
            }
            hart.state.waiting = true;
        }
        Op::SfenceVma | Op::SinvalVma => {
            if forbidden_to_supervisor(hart, mstatus::TVM) {
                return Err(illegal(hart));
            }
            let asid = (insn.rs2 != Reg::ZERO).then(|| hart.state.x.get(insn.rs2) as u16);
            hart.fence(if insn.rs1 == Reg::ZERO {
                Fence::of_space(asid)
            } else {
                Fence::of_page(hart.state.x.get(insn.rs1), asid)
            });
        }
        Op::SfenceWInval | Op::SfenceInvalIr => {
            if hart.state.privilege == Privilege::User {
                return Err(illegal(hart));
            }
        }
        Op::CboInval | Op::CboClean | Op::CboFlush | Op::CboZero => cache_block(hart, bus, insn)?,
        _ => return Err(illegal(hart)),
    }
    hart.state.pc = next;
    Ok(())
}

/// `sret` and `sfence.vma`: not for U-mode, and for S-mode only where `mstatus.bit` is clear.
fn forbidden_to_supervisor(hart: &Hart, bit: u64) -> bool {
    match hart.state.privilege {
        Privilege::Machine => false,
        Privilege::Supervisor => hart.state.csr.mstatus & bit != 0,
        Privilege::User => true,
    }
}

fn environment_call(hart: &mut Hart) -> Stop {
    let cause = match hart.state.privilege {
        Privilege::User => Cause::EcallFromUser,
        Privilege::Supervisor if hart.host_firmware => {
            hart.stop = StopReason::FirmwareCall;
            return Stop;
        }
        Privilege::Supervisor => Cause::EcallFromSupervisor,
        Privilege::Machine => Cause::EcallFromMachine,
    };
    hart.raise(Exception::new(cause, 0))
}

/// Zicsr: `rd = csr; csr = …`.
fn csr<B: Bus>(hart: &mut Hart, bus: &mut B, insn: &Insn) -> Result<(), Stop> {
    let Some((access, immediate)) = CsrAccess::of(insn) else {
        return Err(illegal(hart));
    };
    let operand = immediate.unwrap_or_else(|| hart.state.x.get(insn.rs1));
    match hart.access_csr(access, operand, || bus.mtime()) {
        Ok(old) => {
            hart.state.x.set(insn.rd, old);
            Ok(())
        }
        Err(Illegal) => Err(illegal(hart)),
    }
}

/// Zicbom and Zicboz. There are no caches, so management does nothing but check.
fn cache_block<B: Bus>(hart: &mut Hart, bus: &mut B, insn: &Insn) -> Result<(), Stop> {
    let field = match insn.op {
        Op::CboInval => envcfg::CBIE,
        Op::CboZero => envcfg::CBZE,
        _ => envcfg::CBCFE,
    };
    let csr = &hart.state.csr;
    let allowed = match hart.state.privilege {
        Privilege::Machine => true,
        Privilege::Supervisor => csr.menvcfg & field != 0,
        Privilege::User => csr.menvcfg & field != 0 && csr.senvcfg & field != 0,
    };
    if !allowed {
        return Err(illegal(hart));
    }
    let addr = hart.state.x.get(insn.rs1);
    let block = addr & !(CACHE_BLOCK - 1);
    let translated = if insn.op == Op::CboZero {
        translate_quietly(hart, bus, block, CACHE_BLOCK, Access::Write)
            .map(|physical| bus.ram_mut().write(physical, &[0; CACHE_BLOCK as usize]))
    } else {
        // Management needs any permission; what it raises is a store's fault.
        let privilege = hart.data_privilege();
        let mut may = |access| hart.translate(bus, block, CACHE_BLOCK, access, privilege);
        may(Access::Read).or_else(|_| may(Access::Write)).map(|_| Ok(()))
    };
    match translated {
        Ok(written) => written.map_err(|_| hart.raise(Access::Write.access_fault(addr))),
        Err(exception) => Err(hart.raise(Exception {
            value: addr,
            ..exception
        })),
    }
}
