//! A tree of files in memory: what the page shares with its guest.
//!
//! [`MemoryFs`] is a handle; its clones share one tree, so the page can put files in and take them out while the device
//! owns another. Contents, names and attributes together never take more than the limit given.

mod tree;

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use super::{
    Attributes, Entry, Errno, FileSystem, FsResult, Kind, OpenDirectory, OpenFile, OpenMode, Owner, Path,
    SetAttributes, Statistics, Time,
};
use tree::{Content, Tree};

/// A tree of files in memory.
#[derive(Debug, Clone)]
pub struct MemoryFs {
    tree: Arc<Mutex<Tree>>,
}

/// A file or directory, as [`MemoryFs::list`] tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name; bytes that are not text are replaced.
    pub name: String,
    /// Whether it is a directory.
    pub directory: bool,
    /// Bytes in it.
    pub size: u64,
}

impl MemoryFs {
    /// An empty tree that takes at most `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            tree: Arc::new(Mutex::new(Tree::new(limit))),
        }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock()
    }

    /// Puts a file at `path` (names with `/` between), making the directories it is in and replacing what it held.
    pub fn write_file(&self, path: &str, contents: &[u8]) -> FsResult<()> {
        let path = Path::parse(path)?;
        let (directory, _) = path.split()?;
        let mut fs = self.clone();
        let mut parent = Path::root();
        for name in directory.names() {
            parent = parent.child(name.clone())?;
            match fs.make_directory(
                &parent,
                Owner {
                    mode: 0o777,
                    uid: 0,
                    gid: 0,
                },
            ) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error),
            }
        }
        let mode = OpenMode {
            write: true,
            truncate: true,
            ..OpenMode::default()
        };
        let mut file = fs.create(
            &path,
            mode,
            Owner {
                mode: 0o666,
                uid: 0,
                gid: 0,
            },
        )?;
        let written = file.write(0, contents);
        drop(file);
        if written.is_err() {
            // A part of a file, or an empty one, would pass for the whole.
            fs.remove(&path, false)?;
        }
        written.map(drop)
    }

    /// The contents of the file at `path`.
    pub fn read_file(&self, path: &str) -> FsResult<Vec<u8>> {
        let tree = self.tree();
        let inode = tree.find(&Path::parse(path)?)?;
        let Content::File { bytes, len } = &tree.node(inode)?.content else {
            return Err(Errno::EISDIR);
        };
        let len = usize::try_from(*len).map_err(|_| Errno::EFBIG)?;
        let mut contents = Vec::new();
        contents.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        contents.resize(len, 0);
        bytes.read(0, &mut contents);
        Ok(contents)
    }

    /// What is in the directory at `path`, in order of name.
    pub fn list(&self, path: &str) -> FsResult<Vec<Listed>> {
        let tree = self.tree();
        let directory = tree.directory(tree.find(&Path::parse(path)?)?)?;
        let listed = directory.entries.iter().map(|(name, link)| {
            let attributes = tree.attributes(link.inode)?;
            Ok(Listed {
                name: String::from_utf8_lossy(name).into_owned(),
                directory: attributes.kind == Kind::Directory,
                size: attributes.size,
            })
        });
        listed.collect()
    }

    /// Removes the file or empty directory at `path`.
    pub fn remove_file(&self, path: &str) -> FsResult<()> {
        let path = Path::parse(path)?;
        let mut tree = self.tree();
        let inode = tree.find(&path)?;
        let directory = matches!(tree.node(inode)?.content, Content::Directory(_));
        tree.remove(&path, directory)
    }

    /// Bytes of memory taken.
    pub fn used(&self) -> u64 {
        self.tree().used
    }

    fn handle(&self, inode: u64, mode: OpenMode) -> Handle {
        self.tree().open(inode);
        Handle {
            fs: self.clone(),
            inode,
            mode,
        }
    }
}

impl FileSystem for MemoryFs {
    fn set_time(&mut self, now: Time) {
        self.tree().now = now;
    }

    fn attributes(&mut self, path: &Path) -> FsResult<Attributes> {
        let tree = self.tree();
        tree.attributes(tree.find(path)?)
    }

    fn set_attributes(&mut self, path: &Path, change: &SetAttributes) -> FsResult<()> {
        let mut tree = self.tree();
        let inode = tree.find(path)?;
        tree.set_attributes(inode, change)
    }

    fn open(&mut self, path: &Path, mode: OpenMode) -> FsResult<Box<dyn OpenFile>> {
        let inode = {
            let mut tree = self.tree();
            let inode = tree.find(path)?;
            match tree.node(inode)?.content {
                Content::File { .. } => {}
                Content::Directory(_) => return Err(Errno::EISDIR),
                Content::Symlink(_) => return Err(Errno::ELOOP),
            }
            if mode.truncate {
                tree.set_attributes(
                    inode,
                    &SetAttributes {
                        size: Some(0),
                        ..SetAttributes::default()
                    },
                )?;
            }
            inode
        };
        Ok(Box::new(self.handle(inode, mode)))
    }

    fn open_directory(&mut self, path: &Path) -> FsResult<Box<dyn OpenDirectory>> {
        let inode = {
            let tree = self.tree();
            let inode = tree.find(path)?;
            tree.directory(inode)?;
            inode
        };
        Ok(Box::new(self.handle(inode, OpenMode::default())))
    }

    fn create(&mut self, path: &Path, mode: OpenMode, owner: Owner) -> FsResult<Box<dyn OpenFile>> {
        let made = self.tree().add(path, Content::empty_file(), owner);
        match made {
            Ok(_) => {}
            Err(Errno::EEXIST) if !mode.exclusive => {}
            Err(error) => return Err(error),
        }
        self.open(path, mode)
    }

    fn make_directory(&mut self, path: &Path, owner: Owner) -> FsResult<()> {
        self.tree().add(path, Content::empty_directory(), owner).map(drop)
    }

    fn symlink(&mut self, path: &Path, target: &[u8], owner: Owner) -> FsResult<()> {
        let owner = Owner { mode: 0o777, ..owner };
        self.tree()
            .add(path, Content::Symlink(target.to_vec()), owner)
            .map(drop)
    }

    fn read_link(&mut self, path: &Path) -> FsResult<Vec<u8>> {
        let tree = self.tree();
        match &tree.node(tree.find(path)?)?.content {
            Content::Symlink(target) => Ok(target.clone()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn link(&mut self, path: &Path, new: &Path) -> FsResult<()> {
        let mut tree = self.tree();
        let inode = tree.find(path)?;
        tree.link(inode, new)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> FsResult<()> {
        self.tree().rename(from, to)
    }

    fn remove(&mut self, path: &Path, directory: bool) -> FsResult<()> {
        self.tree().remove(path, directory)
    }

    fn statistics(&mut self) -> FsResult<Statistics> {
        Ok(self.tree().statistics())
    }
}

/// An open file or directory: keeps its node alive, named or not.
#[derive(Debug)]
struct Handle {
    fs: MemoryFs,
    inode: u64,
    mode: OpenMode,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.fs.tree().close(self.inode);
    }
}

impl OpenFile for Handle {
    fn attributes(&mut self) -> FsResult<Attributes> {
        self.fs.tree().attributes(self.inode)
    }

    fn set_attributes(&mut self, change: &SetAttributes) -> FsResult<()> {
        self.fs.tree().set_attributes(self.inode, change)
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> FsResult<usize> {
        if !self.mode.read {
            return Err(Errno::EBADF);
        }
        self.fs.tree().read(self.inode, offset, into)
    }

    fn write(&mut self, offset: u64, from: &[u8]) -> FsResult<usize> {
        if !self.mode.write {
            return Err(Errno::EBADF);
        }
        let mut tree = self.fs.tree();
        let offset = if self.mode.append {
            tree.attributes(self.inode)?.size
        } else {
            offset
        };
        tree.write(self.inode, offset, from)
    }

    fn sync(&mut self, _data_only: bool) -> FsResult<()> {
        Ok(())
    }
}

impl OpenDirectory for Handle {
    fn attributes(&mut self) -> FsResult<Attributes> {
        self.fs.tree().attributes(self.inode)
    }

    fn entries(&mut self, cookie: u64, each: &mut dyn FnMut(Entry<'_>) -> bool) -> FsResult<()> {
        self.fs.tree().entries(self.inode, cookie, each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_and_go_from_outside() {
        let fs = MemoryFs::new(1 << 20);
        fs.write_file("docs/notes.txt", b"hello").unwrap();
        fs.write_file("/docs/notes.txt", b"bye").unwrap();
        assert_eq!(fs.read_file("docs/notes.txt").unwrap(), b"bye");
        let listed = fs.list("").unwrap();
        assert_eq!(
            listed,
            [Listed {
                name: "docs".into(),
                directory: true,
                size: 0
            }]
        );
        assert_eq!(fs.list("docs").unwrap()[0].size, 3);
        assert_eq!(fs.remove_file("docs"), Err(Errno::ENOTEMPTY));
        fs.remove_file("docs/notes.txt").unwrap();
        fs.remove_file("docs").unwrap();
        assert_eq!(fs.read_file("docs/notes.txt"), Err(Errno::ENOENT));
        assert_eq!(fs.write_file("a/../b", b""), Err(Errno::EINVAL));
        assert_eq!(fs.used(), MemoryFs::new(0).used());
    }

    #[test]
    fn a_full_tree_says_so_and_frees_what_is_removed() {
        let fs = MemoryFs::new(100_000);
        assert_eq!(fs.write_file("big", &[1; 200_000]), Err(Errno::ENOSPC));
        assert_eq!(fs.list("").unwrap(), []);
        fs.write_file("fits", &[1; 50_000]).unwrap();
        let mut other = fs.clone();
        let path = Path::parse("fits").unwrap();
        let mut file = other
            .open(
                &path,
                OpenMode {
                    read: true,
                    write: true,
                    ..OpenMode::default()
                },
            )
            .unwrap();
        assert_eq!(file.write(49_999, &[2; 60_000]), Err(Errno::ENOSPC));
        let too_long = SetAttributes {
            size: Some(1 << 40),
            ..SetAttributes::default()
        };
        assert_eq!(file.set_attributes(&too_long), Err(Errno::EFBIG));
        assert_eq!(file.write(u64::MAX, &[1]), Err(Errno::EFBIG));
        // Removed but open: still there, and its room is free once it is closed.
        fs.remove_file("fits").unwrap();
        let mut byte = [0];
        assert_eq!((file.read(49_999, &mut byte), byte), (Ok(1), [1]));
        assert!(fs.used() > 50_000);
        drop(file);
        assert!(fs.used() < 1000);
        let full = (0..1000).find_map(|i| fs.write_file(&i.to_string(), b"").err());
        assert_eq!(full, Some(Errno::ENOSPC), "names cost something");
    }

    #[test]
    fn directories_are_read_while_entries_vanish() {
        let fs = MemoryFs::new(1 << 20);
        for i in 0..10 {
            fs.write_file(&i.to_string(), b"").unwrap();
        }
        let mut directory = fs.clone().open_directory(&Path::root()).unwrap();
        let (mut cookie, mut seen) = (0, Vec::new());
        loop {
            let before = seen.len();
            let mut last = None;
            directory
                .entries(cookie, &mut |entry| {
                    seen.push(String::from_utf8(entry.name.to_vec()).unwrap());
                    last = Some(entry.cookie);
                    seen.len() - before < 3
                })
                .unwrap();
            let Some(last) = last else { break };
            cookie = last;
            for name in &seen[before..] {
                let _ = fs.remove_file(name);
            }
        }
        assert_eq!(seen.len(), 12);
        assert_eq!(fs.list("").unwrap(), []);
    }
}
