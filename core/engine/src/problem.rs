//! What a stage finds wrong with its parameters and inputs before any pixel is read.

/// The place inside a node that a problem is about. The loader turns it into a line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A parameter, by name; a dotted path (`rules.2.when`) reaches inside.
    Param(String),
    /// An input port.
    Input(String),
    /// The node as a whole.
    Node,
}

/// One problem, in the four parts that every message of Skyloom has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageProblem {
    /// Stable code, in kebab case (`param-out-of-range`).
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// What to do.
    pub help: Option<String>,
}

/// Collects problems; a stage reports all that it finds.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<StageProblem>,
}

impl Problems {
    /// No problems yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports a problem with a parameter: its name, what was found, what was expected.
    pub fn param(&mut self, name: &str, found: impl std::fmt::Display, expected: &str) -> &mut StageProblem {
        self.push("param-out-of-range", Place::Param(name.to_owned()), found.to_string(), expected)
    }

    /// Reports a problem with what arrives at an input port.
    pub fn input(&mut self, port: &str, found: impl std::fmt::Display, expected: &str) -> &mut StageProblem {
        self.push("bad-input", Place::Input(port.to_owned()), found.to_string(), expected)
    }

    /// Reports any problem with its own code.
    pub fn push(&mut self, code: &'static str, place: Place, found: String, expected: &str) -> &mut StageProblem {
        self.list.push(StageProblem { code, place, found, expected: expected.to_owned(), help: None });
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    /// Reports a parameter outside `low..=high`, or NaN.
    pub fn require_range(&mut self, name: &str, value: f64, low: f64, high: f64) {
        if !(value >= low && value <= high) {
            self.param(name, value, &format!("a number from {low} to {high}"));
        }
    }

    /// Reports a parameter that is not greater than zero, or NaN or infinite.
    pub fn require_positive(&mut self, name: &str, value: f64) {
        if !(value > 0.0 && value.is_finite()) {
            self.param(name, value, "a finite number greater than 0");
        }
    }

    /// Whether nothing was reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What was reported, in order.
    #[must_use]
    pub fn into_list(self) -> Vec<StageProblem> {
        self.list
    }

    /// What was reported so far.
    #[must_use]
    pub fn list(&self) -> &[StageProblem] {
        &self.list
    }
}

impl StageProblem {
    /// Adds what to do.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Gives the problem a code of its own (`unknown-column`, `missing-file`, `not-fits`).
    pub fn code(&mut self, code: &'static str) -> &mut Self {
        self.code = code;
        self
    }
}
