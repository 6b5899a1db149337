//! What Cranelift is given, as text: for people and golden files.

use cranelift_codegen::ir::Function;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::compiler::host_compiler;
use super::lower::{Lower, Target};
use super::thunk::{self, Thunks};
use crate::ir::{Abi, Region};
use crate::jit::{CompileError, Tier};

/// The function that a region, as passes left it, becomes: for a host that multiplies and adds with one rounding, and with 0
/// for the addresses of the ways to the helpers, so that it is the same everywhere. It fails on hosts that Cranelift does
/// not know.
pub fn cranelift_text(region: &Region, abi: &Abi, number: u32, tier: Tier) -> Result<String, CompileError> {
    let host = host_compiler(tier).map_err(|text| CompileError::Refused { number, text })?;
    let target = Target {
        abi,
        thunks: &Thunks::default(),
        fma: true,
    };
    let mut function = Function::with_name_signature(Default::default(), thunk::region_signature());
    let mut context = FunctionBuilderContext::new();
    let builder = FunctionBuilder::new(&mut function, &mut context);
    let builder = Lower::region(builder, &target, region, number, tier);
    builder.finalize(host.frontend_config());
    Ok(function.display().to_string())
}
