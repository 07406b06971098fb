//! Everything that a node's result depends on. Kept beside every record, so that `why` compares two small files.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::canonical::{Canonical, write_len, write_sized};
use crate::digest::Digest;

/// A recipe key or an action key: the digest of a node's ingredients.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Digest);

impl Key {
    /// The key made from these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Digest::of(bytes))
    }

    /// The key with these 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        Digest::from_hex(text).map(Self)
    }

    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.to_hex()
    }

    /// The first twelve digits: enough for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }

    /// The digest itself; an action key's seeds the random numbers of the node.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl From<Digest> for Key {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.short())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// What a node's result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingredients {
    /// Kind of the stage.
    pub kind: String,
    /// Version of the stage.
    pub version: u32,
    /// Crate or program that brings the stage, with its version. Not hashed: the stage's version is the contract.
    pub provider: Option<String>,
    /// Files and programs that the stage reads, as [`DigestBuilder::parts`](crate::DigestBuilder::parts) gives them. The
    /// names say what the file is for (`path`, `catalogue.2`) and are hashed; a name made from the file's path would tie
    /// the key to the place of the file. The order between different names does not count.
    pub fingerprint: Vec<(String, Digest)>,
    /// All parameters, defaults included.
    pub params: Canonical,
    /// What arrives at the input ports. The order between ports does not count; within a port it does.
    pub inputs: Vec<InputIngredient>,
}

/// One product that arrives at an input port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputIngredient {
    /// Input port of this node.
    pub port: String,
    /// Where it comes from, as `node.port`. For people only: renaming a node reruns nothing.
    pub source: String,
    /// Name of the product's type.
    pub product: String,
    /// What identifies it.
    pub upstream: Upstream,
}

/// What identifies an input: before it exists its recipe, afterwards its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Recipe key of the producing node; empty when that node has none.
    pub recipe: Option<Key>,
    /// Output port of the producing node. Enters the recipe key only.
    pub output: String,
    /// Content digest; empty while the product does not exist.
    pub content: Option<Digest>,
}

impl Upstream {
    /// A product that is known by the recipe of its node and its output port.
    #[must_use]
    pub fn recipe(recipe: Key, output: &str) -> Self {
        Self { recipe: Some(recipe), output: output.to_owned(), content: None }
    }

    /// A product of a node without a recipe key.
    #[must_use]
    pub fn unknown(output: &str) -> Self {
        Self { recipe: None, output: output.to_owned(), content: None }
    }

    /// The same product, now that its content is known.
    #[must_use]
    pub fn with_content(mut self, content: Digest) -> Self {
        self.content = Some(content);
        self
    }
}

impl Ingredients {
    /// Appends what both keys share. `purpose` keeps the two kinds of key apart.
    pub(super) fn write_common(&self, purpose: &str, out: &mut Vec<u8>) {
        write_sized(purpose.as_bytes(), out);
        write_sized(self.kind.as_bytes(), out);
        out.extend(self.version.to_le_bytes());
        let mut parts: Vec<_> = self.fingerprint.iter().collect();
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        write_len(parts.len(), out);
        for (name, digest) in parts {
            write_sized(name.as_bytes(), out);
            out.extend(digest.as_bytes());
        }
        self.params.write_bytes(out);
    }

    /// The inputs sorted by port; within a port the order stays.
    pub(super) fn sorted_inputs(&self) -> Vec<&InputIngredient> {
        let mut inputs: Vec<_> = self.inputs.iter().collect();
        inputs.sort_by(|a, b| a.port.cmp(&b.port));
        inputs
    }
}
