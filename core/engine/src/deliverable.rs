//! The product of stages that make files for users.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::product::{CodecError, Product, ProductType};

/// Content that is made while it is written, so that a large file is never in memory.
pub trait FileContent: fmt::Debug + Send + Sync {
    /// Writes all of it, in large pieces; the same bytes each time.
    ///
    /// # Errors
    /// When `out` refuses. What cannot be expressed is found before there is content.
    fn write_to(&self, out: &mut dyn Write) -> io::Result<()>;
    /// Bytes that it occupies in memory.
    fn resident_bytes(&self) -> u64;
}

/// Content of a file that the graph delivers: a picture, a catalogue in a user's format.
///
/// The stage makes the content; the engine places it under the name that `outputs` gives.
#[derive(Debug, Clone)]
pub struct Deliverable {
    extension: String,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Bytes(Vec<u8>),
    Streamed(Arc<dyn FileContent>),
}

impl Deliverable {
    /// Bytes of a file with this extension (no dot).
    #[must_use]
    pub fn new(extension: &str, bytes: Vec<u8>) -> Self {
        Self { extension: extension.to_owned(), content: Content::Bytes(bytes) }
    }

    /// A file with this extension (no dot) that is made while it is written.
    #[must_use]
    pub fn streamed(extension: &str, content: Arc<dyn FileContent>) -> Self {
        Self { extension: extension.to_owned(), content: Content::Streamed(content) }
    }

    /// The file's content, made now where it is not in memory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        match &self.content {
            Content::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::Streamed(content) => {
                let mut bytes = Vec::new();
                content.write_to(&mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

impl Product for Deliverable {
    fn type_name(&self) -> &'static str {
        Self::TYPE
    }
    fn extension(&self) -> &str {
        &self.extension
    }
    fn resident_bytes(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Streamed(content) => content.resident_bytes(),
        }
    }
    fn encode(&self, path: &Path) -> Result<(), CodecError> {
        self.encode_to(&mut File::create(path)?).map(|_| ())
    }
    fn encode_to(&self, out: &mut dyn Write) -> Result<bool, CodecError> {
        match &self.content {
            Content::Bytes(bytes) => out.write_all(bytes)?,
            Content::Streamed(content) => content.write_to(out)?,
        }
        Ok(true)
    }
}

impl ProductType for Deliverable {
    const TYPE: &'static str = "file";
    fn decode(path: &Path) -> Result<Self, CodecError> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        Ok(Self::new(extension, std::fs::read(path)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Twice(&'static [u8]);

    impl FileContent for Twice {
        fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
            out.write_all(self.0)?;
            out.write_all(self.0)
        }
        fn resident_bytes(&self) -> u64 {
            self.0.len() as u64
        }
    }

    #[test]
    fn streamed_content_is_the_same_in_memory_and_on_disk() {
        let (streamed, whole) =
            (Deliverable::streamed("txt", Arc::new(Twice(b"ab"))), Deliverable::new("txt", b"abab".to_vec()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.txt");
        for file in [&streamed, &whole] {
            assert_eq!(&file.bytes().unwrap()[..], b"abab");
            file.encode(&path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"abab");
            assert_eq!(file.extension(), "txt");
        }
        assert_eq!((streamed.resident_bytes(), whole.resident_bytes()), (2, 4));
        assert_eq!(&Deliverable::decode(&path).unwrap().bytes().unwrap()[..], b"abab");
    }
}
