//! The quick compiler: machine code for x86-64 in one pass over a region.
//!
//! Cranelift makes better code, and needs ten times as long: code that runs for a few milliseconds is not worth it. This
//! compiler looks at each instruction of the representation once, writes what it means, and keeps the guest registers that
//! the region uses most in registers of the host.
//!
//! * `asm` — writes instructions;
//! * `registers` — where values are;
//! * `emit`, `memory`, `float` — what instructions mean;
//! * `cold` — what is rarely done, behind the blocks;
//! * `exits` — ways out of a region, and the code that all regions share.
//!
//! Code follows the same contract as Cranelift's ([`crate::ir::abi`]): regions of both go on in each other by jumps, with
//! the state in `rdi` and the entry in `esi`. They may change every other register, and have a frame that the trampoline
//! made above their return address.

mod asm;
mod cold;
mod emit;
mod exits;
mod float;
mod memory;
mod registers;

use crate::ir::abi::Helper;
use crate::ir::{Abi, Region, passes};
use asm::Asm;
use emit::Emit;
use registers::Pins;

/// What code is made for.
#[derive(Debug, Clone, Default)]
struct Host {
    /// Addresses of the ways to the helpers: those that keep all registers, and those that keep no SSE register.
    thunks: [[usize; 2]; Helper::COUNT],
    /// Whether the host multiplies and adds with one rounding.
    fma: bool,
}

/// Makes code, one region after the other.
#[derive(Debug)]
pub(super) struct QuickCompiler {
    host: Host,
    asm: Asm,
}

impl QuickCompiler {
    /// A compiler whose code calls helpers by the ways that `place` puts into memory; `None` where the host lacks an
    /// instruction set that it uses.
    pub fn new<E>(abi: &Abi, mut place: impl FnMut(&[u8]) -> Result<usize, E>) -> Result<Option<Self>, E> {
        let Some(fma) = host_features() else {
            return Ok(None);
        };
        let (mut host, mut asm) = (
            Host {
                fma,
                ..Host::default()
            },
            Asm::default(),
        );
        for (number, ways) in host.thunks.iter_mut().enumerate() {
            for (way, keep_sse) in ways.iter_mut().zip([true, false]) {
                asm.clear();
                exits::thunk(
                    &mut asm,
                    abi.helpers + number as u32 * abi.pointer_bytes,
                    keep_sse,
                );
                *way = place(asm.finish())?;
            }
        }
        Ok(Some(QuickCompiler { host, asm }))
    }

    /// The code of a region; `None` if it has more values at once than there is room for.
    pub fn compile(&mut self, abi: &Abi, region: &Region, number: u32) -> Option<&[u8]> {
        self.asm.clear();
        let pins = Pins::choose(region.locals, &passes::slot_uses(region), abi);
        Emit::region(&mut self.asm, abi, &self.host, region, &pins, number).ok()?;
        Some(self.asm.finish())
    }
}

/// The code by which regions are called: `extern "C" fn(function, state, entry) -> u32`.
pub(super) fn trampoline() -> Vec<u8> {
    let mut asm = Asm::default();
    exits::trampoline(&mut asm);
    asm.finish().to_vec()
}

/// Whether the host multiplies and adds with one rounding, if it has all else that is used.
#[cfg(target_arch = "x86_64")]
fn host_features() -> Option<bool> {
    let all = std::is_x86_feature_detected!("bmi2")
        && std::is_x86_feature_detected!("bmi1")
        && std::is_x86_feature_detected!("lzcnt")
        && std::is_x86_feature_detected!("popcnt")
        && std::is_x86_feature_detected!("avx");
    all.then(|| std::is_x86_feature_detected!("fma"))
}

#[cfg(not(target_arch = "x86_64"))]
fn host_features() -> Option<bool> {
    None
}
