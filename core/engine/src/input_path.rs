//! A file that a stage reads.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A parameter that names a file to read.
///
/// A relative path written in a graph file is taken from that file's folder, one from the command line from the
/// working directory; the loader makes it absolute. The path never enters a key: the file's content does, through
/// [`Stage::fingerprint`](crate::Stage::fingerprint), where the stage declares it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename = "InputPath")]
pub struct InputPath(pub PathBuf);

impl InputPath {
    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for InputPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl From<&str> for InputPath {
    fn from(path: &str) -> Self {
        Self(PathBuf::from(path))
    }
}

impl JsonSchema for InputPath {
    fn schema_name() -> Cow<'static, str> {
        "InputPath".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "input-path" })
    }
    fn inline_schema() -> bool {
        true
    }
}
