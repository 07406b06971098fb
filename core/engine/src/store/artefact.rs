//! Artefacts: products as files, named by the digest of their bytes.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{StoreError, is_no_room};
use super::handle::Store;
use super::layout::check_extension;
use super::place::TempFile;
use crate::digest::{Digest, DigestWriter};
use crate::product::{CodecError, Product, ProductKind};

/// A product as a file: what identifies it, and how it is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Artefact {
    /// Digest of the file's content: the identity of the product.
    pub digest: Digest,
    /// Size of the file.
    pub bytes: u64,
    /// Extension of the file, without the dot.
    pub extension: String,
    /// Name of the product's type.
    pub type_name: String,
}

/// An artefact could not be read back. Each case is a miss: make the product anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is not in the store.
    #[error("{}: not in the store", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// Its content is not what was stored. It was removed from the store.
    #[error("{}: damaged, {what}; removed", path.display())]
    Damaged {
        /// Where it was.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It is a product of another type than the port asks for.
    #[error("{}: holds a product of type {found}, not {expected}", path.display())]
    WrongType {
        /// Where it is.
        path: PathBuf,
        /// Type that the port asks for.
        expected: String,
        /// Type of the artefact.
        found: String,
    },
    /// The system refused to read it.
    #[error("{}: cannot be read ({source})", path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Store {
    /// Puts a product into the store and says under which digest. An equal product that is there already is replaced by
    /// the same bytes, which heals a damaged one.
    ///
    /// # Errors
    /// When the product cannot be encoded or the file not be written; nothing half-made stays.
    pub fn put(&self, product: &dyn Product) -> Result<Artefact, StoreError> {
        let temp = self.temp_for(product)?;
        let artefact = self.encode(product, &temp)?;
        let tenant = self.tenant()?;
        let lock = self.layout.shared()?;
        tenant.note(&lock, std::iter::once(&artefact.digest))?;
        temp.place(&self.layout.artefact(&artefact))?;
        Ok(artefact)
    }

    /// The artefact that a product would be, without keeping it: for nodes with `keep: never`, whose readers still want to
    /// know whether the content changed. A product that can be written from front to end touches no disk.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn measure(&self, product: &dyn Product) -> Result<Artefact, StoreError> {
        let temp = self.temp_for(product)?;
        let mut out = DigestWriter::new(std::io::sink());
        match product.encode_to(&mut out) {
            Ok(true) => {
                let (digest, bytes) = out.finish().map_err(|e| failed(product, &temp, e))?;
                Ok(artefact_of(product, digest, bytes))
            }
            Ok(false) => self.encode(product, &temp),
            Err(e) => Err(not_encoded(product, &temp, e)),
        }
    }

    fn temp_for(&self, product: &dyn Product) -> Result<TempFile, StoreError> {
        let extension = product.extension();
        check_extension(extension)?;
        self.tenant()?.temp(extension)
    }

    /// Writes the file, digesting it on its way where the format allows.
    fn encode(&self, product: &dyn Product, temp: &TempFile) -> Result<Artefact, StoreError> {
        let failed = |e| failed(product, temp, e);
        let mut out = DigestWriter::new(File::create(temp.path()).map_err(failed)?);
        if product.encode_to(&mut out).map_err(|e| not_encoded(product, temp, e))? {
            let (digest, bytes) = out.finish().map_err(failed)?;
            return Ok(artefact_of(product, digest, bytes));
        }
        drop(out);
        std::fs::remove_file(temp.path()).map_err(failed)?;
        product.encode(temp.path()).map_err(|e| not_encoded(product, temp, e))?;
        let mut file = File::open(temp.path()).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let digest = Digest::of_reader(&mut file).map_err(failed)?;
        Ok(artefact_of(product, digest, bytes))
    }

    /// Where an artefact lies, or would lie. Only for reading: `show`, external programs.
    #[must_use]
    pub fn path_of(&self, artefact: &Artefact) -> PathBuf {
        self.layout.artefact(artefact)
    }

    /// Whether the artefact is there with the right size. Its content is verified when it is read.
    #[must_use]
    pub fn contains(&self, artefact: &Artefact) -> bool {
        std::fs::metadata(self.layout.artefact(artefact)).is_ok_and(|m| m.is_file() && m.len() == artefact.bytes)
    }

    /// Reads a product back, after its content was verified.
    ///
    /// # Errors
    /// Every error is a miss; a damaged artefact is removed, with a warning in the log.
    pub fn load(&self, kind: ProductKind, artefact: &Artefact) -> Result<Arc<dyn Product>, LoadError> {
        let path = self.layout.artefact(artefact);
        if kind.name != artefact.type_name {
            let (expected, found) = (kind.name.to_owned(), artefact.type_name.clone());
            return Err(LoadError::WrongType { path, expected, found });
        }
        self.claim(artefact).map_err(|e| LoadError::Io { path: path.clone(), source: std::io::Error::other(e) })?;
        let metadata = match self.verified(artefact)? {
            Verified::Good(metadata) => metadata,
            Verified::Bad(metadata, what, _) => return Err(self.damaged(path, &metadata, what)),
        };
        match (kind.decode)(&path) {
            Ok(product) => Ok(product),
            Err(CodecError::Io(e)) if e.kind() == ErrorKind::NotFound => Err(LoadError::Missing { path }),
            Err(CodecError::Io(source)) => Err(LoadError::Io { path, source }),
            Err(CodecError::Format(message)) => Err(self.damaged(path, &metadata, message)),
        }
    }

    fn damaged(&self, path: PathBuf, metadata: &Metadata, what: String) -> LoadError {
        tracing::warn!("{}: damaged, {what}; removed", path.display());
        self.remove_damaged(&path, metadata);
        LoadError::Damaged { path, what }
    }

    /// Spares the artefact from garbage collection, if this store has a tenancy.
    pub(crate) fn claim(&self, artefact: &Artefact) -> Result<(), StoreError> {
        let Some(tenant) = self.current() else { return Ok(()) };
        if tenant.has_noted(std::iter::once(&artefact.digest)) {
            return Ok(());
        }
        tenant.note(&self.layout.shared()?, std::iter::once(&artefact.digest))
    }

    /// Compares an artefact's content with its digest.
    pub(crate) fn verified(&self, artefact: &Artefact) -> Result<Verified, LoadError> {
        let path = self.layout.artefact(artefact);
        let failed = |source: std::io::Error| match source.kind() {
            ErrorKind::NotFound => LoadError::Missing { path: path.clone() },
            _ => LoadError::Io { path: path.clone(), source },
        };
        let mut file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let found = Digest::of_reader(&mut file).map_err(failed)?;
        if found == artefact.digest {
            return Ok(Verified::Good(metadata));
        }
        let what = if metadata.len() == artefact.bytes {
            format!("its content has the digest {}", found.short())
        } else {
            format!("it has {} bytes instead of {}", metadata.len(), artefact.bytes)
        };
        Ok(Verified::Bad(metadata, what, found))
    }

    /// Removes a damaged file, unless somebody has put a good one in its place since it was looked at. A failure is no
    /// error: the file will be found damaged again.
    pub(crate) fn remove_damaged(&self, path: &Path, seen: &Metadata) {
        let Ok(_lock) = self.layout.exclusive() else { return };
        if std::fs::metadata(path).is_ok_and(|now| is_same_file(seen, &now)) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn artefact_of(product: &dyn Product, digest: Digest, bytes: u64) -> Artefact {
    Artefact { digest, bytes, extension: product.extension().to_owned(), type_name: product.type_name().to_owned() }
}

fn failed(product: &dyn Product, temp: &TempFile, error: std::io::Error) -> StoreError {
    StoreError::io("writing an artefact", temp.path(), error, product.resident_bytes())
}

fn not_encoded(product: &dyn Product, temp: &TempFile, error: CodecError) -> StoreError {
    match error {
        CodecError::Io(e) => failed(product, temp, e),
        // Libraries of formats often hide that the disk is full.
        CodecError::Format(message) => match probe_room(temp.path()) {
            Err(e) if is_no_room(&e) => failed(product, temp, e),
            _ => StoreError::Encode { type_name: product.type_name().to_owned(), message },
        },
    }
}

/// What a look at an artefact's content gave.
#[derive(Debug)]
pub(crate) enum Verified {
    /// It is what its name says.
    Good(Metadata),
    /// It is not: the file looked at, what is wrong, its digest.
    Bad(Metadata, String, Digest),
}

/// Writes and removes a small file, to see whether the disk has room.
fn probe_room(beside: &Path) -> std::io::Result<()> {
    let probe = TempFile::at(beside.with_extension("probe"));
    std::fs::write(probe.path(), vec![1_u8; 1 << 16])
}

#[cfg(unix)]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |m: &Metadata| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec());
    identity(a) == identity(b)
}

#[cfg(not(unix))]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}
