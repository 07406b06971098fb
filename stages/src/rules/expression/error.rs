//! What is wrong with an expression, and where.

use std::ops::Range;

/// One problem of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    /// Stable code: `expression-syntax`, `expression-type`, `unknown-column`.
    pub code: &'static str,
    /// Bytes of the expression that the problem is about; empty at its end when something is missing there.
    pub at: Range<usize>,
    /// What was found there.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// What to do; often the nearest known name.
    pub help: Option<String>,
}

impl ExpressionError {
    pub(super) fn syntax(at: Range<usize>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { code: "expression-syntax", at, found: found.into(), expected: expected.into(), help: None }
    }

    pub(super) fn of_type(at: Range<usize>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { code: "expression-type", at, found: found.into(), expected: expected.into(), help: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What was found, with its byte position in the expression: `"r_ligth" at byte 4 of "2 * r_ligth < 3"`.
    #[must_use]
    pub fn found_in(&self, text: &str) -> String {
        format!("{} at byte {} of {text:?}", self.found, self.at.start)
    }
}

impl std::fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "found {} at byte {}; expected {}", self.found, self.at.start, self.expected)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ExpressionError {}
