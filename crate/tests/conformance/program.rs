//! Programs of many blocks, and the search for the instruction that went wrong.

use crate::engines::{ENGINES, Engine};
use crate::image::{self, Environment, Mode, SCRATCH, SCRATCH_BYTES, State};
use crate::prng::Prng;
use crate::unit::Unit;
use crate::{qemu, tabvisor_side, values};

/// Instructions run one after the other from one state.
#[derive(Clone, Debug)]
pub struct Block {
    pub state: State,
    pub units: Vec<Unit>,
}

/// Blocks that run in the same environment.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: &'static str,
    pub environment: Environment,
    pub blocks: Vec<Block>,
}

/// How many of a program's failed blocks are explained.
const EXPLAINED: usize = 40;

const EBREAK: u32 = 0x0010_0073;
const ECALL: u32 = 0x0000_0073;

/// A random state. `pointers` puts addresses of the scratch memory in many of the registers.
pub fn random_state(r: &mut Prng, pointers: bool) -> State {
    let mut state = State {
        x: [0; 32],
        f: [0; 32],
        memory: [0; SCRATCH_BYTES as usize / 8],
    };
    state.x[0] = u64::from(((r.bits(3) % 5) << 5) | r.bits(5));
    for x in &mut state.x[1..] {
        *x = if pointers && r.one_in(2) {
            SCRATCH + r.below(SCRATCH_BYTES)
        } else {
            values::integer(r)
        };
    }
    for f in &mut state.f {
        *f = values::float(r);
    }
    for (i, word) in state.memory.iter_mut().enumerate() {
        *word = if i % 3 == 0 {
            values::float(r)
        } else {
            values::integer(r)
        };
    }
    state
}

/// Puts units into blocks, each with a state of its own.
pub fn blocks(r: &mut Prng, units: Vec<Unit>, per_block: usize, pointers: bool) -> Vec<Block> {
    units
        .chunks(per_block)
        .map(|units| Block {
            state: random_state(r, pointers),
            units: units.to_vec(),
        })
        .collect()
}

impl Program {
    /// The executable, and the text of each unit of each block. With `explain`, an `ecall` after each unit prints
    /// the state.
    fn build(&self, blocks: &[&Block], explain: bool) -> (Vec<u8>, Vec<Vec<String>>) {
        let mut code: Vec<u8> = Vec::new();
        let (mut starts, mut ends, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        let machine = self.environment.mode == Mode::Machine;
        for block in blocks {
            // Blocks start on a word, so that half of them do not begin in the middle of one by accident.
            code.resize(code.len().next_multiple_of(4), 0);
            starts.push(image::CODE + code.len() as u64);
            let mut lines = Vec::new();
            for unit in &block.units {
                let placed = unit.place(image::CODE + code.len() as u64, machine);
                code.extend(placed.bytes);
                lines.push(placed.text);
                if explain {
                    code.extend(ECALL.to_le_bytes());
                }
            }
            ends.push(image::CODE + code.len() as u64);
            code.extend(EBREAK.to_le_bytes());
            texts.push(lines);
        }
        let states: Vec<State> = blocks.iter().map(|block| block.state.clone()).collect();
        (
            image::build(self.environment, explain, code, &starts, &ends, &states),
            texts,
        )
    }

    /// Runs the program on both sides and compares every block; panics with the differences.
    ///
    /// `illegal` says whether the program is meant to hold illegal instructions.
    pub fn compare(&self, illegal: bool) {
        let blocks: Vec<&Block> = self.blocks.iter().collect();
        let (elf, _) = self.build(&blocks, false);
        let reference = qemu::run(&elf);
        let expected: Vec<&str> = reference.lines().collect();
        assert_eq!(
            expected.len(),
            blocks.len() + 1,
            "{}: QEMU did not finish: {}",
            self.name,
            qemu::tail(&reference)
        );
        if !illegal {
            let bad: Vec<usize> = (0..blocks.len())
                .filter(|&i| !expected[i].ends_with(" 0"))
                .collect();
            if let Some(&first) = bad.first() {
                let (elf, texts) = self.build(&[blocks[first]], true);
                let text = qemu::run(&elf);
                panic!(
                    "{}: {} blocks that must be legal are not to QEMU; the first: {:#?}\n{text}",
                    self.name,
                    bad.len(),
                    texts[0]
                );
            }
        }
        for engine in ENGINES {
            self.judge(engine, &blocks, &expected, &tabvisor_side::run(engine, &elf));
        }
    }

    /// Panics with the differences between what was expected and what an engine gave.
    fn judge(&self, engine: Engine, blocks: &[&Block], expected: &[&str], ours: &str) {
        let got: Vec<&str> = ours.lines().collect();
        let wrong: Vec<&Block> = (0..blocks.len())
            .filter(|&i| got.get(i) != Some(&expected[i]))
            .map(|i| blocks[i])
            .collect();
        if wrong.is_empty() {
            assert_eq!(
                got, expected,
                "{}, {engine:?}: the blocks agree, the end does not",
                self.name
            );
            return;
        }
        let explained = &wrong[..wrong.len().min(EXPLAINED)];
        let mut report = String::new();
        for block in explained {
            report += &self.explain(engine, block);
        }
        panic!(
            "{}, {engine:?}: {} of {} blocks differ from QEMU; {report}",
            self.name,
            wrong.len(),
            blocks.len()
        );
    }

    /// Runs one block with a dump after each unit and describes the first difference.
    fn explain(&self, engine: Engine, block: &Block) -> String {
        let (elf, texts) = self.build(&[block], true);
        let (expected, got) = (qemu::run(&elf), tabvisor_side::run(engine, &elf));
        let (mut unit, mut before) = (0, Dump::from_state(&block.state));
        let mut lines = got.lines();
        for line in expected.lines() {
            let other = lines.next().unwrap_or("(nothing)");
            if line == other {
                if let Some(dump) = Dump::parse(line) {
                    before = dump;
                    unit += 1;
                }
                continue;
            }
            let place = texts[0].get(unit).map_or("the end of the block", String::as_str);
            let mut report = format!("\n  {place}");
            match (Dump::parse(line), Dump::parse(other)) {
                (Some(expected), Some(got)) => {
                    for i in (0..expected.0.len()).filter(|&i| expected.0[i] != got.0[i]) {
                        let (name, old) = (name(i), before.0[i]);
                        report += &format!(
                            "\n      {name}: expected {:#x}, got {:#x}, was {old:#x}",
                            expected.0[i], got.0[i]
                        );
                    }
                }
                _ => report += &format!("\n      expected: {line:.100}\n      got:      {other:.100}"),
            }
            return report + &before.operands(place);
        }
        "\n  a block that differs only when run without the dumps".to_owned() + &format!(": {:#?}", texts[0])
    }
}

/// A printed state: fcsr, x1 to x31, f0 to f31, scratch memory.
struct Dump(Vec<u64>);

impl Dump {
    fn from_state(state: &State) -> Self {
        Self(
            state
                .x
                .iter()
                .chain(&state.f)
                .chain(&state.memory)
                .copied()
                .collect(),
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Option<Vec<u64>> = line
            .strip_prefix("D ")?
            .split(' ')
            .map(|word| u64::from_str_radix(word, 16).ok())
            .collect();
        words
            .filter(|words| words.len() == 64 + SCRATCH_BYTES as usize / 8)
            .map(Self)
    }

    /// The values, before the unit, of the registers its text names.
    fn operands(&self, text: &str) -> String {
        let mut numbers: Vec<usize> = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter_map(|word| word.trim_start_matches(['x', 'f']).parse().ok())
            .filter(|&n| n < 32)
            .collect();
        numbers.dedup();
        let mut out = format!("\n      before: fcsr={:#x}", self.0[0]);
        for n in numbers {
            let x = if n == 0 { 0 } else { self.0[n] };
            out += &format!(" x{n}={x:#x} f{n}={:#x}", self.0[32 + n]);
        }
        out
    }
}

fn name(i: usize) -> String {
    match i {
        0 => "fcsr".to_owned(),
        1..32 => format!("x{i}"),
        32..64 => format!("f{}", i - 32),
        _ => format!("memory at {:#x}", SCRATCH + (i as u64 - 64) * 8),
    }
}
