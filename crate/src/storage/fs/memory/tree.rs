//! The nodes of a tree in memory, and the operations on them by inode number.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::super::path::NAME_MAX;
use super::super::{
    Attributes, Entry, Errno, FsResult, Kind, Name, Owner, Path, SetAttributes, SetTime, Statistics, Time,
};
use crate::storage::Sparse;

/// The root's inode number.
const ROOT: u64 = 1;
/// What a node is reckoned to take besides contents and name.
const NODE_COST: u64 = 256;
/// Bits of `mode` a guest may set.
const MODE_BITS: u32 = 0o7777;
/// Readdir cookies: `.` and `..` come first, then entries in the order they were made.
const COOKIE_DOT: u64 = 1;
const COOKIE_DOT_DOT: u64 = 2;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: BTreeMap<u64, Node>,
    next_inode: u64,
    /// Bytes taken by contents, names and nodes.
    pub used: u64,
    limit: u64,
    pub now: Time,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Node {
    pub content: Content,
    mode: u32,
    uid: u32,
    gid: u32,
    /// Names that lead here; a node without any lives until it is closed.
    links: u32,
    /// Handles. Nobody has any after a restore.
    #[serde(skip)]
    opens: u32,
    accessed: Time,
    modified: Time,
    changed: Time,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Content {
    File { bytes: Sparse, len: u64 },
    Directory(Directory),
    Symlink(Vec<u8>),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Directory {
    /// The directory this one is in; the root is in itself.
    parent: u64,
    pub entries: BTreeMap<Vec<u8>, Link>,
    /// Names by cookie, for reading on from where one was while entries come and go.
    order: BTreeMap<u64, Vec<u8>>,
    next_cookie: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Link {
    pub inode: u64,
    cookie: u64,
}

impl Content {
    pub fn empty_file() -> Self {
        Self::File {
            bytes: Sparse::new(),
            len: 0,
        }
    }

    pub fn empty_directory() -> Self {
        Self::Directory(Directory {
            next_cookie: COOKIE_DOT_DOT + 1,
            ..Directory::default()
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::File { .. } => Kind::File,
            Self::Directory(_) => Kind::Directory,
            Self::Symlink(_) => Kind::Symlink,
        }
    }

    /// Bytes of memory taken.
    fn cost(&self) -> u64 {
        match self {
            Self::File { bytes, .. } => bytes.allocated(),
            Self::Directory(_) => 0,
            Self::Symlink(target) => target.len() as u64,
        }
    }
}

impl Tree {
    pub fn new(limit: u64) -> Self {
        let mut tree = Self {
            nodes: BTreeMap::new(),
            next_inode: ROOT,
            used: 0,
            limit,
            now: Time::default(),
        };
        let inode = tree.insert(
            Content::empty_directory(),
            Owner {
                mode: 0o777,
                uid: 0,
                gid: 0,
            },
        );
        if let Ok(root) = tree.directory_mut(inode) {
            root.parent = ROOT;
        }
        // No directory names the root, but it must not go when its last handle does.
        if let Ok(root) = tree.node_mut(inode) {
            root.links = 1;
        }
        tree
    }

    pub fn node(&self, inode: u64) -> FsResult<&Node> {
        self.nodes.get(&inode).ok_or(Errno::ENOENT)
    }

    fn node_mut(&mut self, inode: u64) -> FsResult<&mut Node> {
        self.nodes.get_mut(&inode).ok_or(Errno::ENOENT)
    }

    pub fn directory(&self, inode: u64) -> FsResult<&Directory> {
        match &self.node(inode)?.content {
            Content::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn directory_mut(&mut self, inode: u64) -> FsResult<&mut Directory> {
        match &mut self.node_mut(inode)?.content {
            Content::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The inode number of what is at `path`.
    pub fn find(&self, path: &Path) -> FsResult<u64> {
        path.names().iter().try_fold(ROOT, |inode, name| {
            let link = self
                .directory(inode)?
                .entries
                .get(name.as_bytes())
                .ok_or(Errno::ENOENT)?;
            Ok(link.inode)
        })
    }

    fn charge(&mut self, bytes: u64) -> FsResult<()> {
        let used = self.used.saturating_add(bytes);
        if used > self.limit {
            return Err(Errno::ENOSPC);
        }
        self.used = used;
        Ok(())
    }

    fn insert(&mut self, content: Content, owner: Owner) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        let node = Node {
            content,
            mode: owner.mode & MODE_BITS,
            uid: owner.uid,
            gid: owner.gid,
            links: 0,
            opens: 0,
            accessed: self.now,
            modified: self.now,
            changed: self.now,
        };
        self.nodes.insert(inode, node);
        inode
    }

    /// Makes a new node at `path`.
    pub fn add(&mut self, path: &Path, content: Content, owner: Owner) -> FsResult<u64> {
        // The root is there already.
        let (directory, name) = path.split().map_err(|_| Errno::EEXIST)?;
        let parent = self.find(&directory)?;
        if self.directory(parent)?.entries.contains_key(name.as_bytes()) {
            return Err(Errno::EEXIST);
        }
        self.charge(NODE_COST + content.cost() + name_cost(name))?;
        let inode = self.insert(content, owner);
        self.attach(parent, name, inode)?;
        Ok(inode)
    }

    /// Enters `inode` under `name`, which is free and paid for.
    fn attach(&mut self, parent: u64, name: &Name, inode: u64) -> FsResult<()> {
        let directory = self.directory_mut(parent)?;
        let cookie = directory.next_cookie;
        directory.next_cookie += 1;
        directory
            .entries
            .insert(name.as_bytes().to_vec(), Link { inode, cookie });
        directory.order.insert(cookie, name.as_bytes().to_vec());
        if let Ok(directory) = self.directory_mut(inode) {
            directory.parent = parent;
        }
        self.node_mut(inode)?.links += 1;
        self.touch(parent, inode);
        Ok(())
    }

    /// Takes `name` out of its directory, and the node with its last name.
    fn detach(&mut self, parent: u64, name: &Name) -> FsResult<u64> {
        let directory = self.directory_mut(parent)?;
        let link = directory.entries.remove(name.as_bytes()).ok_or(Errno::ENOENT)?;
        directory.order.remove(&link.cookie);
        self.used -= name_cost(name);
        let node = self.node_mut(link.inode)?;
        node.links -= 1;
        self.touch(parent, link.inode);
        Ok(link.inode)
    }

    fn touch(&mut self, parent: u64, inode: u64) {
        let now = self.now;
        if let Some(parent) = self.nodes.get_mut(&parent) {
            (parent.modified, parent.changed) = (now, now);
        }
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.changed = now;
        }
    }

    /// Frees a node that has neither names nor handles.
    fn release(&mut self, inode: u64) {
        if let Some(node) = self.nodes.get(&inode)
            && node.links == 0
            && node.opens == 0
        {
            self.used -= NODE_COST + node.content.cost();
            self.nodes.remove(&inode);
        }
    }

    pub fn open(&mut self, inode: u64) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.opens += 1;
        }
    }

    pub fn close(&mut self, inode: u64) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.opens = node.opens.saturating_sub(1);
        }
        self.release(inode);
    }

    pub fn link(&mut self, inode: u64, new: &Path) -> FsResult<()> {
        if self.directory(inode).is_ok() {
            return Err(Errno::EPERM);
        }
        let (directory, name) = new.split().map_err(|_| Errno::EEXIST)?;
        let parent = self.find(&directory)?;
        if self.directory(parent)?.entries.contains_key(name.as_bytes()) {
            return Err(Errno::EEXIST);
        }
        if self.node(inode)?.links == u32::MAX {
            return Err(Errno::EMLINK);
        }
        self.charge(name_cost(name))?;
        self.attach(parent, name, inode)
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> FsResult<()> {
        let (from_directory, from_name) = from.split()?;
        let (to_directory, to_name) = to.split()?;
        let inode = self.find(from)?;
        let (from_parent, to_parent) = (self.find(&from_directory)?, self.find(&to_directory)?);
        self.directory(to_parent)?;
        if to.starts_with(from) && to != from {
            return Err(Errno::EINVAL);
        }
        let moving_directory = self.directory(inode).is_ok();
        match self.find(to) {
            Ok(target) if target == inode => return Ok(()),
            Ok(target) => {
                match (moving_directory, self.directory(target)) {
                    (true, Ok(_)) | (false, Err(_)) => {}
                    (true, Err(_)) => return Err(Errno::ENOTDIR),
                    (false, Ok(_)) => return Err(Errno::EISDIR),
                }
                self.remove(to, moving_directory)?;
            }
            Err(_) => {}
        }
        self.charge(name_cost(to_name))?;
        self.detach(from_parent, from_name)?;
        self.attach(to_parent, to_name, inode)
    }

    pub fn remove(&mut self, path: &Path, directory: bool) -> FsResult<()> {
        let (parent, name) = path.split()?;
        let inode = self.find(path)?;
        match (directory, self.directory(inode)) {
            (true, Ok(entries)) if !entries.entries.is_empty() => return Err(Errno::ENOTEMPTY),
            (true, Err(error)) => return Err(error),
            (false, Ok(_)) => return Err(Errno::EISDIR),
            _ => {}
        }
        let parent = self.find(&parent)?;
        self.detach(parent, name)?;
        self.release(inode);
        Ok(())
    }

    pub fn attributes(&self, inode: u64) -> FsResult<Attributes> {
        let node = self.node(inode)?;
        let (type_bits, size, links) = match &node.content {
            Content::File { len, .. } => (0o100_000, *len, u64::from(node.links)),
            Content::Directory(_) => (0o040_000, 0, 2),
            Content::Symlink(target) => (0o120_000, target.len() as u64, u64::from(node.links)),
        };
        Ok(Attributes {
            inode,
            kind: node.content.kind(),
            mode: type_bits | node.mode,
            uid: node.uid,
            gid: node.gid,
            links,
            device: 0,
            size,
            blocks: node.content.cost().div_ceil(512),
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }

    pub fn set_attributes(&mut self, inode: u64, change: &SetAttributes) -> FsResult<()> {
        let (now, limit) = (self.now, self.limit);
        let node = self.node_mut(inode)?;
        let mut freed = 0;
        if let Some(size) = change.size {
            let Content::File { bytes, len } = &mut node.content else {
                return Err(Errno::EISDIR);
            };
            if size > limit {
                return Err(Errno::EFBIG);
            }
            freed = bytes.allocated();
            bytes.zero(size, u64::MAX - size);
            freed -= bytes.allocated();
            *len = size;
            node.modified = now;
        }
        node.mode = change.mode.map_or(node.mode, |mode| mode & MODE_BITS);
        node.uid = change.uid.unwrap_or(node.uid);
        node.gid = change.gid.unwrap_or(node.gid);
        let moment = |change: SetTime| match change {
            SetTime::Now => now,
            SetTime::At(time) => time,
        };
        node.accessed = change.accessed.map_or(node.accessed, moment);
        node.modified = change.modified.map_or(node.modified, moment);
        node.changed = now;
        self.used -= freed;
        Ok(())
    }

    pub fn read(&mut self, inode: u64, offset: u64, into: &mut [u8]) -> FsResult<usize> {
        let now = self.now;
        let node = self.node_mut(inode)?;
        let Content::File { bytes, len } = &node.content else {
            return Err(Errno::EISDIR);
        };
        let count = len.saturating_sub(offset).min(into.len() as u64) as usize;
        bytes.read(offset, &mut into[..count]);
        node.accessed = now;
        Ok(count)
    }

    pub fn write(&mut self, inode: u64, offset: u64, from: &[u8]) -> FsResult<usize> {
        let end = offset.checked_add(from.len() as u64).ok_or(Errno::EFBIG)?;
        if end > self.limit {
            return Err(Errno::ENOSPC);
        }
        let Content::File { bytes, .. } = &self.node(inode)?.content else {
            return Err(Errno::EISDIR);
        };
        let growth = bytes.growth(offset, from.len() as u64);
        self.charge(growth)?;
        let now = self.now;
        let node = self.node_mut(inode)?;
        let Content::File { bytes, len } = &mut node.content else {
            return Err(Errno::EISDIR);
        };
        let before = bytes.allocated();
        if !bytes.write(offset, from) {
            // The host is out of memory: charged is what did get in.
            let unused = growth - (bytes.allocated() - before);
            self.used -= unused;
            return Err(Errno::ENOSPC);
        }
        *len = end.max(*len);
        (node.modified, node.changed) = (now, now);
        Ok(from.len())
    }

    pub fn entries(&self, inode: u64, cookie: u64, each: &mut dyn FnMut(Entry<'_>) -> bool) -> FsResult<()> {
        let directory = self.directory(inode)?;
        let dots = [
            (COOKIE_DOT, inode, &b"."[..]),
            (COOKIE_DOT_DOT, directory.parent, &b".."[..]),
        ];
        for (at, inode, name) in dots {
            if cookie < at
                && !each(Entry {
                    inode,
                    kind: Kind::Directory,
                    cookie: at,
                    name,
                })
            {
                return Ok(());
            }
        }
        for (&at, name) in directory.order.range((Bound::Excluded(cookie), Bound::Unbounded)) {
            let Some(link) = directory.entries.get(name) else {
                continue;
            };
            let kind = self.node(link.inode)?.content.kind();
            if !each(Entry {
                inode: link.inode,
                kind,
                cookie: at,
                name,
            }) {
                break;
            }
        }
        Ok(())
    }

    pub fn statistics(&self) -> Statistics {
        let free = self.limit.saturating_sub(self.used);
        Statistics {
            block_size: 4096,
            blocks: self.limit / 4096,
            free: free / 4096,
            available: free / 4096,
            files: self.limit / NODE_COST,
            files_free: free / NODE_COST,
            name_length: NAME_MAX as u32,
        }
    }
}

/// A name is kept twice, in two maps.
fn name_cost(name: &Name) -> u64 {
    64 + 2 * name.as_bytes().len() as u64
}
