//! Types of an expression against the columns of a table, before any row is read.

use std::ops::Range;

use skyloom_data::facets::ColumnKind;
use skyloom_engine::nearest;

use super::ast::{Binary, Expression, Function, Node, What};
use super::error::ExpressionError;

/// What a part of an expression is. `Unknown`: a column whose table is not known, or a part already reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Truth,
    Text,
    Unknown,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Truth => "a truth value",
            Self::Text => "text",
            Self::Unknown => "unknown",
        }
    }

    fn fits(self, wanted: Self) -> bool {
        self == wanted || self == Self::Unknown || wanted == Self::Unknown
    }
}

impl Expression {
    /// All type errors and unknown columns of a condition. `columns` are those of the table; `None` when they are not
    /// known, and then only what is wrong for every table is reported.
    #[must_use]
    pub fn problems(&self, columns: Option<&[(String, ColumnKind)]>) -> Vec<ExpressionError> {
        let mut check = Check { columns, errors: Vec::new() };
        let kind = check.kind(&self.root);
        if !kind.fits(Kind::Truth) {
            let found = check.describe(&self.root, kind);
            let error =
                ExpressionError::of_type(self.root.at.clone(), found, "a condition, true or false for each row");
            check.errors.push(error.with_help("compare it: `r_geo < 13`"));
        }
        // A column that is misspelt twice is one mistake for the reader, but two places to mend: both are reported.
        check.errors
    }
}

struct Check<'a> {
    columns: Option<&'a [(String, ColumnKind)]>,
    errors: Vec<ExpressionError>,
}

impl Check<'_> {
    fn kind(&mut self, node: &Node) -> Kind {
        match &node.what {
            What::Number(_) => Kind::Number,
            What::Text(_) => Kind::Text,
            What::Truth(_) => Kind::Truth,
            What::Column(name) => self.column(name, &node.at),
            What::Minus(a) => {
                self.require(a, Kind::Number, "after `-`");
                Kind::Number
            }
            What::Not(a) => {
                self.require(a, Kind::Truth, "after `not`");
                Kind::Truth
            }
            What::Binary(operator, a, b) => self.binary(*operator, a, b),
            What::Call(function, arguments) => {
                for argument in arguments {
                    self.require(argument, Kind::Number, &format!("in {}()", function.name()));
                }
                if *function == Function::IsNan { Kind::Truth } else { Kind::Number }
            }
        }
    }

    fn binary(&mut self, operator: Binary, a: &Node, b: &Node) -> Kind {
        let side = format!("beside `{}`", operator.sign());
        match operator {
            Binary::Or | Binary::And => {
                self.require(a, Kind::Truth, &side);
                self.require(b, Kind::Truth, &side);
                Kind::Truth
            }
            Binary::Equal | Binary::NotEqual => {
                let (left, right) = (self.kind(a), self.kind(b));
                if !left.fits(right) {
                    let found = format!("{}, compared with {}", self.describe(b, right), left.name());
                    let expected = format!("{} on both sides of `{}`", left.name(), operator.sign());
                    self.errors.push(ExpressionError::of_type(b.at.clone(), found, expected));
                }
                Kind::Truth
            }
            _ => {
                self.require(a, Kind::Number, &side);
                self.require(b, Kind::Number, &side);
                if operator.is_comparison() { Kind::Truth } else { Kind::Number }
            }
        }
    }

    fn require(&mut self, node: &Node, wanted: Kind, place: &str) {
        let kind = self.kind(node);
        if !kind.fits(wanted) {
            let found = self.describe(node, kind);
            self.errors.push(ExpressionError::of_type(node.at.clone(), found, format!("{} {place}", wanted.name())));
        }
    }

    fn describe(&self, node: &Node, kind: Kind) -> String {
        match &node.what {
            What::Column(name) => format!("the column {name:?}, which holds {}", kind.name()),
            What::Text(t) => format!("the string {t:?}"),
            What::Number(v) => format!("the number {v:?}"),
            _ => kind.name().to_owned(),
        }
    }

    fn column(&mut self, name: &str, at: &Range<usize>) -> Kind {
        let Some(columns) = self.columns else {
            return Kind::Unknown;
        };
        match columns.iter().find(|(known, _)| known == name) {
            Some((_, ColumnKind::Float | ColumnKind::Int)) => Kind::Number,
            Some((_, ColumnKind::Bool)) => Kind::Truth,
            Some((_, ColumnKind::Text)) => Kind::Text,
            None => {
                let names = columns.iter().map(|(known, _)| known.as_str());
                let help = match nearest(name, names.clone()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("there are {}", list(names)),
                };
                self.errors.push(ExpressionError {
                    code: "unknown-column",
                    at: at.clone(),
                    found: format!("{name:?}"),
                    expected: "one of the table's columns".to_owned(),
                    help: Some(help),
                });
                Kind::Unknown
            }
        }
    }
}

/// Column names for a message; a table of a hundred columns is cut.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 30;
    let names: Vec<&str> = names.collect();
    match names.len() {
        0 => "no columns".to_owned(),
        n if n <= MOST => names.join(", "),
        n => format!("{}, and {} more", names[..MOST].join(", "), n - MOST),
    }
}
