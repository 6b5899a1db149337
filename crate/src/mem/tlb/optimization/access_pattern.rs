//! What order pages are asked for in.

/// What the latest pages had in common. Pages are counted in units of 4 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Too little was seen.
    Unknown,
    /// One page after the other, upwards or downwards.
    Sequential {
        /// 1 or -1.
        step: i64,
    },
    /// Always the same number of pages further.
    Strided {
        /// That number, neither 0, 1 nor -1.
        step: i64,
    },
    /// None of these.
    Random,
}

/// Sequences that are followed side by side: a copy has two, and the stack stands between them.
const STREAMS: usize = 4;
/// Pages between two of the same sequence at most.
const NEAR: i64 = 64;
/// Equal steps in a row that make a pattern.
const ENOUGH: u8 = 2;
/// Steps in a row that were not equal to the one before: there is none.
const TOO_MANY: u8 = 4;

#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    last: u64,
    step: i64,
    equal: u8,
    unequal: u8,
    /// When it was met last.
    met: u64,
}

/// Follows the pages that are asked for.
#[derive(Debug, Default)]
pub struct AccessPattern {
    streams: [Stream; STREAMS],
    now: u64,
}

impl AccessPattern {
    /// The page with this number is asked for: what the sequence that it belongs to looks like.
    pub fn observe(&mut self, page: u64) -> Pattern {
        self.now += 1;
        let step_to = |stream: &Stream| page.wrapping_sub(stream.last) as i64;
        let near = self.streams.iter_mut().filter(|stream| stream.met != 0);
        let near = near.min_by_key(|stream| {
            // The one that expected this page comes first, then the nearest.
            let step = step_to(stream);
            (step != stream.step, step.unsigned_abs())
        });
        let stream = match near {
            Some(stream) if step_to(stream).unsigned_abs() <= NEAR.unsigned_abs() => stream,
            _ => {
                let [first, rest @ ..] = &mut self.streams;
                let oldest = rest.iter_mut().fold(
                    first,
                    |oldest, other| {
                        if other.met < oldest.met { other } else { oldest }
                    },
                );
                *oldest = Stream {
                    last: page,
                    met: self.now,
                    ..Stream::default()
                };
                return Pattern::Unknown;
            }
        };
        let step = step_to(stream);
        stream.met = self.now;
        if step != 0 {
            stream.last = page;
            if step == stream.step {
                stream.equal = stream.equal.saturating_add(1);
                stream.unequal = 0;
            } else {
                *stream = Stream {
                    step,
                    equal: 1,
                    unequal: stream.unequal.saturating_add(1),
                    ..*stream
                };
            }
        }
        match stream.step {
            step if stream.equal >= ENOUGH && step.unsigned_abs() == 1 => Pattern::Sequential { step },
            step if stream.equal >= ENOUGH => Pattern::Strided { step },
            _ if stream.unequal >= TOO_MANY => Pattern::Random,
            _ => Pattern::Unknown,
        }
    }
}
