//! Contours of images.
