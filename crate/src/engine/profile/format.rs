//! A profile as bytes: `TABVPROF`, a version, a check sum of the rest (each little-endian), and the pages, as postcard has
//! them. Bytes may come from anybody.

use serde::{Deserialize, Serialize};

use super::{At, MOST_PAGES, MOST_TARGETS, PageProfile, Profile, contents};
use crate::mem::PAGE_SIZE;

const MAGIC: &[u8; 8] = b"TABVPROF";
/// Changes whenever a profile of before would be misread.
const VERSION: u32 = 1;
const HEADER: usize = 20;

/// Most bytes that a profile may have. Boots of Linux leave some hundred kilobytes.
pub const MOST_BYTES: usize = 4 << 20;

/// Why bytes are no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// They begin otherwise.
    #[error("it is no profile of Tabvisor's")]
    NotOne,
    /// Another version of Tabvisor wrote it.
    #[error(
        "it is a profile of format {0}, this program reads format {VERSION}; remove it and a new one will be made"
    )]
    Version(u32),
    /// More than there ever is.
    #[error("it is {0} bytes long, a profile has at most {MOST_BYTES}")]
    TooLong(u64),
    /// The check sum is wrong, or the rest is not what it should be.
    #[error("it is damaged: {0}; remove it and a new one will be made")]
    Damaged(&'static str),
}

/// A page as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    contents: u64,
    page: PageProfile,
}

impl Profile {
    /// The profile as bytes, at most [`MOST_BYTES`]: what was met longest ago is left out if there is more.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut pages: Vec<_> = self.pages.iter().collect();
        pages.sort_unstable_by_key(|(contents, page)| (page.age, **contents));
        let mut body = Vec::new();
        let mut count = 0_u32;
        for (&contents, page) in pages {
            let stored = Stored {
                contents,
                page: page.clone(),
            };
            let Ok(bytes) = postcard::to_allocvec(&stored) else {
                continue;
            };
            // Five bytes for the count.
            if HEADER + 5 + body.len() + bytes.len() > MOST_BYTES {
                break;
            }
            body.extend_from_slice(&bytes);
            count += 1;
        }
        let mut payload = postcard::to_allocvec(&count).unwrap_or_default();
        payload.append(&mut body);
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&contents(&payload).to_le_bytes());
        bytes.append(&mut payload);
        bytes
    }

    /// The profile that [`Self::to_bytes`] made the bytes of.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProfileError> {
        if bytes.len() > MOST_BYTES {
            return Err(ProfileError::TooLong(bytes.len() as u64));
        }
        let Some((header, payload)) = bytes.split_at_checked(HEADER) else {
            return Err(ProfileError::NotOne);
        };
        let (magic, rest) = header.split_at(MAGIC.len());
        let (version, sum) = rest.split_at(4);
        if magic != MAGIC {
            return Err(ProfileError::NotOne);
        }
        let version = u32::from_le_bytes(version.try_into().unwrap_or_default());
        if version != VERSION {
            return Err(ProfileError::Version(version));
        }
        if contents(payload).to_le_bytes() != sum {
            return Err(ProfileError::Damaged("its check sum is wrong"));
        }
        let damaged = ProfileError::Damaged("a page cannot be read");
        let (count, mut rest) = postcard::take_from_bytes::<u32>(payload)
            .map_err(|_| ProfileError::Damaged("it is too short"))?;
        if count as usize > MOST_PAGES {
            return Err(ProfileError::Damaged("it has more pages than there can be"));
        }
        let mut profile = Profile::default();
        for _ in 0..count {
            let stored;
            (stored, rest) = postcard::take_from_bytes::<Stored>(rest).map_err(|_| damaged.clone())?;
            if !is_sound(&stored.page) {
                return Err(ProfileError::Damaged("a page says what cannot be"));
            }
            profile.pages.insert(stored.contents, stored.page);
        }
        if !rest.is_empty() {
            return Err(ProfileError::Damaged("there is more than its pages"));
        }
        Ok(profile)
    }
}

/// Whether offsets are ones of instructions, in ascending order, which look-ups rely on.
fn is_sound(page: &PageProfile) -> bool {
    fn sorted(offsets: impl Iterator<Item = u16> + Clone) -> bool {
        offsets.clone().is_sorted_by(|a, b| a < b)
            && offsets
                .into_iter()
                .all(|offset| u64::from(offset) < PAGE_SIZE && offset & 1 == 0)
    }
    sorted(page.entries.iter().map(At::offset))
        && sorted(page.arrived.iter().copied())
        && sorted(page.branches.iter().map(At::offset))
        && sorted(page.jumps.iter().map(At::offset))
        && page.jumps.iter().all(|jump| jump.targets.len() <= MOST_TARGETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        let mut profile = Profile::default();
        for page in 0..50 {
            let contents = contents(&[page]);
            for at in 0..u16::from(page) {
                profile.note_entry(contents, at * 6, at % 3 == 0);
                profile.note_branch(contents, at * 6 + 2, at % 2 == 0);
                profile.note_jump(contents, at * 6 + 4, i64::from(at) * 1000 - 20_000);
            }
            profile.note_arrivals(contents, (0..u16::from(page)).map(|at| at * 2));
        }
        profile
    }

    /// With the check sum that the bytes should have.
    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let sum = contents(&bytes[HEADER..]);
        bytes[12..HEADER].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn bytes_give_the_profile_back() {
        let profile = profile();
        let bytes = profile.to_bytes();
        assert_eq!(Profile::from_bytes(&bytes), Ok(profile.clone()));
        assert_eq!(bytes, profile.to_bytes(), "the same every time");
        let empty = Profile::default();
        assert_eq!(Profile::from_bytes(&empty.to_bytes()), Ok(empty));
    }

    #[test]
    fn other_bytes_are_refused_in_words() {
        let good = profile().to_bytes();
        let of = |bytes: &[u8]| Profile::from_bytes(bytes).unwrap_err();
        assert_eq!(of(b""), ProfileError::NotOne);
        assert_eq!(of(&[0; 4096]), ProfileError::NotOne);
        assert_eq!(of(&vec![0; MOST_BYTES + 1]), ProfileError::TooLong(4_194_305));
        let mut newer = good.clone();
        newer[8] = 9;
        assert_eq!(of(&newer), ProfileError::Version(9));
        for at in HEADER..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 4;
            assert_eq!(of(&bad), ProfileError::Damaged("its check sum is wrong"));
        }
        let cut = sealed(good[..good.len() - 1].to_vec());
        assert_eq!(of(&cut), ProfileError::Damaged("a page cannot be read"));
        let mut long = good.clone();
        long.push(0);
        assert_eq!(
            of(&sealed(long)),
            ProfileError::Damaged("there is more than its pages")
        );
        let mut many = good[..HEADER].to_vec();
        many.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(
            of(&sealed(many)),
            ProfileError::Damaged("it has more pages than there can be")
        );
    }

    #[test]
    fn forged_bytes_with_a_good_check_sum_do_no_harm() {
        let good = profile().to_bytes();
        for at in HEADER..good.len() {
            for value in [0, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                if let Ok(profile) = Profile::from_bytes(&sealed(bad)) {
                    assert_eq!(Profile::from_bytes(&profile.to_bytes()), Ok(profile));
                }
            }
        }
    }

    #[test]
    fn offsets_that_are_none_are_refused() {
        for offset in [1, 4096] {
            let mut profile = Profile::default();
            profile.note_entry(7, offset, false);
            assert_eq!(
                Profile::from_bytes(&profile.to_bytes()),
                Err(ProfileError::Damaged("a page says what cannot be"))
            );
        }
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let mut profile = Profile::default();
        for page in 0..MOST_PAGES as u64 {
            profile.note_page(page);
            profile.note_arrivals(page, (0..2048).map(|at| at * 2));
        }
        let bytes = profile.to_bytes();
        assert!(bytes.len() <= MOST_BYTES);
        let read = Profile::from_bytes(&bytes).unwrap();
        assert!(
            read.len() > 500 && read.len() < MOST_PAGES,
            "{} pages",
            read.len()
        );
    }
}
