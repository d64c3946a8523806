//! `repoint verify`, and the client of registries below it.

mod bench;
mod down;
mod egress;
mod handshake;
mod hostile;
mod input;
mod piped;
mod platform;
mod secrets;
pub mod server;
pub mod store;
mod there;
mod way;
