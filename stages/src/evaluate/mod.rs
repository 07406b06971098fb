//! How well candidates agree with what is known.

pub mod contamination;
pub mod match_reference;
pub mod meets;
pub mod recovery;
