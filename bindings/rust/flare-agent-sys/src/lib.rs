//! The C interface of libflare_agent as it is: `flare_agent.h` and `flare_exchanger.h` say what it means. Users of Rust
//! want the crate `flare-agent`.
#![allow(non_camel_case_types)]

#[rustfmt::skip]
mod generated;
pub use generated::*;

/// The version of the headers that this crate was made from, comparable with [`flare_version`].
pub const FLARE_VERSION: u32 = (FLARE_VERSION_MAJOR << 16) | (FLARE_VERSION_MINOR << 8) | FLARE_VERSION_PATCH;
pub const FLARE_WAIT_FOREVER: i64 = -1;
pub const FLARE_NO_STEP: i64 = -1;
