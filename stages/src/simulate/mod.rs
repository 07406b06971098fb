//! Planting simulated sources.
