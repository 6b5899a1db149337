//! Which code belongs to a region: from its entry along branches, jumps, calls and returns, the likeliest way first.
//!
//! Calls are followed into the callee with a *context*, the chain of calls that led there; code is told apart by address
//! and context, so a callee stands in the region once for each call, and where it returns to is known there.

use std::collections::BinaryHeap;

use super::lift::{is_compiled, simple_csr};
use crate::isa::riscv::insn::{Insn, Op, Reg};
use rustc_hash::FxHashMap;

/// Guest code.
pub trait Source {
    /// The instruction at a guest-virtual address; `None` where it cannot be had: no page, no permission to execute, or
    /// its second half in a page that cannot be had.
    fn instruction(&mut self, pc: u64) -> Option<Insn>;
    /// Whether the code runs where control registers of supervisors may be accessed.
    fn supervises(&self) -> bool {
        false
    }
}

/// What is known of how the code behaves.
pub trait Profile {
    /// How often the branch at `pc` is taken, from 0 to 1; `None` if not known.
    fn taken_ratio(&self, pc: u64) -> Option<f32>;
    /// Where the indirect jump at `pc` mostly goes, the most frequent first.
    fn targets(&self, pc: u64) -> Vec<u64>;
    /// Addresses near `pc` that execution often jumps to, the nearest first: where a jump by a table there may go, of which
    /// few targets are known.
    fn often_reached(&self, _pc: u64) -> Vec<u64> {
        Vec::new()
    }
}

/// Nothing known.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProfile;

impl Profile for NoProfile {
    fn taken_ratio(&self, _: u64) -> Option<f32> {
        None
    }
    fn targets(&self, _: u64) -> Vec<u64> {
        Vec::new()
    }
}

/// How large a region may become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Guest instructions, those of inlined functions each time.
    pub instructions: usize,
    /// Blocks.
    pub blocks: usize,
    /// Calls within calls that are followed.
    pub inline_depth: usize,
    /// Instructions of a function up to its return, in a straight line, beyond which a call to it is not followed.
    pub inline_size: usize,
    /// Whether only functions are followed that call none.
    pub inline_leaves: bool,
    /// How often a function may be among the calls that led to its own call.
    pub recursion: usize,
    /// Pages of guest code.
    pub pages: usize,
    /// Targets of an indirect jump that are compared with.
    pub targets: usize,
    /// Sides of branches taken less often than this are left out.
    pub cold: f32,
    /// Further places at which the region can be entered: where calls that are not followed return to, what comes after
    /// instructions that are left to the interpreter, and loop headers.
    pub entries: usize,
}

impl Limits {
    /// For code that is compiled fast.
    pub const QUICK: Limits = Limits {
        instructions: 600,
        blocks: 120,
        inline_depth: 1,
        inline_size: 24,
        inline_leaves: true,
        recursion: 0,
        pages: 2,
        targets: 1,
        cold: 0.01,
        entries: 32,
    };
    /// For code that is worth every effort.
    pub const HOT: Limits = Limits {
        instructions: 1000,
        blocks: 200,
        inline_depth: 2,
        inline_size: 40,
        inline_leaves: false,
        recursion: 0,
        pages: 4,
        targets: 2,
        cold: 0.002,
        entries: 48,
    };
}

/// Most bytes between a jump by a table and where it goes.
const NEAR: u64 = 4096;

/// Most targets of an indirect jump that are followed.
const MAX_TARGETS: usize = 3;

/// A chain of calls; the index into [`Discovered::contexts`]. 0 is the empty one, of the function that the region was
/// entered in, whose caller is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ContextId(pub u32);

impl ContextId {
    pub(super) const ROOT: ContextId = ContextId(0);
}

#[derive(Debug, Clone, Copy)]
struct Context {
    /// That of the caller.
    parent: ContextId,
    /// Where the call returns to.
    return_pc: u64,
    /// The function called.
    callee: u64,
    depth: usize,
}

/// A place in the region: an address in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub pc: u64,
    pub context: ContextId,
}

/// Straight code: instructions of [`Discovered::insns`].
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub place: Place,
    pub first: usize,
    pub len: usize,
    /// Where it may go on in the region, if there is a node for it.
    edges: [Option<Place>; MAX_TARGETS],
    /// The address after its last instruction.
    pub end_pc: u64,
}

impl Node {
    /// Where it goes on when it goes on at `pc`.
    pub fn edge(&self, pc: u64) -> Option<Place> {
        self.edges().find(|place| place.pc == pc)
    }

    /// Where it may go on in the region.
    pub fn edges(&self) -> impl Iterator<Item = Place> + '_ {
        self.edges.iter().copied().flatten()
    }
}

/// A place yet to be looked at.
#[derive(Debug, PartialEq)]
struct Candidate {
    /// About how often it is come by each time the region is entered.
    weight: f32,
    /// Counts up: earlier found goes first.
    order: u32,
    place: Place,
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.weight.total_cmp(&other.weight)).then_with(|| other.order.cmp(&self.order))
    }
}

pub(super) type PlaceMap<T> = FxHashMap<Place, T>;

/// What belongs to a region.
#[derive(Debug)]
pub(super) struct Discovered {
    pub insns: Vec<(u64, Insn)>,
    pub nodes: Vec<Node>,
    contexts: Vec<Context>,
    /// The node that each instruction is in.
    owners: PlaceMap<u32>,
    pub pages: Vec<u64>,
    /// Where execution comes back after it had to leave: behind calls that are not followed, and behind instructions
    /// that are left to the interpreter. Only in the function that the region was entered in.
    pub resumes: Vec<Place>,
}

impl Discovered {
    /// The node that starts at `place`.
    pub fn node_at(&self, place: Place) -> Option<u32> {
        let owner = *self.owners.get(&place)?;
        (self.nodes[owner as usize].place == place).then_some(owner)
    }
}

/// Finds out what belongs to the region of `entry`.
pub(super) fn discover(
    entry: u64,
    source: &mut impl Source,
    limits: &Limits,
    profile: &impl Profile,
) -> Discovered {
    let mut walk = Walk {
        supervises: source.supervises(),
        source,
        limits,
        profile,
        found: Discovered {
            insns: Vec::with_capacity(limits.instructions.min(256)),
            nodes: Vec::new(),
            contexts: vec![Context {
                parent: ContextId::ROOT,
                return_pc: 0,
                callee: entry,
                depth: 0,
            }],
            owners: PlaceMap::with_capacity_and_hasher(limits.instructions.min(256), Default::default()),
            pages: Vec::new(),
            resumes: Vec::new(),
        },
        candidates: BinaryHeap::new(),
        order: 0,
    };
    let place = Place {
        pc: entry,
        context: ContextId::ROOT,
    };
    walk.propose(place, 1.0);
    while let Some(candidate) = walk.candidates.pop() {
        walk.visit(candidate.place, candidate.weight);
    }
    walk.found
}

struct Walk<'a, S, P> {
    source: &'a mut S,
    supervises: bool,
    limits: &'a Limits,
    profile: &'a P,
    found: Discovered,
    candidates: BinaryHeap<Candidate>,
    order: u32,
}

impl<S: Source, P: Profile> Walk<'_, S, P> {
    fn propose(&mut self, place: Place, weight: f32) {
        self.order += 1;
        self.candidates.push(Candidate {
            weight,
            order: self.order,
            place,
        });
    }

    /// Execution leaves in front of `place` and will come back there: it shall find the region again.
    fn resume(&mut self, place: Place, weight: f32) {
        if place.context == ContextId::ROOT
            && self.found.resumes.len() < self.limits.entries
            && !self.found.resumes.contains(&place)
        {
            self.found.resumes.push(place);
            self.propose(place, weight);
        }
    }

    /// Makes `place` the start of a node, if it can be had.
    fn visit(&mut self, place: Place, weight: f32) {
        if let Some(&owner) = self.found.owners.get(&place) {
            self.split(owner, place);
            return;
        }
        if self.found.nodes.len() < self.limits.blocks {
            self.scan(place, weight);
        }
    }

    /// Cuts the node `owner` in two at `place`, unless it starts there.
    fn split(&mut self, owner: u32, place: Place) {
        let number = self.found.nodes.len() as u32;
        let node = &mut self.found.nodes[owner as usize];
        if node.place == place {
            return;
        }
        let insns = &self.found.insns[node.first..node.first + node.len];
        let Ok(at) = insns.binary_search_by_key(&place.pc, |insn| insn.0) else {
            return;
        };
        let rest = Node {
            place,
            first: node.first + at,
            len: node.len - at,
            edges: node.edges,
            end_pc: node.end_pc,
        };
        node.len = at;
        node.end_pc = place.pc;
        node.edges = [Some(place), None, None];
        for &(pc, _) in &insns[at..] {
            self.found.owners.insert(Place { pc, ..place }, number);
        }
        self.found.nodes.push(rest);
    }

    /// Makes a node of the straight code from `place` on.
    fn scan(&mut self, place: Place, weight: f32) {
        let number = self.found.nodes.len() as u32;
        let first = self.found.insns.len();
        let mut node = Node {
            place,
            first,
            len: 0,
            edges: [None; MAX_TARGETS],
            end_pc: place.pc,
        };
        loop {
            let here = Place {
                pc: node.end_pc,
                ..place
            };
            if self.found.owners.contains_key(&here) {
                // It runs into code that is there already, perhaps amid an instruction of its own.
                node.edges[0] = Some(here);
                self.propose(here, weight);
                break;
            }
            if self.found.insns.len() >= self.limits.instructions || (here.pc < place.pc) {
                break;
            }
            let Some(insn) = self.fetch(here.pc) else { break };
            self.found.insns.push((here.pc, insn));
            self.found.owners.insert(here, number);
            node.len += 1;
            node.end_pc = here.pc.wrapping_add(u64::from(insn.len));
            if ends_block(&insn, self.supervises) {
                node.edges = self.follow(here, first, weight);
                break;
            }
        }
        if node.len > 0 {
            self.found.nodes.push(node);
        }
    }

    /// The instruction at `pc`, if it can be had and its pages can be the region's.
    fn fetch(&mut self, pc: u64) -> Option<Insn> {
        let insn = self.source.instruction(pc)?;
        if matches!(insn.op, Op::Continue) || insn.len == 0 {
            return None;
        }
        // What is not decoded across the page's end needs the next page only where it is interpreted.
        let last = match insn.op {
            Op::Straddle => pc,
            _ => pc.wrapping_add(u64::from(insn.len) - 1),
        };
        for page in [pc & !0xfff, last & !0xfff] {
            if !self.found.pages.contains(&page) {
                if self.found.pages.len() >= self.limits.pages.max(1) {
                    return None;
                }
                self.found.pages.push(page);
            }
        }
        Some(insn)
    }

    /// Where the last instruction, at `here`, goes on in the region. Its node's instructions start at `first`.
    fn follow(&mut self, here: Place, first: usize, weight: f32) -> [Option<Place>; MAX_TARGETS] {
        let mut edges = [None; MAX_TARGETS];
        let Some(&(pc, insn)) = self.found.insns.last() else {
            return edges;
        };
        let next = Place {
            pc: pc.wrapping_add(u64::from(insn.len)),
            ..here
        };
        let target = Place {
            pc: pc.wrapping_add(i64::from(insn.imm) as u64),
            ..here
        };
        match insn.op {
            Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => {
                // Where nothing is known, loops go round and the rest is even.
                let ratio = self.profile.taken_ratio(pc);
                let taken = ratio.unwrap_or(if insn.imm < 0 { 0.9 } else { 0.5 });
                let sides = [(target, taken), (next, 1.0 - taken)];
                for (edge, (side, share)) in edges.iter_mut().zip(sides) {
                    if ratio.is_none() || share >= self.limits.cold {
                        *edge = Some(side);
                        self.propose(side, weight * share);
                    }
                }
            }
            Op::Jal if is_link(insn.rd) => {
                edges[0] = self.call(here, next.pc, target.pc, weight);
                if edges[0].is_none_or(|callee| callee.context == ContextId::ROOT) {
                    self.resume(next, weight);
                }
            }
            Op::Jal => {
                edges[0] = Some(target);
                self.propose(target, weight);
            }
            Op::Jalr => {
                if is_return(&insn) && here.context != ContextId::ROOT {
                    let context = self.found.contexts[here.context.0 as usize];
                    let site = Place {
                        pc: context.return_pc,
                        context: context.parent,
                    };
                    self.propose(site, weight);
                    edges[0] = Some(site);
                    return edges;
                }
                if let Some(target) = self.constant_target(&insn, first) {
                    edges[0] = self.jump_or_call(here, &insn, next.pc, target, weight);
                    return edges;
                }
                let targets = self.profile.targets(pc);
                let count = self.limits.targets.min(MAX_TARGETS).min(targets.len());
                for (edge, &target) in edges.iter_mut().zip(&targets[..count]) {
                    *edge = self.jump_or_call(here, &insn, next.pc, target, weight / count as f32);
                }
                if is_link(insn.rd) {
                    self.resume(next, weight);
                } else if may_be_by_table(&insn, pc, &targets) {
                    // Whichever way it goes, it shall find it in this region.
                    let compared = &targets[..count];
                    let reached = self.profile.often_reached(pc);
                    let others = targets[count..].iter().chain(&reached);
                    for &pc in others.filter(|pc| !compared.contains(pc)) {
                        self.resume(Place { pc, ..here }, weight / 2.0);
                    }
                }
            }
            _ if changes_status(&insn, self.supervises) => {
                edges[0] = Some(next);
                self.propose(next, weight);
            }
            op if is_resumed(op) => self.resume(next, weight),
            _ => {}
        }
        edges
    }

    fn jump_or_call(
        &mut self,
        here: Place,
        insn: &Insn,
        next: u64,
        target: u64,
        weight: f32,
    ) -> Option<Place> {
        if is_link(insn.rd) {
            return self.call(here, next, target, weight);
        }
        let place = Place { pc: target, ..here };
        self.propose(place, weight);
        Some(place)
    }

    /// Where the address in `insn`'s register comes from the instructions just before: the address it jumps to.
    fn constant_target(&self, insn: &Insn, first: usize) -> Option<u64> {
        let before = self
            .found
            .insns
            .get(first..self.found.insns.len().checked_sub(1)?)?;
        let &(pc, source) = before.iter().rev().take(4).find(|(_, i)| i.rd == insn.rs1)?;
        let immediate = i64::from(source.imm) as u64;
        let base = match source.op {
            Op::Auipc => pc.wrapping_add(immediate),
            Op::Li => immediate,
            _ => return None,
        };
        Some(base.wrapping_add(i64::from(insn.imm) as u64) & !1)
    }

    /// Whether a function is small enough to stand in a region once for each call: what is called from many places would
    /// stand in many.
    fn is_worth_following(&mut self, callee: u64) -> bool {
        let mut pc = callee;
        for _ in 0..self.limits.inline_size {
            let Some(insn) = self.source.instruction(pc) else {
                return false;
            };
            let calls = matches!(insn.op, Op::Jal | Op::Jalr) && is_link(insn.rd);
            if insn.op.is_system() && !is_compiled(&insn, self.supervises)
                || calls && self.limits.inline_leaves
            {
                return false;
            }
            if insn.op == Op::Jalr && !calls {
                return true;
            }
            pc = pc.wrapping_add(u64::from(insn.len.max(2)));
        }
        false
    }

    /// Follows a call, if it is not too deep.
    fn call(&mut self, here: Place, return_pc: u64, callee: u64, weight: f32) -> Option<Place> {
        let caller = self.found.contexts[here.context.0 as usize];
        let (mut seen, mut context) = (0, here.context);
        loop {
            let at = self.found.contexts[context.0 as usize];
            seen += usize::from(at.callee == callee);
            if context == ContextId::ROOT {
                break;
            }
            context = at.parent;
        }
        if caller.depth >= self.limits.inline_depth
            || seen > self.limits.recursion
            || !self.is_worth_following(callee)
        {
            // The function that the region was entered by can be gone on in, only that its caller is unknown then.
            let root = Place {
                pc: callee,
                context: ContextId::ROOT,
            };
            return (self.found.contexts[0].callee == callee).then_some(root);
        }
        let known = self.found.contexts.iter().skip(1).position(|context| {
            context.parent == here.context && context.return_pc == return_pc && context.callee == callee
        });
        let number = known.map_or(self.found.contexts.len(), |position| position + 1);
        if known.is_none() {
            self.found.contexts.push(Context {
                parent: here.context,
                return_pc,
                callee,
                depth: caller.depth + 1,
            });
        }
        let place = Place {
            pc: callee,
            context: ContextId(number as u32),
        };
        self.propose(place, weight);
        Some(place)
    }
}

/// Whether a register holds return addresses by convention (unprivileged spec, table of return-address-stack hints).
fn is_link(reg: Reg) -> bool {
    reg == Reg::RA || reg == Reg::new(5)
}

/// Whether it is a return, by the same convention.
pub fn is_return(insn: &Insn) -> bool {
    insn.rd == Reg::SINK && is_link(insn.rs1) && insn.imm == 0
}

/// Whether the jump at `pc`, seen to go to `targets`, may be one by a table: it goes to many places in its own function. Few of
/// them may have been seen yet, or none.
fn may_be_by_table(insn: &Insn, pc: u64, targets: &[u64]) -> bool {
    let is_near = |target: &u64| target.abs_diff(pc) < NEAR;
    insn.rd == Reg::SINK && !is_return(insn) && (targets.is_empty() || targets.iter().any(is_near))
}

/// Whether execution goes on behind it, once it has been interpreted.
fn is_resumed(op: Op) -> bool {
    op.is_system() && !matches!(op, Op::Ebreak | Op::Mret | Op::Sret)
}

/// Whether it is a CSR instruction that compiled code does and that may change `mstatus`.
fn changes_status(insn: &Insn, supervises: bool) -> bool {
    simple_csr(insn, supervises).is_some_and(|(access, _)| access.changes_status())
}

/// Whether a block ends with it. What is not compiled does: there execution leaves the region. So does what changes
/// `mstatus`, as blocks know of it what they have seen.
fn ends_block(insn: &Insn, supervises: bool) -> bool {
    if is_compiled(insn, supervises) {
        return changes_status(insn, supervises);
    }
    let op = insn.op;
    let branch = (Op::Beq as u8..=Op::Bgeu as u8).contains(&(op as u8));
    branch || op.is_system() || op as u8 >= Op::CboInval as u8 || matches!(op, Op::Jal | Op::Jalr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_block() {
        for op in [
            Op::Beq,
            Op::Bgeu,
            Op::Jal,
            Op::Jalr,
            Op::Ecall,
            Op::Wfi,
            Op::CboInval,
            Op::Straddle,
        ] {
            assert!(ends_block(&Insn::new(op), true), "{op:?}");
        }
        for op in [
            Op::Li,
            Op::Auipc,
            Op::Lb,
            Op::Fence,
            Op::Mul,
            Op::FaddD,
            Op::Bseti,
            Op::Sraw,
        ] {
            assert!(!ends_block(&Insn::new(op), true), "{op:?}");
        }
        // csrw satp, sstatus and sscratch: interpreted, done at the end of a block, done within.
        for (number, ends) in [(0x180, true), (0x100, true), (0x140, false)] {
            let insn = Insn {
                imm: number,
                ..Insn::new(Op::Csrrw)
            };
            assert_eq!(ends_block(&insn, true), ends, "{number:#x}");
            assert!(ends_block(&insn, false), "{number:#x}");
        }
    }
}
