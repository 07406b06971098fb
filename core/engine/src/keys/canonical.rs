//! Parameters as a typed tree with one byte string per meaning.
//!
//! Keys are made from these bytes, never from formatted text: `1` and `1.0`, `"a"` and `'a'`, `None` and an empty list
//! differ, while the order of struct fields and map entries in the source or the file does not matter.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::serializer::{CanonicalError, CanonicalSerializer};
use crate::stage::Stage;

/// Name of the newtype struct whose content is a path: [`InputPath`](crate::InputPath).
pub(crate) const PATH_STRUCT: &str = "InputPath";

/// A value as serde sees it, typed, with maps and struct fields sorted.
///
/// Integers carry sign and magnitude but not their width, so that widening a field from `u32` to `u64` changes no key.
/// Names of structs and enums are left out for the same reason; names of fields and variants count. Floats are kept and
/// compared by their bits: `-0.0` differs from `0.0`, and NaNs with different payloads differ from each other. That may
/// rerun a node once too often and never reuses one wrongly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Canonical {
    /// Nothing: `()` or a unit struct.
    Unit,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int {
        /// Whether it is below zero; never set for zero.
        negative: bool,
        /// Its absolute value.
        magnitude: u128,
    },
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
    /// A character.
    Char(char),
    /// A text.
    Str(String),
    /// A byte string.
    Bytes(Vec<u8>),
    /// An absent option.
    None,
    /// A present option.
    Some(Box<Canonical>),
    /// A sequence, tuple or tuple struct.
    Seq(Vec<Canonical>),
    /// A map, sorted by the canonical bytes of its keys.
    Map(Vec<(Canonical, Canonical)>),
    /// A struct: fields by name.
    Struct(BTreeMap<String, Canonical>),
    /// A variant of an enum: its name and, unless it is a unit variant, its content.
    Variant(String, Option<Box<Canonical>>),
    /// The path of an input file. It is recorded for people; it enters neither the bytes nor a comparison, because the
    /// file's content does, through [`Stage::fingerprint`].
    Path(String),
}

impl Canonical {
    /// The canonical form of any serialisable value.
    ///
    /// The value's `Serialize` must not depend on hash order: a `HashMap` is sorted here, but a `HashSet` arrives as a
    /// plain sequence.
    ///
    /// # Errors
    /// When the value refuses to be serialised. A node with such parameters has no key.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, CanonicalError> {
        value.serialize(CanonicalSerializer)
    }

    /// The canonical parameters of a stage, without its kind.
    ///
    /// # Errors
    /// When a parameter refuses to be serialised.
    pub fn of_stage(stage: &dyn Stage) -> Result<Self, CanonicalError> {
        match Self::of(stage)? {
            Self::Struct(mut fields) => {
                fields.remove("params").ok_or_else(|| CanonicalError::new("a stage serialises to `kind` and `params`"))
            }
            _ => Err(CanonicalError::new("a stage serialises to `kind` and `params`")),
        }
    }

    /// The canonical bytes. Two trees have equal bytes exactly when they are equal, paths of input files aside.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_bytes(&mut bytes);
        bytes
    }

    /// Appends the canonical bytes.
    ///
    /// Every form starts with its own tag and has a known length or a length in front, so no byte string is the start of
    /// another and sequences of them can be read in one way only.
    pub(crate) fn write_bytes(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unit => out.push(0),
            Self::Bool(value) => out.extend([1, u8::from(*value)]),
            Self::Int { negative, magnitude } => {
                out.extend([2, u8::from(*negative)]);
                out.extend(magnitude.to_le_bytes());
            }
            Self::F32(bits) => {
                out.push(3);
                out.extend(bits.to_le_bytes());
            }
            Self::F64(bits) => {
                out.push(4);
                out.extend(bits.to_le_bytes());
            }
            Self::Char(value) => {
                out.push(5);
                out.extend(u32::from(*value).to_le_bytes());
            }
            Self::Str(text) => {
                out.push(6);
                write_sized(text.as_bytes(), out);
            }
            Self::Bytes(bytes) => {
                out.push(7);
                write_sized(bytes, out);
            }
            Self::None => out.push(8),
            Self::Some(value) => {
                out.push(9);
                value.write_bytes(out);
            }
            Self::Seq(items) => {
                out.push(10);
                write_len(items.len(), out);
                items.iter().for_each(|item| item.write_bytes(out));
            }
            Self::Map(entries) => {
                out.push(11);
                write_len(entries.len(), out);
                for (key, value) in entries {
                    key.write_bytes(out);
                    value.write_bytes(out);
                }
            }
            Self::Struct(fields) => {
                out.push(12);
                write_len(fields.len(), out);
                for (name, value) in fields {
                    write_sized(name.as_bytes(), out);
                    value.write_bytes(out);
                }
            }
            Self::Variant(name, content) => {
                out.push(13);
                write_sized(name.as_bytes(), out);
                out.push(u8::from(content.is_some()));
                if let Some(content) = content {
                    content.write_bytes(out);
                }
            }
            Self::Path(_) => out.push(14),
        }
    }

    /// A map with its entries in canonical order.
    pub(crate) fn sorted_map(entries: Vec<(Self, Self)>) -> Self {
        let mut keyed: Vec<_> = entries.into_iter().map(|entry| (entry.0.to_bytes(), entry)).collect();
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Map(keyed.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Whether both have the same bytes: equal but for the paths of input files.
    #[must_use]
    pub fn is_same_value(&self, other: &Self) -> bool {
        self == other || self.to_bytes() == other.to_bytes()
    }

    /// The value as RON text, for messages. Present options are written plainly, as graph files write them.
    #[must_use]
    pub fn text(&self) -> String {
        self.to_string()
    }
}

impl From<i128> for Canonical {
    fn from(value: i128) -> Self {
        Self::Int { negative: value < 0, magnitude: value.unsigned_abs() }
    }
}

impl From<u128> for Canonical {
    fn from(magnitude: u128) -> Self {
        Self::Int { negative: false, magnitude }
    }
}

impl From<f64> for Canonical {
    fn from(value: f64) -> Self {
        Self::F64(value.to_bits())
    }
}

impl From<f32> for Canonical {
    fn from(value: f32) -> Self {
        Self::F32(value.to_bits())
    }
}

/// Appends a length as 64 bits, whatever the machine's word.
pub(crate) fn write_len(len: usize, out: &mut Vec<u8>) {
    out.extend((len as u64).to_le_bytes());
}

/// Appends bytes with their length in front.
pub(crate) fn write_sized(bytes: &[u8], out: &mut Vec<u8>) {
    write_len(bytes.len(), out);
    out.extend(bytes);
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("()"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int { negative, magnitude } => write!(f, "{}{magnitude}", if *negative { "-" } else { "" }),
            Self::F32(bits) => write!(f, "{:?}", f32::from_bits(*bits)),
            Self::F64(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
            Self::Char(value) => write!(f, "{value:?}"),
            Self::Str(text) | Self::Path(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Self::None => f.write_str("None"),
            Self::Some(value) => write!(f, "{value}"),
            Self::Seq(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", separator(i))?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (i, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}: {value}", separator(i))?;
                }
                f.write_str("}")
            }
            Self::Struct(fields) => write_fields(fields, f),
            Self::Variant(name, None) => f.write_str(name),
            Self::Variant(name, Some(content)) => match &**content {
                Self::Struct(fields) => {
                    f.write_str(name)?;
                    write_fields(fields, f)
                }
                Self::Seq(items) => {
                    write!(f, "{name}(")?;
                    for (i, item) in items.iter().enumerate() {
                        write!(f, "{}{item}", separator(i))?;
                    }
                    f.write_str(")")
                }
                value => write!(f, "{name}({value})"),
            },
        }
    }
}

fn separator(index: usize) -> &'static str {
    if index == 0 { "" } else { ", " }
}

fn write_fields(fields: &BTreeMap<String, Canonical>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("(")?;
    for (i, (name, value)) in fields.iter().enumerate() {
        write!(f, "{}{name}: {value}", separator(i))?;
    }
    f.write_str(")")
}
