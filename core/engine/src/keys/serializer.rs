//! The serde serializer behind [`Canonical::of`].

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::canonical::{Canonical, PATH_STRUCT};

/// A value that has no canonical form, so that the node has no key and is not cached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameters have no canonical form: {message}")]
pub struct CanonicalError {
    message: String,
}

impl CanonicalError {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string() }
    }
}

impl ser::Error for CanonicalError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

/// Turns each call of serde into one node of the tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CanonicalSerializer;

type Outcome = Result<Canonical, CanonicalError>;

impl Serializer for CanonicalSerializer {
    type Ok = Canonical;
    type Error = CanonicalError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    fn serialize_bool(self, value: bool) -> Outcome {
        Ok(Canonical::Bool(value))
    }
    fn serialize_i8(self, value: i8) -> Outcome {
        self.serialize_i128(value.into())
    }
    fn serialize_i16(self, value: i16) -> Outcome {
        self.serialize_i128(value.into())
    }
    fn serialize_i32(self, value: i32) -> Outcome {
        self.serialize_i128(value.into())
    }
    fn serialize_i64(self, value: i64) -> Outcome {
        self.serialize_i128(value.into())
    }
    fn serialize_i128(self, value: i128) -> Outcome {
        Ok(value.into())
    }
    fn serialize_u8(self, value: u8) -> Outcome {
        self.serialize_u128(value.into())
    }
    fn serialize_u16(self, value: u16) -> Outcome {
        self.serialize_u128(value.into())
    }
    fn serialize_u32(self, value: u32) -> Outcome {
        self.serialize_u128(value.into())
    }
    fn serialize_u64(self, value: u64) -> Outcome {
        self.serialize_u128(value.into())
    }
    fn serialize_u128(self, value: u128) -> Outcome {
        Ok(value.into())
    }
    fn serialize_f32(self, value: f32) -> Outcome {
        Ok(value.into())
    }
    fn serialize_f64(self, value: f64) -> Outcome {
        Ok(value.into())
    }
    fn serialize_char(self, value: char) -> Outcome {
        Ok(Canonical::Char(value))
    }
    fn serialize_str(self, value: &str) -> Outcome {
        Ok(Canonical::Str(value.to_owned()))
    }
    fn serialize_bytes(self, value: &[u8]) -> Outcome {
        Ok(Canonical::Bytes(value.to_owned()))
    }
    fn serialize_none(self) -> Outcome {
        Ok(Canonical::None)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Outcome {
        Ok(Canonical::Some(Box::new(Canonical::of(value)?)))
    }
    fn serialize_unit(self) -> Outcome {
        Ok(Canonical::Unit)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Outcome {
        Ok(Canonical::Unit)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Outcome {
        Ok(Canonical::Variant(variant.to_owned(), None))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Outcome {
        if name != PATH_STRUCT {
            return Canonical::of(value);
        }
        // A path that is no Unicode text refuses to be serialised. It is only shown to people, so that is no error.
        Ok(Canonical::Path(match Canonical::of(value) {
            Ok(Canonical::Str(path)) => path,
            Ok(other) => other.text(),
            Err(_) => "(a path that is not valid Unicode)".to_owned(),
        }))
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Outcome {
        Ok(Canonical::Variant(variant.to_owned(), Some(Box::new(Canonical::of(value)?))))
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Items, CanonicalError> {
        // The length is a hint of the value's author: never reserve gigabytes on its word.
        Ok(Items { variant: None, items: Vec::with_capacity(len.unwrap_or(0).min(1024)) })
    }
    fn serialize_tuple(self, len: usize) -> Result<Items, CanonicalError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items, CanonicalError> {
        self.serialize_seq(Some(len))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, CanonicalError> {
        Ok(Items { variant: Some(variant), items: Vec::new() })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Entries, CanonicalError> {
        Ok(Entries { key: None, entries: Vec::new() })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, CanonicalError> {
        Ok(Fields { variant: None, fields: BTreeMap::new() })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, CanonicalError> {
        Ok(Fields { variant: Some(variant), fields: BTreeMap::new() })
    }
}

fn in_variant(variant: Option<&'static str>, content: Canonical) -> Canonical {
    match variant {
        Some(name) => Canonical::Variant(name.to_owned(), Some(Box::new(content))),
        None => content,
    }
}

/// A sequence, tuple, tuple struct or tuple variant in the making.
#[derive(Debug)]
pub(crate) struct Items {
    variant: Option<&'static str>,
    items: Vec<Canonical>,
}

impl Items {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        self.items.push(Canonical::of(value)?);
        Ok(())
    }
    fn finish(self) -> Outcome {
        Ok(in_variant(self.variant, Canonical::Seq(self.items)))
    }
}

impl ser::SerializeSeq for Items {
    type Ok = Canonical;
    type Error = CanonicalError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        self.add(value)
    }
    fn end(self) -> Outcome {
        self.finish()
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Canonical;
    type Error = CanonicalError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        self.add(value)
    }
    fn end(self) -> Outcome {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Items {
    type Ok = Canonical;
    type Error = CanonicalError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        self.add(value)
    }
    fn end(self) -> Outcome {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Items {
    type Ok = Canonical;
    type Error = CanonicalError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        self.add(value)
    }
    fn end(self) -> Outcome {
        self.finish()
    }
}

/// A map in the making.
#[derive(Debug)]
pub(crate) struct Entries {
    key: Option<Canonical>,
    entries: Vec<(Canonical, Canonical)>,
}

impl ser::SerializeMap for Entries {
    type Ok = Canonical;
    type Error = CanonicalError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CanonicalError> {
        self.key = Some(Canonical::of(key)?);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        let key = self.key.take().ok_or_else(|| CanonicalError::new("a map gave a value before its key"))?;
        self.entries.push((key, Canonical::of(value)?));
        Ok(())
    }
    fn end(self) -> Outcome {
        Ok(Canonical::sorted_map(self.entries))
    }
}

/// A struct or struct variant in the making.
#[derive(Debug)]
pub(crate) struct Fields {
    variant: Option<&'static str>,
    fields: BTreeMap<String, Canonical>,
}

impl Fields {
    fn add<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), CanonicalError> {
        match self.fields.insert(name.to_owned(), Canonical::of(value)?) {
            None => Ok(()),
            Some(_) => Err(CanonicalError::new(format!("two fields are called {name:?}"))),
        }
    }
    fn finish(self) -> Outcome {
        Ok(in_variant(self.variant, Canonical::Struct(self.fields)))
    }
}

impl ser::SerializeStruct for Fields {
    type Ok = Canonical;
    type Error = CanonicalError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), CanonicalError> {
        self.add(name, value)
    }
    fn end(self) -> Outcome {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Fields {
    type Ok = Canonical;
    type Error = CanonicalError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), CanonicalError> {
        self.add(name, value)
    }
    fn end(self) -> Outcome {
        self.finish()
    }
}
