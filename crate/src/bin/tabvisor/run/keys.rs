//! The escape key: Ctrl-A and a letter speak to Tabvisor, everything else to the guest.

const CTRL_A: u8 = 0x01;

/// What a key means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Leave,
    Help,
}

/// Told to the user on Ctrl-A H.
pub const HELP: &str = "\r\n\
    Ctrl-A X  leave\r\n\
    Ctrl-A H  this text\r\n\
    Ctrl-A A  send Ctrl-A\r\n";

/// Remembers whether the escape key was the last one.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// Splits what was typed into what goes to the guest and what is for us.
    pub fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, Vec<Command>) {
        let mut to_guest = Vec::with_capacity(typed.len());
        let mut commands = Vec::new();
        for &key in typed {
            if !std::mem::take(&mut self.escaped) {
                if key == CTRL_A {
                    self.escaped = true;
                } else {
                    to_guest.push(key);
                }
                continue;
            }
            match key {
                b'x' | b'X' => commands.push(Command::Leave),
                b'h' | b'H' | b'c' | b'C' | b'?' => commands.push(Command::Help),
                b'a' | b'A' | CTRL_A => to_guest.push(CTRL_A),
                other => to_guest.extend([CTRL_A, other]),
            }
        }
        (to_guest, commands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escape_key_may_be_cut_from_its_letter() {
        let mut keys = Keys::default();
        assert_eq!(keys.filter(b"ls\x01"), (b"ls".to_vec(), vec![]));
        assert_eq!(keys.filter(b"xy"), (b"y".to_vec(), vec![Command::Leave]));
        assert_eq!(keys.filter(b"\x01\x01\x01z"), (b"\x01\x01z".to_vec(), vec![]));
        assert_eq!(keys.filter(b"\x01h"), (vec![], vec![Command::Help]));
    }
}
