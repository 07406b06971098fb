//! What travels along an edge: a product, its type name and its file format.

use std::any::Any;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A value that a stage makes and another reads. The engine knows only its type's name and how it becomes a file.
///
/// Equal products must encode to equal bytes: the digest of the file is the identity of the product.
pub trait Product: Any + fmt::Debug + Send + Sync {
    /// The type's name, as ports and messages show it (`image`, `table`).
    fn type_name(&self) -> &'static str;
    /// Extension of the artefact's file, without the dot (`fits`, `parquet`).
    fn extension(&self) -> &str;
    /// Bytes that the product occupies in memory.
    fn resident_bytes(&self) -> u64;
    /// Writes the product as one complete file at `path`, which does not exist yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn encode(&self, path: &Path) -> Result<(), CodecError>;
    /// Writes the same bytes to `out` and returns `true`, for formats that are written from front to end: the store then
    /// digests them on their way and reads nothing again. `false`, with nothing written, when only [`Product::encode`] can.
    ///
    /// # Errors
    /// When they cannot be written.
    fn encode_to(&self, out: &mut dyn Write) -> Result<bool, CodecError> {
        let _ = out;
        Ok(false)
    }
}

/// A concrete product type: what a typed port names.
pub trait ProductType: Product + Sized {
    /// The type's name; equal to [`Product::type_name`].
    const TYPE: &'static str;
    /// Reads what [`Product::encode`] wrote.
    ///
    /// # Errors
    /// When the file is not what `encode` writes.
    fn decode(path: &Path) -> Result<Self, CodecError>;
}

/// An artefact could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file's content is not what was expected.
    #[error("{0}")]
    Format(String),
}

impl CodecError {
    /// A format error from anything that can be printed.
    pub fn format(message: impl fmt::Display) -> Self {
        Self::Format(message.to_string())
    }
}

/// A product type as a value: its name and decoder. Ports carry it, so the engine needs no table of types.
#[derive(Clone, Copy)]
pub struct ProductKind {
    /// The type's name.
    pub name: &'static str,
    /// Reads an artefact of this type.
    pub decode: fn(&Path) -> Result<Arc<dyn Product>, CodecError>,
}

impl ProductKind {
    /// The kind of a concrete type.
    #[must_use]
    pub fn of<T: ProductType>() -> Self {
        Self { name: T::TYPE, decode: |path| Ok(Arc::new(T::decode(path)?)) }
    }
}

impl fmt::Debug for ProductKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for ProductKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
impl Eq for ProductKind {}
