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

/// A region's function: it can be in any module.
#[derive(Debug)]
pub struct Body {
    function: Function,
    /// Places of branches that are nearly always (not) taken.
    hints: Vec<(u32, bool)>,
}

impl Body {
    /// The function of a region, which stores `number` when it leaves at a point and will be at `place` in the table. The
    /// region must be well-formed ([`crate::ir::verify`]).
    pub fn new(
        number: u32,
        place: u32,
        region: &Region,
        abi: &Abi,
        features: Features,
    ) -> Result<Self, CompileError> {
        let refused = |text: String| CompileError::Refused { number, text };
        if region.entries.is_empty() {
            return Err(refused("it has no entry".into()));
        }
        if region.points.len() > MOST_POINTS {
            let points = region.points.len();
            return Err(refused(format!(
                "it has {points} points; at most {MOST_POINTS} are allowed"
            )));
        }
        let emitted = function(number, place, region, abi, features);
        if emitted.code.len() > LARGEST {
            let bytes = emitted.code.len();
            return Err(refused(format!(
                "its code would be {bytes} bytes long; at most {LARGEST} are allowed"
            )));
        }
        let mut function = Function::new_with_locals_types(emitted.locals);
        let before = function.byte_len() as u32;
        function.raw(emitted.code);
        let hints = emitted.hints.into_iter();
        Ok(Body {
            function,
            hints: hints.map(|(place, likely)| (before + place, likely)).collect(),
        })
    }

    /// Bytes of code.
    pub fn bytes(&self) -> usize {
        self.function.byte_len()
    }

    /// Any of this size.
    #[cfg(test)]
    pub fn of_bytes(bytes: usize) -> Self {
        let mut function = Function::new([]);
        function.raw(vec![0; bytes - function.byte_len()]);
        Body {
            function,
            hints: Vec::new(),
        }
    }
}

/// How a module's functions come into the table.
#[derive(Debug, Clone, Copy)]
pub enum Placing<'a> {
    /// When it is instantiated, at these places.
    AtOnce(&'a [u32]),
    /// One by one, by a function `put(place, number)` of the module, numbers being those in the module, from 0. When it is
    /// instantiated that function comes to this place.
    ByCalls(u32),
}

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
pub struct Builder {
    functions: FunctionSection,
    code: CodeSection,
    hints: BranchHints,
    sizes: Vec<usize>,
}

impl Builder {
    /// A module with no region in it.
    pub fn new(abi: &Abi) -> Self {
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        runtime::add(abi, &mut functions, &mut code);
        Self {
            functions,
            code,
            hints: BranchHints::new(),
            sizes: Vec::new(),
        }
    }

    /// Adds a region's function.
    pub fn add(&mut self, body: &Body) {
        let index = Runtime::COUNT + self.sizes.len() as u32;
        if !body.hints.is_empty() {
            let hint = |&(place, likely): &(u32, bool)| BranchHint {
                branch_func_offset: place,
                branch_hint_value: u32::from(likely),
            };
            self.hints.function_hints(index, body.hints.iter().map(hint));
        }
        self.functions.function(Runtime::REGION_TYPE);
        self.code.function(&body.function);
        self.sizes.push(body.bytes());
    }

    /// Regions added.
    pub fn regions(&self) -> usize {
        self.sizes.len()
    }

    /// Bytes of their code.
    pub fn code_bytes(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// The module. It imports `env.memory` and `env.table`.
    pub fn finish(mut self, placing: Placing<'_>) -> Module {
        let mut elements = ElementSection::new();
        let index = |number: usize| Runtime::COUNT + number as u32;
        match placing {
            Placing::AtOnce(places) => {
                for (first, run) in runs(places) {
                    place_at(&mut elements, first, run.map(index).collect());
                }
            }
            Placing::ByCalls(place) => {
                let functions: Vec<u32> = (0..self.sizes.len()).map(index).collect();
                elements.passive(Elements::Functions(functions.into()));
                let mut put = Function::new([]);
                put.instructions()
                    .local_get(0)
                    .local_get(1)
                    .i32_const(1)
                    .table_init(0, 0)
                    .i32_const(0)
                    .end();
                // It has a region's type, but for what it gives back, which means nothing.
                self.functions.function(Runtime::REGION_TYPE);
                self.code.function(&put);
                place_at(&mut elements, place, vec![index(self.sizes.len())]);
            }
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

/// A module whose only function, `clear(place, anything)`, clears a place of the table. It comes to a place itself, and is of the type
/// of regions.
#[cfg(any(test, target_arch = "wasm32"))]
pub fn clearing_module(place: u32) -> Vec<u8> {
    let mut functions = FunctionSection::new();
    functions.function(Runtime::REGION_TYPE);
    let mut elements = ElementSection::new();
    place_at(&mut elements, place, vec![0]);
    let mut clear = Function::new([]);
    clear
        .instructions()
        .local_get(0)
        .ref_null(wasm_encoder::HeapType::FUNC)
        .table_set(0)
        .i32_const(0)
        .end();
    let mut code = CodeSection::new();
    code.function(&clear);
    let mut module = wasm_encoder::Module::new();
    module
        .section(&runtime::types())
        .section(&imports())
        .section(&functions)
        .section(&elements)
        .section(&code);
    module.finish()
}

/// Functions that come to a place, and to those after it, when their module is instantiated.
fn place_at(elements: &mut ElementSection, place: u32, functions: Vec<u32>) {
    elements.active(
        Some(0),
        &ConstExpr::i32_const(place as i32),
        Elements::Functions(functions.into()),
    );
}

/// A module of regions, each with its number, for the table's places `slots`.
pub fn emit_module(
    regions: &[(u32, &Region)],
    abi: &Abi,
    features: Features,
    slots: &[u32],
) -> Result<Module, CompileError> {
    let mut builder = Builder::new(abi);
    for (&(number, region), &place) in regions.iter().zip(slots) {
        builder.add(&Body::new(number, place, region, abi, features)?);
    }
    Ok(builder.finish(Placing::AtOnce(slots)))
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
