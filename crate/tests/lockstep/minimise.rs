//! Making a program that shows a difference as small as it goes.

use tabvisor::machine::lockstep::Difference;

use crate::piece::Piece;
use crate::program::Program;
use crate::trial::{Outcome, Trial};

/// Takes out pieces, most at once first, as long as there is a difference.
pub fn minimise(program: Program, trial: &Trial, difference: Box<Difference>) -> (Program, Box<Difference>) {
    let mut best = (program, difference);
    loop {
        let before = count(&mut best.0.pieces);
        let mut at = 0;
        while at < count(&mut best.0.pieces) {
            let mut smaller = best.0.clone();
            remove(&mut smaller.pieces, &mut at.clone());
            match trial.run(&smaller) {
                Outcome::Differs(difference) => best = (smaller, difference),
                Outcome::Agrees { .. } => at += 1,
            }
        }
        if count(&mut best.0.pieces) == before {
            return best;
        }
    }
}

/// Pieces, and those in them.
fn count(pieces: &mut [Piece]) -> usize {
    pieces
        .iter_mut()
        .map(|piece| 1 + piece.body_mut().map_or(0, |body| count(body)))
        .sum()
}

/// Removes the piece that is number `at`, counting those that hold others before what they hold. True when done.
fn remove(pieces: &mut Vec<Piece>, at: &mut usize) -> bool {
    for index in 0..pieces.len() {
        if *at == 0 {
            pieces.remove(index);
            return true;
        }
        *at -= 1;
        if let Some(body) = pieces[index].body_mut()
            && remove(body, at)
        {
            return true;
        }
    }
    false
}
