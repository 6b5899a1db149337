//! The writer of initial RAM disks: whatever the names and contents, a reader finds the same again.

#[path = "../../../src/bin/tabvisor/guest/cpio.rs"]
mod writer;

use super::Input;

/// Entries: kind, a name and contents, each of the latter two with its length in a byte before it.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let mut archive = writer::Archive::default();
    let mut written = Vec::new();
    while !input.is_empty() {
        let kind = input.u8();
        let mut text = || {
            let length = input.u8().into();
            // Paths are strings without NUL.
            String::from_utf8_lossy(input.bytes(length)).replace('\0', "?")
        };
        let (name, contents) = (format!("x{}", text()), text());
        let mode = u32::from(kind) & 0o777;
        match kind >> 6 {
            0 | 1 => archive.file(&name, mode, contents.as_bytes()),
            2 => archive.directory(&name, mode),
            _ => archive.symlink(&name, &contents),
        }
        let contents = if kind >> 6 == 2 { String::new() } else { contents };
        written.push((name, contents));
    }
    assert!(read(&archive.finish()) == Some(written), "read back differently");
}

/// The names and contents of an archive up to its trailer; `None` if it is malformed.
fn read(archive: &[u8]) -> Option<Vec<(String, String)>> {
    let mut at = 0;
    let mut entries = Vec::new();
    loop {
        let header = archive.get(at..at + 110)?;
        let field = |index: usize| {
            let digits = std::str::from_utf8(&header[6 + 8 * index..14 + 8 * index]).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let (size, name_size) = (field(6)?, field(11)?);
        if !header.starts_with(b"070701") {
            return None;
        }
        let contents_at = (at + 110 + name_size).next_multiple_of(4);
        let name = archive.get(at + 110..at + 110 + name_size)?.strip_suffix(&[0])?;
        let contents = archive.get(contents_at..contents_at + size)?;
        at = (contents_at + size).next_multiple_of(4);
        if name == b"TRAILER!!!" {
            return (at == archive.len()).then_some(entries);
        }
        entries.push((
            String::from_utf8(name.to_vec()).ok()?,
            String::from_utf8(contents.to_vec()).ok()?,
        ));
    }
}
