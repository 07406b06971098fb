//! Parameters of a foreign stage: read from RON, written as RON, canonical bytes and JSON.

use std::path::Path;

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, VariantAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::descriptor::{ParamSpec, ParamWord};
use crate::names::keep;

/// A declared parameter.
#[derive(Debug, Clone)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) kind: ParamWord,
    pub(crate) choices: Vec<&'static str>,
    pub(crate) default: Option<Value>,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Float(f64),
    Int(i64),
    Bool(bool),
    Text(String),
    /// Number of the word among the choices, and the word.
    Choice(u32, &'static str),
    /// A path, absolute when it comes from a graph.
    File(String),
}

impl Param {
    /// A parameter without its default.
    pub(crate) fn new(name: &str, spec: &ParamSpec) -> Self {
        let choices = spec.choices.keys().map(|word| keep(word)).collect();
        Self { name: keep(name), kind: spec.kind, choices, default: None }
    }
}

impl Value {
    /// As `job.json` has it. Numbers that JSON cannot express are texts: `NaN`, `inf`, `-inf`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Float(v) => serde_json::Number::from_f64(*v).map_or_else(|| v.to_string().into(), Into::into),
            Self::Int(v) => (*v).into(),
            Self::Bool(v) => (*v).into(),
            Self::Text(v) | Self::File(v) => v.as_str().into(),
            Self::Choice(_, v) => (*v).into(),
        }
    }

    /// As a graph file would have it.
    pub(crate) fn to_ron(&self) -> String {
        match self {
            Self::Float(v) => format!("{v:?}"),
            Self::Int(v) => v.to_string(),
            Self::Bool(v) => v.to_string(),
            Self::Text(v) | Self::File(v) => format!("{v:?}"),
            Self::Choice(_, v) => (*v).to_owned(),
        }
    }

    /// The path of a file parameter.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(Path::new(path)),
            _ => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Float(v) => serializer.serialize_f64(*v),
            Self::Int(v) => serializer.serialize_i64(*v),
            Self::Bool(v) => serializer.serialize_bool(*v),
            Self::Text(v) => serializer.serialize_str(v),
            Self::Choice(i, v) => serializer.serialize_unit_variant("Choice", *i, v),
            // The newtype by which the engine knows a path: it is recorded, and stays out of the key.
            Self::File(v) => serializer.serialize_newtype_struct("InputPath", v),
        }
    }
}

/// All values of a stage, in the order of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values(pub(crate) Vec<(&'static str, Value)>);

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Params", self.0.len())?;
        for (name, value) in &self.0 {
            fields.serialize_field(name, value)?;
        }
        fields.end()
    }
}

/// Reads one value of the type that a parameter has.
pub(crate) struct ValueOf<'a>(pub(crate) &'a Param);

impl<'de> DeserializeSeed<'de> for ValueOf<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        use serde::Deserialize;
        match self.0.kind {
            ParamWord::Float => f64::deserialize(deserializer).map(Value::Float),
            ParamWord::Int => i64::deserialize(deserializer).map(Value::Int),
            ParamWord::Bool => bool::deserialize(deserializer).map(Value::Bool),
            ParamWord::Text => String::deserialize(deserializer).map(Value::Text),
            ParamWord::File => String::deserialize(deserializer).map(Value::File),
            ParamWord::Choice => deserializer.deserialize_enum("Choice", &[], self),
        }
    }
}

impl<'de> Visitor<'de> for ValueOf<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "one of {}", self.0.choices.join(", "))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (word, variant) = data.variant_seed(Word)?;
        variant.unit_variant()?;
        let found = self.0.choices.iter().position(|known| *known == word);
        found
            .map(|i| Value::Choice(i as u32, self.0.choices[i]))
            .ok_or_else(|| de::Error::custom(format!("Expected one of {} but found {word}", self.0.choices.join(", "))))
    }
}

/// A bare word.
struct Word;

impl<'de> DeserializeSeed<'de> for Word {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Word {
    type Value = String;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<String, E> {
        Ok(word.to_owned())
    }
}

/// Reads all values of a stage; those that are not given take their defaults.
pub(crate) struct ValuesOf<'a>(pub(crate) &'a [Param]);

impl<'de> DeserializeSeed<'de> for ValuesOf<'_> {
    type Value = Values;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Values, D::Error> {
        deserializer.deserialize_struct("", &[], self)
    }
}

impl<'de> Visitor<'de> for ValuesOf<'_> {
    type Value = Values;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("parameters (name: value, ..)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        let mut given: Vec<Option<Value>> = vec![None; self.0.len()];
        while let Some(name) = map.next_key_seed(Word)? {
            let Some(i) = self.0.iter().position(|param| param.name == name) else {
                return Err(de::Error::custom(format!("unknown parameter {name:?}")));
            };
            given[i] = Some(map.next_value_seed(ValueOf(&self.0[i]))?);
        }
        let values = self.0.iter().zip(given).map(|(param, given)| {
            let value = given.or_else(|| param.default.clone());
            value.map(|v| (param.name, v)).ok_or_else(|| de::Error::custom(format!("no value for {:?}", param.name)))
        });
        values.collect::<Result<_, _>>().map(Values)
    }
}
