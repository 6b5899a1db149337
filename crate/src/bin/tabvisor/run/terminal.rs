//! The terminal Tabvisor was started from: every key goes to the guest as it is typed, and the terminal is given back
//! as it was, whatever ends the program.

use std::io::{IsTerminal, stdin, stdout};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// How the terminal was before; present while it is raw. Global, because a panic's hook must reach it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal in its raw state, until dropped.
#[derive(Debug)]
pub struct RawTerminal(());

impl RawTerminal {
    /// Makes the terminal raw. `None` where standard input is none.
    pub fn new() -> Result<Option<RawTerminal>> {
        if !stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(stdin()).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |information| {
            restore();
            hook(information);
        }));
        let terminal = RawTerminal(());
        tcsetattr(stdin(), OptionalActions::Now, &raw).context("cannot change the terminal's settings")?;
        Ok(Some(terminal))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was. Does nothing the second time.
fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // There is nobody to tell if this fails.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}

/// Columns and rows of the terminal that shows the guest's output, where it is one and knows.
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Whether lines must end in a carriage return to begin at the left edge.
pub fn is_raw() -> bool {
    BEFORE.try_lock().is_ok_and(|before| before.is_some())
}
