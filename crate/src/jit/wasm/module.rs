//! A module of many regions.

use std::ops::Range;

use wasm_encoder::{
    BranchHint, BranchHints, CodeSection, ConstExpr, ElementSection, Elements, EntityType, Function,
    FunctionSection, ImportSection, MemoryType, RefType, TableType,
};

use super::Features;
use super::function::function;
use super::runtime::{self, MOST_POINTS, Runtime};
use crate::ir::{Abi, Region};
use crate::jit::CompileError;

/// The greatest function that engines are given, in bytes. They take 7.6 MB; one so great would stop everything for long.
const LARGEST: usize = 1 << 20;

/// A module's bytes.
#[derive(Debug)]
pub struct Module {
    /// The module.
    pub bytes: Vec<u8>,
    /// Size of each region's function.
    pub sizes: Vec<usize>,
}

/// Makes modules: regions are added one by one, so that one which cannot be compiled does not spoil the others.
#[derive(Debug)]
pub struct Builder<'a> {
    abi: &'a Abi,
    features: Features,
    functions: FunctionSection,
    code: CodeSection,
    hints: BranchHints,
    sizes: Vec<usize>,
}

impl<'a> Builder<'a> {
    /// A module with no region in it.
    pub fn new(abi: &'a Abi, features: Features) -> Self {
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        runtime::add(abi, &mut functions, &mut code);
        Self {
            abi,
            features,
            functions,
            code,
            hints: BranchHints::new(),
            sizes: Vec::new(),
        }
    }

    /// Adds a region, which stores `number` when it leaves at a point and will be at `place` in the table: the size of its code in bytes. The region must be
    /// well-formed ([`crate::ir::verify`]).
    pub fn add(&mut self, number: u32, place: u32, region: &Region) -> Result<usize, CompileError> {
        if region.entries.is_empty() {
            return Err(CompileError::Refused {
                number,
                text: "it has no entry".into(),
            });
        }
        if region.points.len() > MOST_POINTS {
            return Err(CompileError::Refused {
                number,
                text: format!(
                    "it has {} points; at most {MOST_POINTS} are allowed",
                    region.points.len()
                ),
            });
        }
        let emitted = function(number, place, region, self.abi, self.features);
        if emitted.code.len() > LARGEST {
            let text = format!(
                "its code would be {} bytes long; at most {LARGEST} are allowed",
                emitted.code.len()
            );
            return Err(CompileError::Refused { number, text });
        }
        let mut body = Function::new_with_locals_types(emitted.locals);
        let before = body.byte_len() as u32;
        body.raw(emitted.code);
        let hint = |(place, likely): (u32, bool)| BranchHint {
            branch_func_offset: before + place,
            branch_hint_value: u32::from(likely),
        };
        let index = Runtime::COUNT + self.sizes.len() as u32;
        let in_function: Vec<_> = emitted.hints.into_iter().map(hint).collect();
        if !in_function.is_empty() {
            self.hints.function_hints(index, in_function);
        }
        self.functions.function(Runtime::REGION_TYPE);
        self.code.function(&body);
        self.sizes.push(body.byte_len());
        Ok(body.byte_len())
    }

    /// Regions added.
    pub fn regions(&self) -> usize {
        self.sizes.len()
    }

    /// Bytes of their code.
    pub fn code_bytes(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// The module. It imports `env.memory` and `env.table`; when it is instantiated, each region's function is put into the
    /// table at its place in `slots`.
    pub fn finish(self, slots: &[u32]) -> Module {
        let mut elements = ElementSection::new();
        for (first, run) in runs(slots) {
            let functions: Vec<u32> = run.map(|index| Runtime::COUNT + index as u32).collect();
            elements.active(
                Some(0),
                &ConstExpr::i32_const(first as i32),
                Elements::Functions(functions.into()),
            );
        }
        let mut module = wasm_encoder::Module::new();
        module
            .section(&runtime::types())
            .section(&imports())
            .section(&self.functions)
            .section(&elements)
            .section(&self.hints)
            .section(&self.code);
        Module {
            bytes: module.finish(),
            sizes: self.sizes,
        }
    }
}

/// A module of regions, each with its number, for the table's places `slots`.
pub fn emit_module(
    regions: &[(u32, &Region)],
    abi: &Abi,
    features: Features,
    slots: &[u32],
) -> Result<Module, CompileError> {
    let mut builder = Builder::new(abi, features);
    for (&(number, region), &place) in regions.iter().zip(slots) {
        builder.add(number, place, region)?;
    }
    Ok(builder.finish(slots))
}

/// Slots that follow one another: the first, and their indices in `slots`.
fn runs(slots: &[u32]) -> impl Iterator<Item = (u32, Range<usize>)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let first = *slots.get(from)?;
        let count = slots[from..]
            .iter()
            .zip(first..)
            .take_while(|&(&slot, expected)| slot == expected)
            .count();
        from += count;
        Some((first, from - count..from))
    })
}

fn imports() -> ImportSection {
    let memory = MemoryType {
        minimum: 0,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    let table = TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 0,
        maximum: None,
        shared: false,
    };
    let mut imports = ImportSection::new();
    imports.import("env", "memory", EntityType::Memory(memory));
    imports.import("env", "table", EntityType::Table(table));
    imports
}
