//! Pictures.

pub mod overview;
