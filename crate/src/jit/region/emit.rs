//! From what was found to belong to a region to the region itself: lifts each block, joins them, and settles what needs
//! all of them: their order, polls, guards, and which slots are kept in locals.

use std::ops::Range;

use super::discover::{ContextId, Discovered, Limits, Place, PlaceMap, Profile, Source, discover};
use super::lift::{Builder, FloatState, Flow, Guard, V};
use super::slots;
use crate::ir::{Block, BlockId, Compare, Inst, Region, SlotSet, Terminator, Value};
use crate::isa::riscv::insn::Insn;
use crate::isa::riscv::ops::Ops;
use crate::mem::PAGE_SIZE;

/// A region with what the run loop must know of it.
#[derive(Debug)]
pub struct Formed {
    /// The region.
    pub region: Region,
    /// Guest-virtual addresses of the entries, in the region's order.
    pub entries: Vec<u64>,
    /// Guest-virtual addresses at which its blocks start, but for those of functions that were followed.
    pub starts: Vec<u64>,
    /// Guest-virtual addresses of the pages that its code is in: it is valid while all of them are mapped as they were,
    /// and hold what they held.
    pub pages: Vec<u64>,
    /// Guest-virtual addresses of the code itself, in ascending order: each range lies in one page, and none touches the next
    /// within a page.
    pub ranges: Vec<Range<u64>>,
}

/// Forms the region that starts at `entry`. `None` if nothing can be compiled there.
pub fn form(entry: u64, source: &mut impl Source, limits: &Limits, profile: &impl Profile) -> Option<Formed> {
    let found = discover(entry, source, limits, profile);
    let place = Place {
        pc: entry,
        context: ContextId::ROOT,
    };
    let mut emit = Emit {
        blocks: Vec::with_capacity(found.nodes.len() * 2),
        of_node: vec![None; found.nodes.len()],
        exits: PlaceMap::default(),
        waiting: Vec::new(),
        builder: Builder::for_code_that(source.supervises()),
        found,
    };
    let first = emit.block_of(place)?;
    let mut roots = vec![first];
    for place in emit.found.resumes.clone() {
        roots.extend(emit.block_of(place).filter(|id| !roots.contains(id)));
    }
    while let Some((node, id)) = emit.waiting.pop() {
        emit.lift(node, id);
    }
    if let Terminator::Interpret(at) = emit.blocks[first.0 as usize].block.end
        && emit.builder.points[at.0 as usize].done == 0
    {
        return None;
    }
    Some(emit.finish(roots, limits))
}

/// A block that is being made, and what is not part of it in the end.
struct Draft {
    block: Block,
    context: ContextId,
    guards: Vec<Guard>,
    /// Its end may have changed `mstatus`.
    changes_status: bool,
    /// Leaves only.
    exit: bool,
}

struct Emit {
    found: Discovered,
    builder: Builder,
    blocks: Vec<Draft>,
    /// Each node's block, if it is needed.
    of_node: Vec<Option<BlockId>>,
    /// Blocks that only leave, by where to.
    exits: PlaceMap<BlockId>,
    /// Nodes to be lifted.
    waiting: Vec<(u32, BlockId)>,
}

impl Emit {
    fn reserve(&mut self, place: Place, exit: bool) -> BlockId {
        self.blocks.push(Draft {
            block: Block {
                pc: place.pc,
                poll: false,
                insts: Vec::new(),
                retired: 0,
                end: Terminator::Exit(place.pc),
            },
            context: place.context,
            guards: Vec::new(),
            changes_status: false,
            exit,
        });
        BlockId(self.blocks.len() as u32 - 1)
    }

    /// The block of `place`, if that is in the region.
    fn block_of(&mut self, place: Place) -> Option<BlockId> {
        let node = self.found.node_at(place)?;
        if let Some(id) = self.of_node[node as usize] {
            return Some(id);
        }
        let id = self.reserve(place, false);
        self.of_node[node as usize] = Some(id);
        self.waiting.push((node, id));
        Some(id)
    }

    /// The block to which `node` goes on at `pc`, if that is in the region.
    fn successor(&mut self, node: u32, pc: u64) -> Option<BlockId> {
        let place = self.found.nodes[node as usize].edge(pc)?;
        self.block_of(place)
    }

    /// The block to which `node` goes on at `pc`: one that leaves where that is not in the region.
    fn side(&mut self, node: u32, pc: u64) -> BlockId {
        if let Some(id) = self.successor(node, pc) {
            return id;
        }
        let place = Place {
            pc,
            context: ContextId::ROOT,
        };
        if let Some(&id) = self.exits.get(&place) {
            return id;
        }
        let id = self.reserve(place, true);
        self.exits.insert(place, id);
        id
    }

    fn goes_on(&mut self, node: u32, pc: u64) -> Terminator {
        match self.successor(node, pc) {
            Some(id) => Terminator::Jump(id),
            None => Terminator::Exit(pc),
        }
    }

    /// Lifts a node into its block.
    fn lift(&mut self, number: u32, id: BlockId) {
        let node = &self.found.nodes[number as usize];
        let (first, len, end_pc) = (node.first, node.len, node.end_pc);
        self.builder.start(len);
        let mut retired = 0;
        let mut end = None;
        for at in first..first + len {
            let (pc, insn) = self.found.insns[at];
            let flow = self.builder.lift(&insn, pc, retired);
            if flow == Flow::Interpret {
                end = Some(Terminator::Interpret(self.builder.point()));
                break;
            }
            retired += 1;
            match flow {
                Flow::Next | Flow::Interpret => continue,
                Flow::Jump(target) => end = Some(self.goes_on(number, target)),
                Flow::Branch {
                    compare,
                    a,
                    b,
                    target,
                } => {
                    let (yes, no) = (self.side(number, target), self.side(number, end_pc));
                    end = Some(if yes == no {
                        Terminator::Jump(yes)
                    } else {
                        Terminator::Branch {
                            compare,
                            a,
                            b,
                            yes,
                            no,
                        }
                    });
                }
                Flow::JumpTo(target) => {
                    self.jump_to(number, id, &insn, target, retired);
                    return;
                }
            }
            break;
        }
        let end = match end {
            Some(end) => end,
            None => self.goes_on(number, end_pc),
        };
        self.complete(id, retired, end);
    }

    /// Ends block `id` with a jump to `target`: compares it with where it probably goes, one block after the other. As
    /// values do not live between blocks, each computes the target again.
    fn jump_to(&mut self, number: u32, id: BlockId, insn: &Insn, target: Value, retired: u32) {
        let can_be_computed_again = insn.rd != insn.rs1;
        let edges: Vec<Place> = self.found.nodes[number as usize].edges().collect();
        let (mut id, mut target, mut retired) = (id, target, retired);
        for place in edges {
            if !can_be_computed_again {
                break;
            }
            let Some(yes) = self.block_of(place) else { continue };
            let expected = self.builder.int(V::Const(place.pc));
            let no = self.reserve(
                Place {
                    pc: self.blocks[id.0 as usize].block.pc,
                    context: place.context,
                },
                true,
            );
            let end = Terminator::Branch {
                compare: Compare::Eq,
                a: target,
                b: expected,
                yes,
                no,
            };
            self.complete(id, retired, end);
            self.builder.start(2);
            (id, target, retired) = (no, self.target(insn), 0);
        }
        self.complete(id, retired, Terminator::ExitTo(target));
    }

    /// Where `insn`, which is a `jalr`, goes.
    fn target(&mut self, insn: &Insn) -> Value {
        let o = &mut self.builder;
        let base = o.x(insn.rs1);
        let sum = o.add(base, V::Const(i64::from(insn.imm) as u64));
        let even = o.and(sum, V::Const(!1));
        o.int(even)
    }

    fn complete(&mut self, id: BlockId, retired: u32, end: Terminator) {
        let draft = &mut self.blocks[id.0 as usize];
        draft.block.insts = self.builder.take();
        draft.block.retired = retired;
        draft.block.end = end;
        draft.guards = self.builder.take_guards();
        let writes_status = |inst: &Inst| matches!(inst, Inst::Set(slots::MSTATUS, _));
        draft.changes_status = draft.block.insts.iter().any(writes_status);
    }

    /// Puts the blocks in order and settles what needs all of them. It is entered at `roots`, the first first.
    fn finish(mut self, mut roots: Vec<BlockId>, limits: &Limits) -> Formed {
        // Nothing is to be had by coming back to where nothing is done.
        let first = roots[0];
        roots.retain(|&id| id == first || !self.does_nothing(id));
        let order = Order::of(&self.blocks, &roots);
        let mut entered = roots;
        for (position, &id) in order.ids.iter().enumerate() {
            let is_ours = self.blocks[id.0 as usize].context == ContextId::ROOT;
            let has_room = entered.len() <= limits.entries;
            if order.loops_to[position] && is_ours && has_room && !entered.contains(&id) {
                entered.push(id);
            }
        }
        let entered: Vec<_> = entered.into_iter().map(|id| self.guarded(id)).collect();
        let order = Order::of(&self.blocks, &entered);
        self.drop_needless_guards(&order, &entered);
        let order = match self.guard_loops(&order, &entered) {
            true => {
                let order = Order::of(&self.blocks, &entered);
                self.drop_needless_guards(&order, &entered);
                order
            }
            false => order,
        };
        let mut drafts: Vec<Option<Draft>> = self.blocks.into_iter().map(Some).collect();
        let mut region = Region {
            blocks: Vec::with_capacity(order.ids.len()),
            entries: entered.iter().map(|&id| order.position(id)).collect(),
            points: self.builder.points,
            locals: SlotSet::default(),
        };
        let entries = entered.iter().map(|&id| region_pc(&drafts, id)).collect();
        let mut starts = Vec::with_capacity(order.ids.len());
        for (position, &id) in order.ids.iter().enumerate() {
            let Some(draft) = drafts[id.0 as usize].take() else {
                continue;
            };
            let mut block = draft.block;
            let successors = block.end.successors_mut();
            successors.for_each(|to| *to = order.position(*to));
            if !draft.exit && draft.context == ContextId::ROOT {
                starts.push(block.pc);
            }
            block.poll = order.loops_to[position];
            region.blocks.push(block);
        }
        region.locals = locals(&region);
        Formed {
            region,
            entries,
            starts,
            pages: self.found.pages,
            ranges: ranges(&self.found.insns),
        }
    }

    /// Whether a block only leaves what it starts with to the interpreter.
    fn does_nothing(&self, id: BlockId) -> bool {
        matches!(self.blocks[id.0 as usize].block.end, Terminator::Interpret(at)
            if self.builder.points[at.0 as usize].done == 0)
    }

    /// Where to enter `id` from outside: where that has guards, a block in front that has them, so that a loop need not ask
    /// again each time round.
    fn guarded(&mut self, id: BlockId) -> BlockId {
        let draft = &self.blocks[id.0 as usize];
        let Some(needed) = draft.guards.iter().map(|guard| guard.needed).max() else {
            return id;
        };
        let place = Place {
            pc: draft.block.pc,
            context: draft.context,
        };
        let front = self.reserve(place, false);
        self.builder.start(1);
        self.builder.guard_at(place.pc, needed);
        self.complete(front, 0, Terminator::Jump(id));
        front
    }

    /// Has loops that still ask each time round come to by way of blocks in front that ask, as those are that are entered.
    /// Whether there are any.
    fn guard_loops(&mut self, order: &Order, entered: &[BlockId]) -> bool {
        let mut any = false;
        for (position, &id) in order.ids.iter().enumerate() {
            if !order.loops_to[position] || !self.asks(id) {
                continue;
            }
            let comes = |draft: &Draft| draft.block.end.successors().any(|to| to == id);
            let before = order.ids[..position].iter().copied();
            let before: Vec<_> = before
                .filter(|from| comes(&self.blocks[from.0 as usize]))
                .collect();
            let is_front = |from: &BlockId| entered.contains(from) && self.only_asks(*from);
            let front = before.iter().copied().find(is_front);
            let ways: Vec<_> = before.into_iter().filter(|&from| Some(from) != front).collect();
            if ways.is_empty() {
                continue;
            }
            any = true;
            let front = front.unwrap_or_else(|| self.guarded(id));
            for from in ways {
                let end = &mut self.blocks[from.0 as usize].block.end;
                end.successors_mut()
                    .filter(|to| **to == id)
                    .for_each(|to| *to = front);
            }
        }
        any
    }

    /// Whether a block has a guard that is needed.
    fn asks(&self, id: BlockId) -> bool {
        let draft = &self.blocks[id.0 as usize];
        let mut guards = draft.guards.iter();
        guards.any(|guard| matches!(draft.block.insts[guard.inst.0 as usize], Inst::ExitIf { .. }))
    }

    /// Whether a block does nothing but ask.
    fn only_asks(&self, id: BlockId) -> bool {
        let block = &self.blocks[id.0 as usize].block;
        self.asks(id) && block.retired == 0 && matches!(block.end, Terminator::Jump(_))
    }

    /// Takes guards out where every way to them has been through one already.
    fn drop_needless_guards(&mut self, order: &Order, entered: &[BlockId]) {
        if self.blocks.iter().all(|draft| draft.guards.is_empty()) {
            return;
        }
        let blocks = &mut self.blocks;
        let after = |draft: &Draft, before: FloatState| {
            if draft.changes_status {
                return FloatState::Unknown;
            }
            let needed = draft.guards.iter().map(|guard| guard.needed);
            needed.fold(before, FloatState::max)
        };
        let mut before = vec![FloatState::Dirty; blocks.len()];
        for &id in entered {
            before[id.0 as usize] = FloatState::Unknown;
        }
        // Loops may make less of what was known at first.
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for &id in &order.ids {
                let draft = &blocks[id.0 as usize];
                let state = after(draft, before[id.0 as usize]);
                for to in draft.block.end.successors() {
                    let at = &mut before[to.0 as usize];
                    changed |= *at > state;
                    *at = (*at).min(state);
                }
            }
        }
        for (draft, &before) in blocks.iter_mut().zip(&before) {
            for guard in draft.guards.iter().filter(|guard| guard.needed <= before) {
                // A constant that nobody uses keeps the numbers of the values that follow.
                draft.block.insts[guard.inst.0 as usize] = Inst::Const(0);
            }
        }
    }
}

fn region_pc(drafts: &[Option<Draft>], id: BlockId) -> u64 {
    drafts[id.0 as usize].as_ref().map_or(0, |draft| draft.block.pc)
}

/// Where these instructions lie.
fn ranges(insns: &[(u64, Insn)]) -> Vec<Range<u64>> {
    // Only the half of an instruction that lies in this page counts: with the other it is interpreted.
    let mut each: Vec<_> = insns
        .iter()
        .map(|&(pc, insn)| pc..pc + u64::from(insn.len).min(PAGE_SIZE - pc % PAGE_SIZE))
        .collect();
    each.sort_unstable_by_key(|range| range.start);
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for range in each {
        match ranges.last_mut() {
            Some(last) if range.start <= last.end && !range.start.is_multiple_of(PAGE_SIZE) => {
                last.end = last.end.max(range.end);
            }
            _ => ranges.push(range),
        }
    }
    ranges
}

/// The blocks that can be reached, each after those before it but for loops.
struct Order {
    ids: Vec<BlockId>,
    /// Where each block stands, by its old number.
    positions: Vec<u32>,
    /// Whether a block, by position, is gone back to.
    loops_to: Vec<bool>,
}

impl Order {
    /// All that `roots` lead to. What others than the first lead to comes before what that leads to.
    fn of(blocks: &[Draft], roots: &[BlockId]) -> Self {
        const UNSEEN: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![UNSEEN; blocks.len()];
        let mut back = Vec::new();
        let mut ids = Vec::with_capacity(blocks.len());
        // Blocks on the way from the first, each with successors that are still to be looked at. The one looked at last
        // comes next in order: those that only leave come late, and what a branch falls through to follows it.
        let successors = |id: BlockId| {
            let mut list = [None; 2];
            for (slot, to) in list.iter_mut().zip(blocks[id.0 as usize].block.end.successors()) {
                *slot = Some(to);
            }
            if let [Some(_), Some(no)] = list
                && blocks[no.0 as usize].exit
            {
                list.swap(0, 1);
            }
            list
        };
        for &root in roots {
            if state[root.0 as usize] != UNSEEN {
                continue;
            }
            let mut way = vec![(root, successors(root))];
            state[root.0 as usize] = OPEN;
            while let Some((id, left)) = way.last_mut() {
                let id = *id;
                match left.iter_mut().find_map(Option::take) {
                    Some(to) => match state[to.0 as usize] {
                        UNSEEN => {
                            state[to.0 as usize] = OPEN;
                            way.push((to, successors(to)));
                        }
                        OPEN => back.push(to),
                        _ => {}
                    },
                    None => {
                        state[id.0 as usize] = DONE;
                        ids.push(id);
                        way.pop();
                    }
                }
            }
        }
        ids.reverse();
        let mut order = Order {
            positions: vec![0; blocks.len()],
            loops_to: vec![false; ids.len()],
            ids,
        };
        for (position, id) in order.ids.iter().enumerate() {
            order.positions[id.0 as usize] = position as u32;
        }
        for to in back {
            let to = order.position(to).0 as usize;
            order.loops_to[to] = true;
        }
        order
    }

    fn position(&self, id: BlockId) -> BlockId {
        BlockId(self.positions[id.0 as usize])
    }
}

/// The slots that are used. A pass chooses among them.
fn locals(region: &Region) -> SlotSet {
    let mut set = SlotSet::default();
    for inst in region.blocks.iter().flat_map(|block| &block.insts) {
        if let Inst::Get(slot) | Inst::Set(slot, _) = inst {
            set.insert(*slot);
        }
    }
    set
}
