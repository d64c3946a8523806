//! repoint: a CRI proxy that changes one thing, the registry an image is pulled from.

pub mod cri;
pub mod wire;
