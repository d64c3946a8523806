//! Compiles `proto/`.

fn main() {}
