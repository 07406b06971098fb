//! The stages compiled into this binary: typetag builds them, inventory records describe them.

use std::sync::LazyLock;

use ron::extensions::Extensions;

use super::source::{BuildError, StageInfo, StageSource};
use crate::stage::{Stage, StageRecord};

/// How parameters are read and written: `Some` and newtype wrappers may be left out, so that a graph file shows plain
/// values (`mask: "m.fits"`, not `mask: Some(InputPath("m.fits"))`).
pub(crate) fn ron_options() -> &'static ron::Options {
    static OPTIONS: LazyLock<ron::Options> = LazyLock::new(|| {
        ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_NEWTYPES)
    });
    &OPTIONS
}

/// The source of everything that [`register_stage!`](crate::register_stage) announced in this binary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Builtin;

impl StageSource for Builtin {
    fn name(&self) -> &'static str {
        "built in"
    }

    fn stages(&self) -> Vec<StageInfo> {
        inventory::iter::<StageRecord>().map(info).collect()
    }

    fn build(&self, kind: &str, params_ron: &str) -> Result<Box<dyn Stage>, BuildError> {
        // The kind stands first: typetag then hands the parameters on without buffering them, and error positions stay.
        let prefix = format!("(kind:\"{kind}\",params:");
        let text = format!("{prefix}{params_ron})");
        ron_options().from_str::<Box<dyn Stage>>(&text).map_err(|error| {
            let offset = offset_of(&text, error.span.end.line, error.span.end.col);
            // An error behind the parameters (missing field) belongs to their end.
            let offset = offset.saturating_sub(prefix.len()).min(params_ron.len());
            BuildError { message: error.code.to_string(), offset: Some(offset) }
        })
    }
}

fn info(record: &StageRecord) -> StageInfo {
    let schema = (record.schema)().to_value();
    let doc = schema.get("description").and_then(|d| d.as_str()).unwrap_or_default().to_owned();
    StageInfo {
        kind: record.kind.to_owned(),
        provider: format!("{} {}", record.crate_name, record.crate_version),
        doc,
        schema,
        example: record.example.to_owned(),
    }
}

/// Byte offset of a line and column (both from 1, columns in characters).
pub(crate) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(i, _)| i)
}

/// The names that typetag can build, sorted; a name registered twice appears twice.
pub(crate) fn typetag_names() -> Vec<String> {
    // typetag keeps its table to itself but lists it when it meets a name that it does not know.
    let unknown = ron_options().from_str::<Box<dyn Stage>>("(kind:\"\",params:())");
    match unknown {
        Err(ron::error::SpannedError { code: ron::Error::NoSuchEnumVariant { expected, .. }, .. }) => {
            expected.iter().map(|name| (*name).to_owned()).collect()
        }
        _ => Vec::new(),
    }
}
