//! What guesses: where the guest looks next, and what hierarchy suits it. Nothing here changes what a look-up may answer.

mod access_pattern;
mod adaptive;
mod predictor;
mod prefetch;
#[cfg(test)]
mod tests;

pub use access_pattern::{AccessPattern, Pattern};
pub use adaptive::{Adaptive, Advice};
pub use predictor::Ahead;
pub use prefetch::Prefetcher;
