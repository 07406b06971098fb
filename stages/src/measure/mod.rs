//! Measures of isophotes.
