//! The handlers of the messages, a group to a file. Each reads its message's fields first, in the order of the wire,
//! then acts, then writes the fields of the answer.

mod attributes;
mod directory;
mod file;
mod links;
mod session;
