//! Parsing.

use std::collections::HashMap;

use super::{BINARY, COMPARE, FLOAT, HELPERS, UNARY, named};
use crate::ir::{
    Abi, Block, BlockId, FloatOp, Inst, Point, PointId, Precision, Region, Slot, SlotSet, Terminator, Value,
    Width, abi::Helper,
};

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Reads a region. That it is well-formed is [`crate::ir::verify`]'s to check.
pub fn parse(text: &str, abi: &Abi) -> Result<Region, ParseError> {
    let mut parser = Parser {
        abi,
        region: None,
        open: None,
        points: HashMap::new(),
    };
    let mut last = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split(';').next().unwrap_or_default();
        let mut tokens = Tokens::of(line);
        if tokens.is_empty() {
            continue;
        }
        last = number;
        let error = |what| ParseError { line: number, what };
        parser.line(&mut tokens).map_err(error)?;
        if !tokens.is_empty() {
            return Err(error(format!("`{}` is too much", tokens.peek())));
        }
    }
    let error = |what: &str| ParseError {
        line: last,
        what: what.to_owned(),
    };
    if parser.open.is_some() {
        return Err(error("the last block has no end, such as `jump b0 retires 1`"));
    }
    parser.region.ok_or_else(|| error("there is no region"))
}

/// A line's words and signs.
struct Tokens<'a>(std::iter::Peekable<std::vec::IntoIter<&'a str>>);

impl<'a> Tokens<'a> {
    fn of(line: &'a str) -> Self {
        let mut tokens = Vec::new();
        for word in line.split_whitespace() {
            let mut rest = word;
            while let Some(at) = rest.find([',', ':', '=', '+', '@']) {
                let at = at.max(1);
                let (token, more) = rest.split_at(at);
                tokens.push(token);
                rest = more;
            }
            if !rest.is_empty() {
                tokens.push(rest);
            }
        }
        Self(tokens.into_iter().peekable())
    }

    fn is_empty(&mut self) -> bool {
        self.0.peek().is_none()
    }

    fn peek(&mut self) -> &'a str {
        self.0.peek().copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        self.0.next().unwrap_or_default()
    }

    /// Takes `token` if it is next.
    fn takes(&mut self, token: &str) -> bool {
        self.0.next_if_eq(&token).is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.next() {
            found if found == token => Ok(()),
            "" => Err(format!("`{token}` is missing at the end")),
            found => Err(format!("`{token}` is missing before `{found}`")),
        }
    }

    fn number(&mut self) -> Result<u64, String> {
        let text = self.next();
        let parsed = match (text.strip_prefix("0x"), text.strip_prefix('-')) {
            (Some(digits), _) => u64::from_str_radix(digits, 16).ok(),
            (_, Some(_)) => text.parse::<i64>().ok().map(|number| number as u64),
            _ => text.parse().ok(),
        };
        parsed.ok_or_else(|| format!("`{text}` is no number"))
    }

    fn small(&mut self) -> Result<u32, String> {
        u32::try_from(self.number()?).map_err(|_| "the number does not fit 32 bits".to_owned())
    }

    /// The number in a name such as `v3`.
    fn index(&mut self, letter: char, what: &str) -> Result<u32, String> {
        let text = self.next();
        let number = text.strip_prefix(letter).and_then(|number| number.parse().ok());
        number.ok_or_else(|| format!("`{text}` is no {what}, such as `{letter}0`"))
    }

    fn value(&mut self) -> Result<Value, String> {
        self.index('v', "value").map(Value)
    }

    fn block(&mut self) -> Result<BlockId, String> {
        self.index('b', "block").map(BlockId)
    }

    /// `count` values with commas between.
    fn values<const N: usize>(&mut self) -> Result<[Value; N], String> {
        let mut values = [Value(0); N];
        for (number, value) in values.iter_mut().enumerate() {
            if number > 0 {
                self.expect(",")?;
            }
            *value = self.value()?;
        }
        Ok(values)
    }
}

struct Parser<'a> {
    abi: &'a Abi,
    region: Option<Region>,
    /// The block whose instructions are being read.
    open: Option<Block>,
    points: HashMap<(u64, u32), PointId>,
}

impl Parser<'_> {
    fn line(&mut self, tokens: &mut Tokens<'_>) -> Result<(), String> {
        let first = tokens.peek();
        if first == "region" {
            return self.head(tokens);
        }
        if self.region.is_none() {
            return Err("`region` is missing before this".to_owned());
        }
        let Some(open) = &self.open else {
            return self.block(tokens);
        };
        let place = open.insts.len();
        if let Some(end) = self.end(tokens)? {
            let retired = match end {
                Terminator::Interpret(at) if tokens.is_empty() => {
                    self.region.as_ref().map_or(0, |region| region.point(at).done)
                }
                _ => {
                    tokens.expect("retires")?;
                    tokens.small()?
                }
            };
            if let (Some(region), Some(open)) = (&mut self.region, self.open.take()) {
                region.blocks.push(Block { end, retired, ..open });
            }
            return Ok(());
        }
        if first.starts_with('v') {
            let number = tokens.value()?.0;
            if number as usize != place {
                return Err(format!("this is v{place}, not v{number}"));
            }
            tokens.expect("=")?;
        }
        let inst = self.inst(tokens)?;
        self.open.iter_mut().for_each(|open| open.insts.push(inst));
        Ok(())
    }

    /// `region locals x5 entry b0`
    fn head(&mut self, tokens: &mut Tokens<'_>) -> Result<(), String> {
        tokens.expect("region")?;
        if self.region.is_some() {
            return Err("this is the second region".to_owned());
        }
        let mut locals = SlotSet::default();
        if tokens.takes("locals") {
            while !tokens.is_empty() && tokens.peek() != "entry" {
                locals.insert(self.slot(tokens)?);
            }
        }
        tokens.expect("entry")?;
        let mut entries = Vec::new();
        while !tokens.is_empty() {
            entries.push(tokens.block()?);
        }
        self.region = Some(Region {
            entries,
            locals,
            ..Region::default()
        });
        Ok(())
    }

    /// `b0 @0x80000000 poll:`
    fn block(&mut self, tokens: &mut Tokens<'_>) -> Result<(), String> {
        let next = self.region.as_ref().map_or(0, |region| region.blocks.len());
        let number = tokens.block()?.0;
        if number as usize != next {
            return Err(format!("this is b{next}, not b{number}"));
        }
        tokens.expect("@")?;
        let pc = tokens.number()?;
        let poll = tokens.takes("poll");
        tokens.expect(":")?;
        self.open = Some(Block {
            pc,
            poll,
            insts: Vec::new(),
            retired: 0,
            end: Terminator::Exit(0),
        });
        Ok(())
    }

    fn slot(&self, tokens: &mut Tokens<'_>) -> Result<Slot, String> {
        let wanted = tokens.next();
        let found = self
            .abi
            .slots
            .iter()
            .take(128)
            .position(|slot| slot.name == wanted);
        found
            .map(|slot| Slot(slot as u8))
            .ok_or_else(|| format!("there is no slot `{wanted}`"))
    }

    /// `at 0x80000004+1`
    fn at(&mut self, tokens: &mut Tokens<'_>) -> Result<PointId, String> {
        tokens.expect("at")?;
        let pc = tokens.number()?;
        tokens.expect("+")?;
        let done = tokens.small()?;
        let Some(region) = &mut self.region else {
            return Err("`region` is missing before this".to_owned());
        };
        Ok(*self.points.entry((pc, done)).or_insert_with(|| {
            region.points.push(Point { pc, done });
            PointId(region.points.len() as u32 - 1)
        }))
    }

    fn compare(tokens: &mut Tokens<'_>) -> Result<crate::ir::Compare, String> {
        let name = tokens.next();
        named(COMPARE, name).ok_or_else(|| format!("there is no comparison `{name}`"))
    }

    fn end(&mut self, tokens: &mut Tokens<'_>) -> Result<Option<Terminator>, String> {
        let end = match tokens.peek() {
            "jump" => {
                tokens.next();
                Terminator::Jump(tokens.block()?)
            }
            "branch" => {
                tokens.next();
                let compare = Self::compare(tokens)?;
                let [a, b] = tokens.values()?;
                tokens.expect(",")?;
                let yes = tokens.block()?;
                tokens.expect(",")?;
                let no = tokens.block()?;
                Terminator::Branch {
                    compare,
                    a,
                    b,
                    yes,
                    no,
                }
            }
            "exit" => {
                tokens.next();
                Terminator::Exit(tokens.number()?)
            }
            "exit_to" => {
                tokens.next();
                Terminator::ExitTo(tokens.value()?)
            }
            "interpret" => {
                tokens.next();
                Terminator::Interpret(self.at(tokens)?)
            }
            _ => return Ok(None),
        };
        Ok(Some(end))
    }

    fn inst(&mut self, tokens: &mut Tokens<'_>) -> Result<Inst, String> {
        let word = tokens.next();
        if let Some(op) = named(BINARY, word) {
            let [a, b] = tokens.values()?;
            return Ok(Inst::Binary(op, a, b));
        }
        if let Some(op) = named(UNARY, word) {
            return Ok(Inst::Unary(op, tokens.value()?));
        }
        if let Some(compare) = named(COMPARE, word) {
            let [a, b] = tokens.values()?;
            return Ok(Inst::Compare(compare, a, b));
        }
        if let Some((op, precision)) = float(word) {
            return Self::float(op, precision, tokens);
        }
        let (kind, width) = match word.split_once('.') {
            Some((kind, bits)) => (kind, Some(width(bits)?)),
            None => (word, None),
        };
        match (kind, width) {
            ("const", None) => Ok(Inst::Const(tokens.number()?)),
            ("get", None) => Ok(Inst::Get(self.slot(tokens)?)),
            ("set", None) => {
                let slot = self.slot(tokens)?;
                tokens.expect(",")?;
                Ok(Inst::Set(slot, tokens.value()?))
            }
            ("select", None) => {
                let [a, b, c] = tokens.values()?;
                Ok(Inst::Select(a, b, c))
            }
            ("load", Some(width)) => {
                let addr = tokens.value()?;
                let via = Self::via(tokens)?;
                let at = self.at(tokens)?;
                Ok(Inst::Load { width, addr, via, at })
            }
            ("store", Some(width)) => {
                let [addr, value] = tokens.values()?;
                let via = Self::via(tokens)?;
                let at = self.at(tokens)?;
                Ok(Inst::Store {
                    width,
                    addr,
                    value,
                    via,
                    at,
                })
            }
            ("load_for_update", Some(width)) => {
                let addr = tokens.value()?;
                let at = self.at(tokens)?;
                Ok(Inst::LoadForUpdate { width, addr, at })
            }
            ("window", None) => {
                let addr = tokens.value()?;
                tokens.expect(",")?;
                let span = tokens.small()?;
                let write = tokens.takes(",");
                if write {
                    tokens.expect("write")?;
                }
                Ok(Inst::Window { addr, span, write })
            }
            ("call", None) => self.call(tokens),
            ("exit_if", None) => {
                let compare = Self::compare(tokens)?;
                let [a, b] = tokens.values()?;
                let at = self.at(tokens)?;
                Ok(Inst::ExitIf { compare, a, b, at })
            }
            _ => Err(format!("there is no operation `{word}`")),
        }
    }

    fn call(&mut self, tokens: &mut Tokens<'_>) -> Result<Inst, String> {
        let name = tokens.next();
        let helper: Helper = named(HELPERS, name).ok_or_else(|| format!("there is no helper `{name}`"))?;
        let args = tokens.values()?;
        tokens.expect("code")?;
        let code = tokens.small()?;
        let at = self.at(tokens)?;
        Ok(Inst::Call {
            helper,
            args,
            code,
            at,
        })
    }

    fn via(tokens: &mut Tokens<'_>) -> Result<Option<(Value, u32)>, String> {
        if !tokens.takes("via") {
            return Ok(None);
        }
        let window = tokens.value()?;
        tokens.expect("+")?;
        Ok(Some((window, tokens.small()?)))
    }

    fn float(op: FloatOp, precision: Precision, tokens: &mut Tokens<'_>) -> Result<Inst, String> {
        let [a, b, c] = match crate::ir::verify::float_operands(op, precision).1 {
            1 => [tokens.value()?; 3],
            2 => {
                let [a, b] = tokens.values()?;
                [a, b, a]
            }
            _ => tokens.values()?,
        };
        tokens.expect("code")?;
        let code = tokens.small()?;
        Ok(Inst::Float {
            op,
            precision,
            a,
            b,
            c,
            code,
        })
    }
}

fn width(bits: &str) -> Result<Width, String> {
    match bits {
        "8" => Ok(Width::W8),
        "16" => Ok(Width::W16),
        "32" => Ok(Width::W32),
        "64" => Ok(Width::W64),
        _ => Err(format!("`{bits}` is no width: 8, 16, 32 or 64")),
    }
}

/// The operation and precision of a word such as `fadd.d`.
fn float(word: &str) -> Option<(FloatOp, Precision)> {
    if let Some(op @ (FloatOp::Widen | FloatOp::Narrow)) = named(FLOAT, word) {
        let precision = match op {
            FloatOp::Widen => Precision::Double,
            _ => Precision::Single,
        };
        return Some((op, precision));
    }
    let (name, suffix) = word.split_once('.')?;
    let precision = match suffix {
        "s" => Precision::Single,
        "d" => Precision::Double,
        _ => return None,
    };
    named(FLOAT, name).map(|op| (op, precision))
}
