//! Why a header's world coordinates cannot be used.

/// A header describes world coordinates that cannot be used. Work in pixels goes on without them.
///
/// Every message names the cards, what they hold, what is expected, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WcsError {
    /// The projection or solution is not supported; pixel-only work goes on.
    #[error("{0}")]
    Unsupported(String),
    /// The cards contradict each other.
    #[error("{0}")]
    Invalid(String),
}

/// What every "not supported" message ends with.
pub(crate) const PIXELS_ONLY: &str =
    "positions stay in pixels; to have sky coordinates, refit the frame to one of these";

impl WcsError {
    pub(crate) fn unsupported(found: impl std::fmt::Display, supported: &str) -> Self {
        Self::Unsupported(format!("{found}; supported: {supported}; {PIXELS_ONLY}"))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
}
