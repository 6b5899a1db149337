//! Linux's error numbers, which are what 9p2000.L puts on the wire.

use std::fmt;

/// An error number of Linux (those of the generic table, the same on all hosts here).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub u32);

macro_rules! numbers {
    ($($name:ident $number:literal $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($number);)*

            fn text(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "error",
                }
            }
        }
    };
}

numbers! {
    EPERM 1 "operation not permitted";
    ENOENT 2 "no such file or directory";
    EIO 5 "input/output error";
    EBADF 9 "bad file descriptor";
    ENOMEM 12 "out of memory";
    EACCES 13 "permission denied";
    EBUSY 16 "device or resource busy";
    EEXIST 17 "file exists";
    ENOTDIR 20 "not a directory";
    EISDIR 21 "is a directory";
    EINVAL 22 "invalid argument";
    EMFILE 24 "too many open files";
    EFBIG 27 "file too large";
    ENOSPC 28 "no space left on device";
    EROFS 30 "read-only file system";
    EMLINK 31 "too many links";
    ENAMETOOLONG 36 "file name too long";
    ENOSYS 38 "function not implemented";
    ENOTEMPTY 39 "directory not empty";
    ELOOP 40 "too many levels of symbolic links";
    ENODATA 61 "no data available";
    EPROTO 71 "protocol error";
    EMSGSIZE 90 "message too long";
    EOPNOTSUPP 95 "operation not supported";
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (errno {})", self.text(), self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Errno {}
