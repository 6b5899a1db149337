//! Streams: accesses that walk through memory in a loop ask first for the page that they were in last.
//!
//! What is known of that page stays with the function from one round of the loop to the next: asking for it costs half of
//! what looking into the fast table costs, and where it is another page, that follows. So it is for accesses
//! of which most lie where the one before lay: those whose address changes from round to round by adding and shifting
//! alone. Where a pointer is loaded, or an index computed by multiplying, the fast table is the better guess.

use super::locals::loops;
use crate::ir::{
    BinaryOp, Block, Inst, MAX_STREAMS, Region, Slot, SlotSet, Terminator, UnaryOp, Value, Via, Width,
};

/// Rounds of looking which slots are steady. Where they are not enough, none is.
const MOST_LOOKS: usize = 6;
/// Accesses off one slot share a stream if they lie in the same stretch of so many bytes from it.
const STRETCH: i64 = 2048;

/// Finds streams in every loop that has none inside.
pub(super) fn run(region: &mut Region) {
    if region.blocks.iter().any(changes_table) {
        return;
    }
    let mut loops: Vec<_> = loops(region).collect();
    loops.sort_by_key(|blocks| blocks.end() - blocks.start());
    let mut finder = Finder {
        taken: region.streams(),
        ..Finder::default()
    };
    let mut in_loop = vec![false; region.blocks.len()];
    for blocks in loops {
        // What is in an outer loop runs less often, and is much more code.
        let is_inner = !in_loop[blocks.clone()].contains(&true);
        in_loop[blocks.clone()].fill(true);
        if is_inner {
            finder.loop_of(&mut region.blocks[blocks]);
        }
    }
}

fn changes_table(block: &Block) -> bool {
    block.insts.iter().any(Inst::changes_table)
}

/// What the accesses of a stream have in common, in one loop.
#[derive(Clone, Copy, PartialEq)]
struct Course {
    slot: Slot,
    stretch: i64,
    write: bool,
}

#[derive(Default)]
struct Finder {
    /// Slots that change in the loop by adding and shifting alone, if they change.
    steady: SlotSet,
    /// Which values of a block are made of such slots by adding and shifting.
    even: Vec<bool>,
    /// Windows of a block that are looked at as numbers.
    numbers: Vec<bool>,
    /// The streams of the loop that have a course.
    streams: Vec<(Course, u8)>,
    /// Streams given away.
    taken: u8,
}

impl Finder {
    fn loop_of(&mut self, blocks: &mut [Block]) {
        self.find_steady(blocks);
        self.streams.clear();
        for block in blocks {
            self.block(block);
        }
    }

    fn find_steady(&mut self, blocks: &[Block]) {
        self.steady = SlotSet(u128::MAX);
        for _ in 0..MOST_LOOKS {
            let before = self.steady;
            for block in blocks {
                self.find_even(block);
                for inst in &block.insts {
                    if let Inst::Set(slot, value) = *inst
                        && !self.even[value.0 as usize]
                    {
                        self.steady.0 &= !(1 << slot.0);
                    }
                }
            }
            if self.steady == before {
                return;
            }
        }
        self.steady = SlotSet::default();
    }

    fn find_even(&mut self, block: &Block) {
        self.even.clear();
        for inst in &block.insts {
            let is = |value: Value| self.even[value.0 as usize];
            let constant = |value: Value| matches!(block.insts[value.0 as usize], Inst::Const(_));
            self.even.push(match *inst {
                Inst::Const(_) => true,
                Inst::Get(slot) => self.steady.contains(slot),
                Inst::Binary(BinaryOp::Add | BinaryOp::Sub, a, b) => is(a) && is(b),
                Inst::Binary(BinaryOp::Shl | BinaryOp::And, a, b) => is(a) && constant(b),
                Inst::Unary(UnaryOp::Sext(Width::W32) | UnaryOp::Zext(Width::W32), a) => is(a),
                _ => false,
            });
        }
    }

    fn block(&mut self, block: &mut Block) {
        self.find_even(block);
        self.find_numbers(block);
        for index in 0..block.insts.len() {
            let (addr, write) = match block.insts[index] {
                Inst::Load {
                    addr,
                    via: Via::Table,
                    ..
                } => (addr, false),
                Inst::Store {
                    addr,
                    via: Via::Table,
                    ..
                } => (addr, true),
                Inst::Window { addr, write, .. } if !self.numbers[index] => (addr, write),
                _ => continue,
            };
            if !self.even[addr.0 as usize] {
                continue;
            }
            let Some(number) = self.stream(&block.insts, addr, write) else {
                continue;
            };
            match &mut block.insts[index] {
                Inst::Load { via, .. } | Inst::Store { via, .. } => *via = Via::Stream(number),
                Inst::Window { stream, .. } => *stream = Some(number),
                _ => {}
            }
        }
    }

    fn find_numbers(&mut self, block: &Block) {
        self.numbers.clear();
        self.numbers.resize(block.insts.len(), false);
        for inst in &block.insts {
            let window = match *inst {
                Inst::Load { via, .. } | Inst::Store { via, .. } => via.window().map(|(window, _)| window),
                _ => None,
            };
            inst.operands(|value| self.numbers[value.0 as usize] |= Some(value) != window);
        }
        match block.end {
            Terminator::Branch { a, b, .. } => {
                self.numbers[a.0 as usize] = true;
                self.numbers[b.0 as usize] = true;
            }
            Terminator::ExitTo(value) => self.numbers[value.0 as usize] = true,
            _ => {}
        }
    }

    /// The stream for an access at `addr`, if there is one left.
    fn stream(&mut self, insts: &[Inst], addr: Value, write: bool) -> Option<u8> {
        let course = course(insts, addr).map(|(slot, stretch)| Course { slot, stretch, write });
        let same = self.streams.iter().find(|(other, _)| Some(*other) == course);
        if let Some(&(_, number)) = same {
            return Some(number);
        }
        let number = self.taken;
        if number >= MAX_STREAMS {
            return None;
        }
        self.taken += 1;
        self.streams.extend(course.map(|course| (course, number)));
        Some(number)
    }
}

/// The slot that an address is off, and how far, in stretches.
fn course(insts: &[Inst], addr: Value) -> Option<(Slot, i64)> {
    let (base, offset) = match insts[addr.0 as usize] {
        Inst::Binary(BinaryOp::Add, base, offset) => match insts[offset.0 as usize] {
            Inst::Const(number) => (base, number as i64),
            _ => return None,
        },
        _ => (addr, 0),
    };
    match insts[base.0 as usize] {
        Inst::Get(slot) => Some((slot, offset.div_euclid(STRETCH))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{generate, text};

    fn after(source: &str) -> String {
        let abi = generate::abi(8);
        let mut region = text::parse(source, &abi).unwrap();
        run(&mut region);
        assert_eq!(crate::ir::verify(&region, &abi), Ok(()));
        text::print(&region, &abi)
    }

    #[test]
    fn what_walks_has_a_stream_and_what_jumps_has_none() {
        let text = after(
            "region entry b0
b0 @0x100 poll:
  v0 = get x5
  v1 = load.32 v0 at 0x100+0
  v2 = const 4
  v3 = add v0, v2
  set x5, v3
  v5 = get x6
  v6 = load.64 v5 at 0x104+1
  set x6, v6
  v8 = load.8 v3 at 0x108+2
  store.8 v3, v8 at 0x108+2
  v10 = const 0
  branch ne v6, v10, b0, b1 retires 3
b1 @0x10c:
  v0 = get x5
  v1 = load.32 v0 at 0x10c+0
  exit 0x110 retires 1
",
        );
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.contains("load") || line.contains("store"))
            .collect();
        assert_eq!(
            lines,
            [
                "  v1 = load.32 v0 via stream 0 at 0x100+0",
                "  v6 = load.64 v5 at 0x104+1",
                "  v8 = load.8 v3 via stream 0 at 0x108+2",
                "  store.8 v3, v8 via stream 1 at 0x108+2",
                "  v1 = load.32 v0 at 0x10c+0",
            ]
        );
    }

    /// A block that goes round for ever, with instructions before its last.
    fn round(body: &str) -> String {
        format!("region entry b0\nb0 @0x100 poll:\n{body}  jump b0 retires 1\n")
    }

    #[test]
    fn accesses_off_one_slot_share_a_stream_if_they_are_near() {
        let text = after(&round(
            "  v0 = get x5
  v1 = const 2044
  v2 = add v0, v1
  v3 = const 2048
  v4 = add v0, v3
  v5 = load.32 v0 at 0x100+0
  v6 = load.32 v2 at 0x100+0
  v7 = load.32 v4 at 0x100+0
",
        ));
        let streams: Vec<_> = text.lines().filter_map(|line| line.split_once("via ")).collect();
        let numbers: Vec<_> = streams.iter().map(|(_, rest)| &rest[..8]).collect();
        assert_eq!(numbers, ["stream 0", "stream 0", "stream 1"]);
    }

    #[test]
    fn there_are_no_more_than_may_be() {
        let loads: String = (0..12)
            .map(|n| {
                format!(
                    "  v{} = get x{}\n  v{} = load.8 v{} at 0x100+0\n",
                    2 * n,
                    n + 1,
                    2 * n + 1,
                    2 * n
                )
            })
            .collect();
        assert_eq!(
            after(&round(&loads)).matches("via stream").count(),
            usize::from(MAX_STREAMS)
        );
    }

    #[test]
    fn windows_that_are_looked_at_have_none() {
        let window = "  v0 = get x5
  v1 = window v0, 16
  v2 = load.8 v0 via v1+0 at 0x100+0
";
        let text = after(&round(window));
        assert!(text.contains("v1 = window v0, 16 via stream 0\n"), "{text}");
        let looked_at = format!("{window}  v3 = const 0\n  exit_if eq v1, v3 at 0x100+0\n");
        let text = after(&round(&looked_at));
        assert!(!text.contains("stream"), "{text}");
    }

    #[test]
    fn there_are_none_where_a_helper_may_change_the_table() {
        let text = after(&round(
            "  v0 = get x5
  v1 = load.8 v0 at 0x100+0
  v2 = call control v0, v0 code 8 at 0x100+0
",
        ));
        assert!(!text.contains("stream"), "{text}");
    }
}
