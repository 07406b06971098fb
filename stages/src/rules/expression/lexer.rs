//! Text to tokens.

use std::ops::Range;

use super::error::ExpressionError;

/// One word or sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    /// A column, a function, or one of the words `and or not true false`.
    Name(String),
    /// An operator, parenthesis or comma.
    Sign(&'static str),
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spanned {
    pub token: Token,
    pub at: Range<usize>,
}

impl Token {
    /// The token as a message names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Number(v) => format!("the number {v:?}"),
            Self::Text(t) => format!("the string {t:?}"),
            Self::Name(n) => format!("{n:?}"),
            Self::Sign(s) => format!("{s:?}"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Two-character signs first: `<=` must not be read as `<`.
const SIGNS: [&str; 13] = ["<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "(", ")", ","];

/// Signs of other languages, and what to write instead.
const FOREIGN: [(&str, &str); 8] = [
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("**", "write a product: there is no power"),
    ("&", "write `and`"),
    ("|", "write `or`"),
    ("!", "write `not`"),
    ("=", "write `==` to compare"),
    ("^", "write a product: there is no power"),
];

/// All tokens, with an [`Token::End`] behind them.
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, ExpressionError> {
    let mut list = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, end) = if c.is_ascii_digit() || (c == '.' && starts_with_digit(&text[at + 1..])) {
            number(text, at)?
        } else if c.is_alphabetic() || c == '_' {
            let end = end_of(text, at, |c| c.is_alphanumeric() || c == '_');
            (Token::Name(text[at..end].to_owned()), end)
        } else if c == '"' || c == '\'' {
            string(text, at, c)?
        } else {
            sign(text, at, c)?
        };
        list.push(Spanned { token, at: at..end });
        at = end;
    }
    list.push(Spanned { token: Token::End, at: text.len()..text.len() });
    Ok(list)
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn end_of(text: &str, from: usize, belongs: impl Fn(char) -> bool) -> usize {
    text[from..].find(|c| !belongs(c)).map_or(text.len(), |n| from + n)
}

/// Digits with an optional fraction and exponent.
fn number(text: &str, from: usize) -> Result<(Token, usize), ExpressionError> {
    let digit = |c: char| c.is_ascii_digit();
    let mut end = end_of(text, from, digit);
    if text[end..].starts_with('.') {
        end = end_of(text, end + 1, digit);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        if starts_with_digit(&text[end + 1 + sign..]) {
            end = end_of(text, end + 1 + sign, digit);
        }
    }
    // `2px` or `1.5.2`: one wrong word, not a number followed by something.
    let word_end = end_of(text, end, |c| c.is_alphanumeric() || c == '_' || c == '.');
    let word = &text[from..word_end];
    match word.parse::<f64>() {
        Ok(value) if word_end == end && value.is_finite() => Ok((Token::Number(value), end)),
        _ => {
            Err(ExpressionError::syntax(from..word_end, format!("{word:?}"), "a finite number such as 16, 0.5 or 1e-3"))
        }
    }
}

fn string(text: &str, from: usize, quote: char) -> Result<(Token, usize), ExpressionError> {
    let mut value = String::new();
    let mut chars = text[from + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        let here = from + 1 + offset;
        if c == quote {
            return Ok((Token::Text(value), here + 1));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        match chars.next() {
            Some((_, 'n')) => value.push('\n'),
            Some((_, 't')) => value.push('\t'),
            Some((_, e @ ('\\' | '"' | '\''))) => value.push(e),
            Some((_, other)) => {
                let end = here + 1 + other.len_utf8();
                let found = format!("the escape \\{other}");
                return Err(ExpressionError::syntax(here..end, found, r#"one of \\ \" \' \n \t"#));
            }
            None => break,
        }
    }
    let found = "a string without end";
    Err(ExpressionError::syntax(from..text.len(), found, format!("a closing {quote}")))
}

fn sign(text: &str, from: usize, first: char) -> Result<(Token, usize), ExpressionError> {
    let rest = &text[from..];
    // `**` would otherwise be two products.
    let foreign =
        FOREIGN.iter().find(|(s, _)| rest.starts_with(s) && !rest.starts_with("==") && !rest.starts_with("!="));
    if let Some((sign, help)) = foreign {
        let found = format!("{sign:?}");
        let error = ExpressionError::syntax(from..from + sign.len(), found, "an operator of the rule language");
        return Err(error.with_help(*help));
    }
    match SIGNS.iter().find(|s| rest.starts_with(**s)) {
        Some(sign) => Ok((Token::Sign(sign), from + sign.len())),
        None => {
            let found = format!("the character {first:?}");
            let expected = "a column, number, string, operator or parenthesis";
            Err(ExpressionError::syntax(from..from + first.len_utf8(), found, expected))
        }
    }
}
