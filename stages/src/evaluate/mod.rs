//! How well a graph finds what is there.

pub mod recovery;
