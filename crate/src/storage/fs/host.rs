//! A directory of the host, shared with the guest.
//!
//! The guest cannot get out of it: paths are made of checked names (no `..`, no `/`); they are resolved by `openat2`
//! with RESOLVE_BENEATH, NO_SYMLINKS and NO_MAGICLINKS (where a host lacks that, name by name with O_NOFOLLOW); and
//! changes go through the parent directory's descriptor and a single name, which no such call follows. Symbolic links
//! are the guest's to read and follow, inside the guest. Devices, pipes and sockets are seen but never opened.
//!
//! Files made belong to the user who runs Tabvisor, whatever owner the guest asks for, and never carry set-id bits.

mod file;

use std::io;
use std::path::PathBuf;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags, ResolveFlags};

use super::{
    Attributes, Errno, FileSystem, FsResult, Kind, Name, OpenDirectory, OpenFile, OpenMode, Owner, Path,
    SetAttributes, SetTime, Statistics, Time,
};
use file::{HostDirectory, HostFile};

/// Permission bits a guest may give files of the host: no set-id bits, which would lend it the user's rights.
const MODE_BITS: u32 = 0o1777;

/// A directory that cannot be shared.
#[derive(Debug, thiserror::Error)]
#[error("cannot share directory {}: {error}", path.display())]
pub struct ShareError {
    path: PathBuf,
    error: io::Error,
}

/// A shared directory of the host.
#[derive(Debug)]
pub struct HostFs {
    root: OwnedFd,
    read_only: bool,
    /// Whether the host knows `openat2`.
    openat2: bool,
}

impl HostFs {
    /// Shares the directory at `path`.
    pub fn new(path: &std::path::Path, read_only: bool) -> Result<Self, ShareError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = sys::open(path, flags, Mode::empty()).map_err(|error| ShareError {
            path: path.to_owned(),
            error: error.into(),
        })?;
        let openat2 = sys::openat2(&root, ".", flags, Mode::empty(), ResolveFlags::BENEATH).is_ok();
        Ok(Self {
            root,
            read_only,
            openat2,
        })
    }

    /// A descriptor for what is at `path`, good for naming it only (O_PATH); a symbolic link is not followed.
    fn locate(&self, path: &Path) -> FsResult<OwnedFd> {
        self.resolve(path, OFlags::PATH)
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> FsResult<OwnedFd> {
        // Opening must not wait for whatever is at the other end of a pipe; but O_PATH opens nothing.
        let no_wait = if flags.contains(OFlags::PATH) {
            OFlags::empty()
        } else {
            OFlags::NONBLOCK
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | no_wait;
        let Some((last, above)) = path.names().split_last() else {
            return Ok(sys::openat(&self.root, ".", flags, Mode::empty())?);
        };
        if self.openat2 {
            let names: Vec<&[u8]> = path.names().iter().map(Name::as_bytes).collect();
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            return Ok(sys::openat2(
                &self.root,
                names.join(&b'/'),
                flags,
                Mode::empty(),
                resolve,
            )?);
        }
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut directory = sys::openat(&self.root, ".", step, Mode::empty())?;
        for name in above {
            directory = sys::openat(&directory, name.as_bytes(), step, Mode::empty())?;
        }
        Ok(sys::openat(&directory, last.as_bytes(), flags, Mode::empty())?)
    }

    /// The directory `path` is in, for an operation that changes it, and its name there.
    fn parent<'p>(&self, path: &'p Path) -> FsResult<(OwnedFd, &'p Name)> {
        self.check_writable()?;
        let (directory, name) = path.split()?;
        Ok((self.resolve(&directory, OFlags::PATH | OFlags::DIRECTORY)?, name))
    }

    fn check_writable(&self) -> FsResult<()> {
        if self.read_only { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Opens what must be a regular file. It is looked at before it is opened, as opening a device may do things.
    fn open_regular(&self, path: &Path, mode: OpenMode) -> FsResult<HostFile> {
        if mode.write || mode.truncate {
            self.check_writable()?;
        }
        check_regular(&attributes(&self.locate(path)?)?)?;
        let access = match (mode.read, mode.write) {
            (_, false) => OFlags::RDONLY,
            (false, true) => OFlags::WRONLY,
            (true, true) => OFlags::RDWR,
        };
        let truncate = if mode.truncate {
            OFlags::TRUNC
        } else {
            OFlags::empty()
        };
        HostFile::new(self.resolve(path, access | truncate)?, mode.append)
    }
}

impl FileSystem for HostFs {
    fn attributes(&mut self, path: &Path) -> FsResult<Attributes> {
        attributes(&self.locate(path)?)
    }

    fn set_attributes(&mut self, path: &Path, change: &SetAttributes) -> FsResult<()> {
        self.check_writable()?;
        let located = self.locate(path)?;
        let kind = attributes(&located)?.kind;
        if let Some(size) = change.size {
            let file = self.open_regular(
                path,
                OpenMode {
                    write: true,
                    ..OpenMode::default()
                },
            )?;
            file.truncate(size)?;
        }
        if let Some(mode) = change.mode {
            if kind == Kind::Symlink {
                return Err(Errno::EOPNOTSUPP);
            }
            // The one way to change the mode of exactly what a descriptor names, readable or not.
            let magic = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&located));
            sys::chmod(magic, Mode::from_raw_mode(mode & MODE_BITS))?;
        }
        if let Some(times) = timestamps(change) {
            match path.split() {
                Ok((directory, name)) => {
                    let directory = self.locate(&directory)?;
                    sys::utimensat(&directory, name.as_bytes(), &times, AtFlags::SYMLINK_NOFOLLOW)?;
                }
                Err(_) => sys::utimensat(&self.root, ".", &times, AtFlags::SYMLINK_NOFOLLOW)?,
            }
        }
        // The owner stays: see above.
        Ok(())
    }

    fn open(&mut self, path: &Path, mode: OpenMode) -> FsResult<Box<dyn OpenFile>> {
        Ok(Box::new(self.open_regular(path, mode)?))
    }

    fn open_directory(&mut self, path: &Path) -> FsResult<Box<dyn OpenDirectory>> {
        Ok(Box::new(HostDirectory::new(
            self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?,
        )))
    }

    fn create(&mut self, path: &Path, mode: OpenMode, owner: Owner) -> FsResult<Box<dyn OpenFile>> {
        let (directory, name) = self.parent(path)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let access = if mode.read { OFlags::RDWR } else { OFlags::WRONLY };
        let bits = Mode::from_raw_mode(owner.mode & MODE_BITS);
        match sys::openat(&directory, name.as_bytes(), flags | access, bits) {
            Ok(file) => Ok(Box::new(HostFile::new(file, mode.append)?)),
            Err(rustix::io::Errno::EXIST) if !mode.exclusive => self.open(path, mode),
            Err(error) => Err(error.into()),
        }
    }

    fn make_directory(&mut self, path: &Path, owner: Owner) -> FsResult<()> {
        let (directory, name) = self.parent(path)?;
        Ok(sys::mkdirat(
            &directory,
            name.as_bytes(),
            Mode::from_raw_mode(owner.mode & MODE_BITS),
        )?)
    }

    fn symlink(&mut self, path: &Path, target: &[u8], _owner: Owner) -> FsResult<()> {
        let (directory, name) = self.parent(path)?;
        if target.is_empty() || target.contains(&0) {
            return Err(Errno::EINVAL);
        }
        Ok(sys::symlinkat(target, &directory, name.as_bytes())?)
    }

    fn read_link(&mut self, path: &Path) -> FsResult<Vec<u8>> {
        let link = self.locate(path)?;
        match sys::readlinkat(&link, "", Vec::new()) {
            Ok(target) => Ok(target.into_bytes()),
            // What Linux says of a descriptor that is no symbolic link.
            Err(rustix::io::Errno::NOENT) => Err(Errno::EINVAL),
            Err(error) => Err(error.into()),
        }
    }

    fn link(&mut self, path: &Path, new: &Path) -> FsResult<()> {
        let (from, from_name) = self.parent(path)?;
        let (to, to_name) = self.parent(new)?;
        Ok(sys::linkat(
            &from,
            from_name.as_bytes(),
            &to,
            to_name.as_bytes(),
            AtFlags::empty(),
        )?)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> FsResult<()> {
        let (from, from_name) = self.parent(from)?;
        let (to, to_name) = self.parent(to)?;
        Ok(sys::renameat(
            &from,
            from_name.as_bytes(),
            &to,
            to_name.as_bytes(),
        )?)
    }

    fn remove(&mut self, path: &Path, directory: bool) -> FsResult<()> {
        let (parent, name) = self.parent(path)?;
        let flags = if directory {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        Ok(sys::unlinkat(&parent, name.as_bytes(), flags)?)
    }

    fn statistics(&mut self) -> FsResult<Statistics> {
        let statistics = sys::fstatvfs(&self.root)?;
        Ok(Statistics {
            block_size: u32::try_from(statistics.f_frsize).unwrap_or(4096),
            blocks: statistics.f_blocks,
            free: statistics.f_bfree,
            available: statistics.f_bavail,
            files: statistics.f_files,
            files_free: statistics.f_ffree,
            name_length: super::path::NAME_MAX as u32,
        })
    }
}

impl From<rustix::io::Errno> for Errno {
    fn from(error: rustix::io::Errno) -> Self {
        Self(error.raw_os_error().unsigned_abs())
    }
}

fn check_regular(attributes: &Attributes) -> FsResult<()> {
    match attributes.kind {
        Kind::File => Ok(()),
        Kind::Directory => Err(Errno::EISDIR),
        Kind::Symlink => Err(Errno::ELOOP),
        Kind::Other => Err(Errno::EACCES),
    }
}

/// Attributes of what a descriptor names.
fn attributes(fd: impl AsFd) -> FsResult<Attributes> {
    let stat = sys::fstat(fd)?;
    let kind = kind_of(FileType::from_raw_mode(stat.st_mode));
    let time = |seconds: i64, nanos| Time {
        seconds: u64::try_from(seconds).unwrap_or(0),
        nanos: u32::try_from(nanos).unwrap_or(0),
    };
    Ok(Attributes {
        inode: inode(stat.st_dev, stat.st_ino),
        kind,
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        #[allow(
            clippy::useless_conversion,
            reason = "the width of these differs between hosts"
        )]
        links: stat.st_nlink.into(),
        device: stat.st_rdev,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        accessed: time(stat.st_atime, stat.st_atime_nsec),
        modified: time(stat.st_mtime, stat.st_mtime_nsec),
        changed: time(stat.st_ctime, stat.st_ctime_nsec),
    })
}

/// One number for a file of any file system mounted in the share: the guest sees a single one.
fn inode(device: u64, inode: u64) -> u64 {
    inode ^ device.wrapping_mul(0x9e37_79b9_7f4a_7c15) << 40
}

fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    }
}

/// The time stamps to set, if there are any.
fn timestamps(change: &SetAttributes) -> Option<sys::Timestamps> {
    let stamp = |change: Option<SetTime>| match change {
        None => sys::Timespec {
            tv_sec: 0,
            tv_nsec: sys::UTIME_OMIT,
        },
        Some(SetTime::Now) => sys::Timespec {
            tv_sec: 0,
            tv_nsec: sys::UTIME_NOW,
        },
        Some(SetTime::At(time)) => sys::Timespec {
            tv_sec: i64::try_from(time.seconds).unwrap_or(i64::MAX),
            tv_nsec: time.nanos.min(999_999_999).into(),
        },
    };
    (change.accessed.is_some() || change.modified.is_some()).then(|| sys::Timestamps {
        last_access: stamp(change.accessed),
        last_modification: stamp(change.modified),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// With and without `openat2`: links above the last name lead nowhere, and the last one is itself.
    #[test]
    fn both_ways_of_resolving_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let share = dir.path().join("share");
        fs::create_dir_all(share.join("a/b")).unwrap();
        fs::write(share.join("a/b/file"), b"12345").unwrap();
        fs::write(dir.path().join("secret"), b"secret").unwrap();
        symlink("..", share.join("a/up")).unwrap();
        symlink(dir.path(), share.join("out")).unwrap();
        for openat2 in [true, false] {
            let mut files = HostFs::new(&share, false).unwrap();
            files.openat2 &= openat2;
            let mut kind = |path| {
                files
                    .attributes(&Path::parse(path).unwrap())
                    .map(|found| found.kind)
            };
            assert_eq!(kind("a/b/file"), Ok(Kind::File));
            assert_eq!(kind(""), Ok(Kind::Directory));
            assert_eq!(kind("a/up"), Ok(Kind::Symlink));
            assert_eq!(kind("out"), Ok(Kind::Symlink));
            for path in ["a/up/a", "out/secret", "out/share/a", "a/b/file/x"] {
                assert!(kind(path).is_err(), "{path}");
            }
            assert!(
                files
                    .open(&Path::parse("out").unwrap(), OpenMode::default())
                    .is_err()
            );
        }
    }
}
