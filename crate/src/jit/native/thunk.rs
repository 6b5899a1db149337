//! The code that every region of Cranelift's needs, compiled once: one way to each helper.
//!
//! A way to a helper keeps all registers as they are (Cranelift's `preserve_all` convention). So a call on a cold path
//! makes nothing of the hot path be spilled, and costs a region few bytes. That convention knows no results: they are left
//! where the caller says.

use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, Signature,
    types::{I32, I64},
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use super::lower::trusted;
use crate::ir::{Abi, abi::Helper};

/// Addresses of the ways to the helpers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Thunks(pub [usize; Helper::COUNT]);

impl Thunks {
    /// The way to a helper.
    pub fn of(&self, helper: Helper) -> usize {
        self.0[helper as usize]
    }
}

/// `fn(state, entry) -> reason`, as regions are called.
pub(super) fn region_signature() -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params = vec![AbiParam::new(I64), AbiParam::new(I32)];
    signature.returns = vec![AbiParam::new(I32)];
    signature
}

/// `fn(state, a, b, c, code, result)`, as ways to helpers are called.
pub(super) fn thunk_signature() -> Signature {
    let mut signature = Signature::new(CallConv::PreserveAll);
    signature.params = [I64, I64, I64, I64, I32, I64].map(AbiParam::new).to_vec();
    signature
}

/// `extern "C" fn(state, a, b, c, code) -> u64`, as helpers are.
fn helper_signature(host: CallConv) -> Signature {
    let mut signature = Signature::new(host);
    signature.params = [I64, I64, I64, I64, I32].map(AbiParam::new).to_vec();
    signature.returns = vec![AbiParam::new(I64)];
    signature
}

/// The way to a helper.
pub(super) fn thunk(abi: &Abi, helper: u32, host: CallConv) -> Function {
    let mut function = Function::with_name_signature(Default::default(), thunk_signature());
    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut function, &mut context);
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    b.seal_block(block);
    let params = b.block_params(block).to_vec();
    let signature = b.import_signature(helper_signature(host));
    let offset = abi.helpers + helper * abi.pointer_bytes;
    let callee = b.ins().load(I64, trusted(), params[0], offset as i32);
    let call = b.ins().call_indirect(signature, callee, &params[..5]);
    let made = b.inst_results(call)[0];
    b.ins().store(trusted(), made, params[5], 0);
    b.ins().return_(&[]);
    function
}
