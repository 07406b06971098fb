//! Where things lie inside the store. The module documentation of [`crate::store`] shows the whole picture.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::artefact::Artefact;
use super::error::StoreError;
use crate::keys::Key;

/// Changes when the meaning of keys or files changes.
const VERSION: &str = "v1";

/// Paths of one store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    base: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf(), base: root.join(VERSION) }
    }

    /// Makes the folders. Cheap when they exist.
    pub(crate) fn create(&self) -> Result<(), StoreError> {
        for folder in [
            self.artefacts(),
            self.actions(),
            self.recipes(),
            self.stat(),
            self.last(),
            self.live(),
            self.tmp(),
            self.pins(),
            self.runs(),
        ] {
            create_folder(&folder)?;
        }
        let tag = self.root.join("CACHEDIR.TAG");
        if !tag.exists() {
            // The signature is fixed by the convention at https://bford.info/cachedir/.
            let text =
                "Signature: 8a477f597d28d172789f06886806bc55\n# Cache of Skyloom; it may be deleted at any time.\n";
            std::fs::write(&tag, text).map_err(|e| StoreError::io("marking the cache folder", &tag, e, 128))?;
        }
        Ok(())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
    pub(crate) fn artefacts(&self) -> PathBuf {
        self.base.join("artefacts")
    }
    pub(crate) fn actions(&self) -> PathBuf {
        self.base.join("actions")
    }
    pub(crate) fn recipes(&self) -> PathBuf {
        self.base.join("recipes")
    }
    pub(crate) fn stat(&self) -> PathBuf {
        self.base.join("stat")
    }
    pub(crate) fn last(&self) -> PathBuf {
        self.base.join("last")
    }
    pub(crate) fn live(&self) -> PathBuf {
        self.base.join("live")
    }
    pub(crate) fn tmp(&self) -> PathBuf {
        self.base.join("tmp")
    }
    pub(crate) fn pins(&self) -> PathBuf {
        self.base.join("pins")
    }
    pub(crate) fn runs(&self) -> PathBuf {
        self.base.join("runs")
    }
    pub(crate) fn lock(&self) -> PathBuf {
        self.base.join("lock")
    }

    /// Artefacts are spread over 256 folders, because people list them. Records and recipes are not: a new folder costs a
    /// node ten times as much as a new file.
    pub(crate) fn artefact(&self, artefact: &Artefact) -> PathBuf {
        let hex = artefact.digest.to_hex();
        let mut path = self.artefacts();
        path.push(&hex[..2]);
        path.push(if artefact.extension.is_empty() { hex } else { format!("{hex}.{}", artefact.extension) });
        path
    }

    pub(crate) fn action(&self, key: Key) -> PathBuf {
        self.actions().join(format!("{key}.json"))
    }

    pub(crate) fn recipe(&self, key: Key) -> PathBuf {
        self.recipes().join(format!("{key}.json"))
    }

    /// Folder of what the nodes of a graph ran last.
    pub(crate) fn last_of_graph(&self, graph: &str) -> PathBuf {
        self.last().join(file_name_of(graph))
    }

    pub(crate) fn last_of(&self, graph: &str, node: &str, suffix: &str) -> PathBuf {
        self.last_of_graph(graph).join(format!("{}{suffix}", file_name_of(node)))
    }

    pub(crate) fn pin(&self, name: &str) -> PathBuf {
        self.pins().join(format!("{}.json", file_name_of(name)))
    }
}

/// Makes a folder and those above it.
pub(crate) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(folder).map_err(|e| StoreError::io("making the folder", folder, e, 0))
}

/// Paths and names in a folder, sorted. An absent folder is empty; names that are no Unicode text were not given by a store.
pub(crate) fn folder_entries(folder: &Path) -> Result<Vec<(PathBuf, String)>, StoreError> {
    let failed = |e| StoreError::io("listing a folder", folder, e, 0);
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut list = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string() {
            list.push((entry.path(), name));
        }
    }
    list.sort();
    Ok(list)
}

/// A file name for any text: letters, digits and `-_[].` stay, everything else becomes `%` and two digits per byte. A
/// long name is cut and told apart by its digest. Whoever reads such a file compares the text inside.
pub(crate) fn file_name_of(text: &str) -> String {
    use std::fmt::Write;
    // Most file systems allow 255 bytes; suffixes and the digest need room.
    const LIMIT: usize = 180;
    let mut name = String::new();
    for (i, byte) in text.bytes().enumerate() {
        let stays =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'[' | b']') || (byte == b'.' && i > 0);
        if stays {
            name.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(name, "%{byte:02x}");
        }
    }
    if name.is_empty() {
        name.push('%');
    }
    if name.len() > LIMIT {
        name.truncate(LIMIT);
        name.push('-');
        name.push_str(&crate::digest::Digest::of(text.as_bytes()).short());
    }
    name
}

/// Extensions become part of file names, so they may not contain a separator.
pub(crate) fn check_extension(extension: &str) -> Result<(), StoreError> {
    let is_fine = extension.len() <= 16
        && !extension.starts_with('.')
        && extension.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if is_fine { Ok(()) } else { Err(StoreError::Extension { extension: extension.to_owned() }) }
}
