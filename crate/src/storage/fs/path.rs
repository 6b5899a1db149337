//! Names and paths that cannot lead out of a shared tree.

use super::{Errno, FsResult};

/// Longest name in bytes, as on Linux.
pub const NAME_MAX: usize = 255;
/// Longest path in bytes, counting a separator per name, as on Linux.
const PATH_MAX: usize = 4096;

/// The name of a directory entry: not empty, not `.` or `..`, no `/`, no NUL, at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Checks `bytes`.
    pub fn new_checked(bytes: &[u8]) -> FsResult<Self> {
        if bytes.len() > NAME_MAX {
            Err(Errno::ENAMETOOLONG)
        } else if matches!(bytes, b"" | b"." | b"..") || bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
            Err(Errno::EINVAL)
        } else {
            Ok(Self(bytes.into()))
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A place in a tree: the names from its root down. The root itself is the empty path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path {
    names: Vec<Name>,
    bytes: usize,
}

impl Path {
    /// The root of the tree.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path given as text, with `/` between names. For the host's side; a guest's names come one by one.
    pub fn parse(text: &str) -> FsResult<Self> {
        let mut path = Self::root();
        for name in text.split('/').filter(|name| !name.is_empty()) {
            path = path.child(Name::new_checked(name.as_bytes())?)?;
        }
        Ok(path)
    }

    /// The names from the root down.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// The entry `name` of this directory.
    pub fn child(&self, name: Name) -> FsResult<Self> {
        let mut path = self.clone();
        path.push(name)?;
        Ok(path)
    }

    fn push(&mut self, name: Name) -> FsResult<()> {
        self.bytes += name.0.len() + 1;
        if self.bytes >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        self.names.push(name);
        Ok(())
    }

    /// The directory this is in, and its name there. The root has neither: it cannot be moved or removed.
    pub fn split(&self) -> FsResult<(Self, &Name)> {
        let (name, directory) = self.names.split_last().ok_or(Errno::EBUSY)?;
        Ok((
            Self {
                names: directory.to_vec(),
                bytes: self.bytes - name.0.len() - 1,
            },
            name,
        ))
    }

    /// Whether this is `ancestor` or below it.
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        self.names.starts_with(&ancestor.names)
    }

    /// Where this is after what is at `from` moved to `to`; `None` if it was not at or below `from`, or the new path is
    /// too long to be one.
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        let below = self.names.strip_prefix(from.names.as_slice())?;
        let mut path = to.clone();
        below.iter().try_for_each(|name| path.push(name.clone())).ok()?;
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in [
            &b""[..],
            b".",
            b"..",
            b"/",
            b"a/b",
            b"/etc",
            b"a\0b",
            b"../x",
            &[b'x'; 256],
        ] {
            assert!(Name::new_checked(bad).is_err(), "{bad:?}");
        }
        for good in [&b"..."[..], b"a", b"\xff", &[b'x'; 255]] {
            assert!(Name::new_checked(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn paths_move_with_their_directories_and_stay_bounded() {
        let path = |text| Path::parse(text).unwrap();
        assert_eq!(path("a/b/c").moved(&path("a/b"), &path("x")), Some(path("x/c")));
        assert_eq!(path("a/bc").moved(&path("a/b"), &path("x")), None);
        assert_eq!(path("a").split().unwrap().0, Path::root());
        assert_eq!(Path::root().split(), Err(Errno::EBUSY));
        let long = vec!["x".repeat(255); 16].join("/");
        assert_eq!(Path::parse(&long), Err(Errno::ENAMETOOLONG));
    }
}
