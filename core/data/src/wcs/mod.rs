//! World coordinates.

/// A world coordinate system.
#[derive(Debug, Clone, PartialEq)]
pub struct Wcs {}
