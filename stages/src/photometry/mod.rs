//! Photometry inside isophotes.
