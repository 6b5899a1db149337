//! What a server answers to a request for a part of a file (RFC 9110, sections 14.4 and 15.3.7), and whether it is that.

use std::ops::Range;

use crate::storage::BlockError;

/// An answer, as the transport has it. Nothing in it is to be trusted.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Content-Range`.
    pub content_range: Option<String>,
    /// `ETag`, or `Last-Modified` without one.
    pub version: Option<String>,
    /// The body, not much longer than what was asked for.
    pub body: Vec<u8>,
}

/// The largest disk that is taken: byte numbers must be exact in JavaScript.
const MOST_BYTES: u64 = 1 << 53;

/// What is known of a file on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where it is.
    pub url: String,
    /// Its bytes.
    pub len: u64,
    /// What tells it apart from other contents at the same place.
    pub version: Option<String>,
}

impl RemoteFile {
    /// From what was answered to a request for the file's first byte.
    pub fn from_first(url: &str, answer: Answer) -> Result<Self, BlockError> {
        let (_, len) = part(url, &answer, 1)?;
        if len > MOST_BYTES {
            return Err(bad(url, &format!("says that the file has {len} bytes")));
        }
        Ok(RemoteFile {
            url: url.to_owned(),
            len,
            version: answer.version,
        })
    }

    /// The bytes, if they are those of `range`, and of the same file as before.
    pub fn check(&self, answer: Answer, range: &Range<u64>) -> Result<Vec<u8>, BlockError> {
        let (first, len) = part(&self.url, &answer, range.end - range.start)?;
        if len != self.len || answer.version != self.version {
            return Err(bad(
                &self.url,
                "has another file there now; start the machine again to use that one",
            ));
        }
        if first != range.start {
            return Err(bad(&self.url, "answered with another part of the file"));
        }
        Ok(answer.body)
    }
}

fn bad(url: &str, what: &str) -> BlockError {
    BlockError::Host(format!("the server of {url} {what}"))
}

/// The number of the first byte and the length of the whole file, if the answer is a part of `wanted` bytes.
fn part(url: &str, answer: &Answer, wanted: u64) -> Result<(u64, u64), BlockError> {
    match answer.status {
        206 => {}
        200 => return Err(bad(url, "serves whole files only, no parts (Range)")),
        416 => return Err(bad(url, "says that the file is shorter (416)")),
        status => return Err(bad(url, &format!("answered {status}"))),
    }
    let Some(text) = &answer.content_range else {
        return Err(bad(
            url,
            "does not say which part it serves: Content-Range is missing, or not exposed to other sites",
        ));
    };
    let numbers = content_range(text)
        .ok_or_else(|| bad(url, &format!("sent a Content-Range that says nothing: {text:?}")))?;
    let (range, len) = numbers;
    if range.end - range.start != wanted || answer.body.len() as u64 != wanted {
        return Err(bad(
            url,
            &format!("sent {} bytes instead of {wanted}", answer.body.len()),
        ));
    }
    Ok((range.start, len))
}

/// `bytes FIRST-LAST/LENGTH`.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, len) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last, len) = (number(first)?, number(last)?, number(len)?);
    (first <= last && last < len).then_some((first..last + 1, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content_range: &str, bytes: usize) -> Answer {
        Answer {
            status: 206,
            content_range: Some(content_range.to_owned()),
            version: Some("\"1\"".to_owned()),
            body: vec![7; bytes],
        }
    }

    #[test]
    fn parts_that_fit_are_taken() {
        let file = RemoteFile::from_first("u", answer("bytes 0-0/1000", 1)).unwrap();
        assert_eq!(file.len, 1000);
        assert_eq!(
            file.check(answer("bytes 10-19/1000", 10), &(10..20)),
            Ok(vec![7; 10])
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_in_words() {
        let file = RemoteFile::from_first("u", answer("bytes 0-0/1000", 1)).unwrap();
        let says = |answer: Answer, word: &str| {
            let error = file.check(answer, &(10..20)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        says(answer("bytes 10-19/1001", 10), "another file");
        says(answer("bytes 11-20/1000", 10), "another part");
        says(answer("bytes 10-19/1000", 9), "9 bytes instead of 10");
        says(answer("bytes 10-30/1000", 10), "instead of 10");
        for nonsense in [
            "",
            "bytes 19-10/1000",
            "bytes 10-19/5",
            "bytes 10-19/*",
            "lines 1-2/3",
            "bytes -/",
        ] {
            says(answer(nonsense, 10), "says nothing");
        }
        let changed = Answer {
            version: None,
            ..answer("bytes 10-19/1000", 10)
        };
        says(changed, "another file");
        for (status, word) in [(200, "whole files"), (404, "404"), (416, "shorter")] {
            says(
                Answer {
                    status,
                    ..answer("bytes 10-19/1000", 10)
                },
                word,
            );
        }
        says(
            Answer {
                content_range: None,
                ..answer("", 10)
            },
            "Content-Range is missing",
        );
        assert!(RemoteFile::from_first("u", answer(&format!("bytes 0-0/{}", u64::MAX), 1)).is_err());
    }
}
