//! Open files and directories of a shared directory.

use std::mem::MaybeUninit;

use rustix::fd::OwnedFd;
use rustix::fs::{self as sys, Mode, RawDir, SeekFrom};
use rustix::io;

use super::super::{Attributes, Entry, Errno, FsResult, OpenDirectory, OpenFile, SetAttributes};
use super::{MODE_BITS, attributes, check_regular, kind_of, timestamps};

/// An open regular file.
#[derive(Debug)]
pub(super) struct HostFile {
    file: OwnedFd,
    append: bool,
}

impl HostFile {
    /// Takes a descriptor, which must be of a regular file.
    pub fn new(file: OwnedFd, append: bool) -> FsResult<Self> {
        check_regular(&attributes(&file)?)?;
        Ok(Self { file, append })
    }

    pub fn truncate(&self, size: u64) -> FsResult<()> {
        Ok(sys::ftruncate(&self.file, size)?)
    }
}

impl OpenFile for HostFile {
    fn attributes(&mut self) -> FsResult<Attributes> {
        attributes(&self.file)
    }

    fn set_attributes(&mut self, change: &SetAttributes) -> FsResult<()> {
        if let Some(size) = change.size {
            self.truncate(size)?;
        }
        if let Some(mode) = change.mode {
            sys::fchmod(&self.file, Mode::from_raw_mode(mode & MODE_BITS))?;
        }
        if let Some(times) = timestamps(change) {
            sys::futimens(&self.file, &times)?;
        }
        Ok(())
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> FsResult<usize> {
        let mut done = 0;
        while done < into.len() {
            match io::pread(&self.file, &mut into[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn write(&mut self, offset: u64, from: &[u8]) -> FsResult<usize> {
        let offset = if self.append {
            attributes(&self.file)?.size
        } else {
            offset
        };
        let mut done = 0;
        while done < from.len() {
            match io::pwrite(&self.file, &from[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(io::Errno::INTR) => {}
                // What was written counts; the next write reports the error again.
                Err(_) if done > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn sync(&mut self, data_only: bool) -> FsResult<()> {
        let outcome = if data_only {
            sys::fdatasync(&self.file)
        } else {
            sys::fsync(&self.file)
        };
        Ok(outcome?)
    }
}

/// An open directory. Cookies are the host's own, which stay good while entries come and go.
#[derive(Debug)]
pub(super) struct HostDirectory {
    directory: OwnedFd,
}

impl HostDirectory {
    pub fn new(directory: OwnedFd) -> Self {
        Self { directory }
    }
}

impl OpenDirectory for HostDirectory {
    fn attributes(&mut self) -> FsResult<Attributes> {
        attributes(&self.directory)
    }

    fn entries(&mut self, cookie: u64, each: &mut dyn FnMut(Entry<'_>) -> bool) -> FsResult<()> {
        if i64::try_from(cookie).is_err() {
            return Err(Errno::EINVAL);
        }
        sys::seek(&self.directory, SeekFrom::Start(cookie))?;
        let mut buffer = [const { MaybeUninit::uninit() }; 8192];
        let mut entries = RawDir::new(&self.directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let more = each(Entry {
                inode: entry.ino(),
                kind: kind_of(entry.file_type()),
                cookie: entry.next_entry_cookie(),
                name: entry.file_name().to_bytes(),
            });
            if !more {
                break;
            }
        }
        Ok(())
    }
}
