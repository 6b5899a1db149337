//! A disk that is a file or block device of the host.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::{BlockBackend, BlockError, check_range};

/// Why a file cannot be a disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The host refused.
    #[error("cannot open disk {}: {error}", path.display())]
    Host {
        /// The file.
        path: PathBuf,
        /// The host's reason.
        error: std::io::Error,
    },
    /// Another machine writes it.
    #[error("disk {} is in use by another machine; open it read-only in both, or copy it", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

/// A disk that is a file.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
    len: u64,
    read_only: bool,
}

impl FileDisk {
    /// Opens `path`. A lock keeps two machines from writing the same disk.
    pub fn open(path: &Path, read_only: bool) -> Result<Self, OpenError> {
        let host = |error| OpenError::Host {
            path: path.to_owned(),
            error,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(!read_only)
            .open(path)
            .map_err(host)?;
        let lock = if read_only {
            file.try_lock_shared()
        } else {
            file.try_lock()
        };
        match lock {
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
                return Err(host(error));
            }
            _ => {}
        }
        // Unlike the metadata, this knows the size of block devices.
        let len = file.seek(SeekFrom::End(0)).map_err(host)?;
        Ok(Self { file, len, read_only })
    }

    fn check_write(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        if self.read_only {
            return Err(BlockError::ReadOnly);
        }
        check_range(self.len, offset, len)
    }

    fn punch(&self, flags: FallocateFlags, offset: u64, len: u64) -> Result<bool, BlockError> {
        if len == 0 {
            return Ok(true);
        }
        match fallocate(&self.file, flags | FallocateFlags::KEEP_SIZE, offset, len) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV) => Ok(false),
            Err(error) => Err(host_error(error.into())),
        }
    }
}

fn host_error(error: std::io::Error) -> BlockError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BlockError::Full,
        _ => BlockError::Host(error.to_string()),
    }
}

impl BlockBackend for FileDisk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        check_range(self.len, offset, into.len() as u64)?;
        self.file.read_exact_at(into, offset).map_err(host_error)
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        self.check_write(offset, from.len() as u64)?;
        self.file.write_all_at(from, offset).map_err(host_error)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        if self.read_only {
            return Ok(());
        }
        self.file.sync_data().map_err(host_error)
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check_write(offset, len)?;
        // A file system that cannot punch holes keeps the bytes, which is allowed.
        self.punch(FallocateFlags::PUNCH_HOLE, offset, len).map(drop)
    }

    fn write_zeroes(&mut self, offset: u64, len: u64, may_unmap: bool) -> Result<(), BlockError> {
        self.check_write(offset, len)?;
        let flags = if may_unmap {
            FallocateFlags::PUNCH_HOLE
        } else {
            FallocateFlags::ZERO_RANGE
        };
        if self.punch(flags, offset, len)? {
            return Ok(());
        }
        let zeroes = [0; 65536];
        let mut done = 0;
        while done < len {
            let now = (len - done).min(zeroes.len() as u64);
            self.write_at(offset + done, &zeroes[..now as usize])?;
            done += now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_last_and_ranges_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, vec![5; 8192]).unwrap();
        let mut disk = FileDisk::open(&path, false).unwrap();
        assert!(matches!(
            FileDisk::open(&path, false),
            Err(OpenError::InUse { .. })
        ));
        disk.write_at(4000, b"hello").unwrap();
        disk.write_zeroes(0, 1000, true).unwrap();
        disk.write_zeroes(1000, 1000, false).unwrap();
        disk.discard(4096 + 512, 512).unwrap();
        disk.flush().unwrap();
        assert!(matches!(
            disk.write_at(8190, b"hello"),
            Err(BlockError::OutOfRange { .. })
        ));
        assert!(matches!(
            disk.discard(u64::MAX, 2),
            Err(BlockError::OutOfRange { .. })
        ));
        drop(disk);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 8192);
        assert_eq!(&bytes[4000..4005], b"hello");
        assert!(bytes[..2000].iter().all(|&byte| byte == 0));
        let mut disk = FileDisk::open(&path, true).unwrap();
        assert_eq!(disk.write_at(0, b"x"), Err(BlockError::ReadOnly));
        disk.flush().unwrap();
    }

    #[test]
    fn a_file_that_was_cut_short_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, vec![5; 8192]).unwrap();
        let mut disk = FileDisk::open(&path, true).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(100)
            .unwrap();
        assert!(matches!(
            disk.read_at(4096, &mut [0; 512]),
            Err(BlockError::Host(_))
        ));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = FileDisk::open(Path::new("/nonexistent/disk"), true).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/disk"), "{error}");
    }
}
