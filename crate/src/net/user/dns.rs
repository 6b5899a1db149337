//! The little of DNS (RFC 1035) that is answered here: names of the host, and "no resolver" when there is none.
//!
//! Everything else is forwarded unread, see `udp`.

use super::GATEWAY;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;
/// Flags of an answer: response, recursion available; to be joined with the query's own "recursion desired".
const RESPONSE: u16 = 0x8080;
const AUTHORITATIVE: u16 = 0x0400;
const RECURSION_DESIRED: u16 = 0x0100;
const SERVER_FAILURE: u16 = 2;
const TTL_SECONDS: u32 = 300;

/// The answer to `query` if it is one question about a name that means the host itself.
pub fn local_answer(query: &[u8]) -> Option<Vec<u8>> {
    let question = Question::parse(query)?;
    let is_host = ["host", "gateway"].iter().any(|name| question.is_name(name));
    if !is_host || question.class != CLASS_IN {
        return None;
    }
    // For other types the name exists but has nothing: an answer with no records.
    let found = matches!(question.kind, TYPE_A | TYPE_ANY);
    let mut answer = answer(query, question.end, AUTHORITATIVE, u16::from(found));
    if found {
        answer.extend([0xc0, HEADER as u8]); // a pointer to the name in the question
        answer.extend(TYPE_A.to_be_bytes());
        answer.extend(CLASS_IN.to_be_bytes());
        answer.extend(TTL_SECONDS.to_be_bytes());
        answer.extend(4u16.to_be_bytes());
        answer.extend(GATEWAY.octets());
    }
    Some(answer)
}

/// "Server failure" for `query`, if it is a query at all.
pub fn failure(query: &[u8]) -> Option<Vec<u8>> {
    let question = Question::parse(query)?;
    Some(answer(query, question.end, SERVER_FAILURE, 0))
}

/// Header and question of an answer to `query`, whose question ends at `end`.
fn answer(query: &[u8], end: usize, flags: u16, records: u16) -> Vec<u8> {
    let desired = read_u16(query, 2).unwrap_or(0) & RECURSION_DESIRED;
    let mut bytes = query[..end].to_vec();
    for (field, value) in [RESPONSE | desired | flags, 1, records, 0, 0]
        .into_iter()
        .enumerate()
    {
        bytes[2 + 2 * field..][..2].copy_from_slice(&value.to_be_bytes());
    }
    bytes
}

/// The only question of a query.
#[derive(Debug)]
struct Question<'a> {
    /// The labels with their lengths, without the empty one at the end.
    name: &'a [u8],
    kind: u16,
    class: u16,
    /// Where the question ends in the message; at least [`HEADER`].
    end: usize,
}

impl<'a> Question<'a> {
    /// `None` for what is not a query with one question without compression, which is all that clients send.
    fn parse(message: &'a [u8]) -> Option<Self> {
        let is_query = read_u16(message, 2)? & 0xf800 == 0;
        if !is_query || read_u16(message, 4)? != 1 {
            return None;
        }
        let mut at = HEADER;
        loop {
            let length = usize::from(*message.get(at)?);
            if length == 0 {
                break;
            }
            if length > 63 {
                return None;
            }
            at += 1 + length;
        }
        Some(Self {
            name: message.get(HEADER..at)?,
            kind: read_u16(message, at + 1)?,
            class: read_u16(message, at + 3)?,
            end: at + 5,
        })
    }

    /// Whether the name is the single label `label`.
    fn is_name(&self, label: &str) -> bool {
        self.name.split_first().is_some_and(|(&length, rest)| {
            usize::from(length) == rest.len() && rest.eq_ignore_ascii_case(label.as_bytes())
        })
    }
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(CLASS_IN.to_be_bytes());
        bytes
    }

    #[test]
    fn the_host_has_a_name() {
        let answer = local_answer(&query("HOST", TYPE_A)).unwrap();
        assert_eq!(answer[..8], [0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1]);
        assert_eq!(answer[answer.len() - 4..], GATEWAY.octets());
        let aaaa = local_answer(&query("gateway", 28)).unwrap();
        assert_eq!(read_u16(&aaaa, 6), Some(0));
        assert_eq!(local_answer(&query("host.example", TYPE_A)), None);
    }

    #[test]
    fn cut_queries_are_no_queries() {
        let whole = query("gateway", TYPE_A);
        for end in 0..whole.len() {
            assert_eq!(local_answer(&whole[..end]), None);
            assert_eq!(failure(&whole[..end]), None);
        }
        assert_eq!(failure(&whole).unwrap()[2..4], [0x81, 0x82]);
        let mut response = whole;
        response[2] |= 0x80;
        assert_eq!(failure(&response), None);
    }
}
