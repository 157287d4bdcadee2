//! The `moltproof` command. It never decides anything the library does not.

fn main() {}
