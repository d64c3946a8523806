//! `repoint verify`, and the client of registries below it.

mod bench;
mod egress;
mod hostile;
mod input;
mod secrets;
pub mod server;
pub mod store;
mod there;
mod way;
