//! Which blocks a region gets.

use super::check;
use super::programs::{EBREAK, WFI, addi, auipc, branch, jal, jalr};
use crate::ir::{Block, Inst, Terminator};
use crate::isa::riscv::decode::decode;
use crate::isa::riscv::insn::Insn;
use crate::jit::region::{Formed, Limits, NoProfile, Profile, Source, form};

const START: u64 = 0x1000;

/// Code from [`START`] on.
struct Words(Vec<u32>);

impl Source for Words {
    fn instruction(&mut self, pc: u64) -> Option<Insn> {
        let at = usize::try_from(pc.checked_sub(START)?).ok()? / 4;
        self.0.get(at).map(|&word| decode(word))
    }
}

fn formed_by(code: &[u32], limits: &Limits, profile: &impl Profile) -> Formed {
    let formed = form(START, &mut Words(code.to_vec()), limits, profile).expect("a region");
    check(&formed.region);
    formed
}

fn formed(code: &[u32]) -> Formed {
    formed_by(code, &Limits::HOT, &NoProfile)
}

fn block(formed: &Formed, pc: u64) -> &Block {
    let mut found = formed.region.blocks.iter().filter(|block| block.pc == pc);
    found.next().expect("a block")
}

#[test]
fn a_loop_goes_back_to_its_head_which_polls() {
    let formed = formed(&[addi(5, 0, 10), addi(5, 5, -1), branch(1, 5, 0, -4), WFI]);
    let head = block(&formed, START + 4);
    assert!(head.poll);
    assert!(!block(&formed, START).poll);
    assert_eq!(head.retired, 2);
    let Terminator::Branch { yes, .. } = head.end else {
        panic!("{head:?}")
    };
    assert_eq!(formed.region.block(yes).pc, START + 4);
    assert!(formed.region.locals.contains(crate::jit::region::slots::integer(
        crate::isa::riscv::insn::Reg::new(5)
    )));
}

#[test]
fn a_jump_to_itself_is_a_region() {
    let formed = formed(&[jal(0, 0)]);
    assert_eq!(formed.region.blocks.len(), 1);
    assert!(formed.region.blocks[0].poll);
    assert_eq!(formed.region.blocks[0].retired, 1);
}

#[test]
fn a_call_stands_in_the_region_for_each_caller() {
    // Two calls of a function that adds one, the second far.
    let code = [
        jal(1, 20),
        auipc(1, 0),
        jalr(1, 1, 16),
        EBREAK,
        EBREAK,
        addi(10, 10, 1),
        jalr(0, 1, 0),
    ];
    let formed = formed(&code);
    let copies = formed
        .region
        .blocks
        .iter()
        .filter(|block| block.pc == START + 20 && block.retired == 2);
    assert_eq!(copies.count(), 2);
    assert!(
        formed
            .region
            .blocks
            .iter()
            .any(|block| matches!(block.end, Terminator::Interpret(_)))
    );
    assert_eq!(formed.pages, [START]);
}

#[test]
fn calls_are_followed_as_deep_as_allowed() {
    let code = [jal(1, 8), WFI, jal(1, 8), jalr(0, 1, 0), jalr(0, 1, 0)];
    for (inline_depth, exits) in [(0, START + 8), (1, START + 16)] {
        let formed = formed_by(
            &code,
            &Limits {
                inline_depth,
                ..Limits::HOT
            },
            &NoProfile,
        );
        let leaves = formed
            .region
            .blocks
            .iter()
            .any(|block| block.end == Terminator::Exit(exits));
        assert!(leaves, "{inline_depth}: {formed:#?}");
    }
}

#[test]
fn recursion_goes_back_to_the_entry() {
    let code = [branch(0, 10, 0, 12), addi(10, 10, -1), jal(1, -8), jalr(0, 1, 0)];
    for recursion in 0..4 {
        let limits = Limits {
            recursion,
            inline_depth: 9,
            ..Limits::HOT
        };
        let formed = formed_by(&code, &limits, &NoProfile);
        let copies = formed
            .region
            .blocks
            .iter()
            .filter(|block| block.pc == START && block.retired == 1);
        assert_eq!(copies.count(), recursion + 1, "{formed:#?}");
        assert!(formed.region.blocks[0].poll);
    }
}

#[test]
fn code_that_cannot_be_had_is_left_for() {
    let formed = formed(&[addi(5, 5, 1), branch(1, 5, 0, 64)]);
    let exits: Vec<_> = formed.region.blocks[1..].iter().map(|block| block.end).collect();
    assert_eq!(exits.len(), 2);
    assert!(exits.contains(&Terminator::Exit(START + 8)) && exits.contains(&Terminator::Exit(START + 68)));
}

#[test]
fn limits_hold() {
    let code: Vec<u32> = (0..3000).map(|_| addi(5, 5, 1)).collect();
    let limits = Limits {
        pages: 2,
        instructions: 5000,
        ..Limits::HOT
    };
    let two_pages = formed_by(&code, &limits, &NoProfile);
    assert_eq!(two_pages.pages, [0x1000, 0x2000]);
    assert_eq!(two_pages.region.blocks[0].end, Terminator::Exit(0x3000));
    let short = formed_by(
        &code,
        &Limits {
            instructions: 7,
            ..limits
        },
        &NoProfile,
    );
    assert_eq!(short.region.blocks[0].end, Terminator::Exit(START + 28));
    let branches: Vec<u32> = (0..3000).map(|_| branch(1, 5, 0, 32)).collect();
    let few = formed_by(&branches, &Limits { blocks: 5, ..limits }, &NoProfile);
    assert_eq!(
        few.region.blocks.iter().filter(|block| block.retired > 0).count(),
        5
    );
}

#[test]
fn nothing_to_compile_is_no_region() {
    assert!(form(START, &mut Words(vec![WFI]), &Limits::HOT, &NoProfile).is_none());
    assert!(form(START, &mut Words(vec![]), &Limits::HOT, &NoProfile).is_none());
    assert!(form(START, &mut Words(vec![0]), &Limits::HOT, &NoProfile).is_none());
}

/// A branch that is never taken, and an indirect jump that goes to two places.
struct Known;

impl Profile for Known {
    fn taken_ratio(&self, _: u64) -> Option<f32> {
        Some(0.0)
    }
    fn targets(&self, _: u64) -> Vec<u64> {
        vec![START + 12, START + 16]
    }
}

#[test]
fn what_is_never_taken_is_left_for() {
    let code = [branch(1, 5, 0, 12), addi(5, 5, 1), EBREAK, addi(6, 6, 1), WFI];
    let formed = formed_by(&code, &Limits::HOT, &Known);
    assert_eq!(block(&formed, START + 12).end, Terminator::Exit(START + 12));
    assert_eq!(block(&formed, START + 4).retired, 1);
}

#[test]
fn indirect_jumps_are_compared_with_their_usual_targets() {
    let code = [
        addi(5, 5, 1),
        jalr(0, 6, 0),
        WFI,
        addi(7, 7, 1),
        addi(8, 8, 1),
        WFI,
    ];
    let formed = formed_by(&code, &Limits::HOT, &Known);
    let compares = formed
        .region
        .blocks
        .iter()
        .filter(|block| matches!(block.end, Terminator::Branch { .. }));
    assert_eq!(compares.count(), 2);
    assert!(formed.region.leads_anywhere());
}

/// Indirect jumps were seen to go to these places, and these are often jumped to.
struct Table {
    targets: Vec<u64>,
    often: Vec<u64>,
}

impl Profile for Table {
    fn taken_ratio(&self, _: u64) -> Option<f32> {
        None
    }
    fn targets(&self, _: u64) -> Vec<u64> {
        self.targets.clone()
    }
    fn often_reached(&self, _: u64) -> Vec<u64> {
        self.often.clone()
    }
}

#[test]
fn a_jump_by_a_table_finds_all_its_ways_in_the_region_however_many_were_seen() {
    // Four ways back to a jump by a table, which is the second instruction.
    let ways = [8, 16, 24, 32].map(|distance| START + distance);
    let code: Vec<u32> = [addi(5, 5, 1), jalr(0, 6, 0)]
        .into_iter()
        .chain((1..5).flat_map(|way| [addi(7, 7, way), jal(0, -8 * way)]))
        .collect();
    let entries = |limits: &Limits, targets: &[u64], often: &[u64]| {
        let (targets, often) = (targets.to_vec(), often.to_vec());
        let formed = formed_by(&code, limits, &Table { targets, often });
        let ways_in = |places: &[u64]| ways.iter().filter(|way| places.contains(way)).count();
        (ways_in(&formed.starts), ways_in(&formed.entries))
    };
    // What is compared with need not be entered.
    for (seen, entered) in [(0, 4), (1, 3), (2, 3), (4, 3)] {
        let found = entries(&Limits::QUICK, &ways[..seen], &ways);
        assert_eq!(found, (4, entered), "{seen}");
    }
    assert_eq!(entries(&Limits::HOT, &ways[..3], &[]), (3, 1));
    // What goes far away goes to other functions, and this one may have nothing to do with what is hot here.
    let far = START + 0x10_0000;
    assert_eq!(entries(&Limits::QUICK, &[far], &ways), (0, 0));
    assert_eq!(entries(&Limits::QUICK, &[far, ways[0]], &ways), (4, 4));
}

/// `fadd.d fa0, fa0, fa1`
const FADD: u32 = 0x02b5_7553;

/// The blocks at an address that ask whether floating point is on, and of them those that do nothing else.
fn asking(formed: &Formed, pc: u64) -> (usize, usize) {
    let blocks = formed.region.blocks.iter().filter(|block| block.pc == pc);
    let asks = |block: &&Block| block.insts.iter().any(|inst| matches!(inst, Inst::ExitIf { .. }));
    let asking: Vec<_> = blocks.filter(asks).collect();
    (
        asking.len(),
        asking.iter().filter(|block| block.retired == 0).count(),
    )
}

#[test]
fn loops_are_asked_about_floating_point_in_front() {
    const ROUND: u32 = 3;
    let loop_after = |before: &[u32]| {
        let code = [before, &[FADD, addi(5, 5, -1), branch(1, 5, 0, -8), WFI]].concat();
        (formed(&code), START + 4 * before.len() as u64)
    };
    let reached_from_the_start = |formed: &Formed| {
        let mut first = formed.region.blocks.iter().filter(|block| block.pc == START);
        let end = first.find(|block| block.retired > 0).map(|block| block.end);
        match end {
            Some(Terminator::Jump(next)) => formed.region.block(next).retired,
            other => panic!("{other:?}"),
        }
    };
    // Come to from code that asks nothing: by a block of its own.
    let (come_to, head) = loop_after(&[addi(5, 0, 10)]);
    assert_eq!(asking(&come_to, head), (1, 1));
    assert_eq!(reached_from_the_start(&come_to), 0);
    // From code that has asked: at once; who asks is for those that enter the loop itself.
    let (known, head) = loop_after(&[FADD, addi(5, 0, 10)]);
    assert_eq!(asking(&known, head), (1, 1));
    assert_eq!(reached_from_the_start(&known), ROUND);
    // Entered itself: by the block for that.
    let (entered, head) = loop_after(&[]);
    assert_eq!(asking(&entered, head), (1, 1));
    // Two ways in, neither of which asks: by one block.
    let (twice, head) = loop_after(&[branch(1, 6, 0, 12), addi(5, 0, 10), jal(0, 8), addi(5, 0, 20)]);
    assert_eq!(asking(&twice, head), (1, 1));
}
