//! Writes resolved parameters as the RON struct that a stage reads, and finds the way back from an error in that text.

use super::document::join;
use super::source::{Place, Sources};
use super::tree::{Kind, Tree, quote, write_identifier};

/// A stretch of written text and what it was made from.
#[derive(Debug, Clone)]
struct Mark {
    range: std::ops::Range<usize>,
    place: Place,
    path: String,
}

/// Parameters as text.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) text: String,
    marks: Vec<Mark>,
}

/// A parameter to write: a value of a file, or text of an example that stands in for a faulty one.
pub(crate) enum Fragment<'a> {
    /// A value with its places.
    Value(&'a Tree),
    /// RON text.
    Example(&'a str),
}

/// Writes `(name:value,...)`. With `marks` the way back is recorded, which costs more than the writing.
pub(crate) fn write_params<'a>(
    params: impl Iterator<Item = (&'a str, Fragment<'a>)>,
    sources: &Sources,
    marks: bool,
) -> Written {
    let mut writer = Writer { sources, out: Written { text: String::from("("), marks: Vec::new() }, marks };
    for (name, value) in params {
        if writer.out.text.len() > 1 {
            writer.out.text.push(',');
        }
        write_identifier(name, &mut writer.out.text);
        writer.out.text.push(':');
        match value {
            Fragment::Value(tree) => writer.value(tree, name),
            Fragment::Example(text) => writer.out.text.push_str(text),
        }
    }
    writer.out.text.push(')');
    writer.out
}

impl Written {
    /// The innermost value around an offset: its path and place.
    pub(crate) fn locate(&self, offset: usize) -> Option<(&str, Place)> {
        self.marks
            .iter()
            .filter(|mark| mark.range.start <= offset && offset <= mark.range.end)
            .min_by_key(|mark| mark.range.len())
            .map(|mark| (mark.path.as_str(), mark.place))
    }
}

struct Writer<'a> {
    sources: &'a Sources,
    out: Written,
    marks: bool,
}

impl Writer<'_> {
    fn value(&mut self, tree: &Tree, path: &str) {
        let start = self.out.text.len();
        let child = |name: &str, marks: bool| if marks { join(path, name) } else { String::new() };
        let marks = self.marks;
        match &tree.kind {
            Kind::Unit => self.out.text.push_str("()"),
            Kind::Number | Kind::Word | Kind::Raw => self.out.text.push_str(tree.token(self.sources)),
            Kind::Text { text, .. } => quote(text, &mut self.out.text),
            Kind::List(items) => {
                self.out.text.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.value(item, &child(&i.to_string(), marks));
                    self.out.text.push(',');
                }
                self.out.text.push(']');
            }
            Kind::Tuple { name, items } => {
                self.name(*name);
                self.out.text.push('(');
                for (i, item) in items.iter().enumerate() {
                    self.value(item, &child(&i.to_string(), marks));
                    self.out.text.push(',');
                }
                self.out.text.push(')');
            }
            Kind::Struct { name, fields } => {
                self.name(*name);
                self.out.text.push('(');
                for field in fields {
                    let start = self.out.text.len();
                    write_identifier(&field.name, &mut self.out.text);
                    let path = child(&field.name, marks);
                    self.mark(start, field.place, &path);
                    self.out.text.push(':');
                    self.value(&field.value, &path);
                    self.out.text.push(',');
                }
                // The blank keeps an error about the whole struct away from its last field.
                self.out.text.push_str(" )");
            }
            Kind::Map(pairs) => {
                self.out.text.push('{');
                for (key, value) in pairs {
                    let name = if marks {
                        key.as_text().map_or_else(|| key.to_ron(self.sources), str::to_owned)
                    } else {
                        String::new()
                    };
                    let path = child(&name, marks);
                    self.value(key, &path);
                    self.out.text.push(':');
                    self.value(value, &path);
                    self.out.text.push(',');
                }
                self.out.text.push('}');
            }
        }
        self.mark(start, tree.place, path);
    }

    fn name(&mut self, name: Option<Place>) {
        if let Some(place) = name {
            self.out.text.push_str(self.sources.text(place));
        }
    }

    fn mark(&mut self, start: usize, place: Place, path: &str) {
        if self.marks {
            self.out.marks.push(Mark { range: start..self.out.text.len(), place, path: path.to_owned() });
        }
    }
}
