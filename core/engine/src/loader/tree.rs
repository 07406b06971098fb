//! A RON value with places, read without knowing its type.
//!
//! `ron::Value` forgets the variants of enums and knows no places, so the loader keeps a tree of its own and hands the
//! original characters of every number and word to the stage's own deserialiser.

use std::sync::Arc;

use super::source::{Place, Sources};

/// A value and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Where it stands; for a value that replaced a reference, where the reference stands.
    pub(crate) place: Place,
    /// Where its characters come from.
    pub(crate) origin: Place,
    /// Name of the graph parameter whose value this is, when it replaced a reference.
    pub(crate) via: Option<Arc<str>>,
    /// Whether a string inside contains braces, and so perhaps references.
    pub(crate) has_braces: bool,
    pub(crate) kind: Kind,
}

/// The shape of a value.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// `()`
    Unit,
    /// A number, written with digits.
    Number,
    /// A bare word: `true`, `None`, `NaN`, a variant of an enum.
    Word,
    /// A character or byte string.
    Raw,
    /// A string.
    Text {
        /// Its content.
        text: String,
        /// Source of its first part: a relative path starts from that source's folder.
        first: u32,
    },
    /// `[a, b]`
    List(Vec<Tree>),
    /// `(a, b)` or `Name(a, b)`
    Tuple {
        /// The name before the parenthesis.
        name: Option<Place>,
        /// The elements.
        items: Vec<Tree>,
    },
    /// `(a: 1)` or `Name(a: 1)`
    Struct {
        /// The name before the parenthesis.
        name: Option<Place>,
        /// The fields.
        fields: Vec<Field>,
    },
    /// `{"a": 1}`
    Map(Vec<(Tree, Tree)>),
}

/// A field of a struct.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) value: Tree,
}

impl Tree {
    pub(crate) fn new(place: Place, kind: Kind) -> Self {
        let has_braces = match &kind {
            Kind::Text { text, .. } => text.contains(['{', '}']),
            Kind::List(items) | Kind::Tuple { items, .. } => items.iter().any(|t| t.has_braces),
            Kind::Struct { fields, .. } => fields.iter().any(|f| f.value.has_braces),
            Kind::Map(pairs) => pairs.iter().any(|(k, v)| k.has_braces || v.has_braces),
            Kind::Unit | Kind::Number | Kind::Word | Kind::Raw => false,
        };
        Self { place, origin: place, via: None, has_braces, kind }
    }

    /// The content of a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The characters of a number or word.
    pub(crate) fn token<'s>(&self, sources: &'s Sources) -> &'s str {
        sources.text(self.origin)
    }

    /// Whether this is the given bare word.
    pub(crate) fn is_word(&self, word: &str, sources: &Sources) -> bool {
        matches!(self.kind, Kind::Word) && self.token(sources) == word
    }

    /// Names with values: the fields of a struct, or a map whose keys are strings. `None` for anything else.
    pub(crate) fn fields(&self) -> Option<Vec<(&str, Place, &Tree)>> {
        match &self.kind {
            Kind::Unit => Some(Vec::new()),
            Kind::Struct { fields, .. } => Some(fields.iter().map(|f| (&*f.name, f.place, &f.value)).collect()),
            Kind::Map(pairs) => pairs.iter().map(|(key, value)| Some((key.as_text()?, key.place, value))).collect(),
            _ => None,
        }
    }

    /// The same, taken apart.
    ///
    /// # Errors
    /// The value itself when it is something else.
    pub(crate) fn into_fields(self) -> Result<Vec<Field>, Self> {
        match self.kind {
            Kind::Unit => Ok(Vec::new()),
            Kind::Struct { fields, .. } => Ok(fields),
            Kind::Map(pairs) if pairs.iter().all(|(key, _)| key.as_text().is_some()) => {
                let named = pairs.into_iter().filter_map(|(key, value)| match key.kind {
                    Kind::Text { text, .. } => Some(Field { name: text, place: key.place, value }),
                    _ => None,
                });
                Ok(named.collect())
            }
            _ => Err(self),
        }
    }

    /// What it is, in words, for a message that expected something else.
    pub(crate) fn shape(&self) -> &'static str {
        match self.kind {
            Kind::Unit => "()",
            Kind::Number => "a number",
            Kind::Word => "a word",
            Kind::Raw => "a character or bytes",
            Kind::Text { .. } => "text",
            Kind::List(_) => "a list [..]",
            Kind::Tuple { .. } => "a tuple (..)",
            Kind::Struct { .. } => "a struct (name: ..)",
            Kind::Map(_) => "a map {..}",
        }
    }

    /// The value as RON, cut for messages.
    pub(crate) fn excerpt(&self, sources: &Sources) -> String {
        const SHOWN: usize = 60;
        let text = self.to_ron(sources);
        match text.char_indices().nth(SHOWN) {
            Some((i, _)) => format!("{}..", &text[..i]),
            None => text,
        }
    }

    /// The value as RON on one line.
    pub(crate) fn to_ron(&self, sources: &Sources) -> String {
        let mut out = String::new();
        self.write(sources, &mut out);
        out
    }

    fn write(&self, sources: &Sources, out: &mut String) {
        let name_of = |name: &Option<Place>, out: &mut String| {
            if let Some(place) = name {
                out.push_str(sources.text(*place));
            }
        };
        match &self.kind {
            Kind::Unit => out.push_str("()"),
            Kind::Number | Kind::Word | Kind::Raw => out.push_str(self.token(sources)),
            Kind::Text { text, .. } => quote(text, out),
            Kind::List(items) => {
                out.push('[');
                write_separated(items, out, |item, out| item.write(sources, out));
                out.push(']');
            }
            Kind::Tuple { name, items } => {
                name_of(name, out);
                out.push('(');
                write_separated(items, out, |item, out| item.write(sources, out));
                out.push(')');
            }
            Kind::Struct { name, fields } => {
                name_of(name, out);
                out.push('(');
                write_separated(fields, out, |field, out| {
                    write_identifier(&field.name, out);
                    out.push_str(": ");
                    field.value.write(sources, out);
                });
                out.push(')');
            }
            Kind::Map(pairs) => {
                out.push('{');
                write_separated(pairs, out, |(key, value), out| {
                    key.write(sources, out);
                    out.push_str(": ");
                    value.write(sources, out);
                });
                out.push('}');
            }
        }
    }
}

fn write_separated<T>(items: &[T], out: &mut String, mut write: impl FnMut(&T, &mut String)) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
}

/// Writes a field name, as a raw identifier where RON needs one.
pub(crate) fn write_identifier(name: &str, out: &mut String) {
    let plain = name.chars().all(|c| c == '_' || c.is_alphanumeric()) && !name.starts_with(|c: char| c.is_numeric());
    if !plain {
        out.push_str("r#");
    }
    out.push_str(name);
}

/// Writes a string in quotes, as RON reads it.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.push('"');
}
