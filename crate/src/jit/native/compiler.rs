//! From a job to bytes of machine code.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use cranelift_codegen::{
    Context,
    control::ControlPlane,
    ir::Function,
    isa::{CallConv, OwnedTargetIsa, TargetIsa},
    settings::{self, Configurable, Flags},
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use parking_lot::Mutex;

use super::{
    code_memory::CodeMemory,
    lower::{Lower, Target},
    thunk::{self, Thunks},
};
use crate::{
    ir::{
        Abi,
        abi::Helper,
        passes::{Level, PassSet, optimise},
    },
    jit::{Code, CompileError, Finished, Job, Tier},
};

/// Compiles jobs, one after the other.
pub(super) struct Compiler {
    abi: Abi,
    passes: PassSet,
    quick: OwnedTargetIsa,
    hot: OwnedTargetIsa,
    fma: bool,
    thunks: Thunks,
    memory: Arc<Mutex<CodeMemory>>,
    context: Context,
    builder: FunctionBuilderContext,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler")
            .field("host", &self.hot.triple().to_string())
            .finish_non_exhaustive()
    }
}

fn refused(number: u32, text: impl ToString) -> CompileError {
    CompileError::Refused {
        number,
        text: text.to_string(),
    }
}

/// Cranelift for this host.
pub(super) fn host_compiler(tier: Tier) -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    let (level, allocator) = match tier {
        Tier::Quick => ("none", "single_pass"),
        Tier::Hot => ("speed", "backtracking"),
    };
    let verifier = if cfg!(debug_assertions) || cfg!(test) {
        "true"
    } else {
        "false"
    };
    for (name, value) in [
        ("opt_level", level),
        ("regalloc_algorithm", allocator),
        ("enable_verifier", verifier),
        ("enable_probestack", "false"),
        ("enable_heap_access_spectre_mitigation", "false"),
        ("enable_table_access_spectre_mitigation", "false"),
        // Cranelift's tail calls rely on them.
        ("preserve_frame_pointers", "true"),
        ("unwind_info", "false"),
        ("log2_min_function_alignment", "4"),
    ] {
        flags
            .set(name, value)
            .map_err(|error| format!("{name}={value}: {error}"))?;
    }
    let host = cranelift_native::builder()?;
    host.finish(Flags::new(flags)).map_err(|error| error.to_string())
}

impl Compiler {
    /// A compiler that puts its code into `memory`.
    pub fn new(abi: Abi, passes: PassSet, memory: Arc<Mutex<CodeMemory>>) -> Result<Self, CompileError> {
        if !cfg!(target_arch = "x86_64") {
            return Err(refused(0, "machine code is only made on x86-64 hosts"));
        }
        let host = |tier| host_compiler(tier).map_err(|error| refused(0, error));
        let (quick, hot) = (host(Tier::Quick)?, host(Tier::Hot)?);
        let fma = hot
            .isa_flags()
            .iter()
            .any(|flag| flag.name == "has_fma" && flag.as_bool() == Some(true));
        let mut compiler = Self {
            abi,
            passes,
            quick,
            hot,
            fma,
            thunks: Thunks::default(),
            memory,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
        };
        let convention = CallConv::triple_default(compiler.hot.triple());
        for helper in 0..Helper::COUNT {
            let function = thunk::thunk(&compiler.abi, helper as u32, convention);
            compiler.thunks.0[helper] = compiler.finish(function, Tier::Hot, None)?.function;
        }
        Ok(compiler)
    }

    /// Compiles a job. A panic is an error: what cannot be compiled is interpreted.
    pub fn compile(&mut self, job: &mut Job) -> Finished {
        let number = job.number;
        let result = catch_unwind(AssertUnwindSafe(|| self.lower(job))).unwrap_or_else(|panic| {
            self.context = Context::new();
            self.builder = FunctionBuilderContext::new();
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            Err(refused(number, text.unwrap_or("it panicked")))
        });
        Finished { number, result }
    }

    fn lower(&mut self, job: &mut Job) -> Result<Code, CompileError> {
        let Job {
            number,
            ref mut region,
            tier,
        } = *job;
        if region.entries.is_empty() {
            return Err(refused(number, "it has no entry"));
        }
        let level = match tier {
            Tier::Quick => Level::Quick,
            Tier::Hot => Level::Hot,
        };
        optimise(region, level, self.passes);
        let target = Target {
            abi: &self.abi,
            thunks: &self.thunks,
            fma: self.fma,
        };
        let mut function = Function::with_name_signature(Default::default(), thunk::region_signature());
        let builder = FunctionBuilder::new(&mut function, &mut self.builder);
        let builder = Lower::region(builder, &target, region, number, tier);
        builder.finalize(self.hot.frontend_config());
        self.finish(function, tier, Some(number))
    }

    /// Compiles a function, that of region `number` or one that stays where it is, and puts it into memory.
    fn finish(&mut self, function: Function, tier: Tier, region: Option<u32>) -> Result<Code, CompileError> {
        let isa: &dyn TargetIsa = match tier {
            Tier::Quick => &*self.quick,
            Tier::Hot => &*self.hot,
        };
        let number = region.unwrap_or(0);
        self.context.clear();
        self.context.func = function;
        let code = self
            .context
            .compile(isa, &mut ControlPlane::default())
            .map_err(|error| refused(number, format!("{:?}", error.inner)))?;
        if !code.buffer.relocs().is_empty() {
            return Err(refused(number, "its code refers to a library function"));
        }
        let bytes = code.code_buffer();
        let mut memory = self.memory.lock();
        let function = match region {
            Some(number) => memory.place(bytes, number)?,
            None => memory.place_fixed(bytes)?,
        };
        Ok(Code {
            function,
            bytes: bytes.len(),
        })
    }
}
