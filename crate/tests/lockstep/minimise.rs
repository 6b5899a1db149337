//! Making a program that shows a difference as small as it goes.

use tabvisor::machine::lockstep::Difference;

use crate::guest::Guest;
use crate::piece::Piece;
use crate::trial::{Outcome, Trial};

/// Takes out pieces, most at once first, as long as there is a difference.
pub fn minimise(guest: Guest, trial: &Trial, difference: Box<Difference>) -> (Guest, Box<Difference>) {
    let mut best = (guest, difference);
    loop {
        let before: usize = best
            .0
            .programs
            .iter_mut()
            .map(|program| count(&mut program.pieces))
            .sum();
        for hart in 0..best.0.programs.len() {
            let mut at = 0;
            while at < count(&mut best.0.programs[hart].pieces) {
                let mut smaller = best.0.clone();
                remove(&mut smaller.programs[hart].pieces, &mut at.clone());
                match trial.run(&smaller) {
                    Outcome::Differs(difference) => best = (smaller, difference),
                    Outcome::Agrees { .. } => at += 1,
                }
            }
        }
        let after: usize = best
            .0
            .programs
            .iter_mut()
            .map(|program| count(&mut program.pieces))
            .sum();
        if after == before {
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
