//! Finding point sources.
