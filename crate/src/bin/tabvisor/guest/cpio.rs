//! A writer of cpio archives in the `newc` form, the one the Linux kernel unpacks as its initramfs
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;

/// An archive in the making.
#[derive(Debug, Default, Clone)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    folders: BTreeSet<String>,
}

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

impl Archive {
    /// Adds a folder. Parents must have been added before; paths have no leading slash.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.folders.insert(path.to_owned());
        self.entry(path, DIRECTORY | mode, 2, &[]);
    }

    /// Adds the folders above `path` that are not there yet.
    pub fn parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            if !self.folders.contains(&path[..end]) {
                self.directory(&path[..end], 0o755);
            }
        }
    }

    /// Adds a regular file.
    pub fn file(&mut self, path: &str, mode: u32, contents: &[u8]) {
        self.entry(path, FILE | mode, 1, contents);
    }

    /// Adds a symbolic link to `target`.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.entry(path, SYMLINK | 0o777, 1, target.as_bytes());
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, 1, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, links: u32, contents: &[u8]) {
        self.inode += 1;
        let size = u32::try_from(contents.len()).expect("initramfs files are far below 4 GiB");
        let name_size = path.len() as u32 + 1;
        // Owner, group and time are all zero, so that the same input gives the same bytes; so are the device numbers.
        let fields = [self.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(contents);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn missing_folders_are_added_once() {
        let mut archive = Archive::default();
        archive.directory("a", 0o755);
        archive.parents("a/b/c/file");
        let before = archive.bytes.len();
        assert_eq!(archive.folders.iter().collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
        archive.parents("a/b/other");
        assert_eq!(archive.bytes.len(), before);
    }

    #[test]
    fn an_archive_has_the_documented_bytes() {
        let mut archive = Archive::default();
        archive.file("a", 0o644, b"hello");
        let bytes = archive.finish();
        let header = "070701\
             00000001000081A40000000000000000000000010000000000000005\
             000000000000000000000000000000000000000200000000a\0";
        assert_eq!(&bytes[..header.len()], header.as_bytes());
        assert_eq!(&bytes[112..120], b"hello\0\0\0");
        assert_eq!(&bytes[120..126], b"070701");
        assert_eq!(bytes.len() % 4, 0);
    }
}
