//! The platform-level interrupt controller: routes the devices' interrupt lines to the harts' external interrupts.
//!
//! RISC-V PLIC specification 1.0, with the parameters of QEMU's `virt` board: 95 sources, priorities 0 to 7, and two
//! contexts per hart in the order M of hart 0, S of hart 0, M of hart 1, and so on. All sources are level-triggered.
//!
//! ```text
//! line ──▶ gateway ──▶ pending ──▶ per context: enabled? priority over threshold? ──▶ output
//!             ▲                                    │ claim: clears pending, holds the gateway
//!             └──────────── complete ──────────────┘
//! ```

use serde::{Deserialize, Serialize};

use super::{AccessFault, DeviceContext, MmioDevice};

/// Number of sources, source 0 (which means "none") included.
pub const SOURCES: usize = 96;
/// 32-bit words that hold one bit per source.
const WORDS: usize = SOURCES / 32;
/// Highest priority; priority and threshold registers keep only these bits.
const PRIORITY_MASK: u32 = 7;

const PENDING: u64 = 0x1000;
const ENABLE: u64 = 0x2000;
const ENABLE_STRIDE: u64 = 0x80;
const CONTEXT: u64 = 0x20_0000;
const CONTEXT_STRIDE: u64 = 0x1000;

type Bits = [u32; WORDS];

fn bit(bits: &Bits, source: usize) -> bool {
    bits[source / 32] >> (source % 32) & 1 != 0
}

fn set_bit(bits: &mut Bits, source: usize, value: bool) {
    let mask = 1 << (source % 32);
    if value {
        bits[source / 32] |= mask;
    } else {
        bits[source / 32] &= !mask;
    }
}

/// One interrupt target: a privilege mode of a hart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlicContext {
    /// Sources enabled for this context.
    pub enabled: [u32; WORDS],
    /// Only priorities above this one interrupt.
    pub threshold: u32,
}

/// What a PLIC remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlicState {
    /// Priority per source; 0 never interrupts.
    pub priority: Vec<u32>,
    /// The lines as the devices drive them.
    pub level: [u32; WORDS],
    /// Requests that passed the gateway and were not claimed yet.
    pub pending: [u32; WORDS],
    /// Sources claimed and not completed: their gateways pass nothing.
    pub in_service: [u32; WORDS],
    /// Two per hart.
    pub contexts: Vec<PlicContext>,
}

/// The device.
#[derive(Debug)]
pub struct Plic {
    state: PlicState,
    /// One bit per context, recomputed when something changes.
    outputs: u64,
}

impl Plic {
    /// A PLIC for `harts` (at most 32) harts, in its reset state.
    pub fn new(harts: usize) -> Self {
        debug_assert!(harts <= 32);
        Self {
            state: PlicState {
                priority: vec![0; SOURCES],
                level: [0; WORDS],
                pending: [0; WORDS],
                in_service: [0; WORDS],
                contexts: vec![PlicContext::default(); 2 * harts],
            },
            outputs: 0,
        }
    }

    /// What a snapshot keeps.
    pub fn state(&self) -> &PlicState {
        &self.state
    }

    /// A device drives its line. `source` is 1 to 95.
    #[inline]
    pub fn set_level(&mut self, source: usize, level: bool) {
        debug_assert!((1..SOURCES).contains(&source));
        if bit(&self.state.level, source) != level {
            set_bit(&mut self.state.level, source, level);
            if level {
                self.open_gateway(source);
            }
        }
    }

    /// Whether the context's external interrupt is raised. Context `2 * hart` is M-mode, `2 * hart + 1` is S-mode.
    #[inline]
    pub fn output(&self, context: usize) -> bool {
        self.outputs >> context & 1 != 0
    }

    /// All outputs, one bit per context.
    #[inline]
    pub fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Passes a request on, if the line is high and none of this source is being served.
    fn open_gateway(&mut self, source: usize) {
        if bit(&self.state.level, source) && !bit(&self.state.in_service, source) {
            set_bit(&mut self.state.pending, source, true);
            self.update();
        }
    }

    /// The pending source with the highest priority enabled for `context`, the lowest number among equals; 0 if none.
    fn best(&self, context: usize) -> (usize, u32) {
        let enabled = &self.state.contexts[context].enabled;
        let mut best = (0, 0);
        for (word, enabled) in enabled.iter().enumerate() {
            let mut bits = self.state.pending[word] & enabled;
            while bits != 0 {
                let source = word * 32 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let priority = self.state.priority[source];
                if priority > best.1 {
                    best = (source, priority);
                }
            }
        }
        best
    }

    fn update(&mut self) {
        self.outputs = 0;
        if self.state.pending == [0; WORDS] {
            return;
        }
        for context in 0..self.state.contexts.len() {
            let raised = self.best(context).1 > self.state.contexts[context].threshold;
            self.outputs |= u64::from(raised) << context;
        }
    }

    /// The spec has claims ignore the threshold.
    fn claim(&mut self, context: usize) -> u32 {
        let (source, _) = self.best(context);
        if source != 0 {
            set_bit(&mut self.state.pending, source, false);
            set_bit(&mut self.state.in_service, source, true);
            self.update();
        }
        source as u32
    }

    /// Completions of sources not enabled for the context are ignored, as the spec has it.
    fn complete(&mut self, context: usize, source: u32) {
        let source = source as usize;
        if (1..SOURCES).contains(&source) && bit(&self.state.contexts[context].enabled, source) {
            set_bit(&mut self.state.in_service, source, false);
            self.open_gateway(source);
        }
    }

    fn register(&self, offset: u64) -> Register {
        let word = (offset % ENABLE_STRIDE / 4) as usize;
        match offset {
            0..PENDING if offset / 4 < SOURCES as u64 => Register::Priority((offset / 4) as usize),
            PENDING..ENABLE if offset - PENDING < 4 * WORDS as u64 => {
                Register::Pending(((offset - PENDING) / 4) as usize)
            }
            ENABLE..CONTEXT => {
                let context = ((offset - ENABLE) / ENABLE_STRIDE) as usize;
                if context < self.state.contexts.len() && word < WORDS {
                    Register::Enable(context, word)
                } else {
                    Register::Absent
                }
            }
            CONTEXT.. => {
                let context = ((offset - CONTEXT) / CONTEXT_STRIDE) as usize;
                match offset % CONTEXT_STRIDE {
                    0 if context < self.state.contexts.len() => Register::Threshold(context),
                    4 if context < self.state.contexts.len() => Register::Claim(context),
                    _ => Register::Absent,
                }
            }
            _ => Register::Absent,
        }
    }
}

/// The register an offset names.
enum Register {
    Priority(usize),
    Pending(usize),
    /// Context and word.
    Enable(usize, usize),
    Threshold(usize),
    Claim(usize),
    /// Reads as zero, ignores writes: drivers probe the sizes of the register blocks.
    Absent,
}

fn check(offset: u64, size: u8) -> Result<(), AccessFault> {
    if size == 4 && offset.is_multiple_of(4) {
        Ok(())
    } else {
        Err(AccessFault { offset, size })
    }
}

impl MmioDevice for Plic {
    fn read(&mut self, offset: u64, size: u8, _: &mut DeviceContext<'_>) -> Result<u64, AccessFault> {
        check(offset, size)?;
        Ok(u64::from(match self.register(offset) {
            Register::Priority(source) => self.state.priority[source],
            Register::Pending(word) => self.state.pending[word],
            Register::Enable(context, word) => self.state.contexts[context].enabled[word],
            Register::Threshold(context) => self.state.contexts[context].threshold,
            Register::Claim(context) => self.claim(context),
            Register::Absent => 0,
        }))
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        _: &mut DeviceContext<'_>,
    ) -> Result<(), AccessFault> {
        check(offset, size)?;
        let value = value as u32;
        match self.register(offset) {
            // Source 0 does not exist: its priority and enable bits stay zero.
            Register::Priority(0) | Register::Pending(_) | Register::Absent => return Ok(()),
            Register::Priority(source) => self.state.priority[source] = value & PRIORITY_MASK,
            Register::Enable(context, 0) => self.state.contexts[context].enabled[0] = value & !1,
            Register::Enable(context, word) => self.state.contexts[context].enabled[word] = value,
            Register::Threshold(context) => self.state.contexts[context].threshold = value & PRIORITY_MASK,
            Register::Claim(context) => {
                self.complete(context, value);
                return Ok(());
            }
        }
        self.update();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::{read, write};

    const S0: usize = 1;
    const S0_CLAIM: u64 = CONTEXT + CONTEXT_STRIDE + 4;

    /// Two harts, source 10 at priority 1 and source 33 at priority 2, both enabled for S-mode of hart 0.
    fn plic() -> Plic {
        let mut plic = Plic::new(2);
        for (offset, value) in [
            (40, 1),
            (33 * 4, 2),
            (ENABLE + ENABLE_STRIDE, 1 << 10 | 1),
            (ENABLE + ENABLE_STRIDE + 4, 1 << 1),
        ] {
            write(&mut plic, offset, 4, value, 0).unwrap();
        }
        plic
    }

    #[test]
    fn a_level_is_served_until_it_falls() {
        let mut plic = plic();
        plic.set_level(10, true);
        assert_eq!(plic.outputs(), 1 << S0);
        assert_eq!(read(&mut plic, PENDING, 4, 0), Ok(1 << 10));
        assert_eq!(read(&mut plic, S0_CLAIM, 4, 0), Ok(10));
        // In service: nothing pends, whatever the line does.
        assert!(!plic.output(S0));
        plic.set_level(10, false);
        plic.set_level(10, true);
        assert_eq!(read(&mut plic, S0_CLAIM, 4, 0), Ok(0));
        // Completed with the line still high: it pends again.
        write(&mut plic, S0_CLAIM, 4, 10, 0).unwrap();
        assert!(plic.output(S0));
        assert_eq!(read(&mut plic, S0_CLAIM, 4, 0), Ok(10));
        plic.set_level(10, false);
        write(&mut plic, S0_CLAIM, 4, 10, 0).unwrap();
        assert!(!plic.output(S0));
    }

    #[test]
    fn the_highest_priority_over_the_threshold_wins() {
        let mut plic = plic();
        plic.set_level(10, true);
        plic.set_level(33, true);
        write(&mut plic, CONTEXT + CONTEXT_STRIDE, 4, 1, 0).unwrap();
        assert!(plic.output(S0));
        assert_eq!(read(&mut plic, S0_CLAIM, 4, 0), Ok(33));
        assert!(!plic.output(S0), "priority 1 is not over threshold 1");
        write(&mut plic, CONTEXT + CONTEXT_STRIDE, 4, 0, 0).unwrap();
        assert!(plic.output(S0));
        write(&mut plic, 40, 4, 0, 0).unwrap();
        assert!(!plic.output(S0), "priority 0 never interrupts");
    }

    #[test]
    fn a_completion_of_what_is_not_enabled_is_ignored() {
        let mut plic = plic();
        plic.set_level(10, true);
        assert_eq!(read(&mut plic, S0_CLAIM, 4, 0), Ok(10));
        let m1_claim = CONTEXT + 2 * CONTEXT_STRIDE + 4;
        write(&mut plic, m1_claim, 4, 10, 0).unwrap();
        write(&mut plic, S0_CLAIM, 4, 0xffff_ffff, 0).unwrap();
        assert!(!plic.output(S0));
    }

    #[test]
    fn registers_that_do_not_exist_read_as_zero() {
        let mut plic = plic();
        for offset in [
            0,
            SOURCES as u64 * 4,
            PENDING + 12,
            ENABLE + 4 * ENABLE_STRIDE,
            0x5f_fffc,
        ] {
            write(&mut plic, offset, 4, u64::MAX, 0).unwrap();
            assert_eq!(read(&mut plic, offset, 4, 0), Ok(0), "{offset:#x}");
        }
        assert_eq!(read(&mut plic, ENABLE + ENABLE_STRIDE, 4, 0), Ok(1 << 10));
        assert!(read(&mut plic, 0, 8, 0).is_err());
        assert!(read(&mut plic, 2, 4, 0).is_err());
    }
}
