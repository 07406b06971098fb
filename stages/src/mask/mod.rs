//! Masks of surveys, as bits of the mask plane.

pub mod copy;
pub mod sdss_fpm;
