//! What a `*.stage.ron` file says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use ron::value::RawValue;
use serde::Deserialize;

use crate::port::Format;

/// A descriptor as written. [`crate::reader`] checks it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename = "descriptor")]
pub(crate) struct Descriptor {
    /// Kind in graph files: `family.verb`.
    pub(crate) kind: String,
    /// Bumped when the same inputs give another result for a reason that no declared file shows.
    pub(crate) version: u32,
    /// Documentation; the first line is a sentence that stands alone.
    pub(crate) doc: String,
    #[serde(default)]
    pub(crate) inputs: IndexMap<String, InputSpec>,
    pub(crate) outputs: IndexMap<String, OutputSpec>,
    #[serde(default)]
    pub(crate) params: IndexMap<String, ParamSpec>,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Files beside the descriptor that the program is made of or reads.
    #[serde(default)]
    pub(crate) files: Vec<String>,
    /// Other programs that it starts.
    #[serde(default)]
    pub(crate) requires: Vec<String>,
    /// What to do when a program is not there.
    #[serde(default)]
    pub(crate) install: Option<String>,
    /// Environment variables that it sees.
    #[serde(default = "default_environment")]
    pub(crate) environment: Vec<String>,
    #[serde(default = "default_time_limit_s")]
    pub(crate) time_limit_s: f64,
    /// Bytes of data that each of its processes may have, as a number or as text (`2GiB`).
    #[serde(default)]
    pub(crate) memory_limit: Option<Size>,
    #[serde(default)]
    pub(crate) estimate: Estimate,
}

fn default_environment() -> Vec<String> {
    ["PATH", "HOME"].map(str::to_owned).to_vec()
}

fn default_time_limit_s() -> f64 {
    3600.0
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SizeText")]
pub(crate) struct Size(pub(crate) u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum SizeText {
    Bytes(u64),
    Text(String),
}

impl TryFrom<SizeText> for Size {
    type Error = String;

    fn try_from(text: SizeText) -> Result<Self, String> {
        let text = match text {
            SizeText::Bytes(bytes) => return Ok(Self(bytes)),
            SizeText::Text(text) => text,
        };
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit: u64 = match text[end..].trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(format!("{text:?}: a size is a number with B, KiB, MiB or GiB")),
        };
        let number: Option<u64> = text[..end].parse().ok();
        let bytes = number.and_then(|n| n.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| format!("{text:?}: a size is a number with B, KiB, MiB or GiB"))
    }
}

/// Memory that the program needs, for the plan: its inputs and outputs in our own memory are counted by us.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "estimate")]
pub(crate) struct Estimate {
    /// Bytes per pixel of all input images together.
    pub(crate) bytes_per_pixel: f64,
    /// Bytes besides.
    pub(crate) fixed: Size,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { bytes_per_pixel: 32.0, fixed: Size(128 << 20) }
    }
}

/// Type of a product in a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", rename = "product")]
pub(crate) enum ProductWord {
    Image,
    Table,
    Isophotes,
    Psf,
    PsfSet,
    /// A file whose content is JSON.
    Json,
    /// A file of any content.
    File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case", rename = "arity")]
pub(crate) enum ArityWord {
    #[default]
    Required,
    Optional,
    Any,
}

/// An input port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename = "input")]
pub(crate) struct InputSpec {
    pub(crate) product: ProductWord,
    #[serde(default)]
    pub(crate) arity: ArityWord,
    pub(crate) doc: String,
    /// File format of a table.
    #[serde(default)]
    pub(crate) format: Option<Format>,
}

/// An output port, with what is promised of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename = "output")]
pub(crate) struct OutputSpec {
    pub(crate) product: ProductWord,
    pub(crate) doc: String,
    #[serde(default)]
    pub(crate) format: Option<Format>,
    /// Extension of a `file`.
    #[serde(default)]
    pub(crate) extension: Option<String>,
    /// Input image that has the same width and height.
    #[serde(default)]
    pub(crate) same_shape_as: Option<String>,
    /// Whether every pixel without a mask bit, or every number in the table, is finite.
    #[serde(default)]
    pub(crate) finite: bool,
    /// Columns of a table: these, all of them, and no others.
    #[serde(default)]
    pub(crate) columns: Option<IndexMap<String, ColumnSpec>>,
}

/// A promised column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename = "column")]
pub(crate) struct ColumnSpec {
    #[serde(rename = "type")]
    pub(crate) kind: ColumnWord,
    #[serde(default)]
    pub(crate) unit: String,
    #[serde(default)]
    pub(crate) doc: String,
    /// Whether every value is there and finite.
    #[serde(default)]
    pub(crate) finite: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", rename = "type")]
pub(crate) enum ColumnWord {
    Float,
    Int,
    Bool,
    Text,
}

/// A parameter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename = "parameter")]
pub(crate) struct ParamSpec {
    #[serde(rename = "type")]
    pub(crate) kind: ParamWord,
    pub(crate) doc: String,
    #[serde(default)]
    pub(crate) unit: Option<String>,
    #[serde(default)]
    pub(crate) min: Option<f64>,
    #[serde(default)]
    pub(crate) max: Option<f64>,
    /// The value must be greater than this.
    #[serde(default)]
    pub(crate) above: Option<f64>,
    /// The value must be less than this.
    #[serde(default)]
    pub(crate) below: Option<f64>,
    /// As it would stand in a graph file. A parameter without one must be given.
    #[serde(default)]
    pub(crate) default: Option<Box<RawValue>>,
    /// The words of a choice, each with its documentation.
    #[serde(default)]
    pub(crate) choices: IndexMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", rename = "type")]
pub(crate) enum ParamWord {
    Float,
    Int,
    Bool,
    Text,
    Choice,
    /// A file to read: its content is in the key, its path is not.
    File,
}

/// A checked descriptor and where it was read.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) descriptor: Descriptor,
    /// The file as the user knows it.
    pub(crate) shown: PathBuf,
    /// Absolute folder of the file: `{folder}` in arguments.
    pub(crate) folder: PathBuf,
    /// Parameters with parsed defaults, in the order of the file.
    pub(crate) params: Vec<crate::params::Param>,
}

impl Kind {
    /// Declared files, and arguments that name a file beside the descriptor: name as written, and path.
    pub(crate) fn files(&self) -> Vec<(&str, PathBuf)> {
        let of_command = self.descriptor.command.iter().filter_map(|word| {
            let rest = word.strip_prefix("{folder}/")?;
            let path = self.folder.join(rest);
            (!rest.contains('{') && path.is_file()).then_some((rest, path))
        });
        let declared = self.descriptor.files.iter().map(|name| (name.as_str(), self.folder.join(name)));
        let mut files: Vec<(&str, PathBuf)> = Vec::new();
        for (name, path) in declared.chain(of_command) {
            if !files.iter().any(|(known, _)| *known == name) {
                files.push((name, path));
            }
        }
        files
    }

    /// An argument with its placeholders replaced, in one pass: what they are replaced by is not looked at again.
    pub(crate) fn fill(&self, word: &str, job: &Path) -> OsString {
        let mut filled = OsString::new();
        let mut rest = word;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            filled.push(before);
            let places = [("{folder}", self.folder.as_path()), ("{job}", job)];
            let place = places.into_iter().find_map(|(name, path)| Some((from.strip_prefix(name)?, path)));
            match place {
                Some((after, path)) => {
                    filled.push(path);
                    rest = after;
                }
                None => {
                    filled.push("{");
                    rest = &from[1..];
                }
            }
        }
        filled.push(rest);
        filled
    }
}
