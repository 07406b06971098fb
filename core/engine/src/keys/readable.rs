//! The form of [`Canonical`] in records: JSON that a person can read and that gives back the very same tree.
//!
//! Truth values, integers, texts, sequences and structs look as one expects. Whatever JSON cannot tell apart is an object
//! with one key that starts with `$`: `{"$f64": "90.0"}`, `{"$some": 3}`, `{"$variant": "rms"}`, `{"$map": [[k, v]]}`,
//! `{"$path": "frame.fits"}`. `null` is an absent option. Floats are written as the shortest decimal number that reads
//! back to the same bits; a NaN is written with its bits.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::canonical::Canonical;

/// A recorded value that this version does not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a recorded parameter value: {0}")]
pub struct MalformedCanonical(String);

impl Canonical {
    /// The readable form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Unit => json!({ "$unit": true }),
            Self::Bool(value) => json!(value),
            Self::Int { negative, magnitude } => int_to_json(*negative, *magnitude),
            Self::F32(bits) => json!({ "$f32": float_text(f32::from_bits(*bits), *bits) }),
            Self::F64(bits) => json!({ "$f64": float_text(f64::from_bits(*bits), *bits) }),
            Self::Char(value) => json!({ "$char": value }),
            Self::Str(text) => json!(text),
            Self::Bytes(bytes) => json!({ "$bytes": bytes }),
            Self::None => Value::Null,
            Self::Some(value) => json!({ "$some": value.to_json() }),
            Self::Seq(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(entries) => {
                let entries: Vec<_> = entries.iter().map(|(k, v)| json!([k.to_json(), v.to_json()])).collect();
                json!({ "$map": entries })
            }
            Self::Struct(fields) => {
                let object: Map<_, _> = fields.iter().map(|(name, v)| (name.clone(), v.to_json())).collect();
                if object.keys().any(|name| name.starts_with('$')) {
                    json!({ "$struct": object })
                } else {
                    Value::Object(object)
                }
            }
            Self::Variant(name, None) => json!({ "$variant": name }),
            Self::Variant(name, Some(content)) => json!({ "$variant": name, "of": content.to_json() }),
            Self::Path(path) => json!({ "$path": path }),
        }
    }

    /// Reads the readable form.
    ///
    /// # Errors
    /// When the value is not of this form.
    pub fn from_json(value: &Value) -> Result<Self, MalformedCanonical> {
        Ok(match value {
            Value::Null => Self::None,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => number
                .as_u64()
                .map(|v| Self::from(u128::from(v)))
                .or_else(|| number.as_i64().map(|v| Self::from(i128::from(v))))
                .ok_or_else(|| malformed(value))?,
            Value::String(text) => Self::Str(text.clone()),
            Value::Array(items) => Self::Seq(items.iter().map(Self::from_json).collect::<Result<_, _>>()?),
            Value::Object(object) => match object.iter().find(|(name, _)| name.starts_with('$')) {
                Some((tag, content)) => Self::from_tagged(tag, content, object).ok_or_else(|| malformed(value))??,
                None => Self::Struct(fields_from_json(object)?),
            },
        })
    }

    /// The outer option is empty when tag and content do not fit together.
    fn from_tagged(
        tag: &str,
        content: &Value,
        object: &Map<String, Value>,
    ) -> Option<Result<Self, MalformedCanonical>> {
        if tag == "$variant" {
            let name = content.as_str()?.to_owned();
            return match object.get("of") {
                Some(inner) if object.len() == 2 => {
                    Some(Self::from_json(inner).map(|v| Self::Variant(name, Some(Box::new(v)))))
                }
                None if object.len() == 1 => Some(Ok(Self::Variant(name, None))),
                _ => None,
            };
        }
        if object.len() != 1 {
            return None;
        }
        Some(Ok(match tag {
            "$unit" => Self::Unit,
            "$int" => int_from_text(content.as_str()?)?,
            "$f32" => Self::F32(f32_from_text(content.as_str()?)?),
            "$f64" => Self::F64(f64_from_text(content.as_str()?)?),
            "$char" => Self::Char(single_char(content.as_str()?)?),
            "$bytes" => Self::Bytes(
                content
                    .as_array()?
                    .iter()
                    .map(|b| b.as_u64().and_then(|b| u8::try_from(b).ok()))
                    .collect::<Option<_>>()?,
            ),
            "$path" => Self::Path(content.as_str()?.to_owned()),
            "$some" => return Some(Self::from_json(content).map(|v| Self::Some(Box::new(v)))),
            "$struct" => return Some(fields_from_json(content.as_object()?).map(Self::Struct)),
            "$map" => {
                let mut entries = Vec::new();
                for pair in content.as_array()? {
                    let [key, value] = pair.as_array()?.as_slice() else { return None };
                    match (Self::from_json(key), Self::from_json(value)) {
                        (Ok(key), Ok(value)) => entries.push((key, value)),
                        (Err(e), _) | (_, Err(e)) => return Some(Err(e)),
                    }
                }
                Self::sorted_map(entries)
            }
            _ => return None,
        }))
    }
}

impl Serialize for Canonical {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Canonical {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn malformed(value: &Value) -> MalformedCanonical {
    MalformedCanonical(value.to_string().chars().take(100).collect())
}

fn fields_from_json(object: &Map<String, Value>) -> Result<BTreeMap<String, Canonical>, MalformedCanonical> {
    object.iter().map(|(name, value)| Ok((name.clone(), Canonical::from_json(value)?))).collect()
}

/// Numbers that every JSON reader holds as integers stay numbers.
fn int_to_json(negative: bool, magnitude: u128) -> Value {
    let sign = if negative { "-" } else { "" };
    match (negative, u64::try_from(magnitude), i64::try_from(magnitude)) {
        (false, Ok(value), _) => json!(value),
        (true, _, Ok(value)) => json!(-value),
        _ => json!({ "$int": format!("{sign}{magnitude}") }),
    }
}

fn int_from_text(text: &str) -> Option<Canonical> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude: u128 = digits.parse().ok()?;
    Some(Canonical::Int { negative: negative && magnitude != 0, magnitude })
}

/// Debug output of a float is the shortest text that reads back to the same value. Only NaN has more than one value
/// per text.
fn float_text<F: std::fmt::Debug + PartialEq, B: std::fmt::LowerHex>(value: F, bits: B) -> String {
    #[expect(clippy::eq_op, reason = "only NaN differs from itself")]
    if value == value { format!("{value:?}") } else { format!("NaN {bits:#x}") }
}

fn f32_from_text(text: &str) -> Option<u32> {
    match text.strip_prefix("NaN 0x") {
        Some(bits) => u32::from_str_radix(bits, 16).ok(),
        None => text.parse().ok().map(f32::to_bits),
    }
}

fn f64_from_text(text: &str) -> Option<u64> {
    match text.strip_prefix("NaN 0x") {
        Some(bits) => u64::from_str_radix(bits, 16).ok(),
        None => text.parse().ok().map(f64::to_bits),
    }
}

fn single_char(text: &str) -> Option<char> {
    let mut chars = text.chars();
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}
