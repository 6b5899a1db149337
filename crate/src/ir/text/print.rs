//! Printing.

use std::fmt::Write;

use super::{BINARY, COMPARE, FLOAT, HELPERS, UNARY, name};
use crate::ir::{Abi, BlockId, FloatOp, Inst, PointId, Precision, Region, Slot, Terminator, Value};

/// A region as text; the layout names the slots.
pub fn print(region: &Region, abi: &Abi) -> String {
    let mut printer = Printer {
        region,
        abi,
        text: String::new(),
    };
    // Writing to a string cannot fail.
    let _ = printer.region();
    printer.text
}

struct Printer<'a> {
    region: &'a Region,
    abi: &'a Abi,
    text: String,
}

/// A value's name.
fn v(value: Value) -> String {
    format!("v{}", value.0)
}

/// A block's name.
fn b(block: BlockId) -> String {
    format!("b{}", block.0)
}

/// Small numbers and negative ones are read more easily in decimal.
fn number(number: u64) -> String {
    match number as i64 {
        -4096..10 => format!("{}", number as i64),
        _ => format!("{number:#x}"),
    }
}

impl Printer<'_> {
    fn slot(&self, slot: Slot) -> &str {
        &self.abi.slot(slot).name
    }

    fn at(&self, at: PointId) -> String {
        let point = self.region.point(at);
        format!("at {:#x}+{}", point.pc, point.done)
    }

    fn region(&mut self) -> std::fmt::Result {
        self.text.push_str("region");
        if self.region.locals.0 != 0 {
            self.text.push_str(" locals");
            for slot in self.region.locals.iter() {
                write!(self.text, " {}", self.abi.slot(slot).name)?;
            }
        }
        self.text.push_str(" entry");
        for &entry in &self.region.entries {
            write!(self.text, " {}", b(entry))?;
        }
        self.text.push('\n');
        for (number, block) in self.region.blocks.iter().enumerate() {
            let poll = if block.poll { " poll" } else { "" };
            writeln!(self.text, "b{number} @{:#x}{poll}:", block.pc)?;
            for (index, inst) in block.insts.iter().enumerate() {
                self.text.push_str("  ");
                if !matches!(inst, Inst::Set(..) | Inst::Store { .. } | Inst::ExitIf { .. }) {
                    write!(self.text, "v{index} = ")?;
                }
                let line = self.inst(inst);
                writeln!(self.text, "{line}")?;
            }
            let end = self.end(&block.end);
            writeln!(self.text, "  {end}{}", self.retires(block.retired, &block.end))?;
        }
        Ok(())
    }

    fn retires(&self, count: u32, end: &Terminator) -> String {
        match end {
            // Only its point counts.
            Terminator::Interpret(at) if self.region.point(*at).done == count => String::new(),
            _ => format!(" retires {count}"),
        }
    }

    fn inst(&self, inst: &Inst) -> String {
        let via = |via: Option<(Value, u32)>| match via {
            Some((window, offset)) => format!(" via {}+{offset}", v(window)),
            None => String::new(),
        };
        match *inst {
            Inst::Const(constant) => format!("const {}", number(constant)),
            Inst::Get(slot) => format!("get {}", self.slot(slot)),
            Inst::Set(slot, value) => format!("set {}, {}", self.slot(slot), v(value)),
            Inst::Binary(op, x, y) => format!("{} {}, {}", name(BINARY, &op), v(x), v(y)),
            Inst::Unary(op, x) => format!("{} {}", name(UNARY, &op), v(x)),
            Inst::Compare(compare, x, y) => format!("{} {}, {}", name(COMPARE, &compare), v(x), v(y)),
            Inst::Select(x, y, z) => format!("select {}, {}, {}", v(x), v(y), v(z)),
            Inst::Load {
                width,
                addr,
                via: by,
                at,
            } => format!(
                "load.{} {}{} {}",
                width.bytes() * 8,
                v(addr),
                via(by),
                self.at(at)
            ),
            Inst::Store {
                width,
                addr,
                value,
                via: by,
                at,
            } => {
                let (bits, by, at) = (width.bytes() * 8, via(by), self.at(at));
                format!("store.{bits} {}, {}{by} {at}", v(addr), v(value))
            }
            Inst::LoadForUpdate { width, addr, at } => {
                format!(
                    "load_for_update.{} {} {}",
                    width.bytes() * 8,
                    v(addr),
                    self.at(at)
                )
            }
            Inst::Window { addr, span, write } => {
                format!("window {}, {span}{}", v(addr), if write { ", write" } else { "" })
            }
            Inst::Float {
                op,
                precision,
                a,
                b,
                c,
                code,
            } => {
                let suffix = match (op, precision) {
                    (FloatOp::Widen | FloatOp::Narrow, _) => "",
                    (_, Precision::Single) => ".s",
                    (_, Precision::Double) => ".d",
                };
                let operands = [a, b, c].map(v);
                let count = crate::ir::verify::float_operands(op, precision).1;
                format!(
                    "{}{suffix} {} code {code:#x}",
                    name(FLOAT, &op),
                    operands[..count].join(", ")
                )
            }
            Inst::Call {
                helper,
                args: [x, y],
                code,
                at,
            } => {
                let helper = name(HELPERS, &helper);
                format!("call {helper} {}, {} code {code:#x} {}", v(x), v(y), self.at(at))
            }
            Inst::ExitIf {
                compare,
                a: x,
                b: y,
                at,
            } => format!(
                "exit_if {} {}, {} {}",
                name(COMPARE, &compare),
                v(x),
                v(y),
                self.at(at)
            ),
        }
    }

    fn end(&self, end: &Terminator) -> String {
        match *end {
            Terminator::Jump(to) => format!("jump {}", b(to)),
            Terminator::Branch {
                compare,
                a: x,
                b: y,
                yes,
                no,
            } => {
                let compare = name(COMPARE, &compare);
                format!("branch {compare} {}, {}, {}, {}", v(x), v(y), b(yes), b(no))
            }
            Terminator::Exit(pc) => format!("exit {pc:#x}"),
            Terminator::ExitTo(value) => format!("exit_to {}", v(value)),
            Terminator::Interpret(at) => format!("interpret {}", self.at(at)),
        }
    }
}
