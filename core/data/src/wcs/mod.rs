//! World coordinates: from the pixels of an image to the sky and back.
//!
//! # What is read
//!
//! | part | supported |
//! |---|---|
//! | projections | TAN, SIN (also slant), ARC, ZPN (PV, or the older PROJP), CAR; longitude or latitude first |
//! | distortion | SIP (orders to 9), TPV (order 7), SCAMP's PV terms under CTYPE TAN |
//! | matrix | CDi_j; PCi_j with CDELT; CDELT with CROTA of the latitude axis |
//! | pole | LONPOLE, LATPOLE, PVi_3 and PVi_4 of the longitude axis |
//! | frames | ICRS, FK5 of any equinox, galactic; by RADESYS (or RADECSYS), EQUINOX (or EPOCH), CTYPE |
//! | plates | the plate solution of the Digitized Sky Survey (PLTRA.., AMDX, AMDY) |
//!
//! Anything else gives a [`WcsError`] that names the cards and what is supported; an image without a usable WCS is still
//! an image. Only the first two axes count, and only the primary description (CTYPE1, not CTYPE1A).
//!
//! # How
//!
//! pixel - CRPIX, SIP, matrix, TPV - projection plane - projection - native sphere - rotation - the header's frame -
//! rotation - ICRS, after Greisen & Calabretta 2002 (A&A 395, 1061) and Calabretta & Greisen 2002 (A&A 395, 1077).
//! Positions on spheres are unit vectors, which have no weak points near poles. Inverses of polynomials are damped Newton
//! iterations on the forward polynomial; SIP's own inverse (AP, BP) is only a fit and is carried on but not used.
//!
//! # Choices where the conventions leave room
//!
//! - TAN with any PV term of number 5 or more is TPV, and SIP terms beside it are ignored; TAN-SIP with such terms is SIP.
//! - SIP coefficients count even when CTYPE lacks the suffix `-SIP`.
//! - A missing PVi_1 of TPV is 1, as the convention says, so that no term means no distortion.
//! - CD beside PC must say the same. CDELT and CROTA beside CD are ignored.
//! - A header with CTYPE but without any pixel scale is refused: the standard's default of 1 degree is never meant.
//! - FK4 is refused: a conversion needs the epoch of observation.

mod error;
mod frame;
mod keywords;
mod linear;
mod newton;
mod plate;
mod projection;
mod read;
mod read_distortion;
mod read_frame;
mod read_plate;
mod sip;
mod sphere;
mod system;
mod tpv;
mod write;
mod zpn;

pub use error::WcsError;
pub use frame::CelestialFrame;
pub use system::Wcs;
