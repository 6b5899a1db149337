//! What engines can do beyond the first version of WebAssembly.

#[cfg(target_arch = "wasm32")]
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection, ValType,
};

/// What the engine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Tail calls: regions go on in one another without returning to the run loop.
    pub tail_calls: bool,
    /// Relaxed SIMD is there, and its multiply-and-add rounds once.
    pub relaxed_madd_is_fused: bool,
}

/// Tries what this engine can do.
#[cfg(target_arch = "wasm32")]
pub(super) fn detect() -> Features {
    let mut calls = Function::new([]);
    calls.instructions().return_call(0).end();
    let tail_calls = module(&calls, &[]);
    let tail_calls =
        js_sys::WebAssembly::validate(&js_sys::Uint8Array::from(&tail_calls[..])).unwrap_or(false);
    // (1 + 2^-30)^2 - (1 + 2^-29) is 2^-60 with one rounding, and 0 with two.
    let step = f64::powi(2.0, -30);
    let mut madd = Function::new([]);
    let mut op = madd.instructions();
    for number in [1.0 + step, 1.0 + step, -(1.0 + 2.0 * step)] {
        op.f64_const(number.into()).f64x2_splat();
    }
    op.f64x2_relaxed_madd().f64x2_extract_lane(0).end();
    let fused = super::host::run_test(&module(&madd, &[ValType::F64]));
    Features {
        tail_calls,
        relaxed_madd_is_fused: fused == Some(step * step),
    }
}

/// A module with one function, exported as `test`.
#[cfg(target_arch = "wasm32")]
fn module(function: &Function, results: &[ValType]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], results.iter().copied());
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("test", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    code.function(function);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&exports)
        .section(&code);
    module.finish()
}
