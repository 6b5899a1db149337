//! The network against a guest that is itself a smoltcp interface, frame by frame, and against hostile frames.
//! All servers are on the host's loopback.

mod frames;
mod guest;
mod hostile;
mod tcp;
mod udp;
