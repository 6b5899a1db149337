//! The machine as the host of its own SBI firmware.

use super::board::Board;
use super::sbi::{HartState, ResetKind, ResetReason, SbiHost, SbiReturn, Suspend};
use super::{Exit, sbi};
use crate::device::{DeviceContext, MmioDevice};
use crate::engine::Core;
use crate::isa::riscv::csr::{envcfg, irq, mstatus};
use crate::isa::riscv::hart::{FetchFlush, Hart, Privilege};
use crate::isa::riscv::insn::Reg;
use crate::mem::BadAddress;
use crate::mem::tlb::{Fence, Manager};

// Registers of the serial port, for the firmware's console.
const UART_RECEIVE: u64 = 0;
const UART_LINE_STATUS: u64 = 5;
const UART_DATA_READY: u64 = 1;

/// Where a hart resumes after a non-retentive suspend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    addr: u64,
    opaque: u64,
}

/// What the firmware knows of a hart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    Started,
    /// It waits for another hart to start it.
    Stopped,
    /// It waits for an interrupt, and goes on where it was or at the given place.
    Suspended(Option<Resume>),
}

/// Puts a hart into S-mode at `addr`, as SBI starts harts.
pub fn enter_supervisor(hart: &mut Hart, addr: u64, opaque: u64) {
    let id = hart.state.csr.mhartid;
    let state = &mut hart.state;
    state.pc = addr & !1;
    state.privilege = Privilege::Supervisor;
    state.waiting = false;
    state.reservation = None;
    state.x.set(Reg::A0, id);
    state.x.set(Reg::new(11), opaque);
    let csr = &mut state.csr;
    csr.satp = 0;
    csr.mstatus &= !(mstatus::SIE | mstatus::MPRV);
    csr.stvec = 0;
    hart.flush_translations();
}

/// Sets a hart's M-mode state up as firmware does before it enters S-mode: everything is delegated and allowed.
pub fn prepare(hart: &mut Hart) {
    hart.host_firmware = true;
    let csr = &mut hart.state.csr;
    csr.medeleg = 0xb1ff;
    csr.mideleg = irq::SUPERVISOR;
    csr.mcounteren = u64::from(u32::MAX);
    // Linux reads the time from user mode and relies on firmware to have allowed it.
    csr.scounteren = 7;
    csr.menvcfg = envcfg::MACHINE & !envcfg::FIOM;
    csr.stimecmp = u64::MAX;
    csr.pmp.open();
}

/// Answers the call that `hart` made, and moves it past its `ecall`.
#[inline(never)]
pub fn answer(
    cores: &mut [Core],
    power: &mut [Power],
    board: &mut Board,
    tlbs: &Manager,
    hart: usize,
) -> Option<Exit> {
    let x = |n: u32| cores[hart].hart.state.x.get(Reg::new(n));
    let args = [x(10), x(11), x(12), x(13), x(14), x(15)];
    let (fid, eid) = (x(16), x(17));
    let pc = cores[hart].hart.state.pc;
    cores[hart].hart.state.pc = pc.wrapping_add(4);
    let mut host = Host {
        cores,
        power,
        board,
        tlbs,
        exit: None,
    };
    let result = sbi::call(&mut host, hart, args, fid, eid);
    log::trace!(target: "sbi", "hart {hart} eid {eid:#x} fid {fid} args {args:x?}: {result:?}");
    let exit = host.exit;
    let x = &mut cores[hart].hart.state.x;
    match result {
        SbiReturn::Pair { error, value } => {
            x.set(Reg::A0, error as u64);
            x.set(Reg::new(11), value);
        }
        SbiReturn::Legacy(value) => x.set(Reg::A0, value as u64),
        SbiReturn::NoReturn => {}
    }
    exit
}

/// Lets a suspended hart that an interrupt wakes go on.
pub fn wake(core: &mut Core, power: &mut Power) {
    if let Power::Suspended(resume) = *power
        && core.hart.interrupt_wakes()
    {
        *power = Power::Started;
        core.hart.state.waiting = false;
        if let Some(Resume { addr, opaque }) = resume {
            enter_supervisor(&mut core.hart, addr, opaque);
        }
    }
}

struct Host<'a> {
    cores: &'a mut [Core],
    power: &'a mut [Power],
    board: &'a mut Board,
    tlbs: &'a Manager,
    exit: Option<Exit>,
}

impl SbiHost for Host<'_> {
    fn harts(&self) -> usize {
        self.cores.len()
    }

    fn hart_state(&self, hart: usize) -> HartState {
        match self.power[hart] {
            Power::Started => HartState::Started,
            Power::Stopped => HartState::Stopped,
            Power::Suspended(_) => HartState::Suspended,
        }
    }

    fn start_hart(&mut self, hart: usize, addr: u64, opaque: u64) {
        enter_supervisor(&mut self.cores[hart].hart, addr, opaque);
        self.power[hart] = Power::Started;
    }

    fn stop_hart(&mut self, hart: usize) {
        self.power[hart] = Power::Stopped;
        self.cores[hart].hart.leave_soon();
    }

    fn suspend_hart(&mut self, hart: usize, how: Suspend) {
        let resume = match how {
            Suspend::Retentive => None,
            Suspend::NonRetentive { addr, opaque } => Some(Resume { addr, opaque }),
        };
        self.power[hart] = Power::Suspended(resume);
    }

    fn send_ipi(&mut self, hart: usize) {
        self.cores[hart].hart.state.csr.mip |= 1 << irq::SSI;
    }

    fn set_timer(&mut self, hart: usize, mtime: u64) {
        self.cores[hart].hart.state.csr.stimecmp = mtime;
    }

    fn remote_fence_i(&mut self, hart: usize) {
        // Decoded code follows every store by itself; only what straddles two pages is remembered apart.
        self.cores[hart].hart.fetch_flush = FetchFlush::All;
    }

    fn remote_sfence(&mut self, hart: usize, start: u64, size: u64, asid: Option<u16>) {
        // No size means all of the address space.
        let fence = if size == 0 {
            Fence::of_space(asid)
        } else {
            Fence::of_range(start, size, asid)
        };
        if self.tlbs.send(hart, fence) {
            self.cores[hart].hart.fence(fence);
        }
    }

    fn console_write(&mut self, bytes: &[u8]) {
        self.board.uart.append_output(bytes);
    }

    fn console_read(&mut self, into: &mut [u8]) -> usize {
        let now_ns = self.board.update_time();
        let Board { uart, ram, .. } = &mut *self.board;
        let mut cx = DeviceContext { ram, now_ns };
        let mut read = |offset| uart.read(offset, 1, &mut cx).unwrap_or(0);
        let mut count = 0;
        for byte in into {
            if read(UART_LINE_STATUS) & UART_DATA_READY == 0 {
                break;
            }
            *byte = read(UART_RECEIVE) as u8;
            count += 1;
        }
        count
    }

    fn ram_read(&self, addr: u64, into: &mut [u8]) -> Result<(), BadAddress> {
        self.board.ram.read(addr, into)
    }

    fn ram_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BadAddress> {
        self.board.ram.write(addr, from)
    }

    fn reset(&mut self, kind: ResetKind, reason: ResetReason) {
        self.exit = Some(match (kind, reason) {
            (ResetKind::Shutdown, ResetReason::SystemFailure) => Exit::Failed { code: 1 },
            (ResetKind::Shutdown, _) => Exit::PowerOff,
            (ResetKind::ColdReboot | ResetKind::WarmReboot, _) => Exit::Reset,
        });
    }
}
