//! Content digests: BLAKE3, 256 bits, written as 64 hexadecimal digits.

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The BLAKE3 digest of some bytes. It names an artefact and tells two products apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digest of a byte string.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Digest of a file's content.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub fn of_file(path: &Path) -> std::io::Result<Self> {
        Self::of_reader(&mut std::fs::File::open(path)?)
    }

    /// Digest of everything that a reader gives.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_reader(reader: &mut dyn Read) -> std::io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        // Read, not mapped: a file that another process shortens while it is mapped would kill the process.
        let mut buffer = vec![0_u8; 1 << 20];
        loop {
            let n = match reader.read(&mut buffer) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
        }
        Ok(Self(*hasher.finalize().as_bytes()))
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|h| Self(*h.as_bytes()))
    }

    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// The first twelve digits: enough for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_hex()[..12].to_owned()
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("not a digest of 64 hexadecimal digits: {text:?}")))
    }
}

/// Passes bytes on and digests them on their way.
pub(crate) struct DigestWriter<W> {
    to: W,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<W: Write> DigestWriter<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, hasher: blake3::Hasher::new(), bytes: 0 }
    }

    /// Digest and number of the bytes.
    pub(crate) fn finish(mut self) -> std::io::Result<(Digest, u64)> {
        self.to.flush()?;
        Ok((Digest(*self.hasher.finalize().as_bytes()), self.bytes))
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Collects what a stage reads besides its inputs and parameters: files and programs.
///
/// Every ingredient has a name, so that `why` can say which one changed.
#[derive(Debug, Default)]
pub struct DigestBuilder {
    parts: Vec<(String, Digest)>,
    files: Option<Arc<dyn FileDigests>>,
}

/// Gives the digest of a file, perhaps from a cache that knows the file has not changed.
pub trait FileDigests: fmt::Debug + Send + Sync {
    /// Digest of the content of the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn file_digest(&self, path: &Path) -> std::io::Result<Digest>;
}

impl DigestBuilder {
    /// An empty builder that reads files itself.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty builder that asks a cache of file digests.
    #[must_use]
    pub fn with_files(files: Arc<dyn FileDigests>) -> Self {
        Self { parts: Vec::new(), files: Some(files) }
    }

    /// Adds a byte string under a name.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.parts.push((name.to_owned(), Digest::of(bytes)));
    }

    /// Adds the content of a file under a name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn file(&mut self, name: &str, path: &Path) -> std::io::Result<()> {
        let digest = match &self.files {
            Some(files) => files.file_digest(path)?,
            None => Digest::of_file(path)?,
        };
        self.parts.push((name.to_owned(), digest));
        Ok(())
    }

    /// The named ingredients, in the order in which they were added.
    #[must_use]
    pub fn parts(&self) -> &[(String, Digest)] {
        &self.parts
    }
}
