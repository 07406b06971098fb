//! Reads RON text into a [`Tree`].
//!
//! ron itself judges the syntax first (its messages are better, and there is one grammar), so this scanner may assume
//! well-formed text; where the two disagree it reports the place instead of guessing.

use super::source::Place;
use super::tree::{Field, Kind, Tree};

/// Where and why the text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScanError {
    pub(crate) offset: usize,
    pub(crate) expected: &'static str,
}

/// A value, and the extensions that the text enables.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) tree: Tree,
    pub(crate) extensions: Vec<(String, Place)>,
}

/// Reads `text[range]`, which holds one value, perhaps behind `#![enable(..)]`.
pub(crate) fn scan(text: &str, file: u32, range: std::ops::Range<usize>) -> Result<Scanned, ScanError> {
    let mut scanner = Scanner { text: &text[..range.end], at: range.start, file, depth: 0 };
    let extensions = scanner.attributes()?;
    scanner.skip_blank()?;
    let tree = scanner.value()?;
    scanner.skip_blank()?;
    if scanner.at < range.end {
        return Err(scanner.expected("the end of the text"));
    }
    Ok(Scanned { tree, extensions })
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    file: u32,
    depth: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn expected(&self, expected: &'static str) -> ScanError {
        ScanError { offset: self.at, expected }
    }

    fn place(&self, start: usize) -> Place {
        Place::new(self.file, start..self.at)
    }

    /// Skips white space and comments; block comments nest.
    fn skip_blank(&mut self) -> Result<(), ScanError> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_blank).len();
            if self.rest().starts_with("//") {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.rest().starts_with("/*") {
                let start = self.at;
                let mut depth = 0_usize;
                loop {
                    if self.eat("/*") {
                        depth += 1;
                    } else if self.eat("*/") {
                        depth -= 1;
                        if depth == 0 {
                            break;
                        }
                    } else {
                        match self.peek() {
                            Some(c) => self.at += c.len_utf8(),
                            None => return Err(ScanError { offset: start, expected: "a comment that ends with */" }),
                        }
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn attributes(&mut self) -> Result<Vec<(String, Place)>, ScanError> {
        let mut extensions = Vec::new();
        loop {
            self.skip_blank()?;
            if self.peek() != Some('#') {
                return Ok(extensions);
            }
            let mut is_enable = false;
            loop {
                self.skip_blank()?;
                match self.peek() {
                    None => return Err(self.expected("] after the attribute")),
                    Some(']') => {
                        self.at += 1;
                        break;
                    }
                    Some('"') => {
                        self.string()?;
                    }
                    Some(c) if is_word_char(c) => {
                        let start = self.at;
                        self.word();
                        let word = &self.text[start..self.at];
                        if is_enable {
                            extensions.push((word.to_owned(), self.place(start)));
                        }
                        is_enable |= word == "enable";
                    }
                    Some(c) => self.at += c.len_utf8(),
                }
            }
        }
    }

    fn value(&mut self) -> Result<Tree, ScanError> {
        // ron stops at 128 levels with a message of its own; this only protects the stack.
        if self.depth > 200 {
            return Err(self.expected("less nesting"));
        }
        self.depth += 1;
        let tree = self.value_inner();
        self.depth -= 1;
        tree
    }

    fn value_inner(&mut self) -> Result<Tree, ScanError> {
        let start = self.at;
        let kind = match self.peek() {
            None => return Err(self.expected("a value")),
            Some('(') => self.parenthesis(None)?,
            Some('[') => {
                self.at += 1;
                Kind::List(self.separated("]", Self::value)?)
            }
            Some('{') => {
                self.at += 1;
                Kind::Map(self.separated("}", |s| {
                    let key = s.value()?;
                    s.colon()?;
                    Ok((key, s.value()?))
                })?)
            }
            Some('"') => Kind::Text { text: self.string()?, first: self.file },
            Some('\'') => {
                self.character()?;
                Kind::Raw
            }
            Some('r') if self.raw_hashes(1).is_some() => Kind::Text { text: self.raw_string(1)?, first: self.file },
            Some('b') if self.rest().starts_with("b'") => {
                self.at += 1;
                self.character()?;
                Kind::Raw
            }
            Some('b') if self.rest().starts_with("b\"") => {
                self.at += 1;
                self.skip_string()?;
                Kind::Raw
            }
            Some('b') if self.rest().starts_with("br") && self.raw_hashes(2).is_some() => {
                self.raw_string(2)?;
                Kind::Raw
            }
            Some(c) if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => {
                self.number();
                match self.text[start..self.at].trim_start_matches(['+', '-']) {
                    word if word.starts_with("inf") || word.starts_with("NaN") => Kind::Word,
                    _ => Kind::Number,
                }
            }
            Some(c) if is_word_char(c) => {
                self.word();
                let name = self.place(start);
                let end = self.at;
                self.skip_blank()?;
                if self.peek() == Some('(') {
                    self.parenthesis(Some(name))?
                } else {
                    self.at = end;
                    Kind::Word
                }
            }
            Some(_) => return Err(self.expected("a value")),
        };
        Ok(Tree::new(self.place(start), kind))
    }

    /// `(..)`: unit, tuple or struct; a first element `word:` tells.
    fn parenthesis(&mut self, name: Option<Place>) -> Result<Kind, ScanError> {
        self.at += 1;
        self.skip_blank()?;
        if name.is_none() && self.eat(")") {
            return Ok(Kind::Unit);
        }
        if self.starts_field()? {
            let fields = self.separated(")", |s| {
                let start = s.at;
                s.word();
                if s.at == start {
                    return Err(s.expected("the name of a field"));
                }
                let place = s.place(start);
                let name = s.text[start..s.at].trim_start_matches("r#").to_owned();
                s.colon()?;
                Ok(Field { name, place, value: s.value()? })
            })?;
            return Ok(Kind::Struct { name, fields });
        }
        Ok(Kind::Tuple { name, items: self.separated(")", Self::value)? })
    }

    fn starts_field(&mut self) -> Result<bool, ScanError> {
        let start = self.at;
        self.word();
        let is_word = self.at > start;
        self.skip_blank()?;
        let found = is_word && self.peek() == Some(':');
        self.at = start;
        Ok(found)
    }

    fn separated<T>(
        &mut self,
        close: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, ScanError>,
    ) -> Result<Vec<T>, ScanError> {
        let mut items = Vec::new();
        loop {
            self.skip_blank()?;
            if self.eat(close) {
                return Ok(items);
            }
            items.push(element(self)?);
            self.skip_blank()?;
            if !self.eat(",") {
                if self.eat(close) {
                    return Ok(items);
                }
                return Err(self.expected("a comma or the closing bracket"));
            }
        }
    }

    fn colon(&mut self) -> Result<(), ScanError> {
        self.skip_blank()?;
        if !self.eat(":") {
            return Err(self.expected("a colon"));
        }
        self.skip_blank()
    }

    fn word(&mut self) {
        let rest = self.rest();
        let body = match rest.strip_prefix("r#") {
            Some(raw) if !raw.starts_with(['"', '#']) => {
                self.at += 2;
                raw.len() - raw.trim_start_matches(|c| is_word_char(c) || matches!(c, '.' | '+' | '-')).len()
            }
            _ => rest.len() - rest.trim_start_matches(is_word_char).len(),
        };
        self.at += body;
    }

    fn number(&mut self) {
        let rest = self.rest();
        let is_part = |c: char| is_word_char(c) || matches!(c, '.' | '+' | '-' | '=');
        self.at += rest.len() - rest.trim_start_matches(is_part).len();
    }

    fn skip_string(&mut self) -> Result<bool, ScanError> {
        let start = self.at;
        self.at += 1;
        let mut has_escape = false;
        loop {
            match self.peek() {
                None => return Err(ScanError { offset: start, expected: "a string that ends" }),
                Some('"') => {
                    self.at += 1;
                    return Ok(has_escape);
                }
                Some('\\') => {
                    has_escape = true;
                    self.at += 1;
                    self.at += self.peek().map_or(0, char::len_utf8);
                }
                Some(c) => self.at += c.len_utf8(),
            }
        }
    }

    fn string(&mut self) -> Result<String, ScanError> {
        let start = self.at;
        if self.skip_string()? {
            let quoted = &self.text[start..self.at];
            return ron::from_str(quoted).map_err(|_| ScanError { offset: start, expected: "valid escapes" });
        }
        Ok(self.text[start + 1..self.at - 1].to_owned())
    }

    /// Number of `#` of a raw string whose prefix (`r`, `br`) has this length; `None` when it is no raw string.
    fn raw_hashes(&self, prefix: usize) -> Option<usize> {
        let rest = &self.rest()[prefix..];
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        rest[hashes..].starts_with('"').then_some(hashes)
    }

    fn raw_string(&mut self, prefix: usize) -> Result<String, ScanError> {
        let start = self.at;
        let hashes = self.raw_hashes(prefix).unwrap_or(0);
        self.at += prefix + hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        match self.rest().find(&close) {
            Some(length) => {
                let text = self.rest()[..length].to_owned();
                self.at += length + close.len();
                Ok(text)
            }
            None => Err(ScanError { offset: start, expected: "a raw string that ends" }),
        }
    }

    fn character(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        self.at += 1;
        if self.peek() == Some('\\') {
            self.at += 1;
        }
        self.at += self.peek().map_or(0, char::len_utf8);
        // `'\u{1F}'`
        match self.rest().find('\'') {
            Some(length) => {
                self.at += length + 1;
                Ok(())
            }
            None => Err(ScanError { offset: start, expected: "a character that ends" }),
        }
    }
}

fn is_word_char(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// White space as ron defines it.
fn is_blank(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\n' | '\r' | '\x0B' | '\x0C' | '\u{85}' | '\u{200E}' | '\u{200F}' | '\u{2028}' | '\u{2029}'
    )
}

/// The innermost bracket that is open where the brackets stop matching, for the help of a syntax error.
pub(crate) fn unclosed_bracket(text: &str) -> Option<usize> {
    let mut scanner = Scanner { text, at: 0, file: 0, depth: 0 };
    let mut open: Vec<(usize, char)> = Vec::new();
    loop {
        scanner.skip_blank().ok()?;
        let start = scanner.at;
        let Some(c) = scanner.peek() else { return open.last().map(|(at, _)| *at) };
        match c {
            '(' | '[' | '{' => open.push((start, c)),
            ')' | ']' | '}' => match open.pop() {
                Some((_, '(')) if c == ')' => {}
                Some((_, '[')) if c == ']' => {}
                Some((_, '{')) if c == '}' => {}
                Some((at, _)) => return Some(at),
                None => return None,
            },
            '"' => {
                scanner.skip_string().ok()?;
                continue;
            }
            'r' if scanner.raw_hashes(1).is_some() => {
                scanner.raw_string(1).ok()?;
                continue;
            }
            '\'' => {
                scanner.character().ok()?;
                continue;
            }
            _ => {}
        }
        scanner.at += c.len_utf8();
    }
}
