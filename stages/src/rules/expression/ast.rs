//! A parsed expression.

use std::ops::Range;

use super::error::ExpressionError;
use super::parser;

/// A parsed condition over the columns of a table; see the [module](super) for the language.
///
/// ```
/// use skyloom_stages::rules::expression::Expression;
/// let rule = Expression::parse("r_light < 2 * fwhm_local and n_masked == 0")?;
/// assert_eq!(rule.columns(), ["r_light", "fwhm_local", "n_masked"]);
/// # Ok::<(), skyloom_stages::rules::expression::ExpressionError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    pub(super) text: String,
    pub(super) root: Node,
}

/// One part of an expression and the bytes that it was written as.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub what: What,
    pub at: Range<usize>,
    /// Height of the tree below; bounded by [`parser::MAX_DEPTH`], so recursion over a tree cannot overflow the stack.
    pub depth: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Number(f64),
    Text(String),
    Truth(bool),
    Column(String),
    Minus(Box<Node>),
    Not(Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Binary {
    /// The operator that a token is, with how tightly it binds.
    pub(super) fn of(word: &str) -> Option<(Self, u8)> {
        Some(match word {
            "or" => (Self::Or, 1),
            "and" => (Self::And, 2),
            "<" => (Self::Less, 4),
            "<=" => (Self::LessEqual, 4),
            ">" => (Self::Greater, 4),
            ">=" => (Self::GreaterEqual, 4),
            "==" => (Self::Equal, 4),
            "!=" => (Self::NotEqual, 4),
            "+" => (Self::Add, 5),
            "-" => (Self::Subtract, 5),
            "*" => (Self::Multiply, 6),
            "/" => (Self::Divide, 6),
            _ => return None,
        })
    }

    pub(super) fn is_comparison(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual | Self::Equal | Self::NotEqual)
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Min,
    Max,
    Sqrt,
    Log10,
    IsNan,
}

impl Function {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("abs", Self::Abs),
        ("min", Self::Min),
        ("max", Self::Max),
        ("sqrt", Self::Sqrt),
        ("log10", Self::Log10),
        ("is_nan", Self::IsNan),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, f)| *f == self).map_or("", |(name, _)| name)
    }

    /// Whether it takes two or more values; the others take one.
    pub(super) fn is_variadic(self) -> bool {
        matches!(self, Self::Min | Self::Max)
    }
}

impl Expression {
    /// Parses a condition.
    ///
    /// # Errors
    /// The first syntax error: nothing behind it can be trusted. Columns and types are the business of
    /// [`Expression::problems`].
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        Ok(Self { text: text.to_owned(), root: parser::parse(text)? })
    }

    /// The text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The columns that it names, each once, in order of appearance.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.root.visit_columns(&mut |name, _| {
            if !names.contains(&name) {
                names.push(name);
            }
        });
        names
    }
}

impl Node {
    /// Calls `f` with every column name and its place, from left to right.
    pub(super) fn visit_columns<'a>(&'a self, f: &mut impl FnMut(&'a str, &Range<usize>)) {
        match &self.what {
            What::Number(_) | What::Text(_) | What::Truth(_) => {}
            What::Column(name) => f(name, &self.at),
            What::Minus(a) | What::Not(a) => a.visit_columns(f),
            What::Binary(_, a, b) => {
                a.visit_columns(f);
                b.visit_columns(f);
            }
            What::Call(_, list) => list.iter().for_each(|a| a.visit_columns(f)),
        }
    }
}
