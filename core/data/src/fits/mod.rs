//! FITS files.
