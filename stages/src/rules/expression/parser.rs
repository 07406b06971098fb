//! Tokens to a tree, by operator precedence.

use skyloom_engine::nearest;

use super::ast::{Binary, Function, Node, What};
use super::error::ExpressionError;
use super::lexer::{Spanned, Token, tokens};

/// Deepest nesting, and longest chain of operators, of an expression.
///
/// A rule is a line, not a program: the bound is far above any real rule, and low enough that neither parsing nor
/// evaluating can overflow the smallest thread stack in use (2 MiB).
pub const MAX_DEPTH: usize = 200;

/// How tightly `not` binds: looser than a comparison, tighter than `and`.
const NOT: u8 = 3;
const COMPARISON: u8 = 4;
/// Unary minus binds tighter than every binary operator.
const MINUS: u8 = 7;

pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0 };
    if parser.peek().token == Token::End {
        return Err(ExpressionError::syntax(0..text.len(), "an empty expression", "a condition such as `r_geo < 13`"));
    }
    let root = parser.binary(0, 0)?;
    let rest = parser.peek();
    if rest.token == Token::End {
        return Ok(root);
    }
    Err(ExpressionError::syntax(rest.at.clone(), rest.token.describe(), "an operator or the end"))
}

struct Parser {
    tokens: Vec<Spanned>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> &Spanned {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Spanned {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek().token, Token::Sign(s) if s == sign)
    }

    /// An operand and all operators behind it that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8, nesting: usize) -> Result<Node, ExpressionError> {
        let mut left = self.unary(nesting)?;
        let mut compared = false;
        loop {
            let next = self.peek();
            let word = match &next.token {
                Token::Sign(s) => s,
                Token::Name(n) => n.as_str(),
                _ => return Ok(left),
            };
            let Some((operator, binding)) = Binary::of(word).filter(|(_, binding)| *binding >= least) else {
                return Ok(left);
            };
            if compared && operator.is_comparison() {
                let error = ExpressionError::syntax(next.at.clone(), next.token.describe(), "`and`, `or` or the end");
                return Err(error.with_help("comparisons do not chain: write `a < b and b < c`"));
            }
            compared = binding == COMPARISON;
            self.next += 1;
            let right = self.binary(binding + 1, nesting + 1)?;
            let at = left.at.start..right.at.end;
            let depth = left.depth.max(right.depth) + 1;
            left = node(What::Binary(operator, Box::new(left), Box::new(right)), at, depth)?;
        }
    }

    /// `not`, unary minus, or a primary. `not` and its operand take all that binds tighter than `and`.
    fn unary(&mut self, nesting: usize) -> Result<Node, ExpressionError> {
        let first = self.peek().clone();
        if nesting > MAX_DEPTH {
            return Err(too_deep(first.at));
        }
        let least = match &first.token {
            Token::Name(n) if n == "not" => NOT,
            Token::Sign("-") => MINUS,
            _ => return self.primary(nesting),
        };
        self.next += 1;
        let inner = self.binary(least, nesting + 1)?;
        let (at, depth) = (first.at.start..inner.at.end, inner.depth + 1);
        let inner = Box::new(inner);
        node(if least == NOT { What::Not(inner) } else { What::Minus(inner) }, at, depth)
    }

    fn primary(&mut self, nesting: usize) -> Result<Node, ExpressionError> {
        let Spanned { token, at } = self.take();
        match token {
            Token::Number(v) => node(What::Number(v), at, 1),
            Token::Text(t) => node(What::Text(t), at, 1),
            Token::Name(n) if n == "true" || n == "false" => node(What::Truth(n == "true"), at, 1),
            Token::Name(n) if n != "and" && n != "or" && n != "not" => {
                if self.is_sign("(") {
                    self.call(&n, at, nesting)
                } else {
                    node(What::Column(n), at, 1)
                }
            }
            Token::Sign("(") => {
                let inner = self.binary(0, nesting + 1)?;
                let close = self.expect_close(&inner)?;
                // The parentheses belong to the place of what they enclose.
                Ok(Node { at: at.start..close, ..inner })
            }
            other => {
                let expected = "a column, number, string, function or `(`";
                Err(ExpressionError::syntax(at, other.describe(), expected))
            }
        }
    }

    fn call(&mut self, name: &str, at: std::ops::Range<usize>, nesting: usize) -> Result<Node, ExpressionError> {
        let Some((_, function)) = Function::ALL.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = Function::ALL.iter().map(|(known, _)| *known).collect();
            let expected = format!("one of the functions {}", names.join(", "));
            let error = ExpressionError::syntax(at, format!("the function {name:?}"), expected);
            return Err(match nearest(name, names) {
                Some(near) => error.with_help(format!("did you mean `{near}`?")),
                None => error,
            });
        };
        self.next += 1;
        let mut arguments = Vec::new();
        if !self.is_sign(")") {
            arguments.push(self.binary(0, nesting + 1)?);
            while self.is_sign(",") {
                self.next += 1;
                arguments.push(self.binary(0, nesting + 1)?);
            }
        }
        let end = match arguments.last() {
            Some(last) => self.expect_close(last)?,
            None => self.take().at.end,
        };
        let at = at.start..end;
        let (fits, expected) = if function.is_variadic() {
            (arguments.len() >= 2, "two or more values")
        } else {
            (arguments.len() == 1, "one value")
        };
        if !fits {
            let found = format!("{} values for {name}()", arguments.len());
            return Err(ExpressionError::syntax(at, found, expected));
        }
        let depth = arguments.iter().map(|a| a.depth).max().unwrap_or(0) + 1;
        node(What::Call(*function, arguments), at, depth)
    }

    /// The end of the closing parenthesis that must follow `inner`.
    fn expect_close(&mut self, inner: &Node) -> Result<usize, ExpressionError> {
        let Spanned { token, at } = self.take();
        if token == Token::Sign(")") {
            return Ok(at.end);
        }
        let found = if token == Token::End { "the end".to_owned() } else { token.describe() };
        let error = ExpressionError::syntax(at, found, "an operator or `)`");
        Err(error.with_help(format!("the parenthesis around byte {} is still open", inner.at.start)))
    }
}

fn node(what: What, at: std::ops::Range<usize>, depth: usize) -> Result<Node, ExpressionError> {
    if depth > MAX_DEPTH { Err(too_deep(at)) } else { Ok(Node { what, at, depth }) }
}

fn too_deep(at: std::ops::Range<usize>) -> ExpressionError {
    let found = "an expression that nests deeper or chains more operators than that";
    ExpressionError::syntax(at, found, format!("at most {MAX_DEPTH} levels")).with_help("split it into several rules")
}
