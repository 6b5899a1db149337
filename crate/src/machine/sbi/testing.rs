//! A machine that writes down what the firmware asks of it.

use super::{HartState, ResetKind, ResetReason, SbiError, SbiHost, SbiResult, SbiReturn, Suspend};
use crate::mem::{BadAddress, Ram};

/// Hart 0 is started, the others are stopped. Four pages of RAM at 0x8000_0000.
#[derive(Debug)]
pub struct FakeHost {
    pub states: Vec<HartState>,
    pub ram: Ram,
    pub log: Vec<String>,
    pub written: Vec<u8>,
    pub input: Vec<u8>,
}

impl FakeHost {
    pub fn new(harts: usize) -> Self {
        let mut states = vec![HartState::Stopped; harts];
        states[0] = HartState::Started;
        Self {
            states,
            ram: Ram::new(0x8000_0000, 0x4000).expect("four pages of RAM"),
            log: Vec::new(),
            written: Vec::new(),
            input: Vec::new(),
        }
    }

    /// A call that returns an error and a value.
    pub fn call(&mut self, hart: usize, eid: u64, fid: u64, args: &[u64]) -> SbiResult {
        match self.call_raw(hart, eid, fid, args) {
            SbiReturn::Pair { error: 0, value } => Ok(value),
            SbiReturn::Pair { error, .. } => Err([
                SbiError::NotSupported,
                SbiError::InvalidParam,
                SbiError::InvalidAddress,
                SbiError::AlreadyAvailable,
            ]
            .into_iter()
            .find(|known| *known as i64 == error)
            .expect("a known error code")),
            other => panic!("{other:?} where an error and a value were expected"),
        }
    }

    /// A call with the arguments that are not given zero.
    pub fn call_raw(&mut self, hart: usize, eid: u64, fid: u64, args: &[u64]) -> SbiReturn {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        super::call(self, hart, all, fid, eid)
    }
}

impl SbiHost for FakeHost {
    fn harts(&self) -> usize {
        self.states.len()
    }
    fn hart_state(&self, hart: usize) -> HartState {
        self.states[hart]
    }
    fn start_hart(&mut self, hart: usize, addr: u64, opaque: u64) {
        self.states[hart] = HartState::Started;
        self.log.push(format!("start {hart} {addr:#x} {opaque}"));
    }
    fn stop_hart(&mut self, hart: usize) {
        self.states[hart] = HartState::Stopped;
        self.log.push(format!("stop {hart}"));
    }
    fn suspend_hart(&mut self, hart: usize, how: Suspend) {
        self.states[hart] = HartState::Suspended;
        self.log.push(format!("suspend {hart} {how:?}"));
    }
    fn send_ipi(&mut self, hart: usize) {
        self.log.push(format!("ipi {hart}"));
    }
    fn set_timer(&mut self, hart: usize, mtime: u64) {
        self.log.push(format!("timer {hart} {mtime}"));
    }
    fn remote_fence_i(&mut self, hart: usize) {
        self.log.push(format!("fence.i {hart}"));
    }
    fn remote_sfence(&mut self, hart: usize, start: u64, size: u64, asid: Option<u16>) {
        self.log
            .push(format!("sfence {hart} {start:#x} {size:#x} {asid:?}"));
    }
    fn console_write(&mut self, bytes: &[u8]) {
        self.written.extend(bytes);
    }
    fn console_read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.input.len());
        for (to, from) in into.iter_mut().zip(self.input.drain(..count)) {
            *to = from;
        }
        count
    }
    fn ram_read(&self, addr: u64, into: &mut [u8]) -> Result<(), BadAddress> {
        self.ram.read(addr, into)
    }
    fn ram_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BadAddress> {
        self.ram.write(addr, from)
    }
    fn reset(&mut self, kind: ResetKind, reason: ResetReason) {
        self.log.push(format!("reset {kind:?} {reason:?}"));
    }
}
