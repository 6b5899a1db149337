//! Regions that access memory twice by one stream, and addresses at which the second access could be taken for one in the
//! page of the first, or in the page of a stream that has been nowhere. For the tests of both back ends.

use crate::ir::interpret::State;
use crate::ir::scene::{BASE, PAGE};
use crate::ir::{
    Block, BlockId, Inst, NOWHERE, Point, PointId, Region, Slot, SlotSet, Terminator, Value, Via, Width,
};

const AT: PointId = PointId(0);

/// Loads, stores and windows, at the addresses in x1 and x2; what is loaded is in x3 and x4.
pub fn regions() -> Vec<Region> {
    let widths = [Width::W8, Width::W16, Width::W32, Width::W64];
    let alone = widths.into_iter().flat_map(|width| {
        [false, true]
            .map(|write| accesses(|insts, addr| insts.push(access(width, addr, Via::Stream(0), write))))
    });
    let windows = [1, 8, 40, 4096].into_iter().flat_map(|span| {
        [false, true].map(|write| {
            accesses(|insts, addr| {
                let window = Value(insts.len() as u32);
                insts.push(Inst::Window {
                    addr,
                    span,
                    write,
                    stream: Some(3),
                });
                insts.push(access(Width::W8, addr, Via::Window(window, 0), write));
            })
        })
    });
    alone.chain(windows).collect()
}

fn access(width: Width, addr: Value, via: Via, write: bool) -> Inst {
    match write {
        false => Inst::Load {
            width,
            addr,
            via,
            at: AT,
        },
        true => Inst::Store {
            width,
            addr,
            value: Value(0),
            via,
            at: AT,
        },
    }
}

/// A region of one block with an access at x1 and one at x2, each written by `write`.
fn accesses(write: impl Fn(&mut Vec<Inst>, Value)) -> Region {
    let mut insts = vec![Inst::Get(Slot(1)), Inst::Get(Slot(2))];
    for number in [0, 1] {
        write(&mut insts, Value(number));
        let last = Value(insts.len() as u32 - 1);
        if matches!(insts[last.0 as usize], Inst::Load { .. }) {
            insts.push(Inst::Set(Slot(3 + number as u8), last));
        }
    }
    let block = Block {
        pc: 0x1000,
        poll: false,
        insts,
        retired: 3,
        end: Terminator::Exit(0x2000),
    };
    Region {
        blocks: vec![block],
        entries: vec![BlockId(0)],
        points: vec![Point { pc: 0x1008, done: 1 }],
        locals: SlotSet(0b1_1110),
    }
}

/// States with every two of the addresses in x1 and x2.
pub fn states() -> impl Iterator<Item = State> {
    let nowhere = NOWHERE as u64;
    let places = [0, 1, nowhere, nowhere + 1, 0xff8, 0xfff];
    let pages = [0, 1, 2, 4, 5, 6]
        .into_iter()
        .flat_map(|page| places.map(|low| BASE + page * PAGE + low));
    let all: Vec<u64> = pages.chain(places).chain([BASE - 1, u64::MAX]).collect();
    let pairs: Vec<_> = all
        .iter()
        .flat_map(|&first| all.iter().map(move |&second| (first, second)))
        .collect();
    pairs.into_iter().map(|(first, second)| {
        let mut slots = vec![0; 65];
        (slots[1], slots[2]) = (first, second);
        State {
            slots,
            retired: 0,
            run_until: 1000,
            inexact: true,
            rounding: 0,
        }
    })
}
