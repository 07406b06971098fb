//! Removing point sources.
