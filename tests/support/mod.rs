//! The words that the tests are written in: a private node with a real runtime, a runtime that does what no real one can
//! be made to do, clients (one that is a kubelet, one that sees what is on the wire, one that speaks HTTP/2 as no
//! library does), and the program under test, free or confined as its unit confines it.

pub mod admin;
pub mod caller;
pub mod catalogue;
pub mod confined;
pub mod echo;
pub mod grpc;
pub mod hpack;
pub mod http2;
pub mod journal;
pub mod kubelet;
pub mod left;
pub mod log;
pub mod manager;
pub mod page;
pub mod pair;
pub mod python;
pub mod repoint;
pub mod somebody;
pub mod standin;
pub mod unit;
pub mod world;
pub mod yaml;
