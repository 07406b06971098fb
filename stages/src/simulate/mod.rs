//! Planting simulated sources.

pub mod plummer;
