//! The kinds of descriptors as a source of stages.

use std::sync::Arc;

use skyloom_engine::{BuildError, Stage, StageInfo, StageSource};

use crate::descriptor::Kind;
use crate::params::ValuesOf;
use crate::reader::ron_options;
use crate::schema::info;
use crate::stage::Process;

/// The kinds of some descriptors.
#[derive(Debug)]
pub(crate) struct Descriptors {
    kinds: Vec<Arc<Kind>>,
}

impl Descriptors {
    pub(crate) fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds: kinds.into_iter().map(Arc::new).collect() }
    }
}

impl StageSource for Descriptors {
    fn name(&self) -> &'static str {
        "descriptors of programs"
    }

    fn stages(&self) -> Vec<StageInfo> {
        self.kinds.iter().map(|kind| info(kind)).collect()
    }

    fn build(&self, kind: &str, params_ron: &str) -> Result<Box<dyn Stage>, BuildError> {
        let Some(kind) = self.kinds.iter().find(|known| known.descriptor.kind == kind) else {
            return Err(BuildError { message: format!("unknown kind {kind:?}"), offset: None });
        };
        let values = ron_options().from_str_seed(params_ron, ValuesOf(&kind.params)).map_err(|error| {
            let end = error.span.end;
            // Columns count characters; parameters are written in one line.
            let line_start: usize =
                params_ron.split_inclusive('\n').take(end.line.saturating_sub(1)).map(str::len).sum();
            let rest = &params_ron[line_start.min(params_ron.len())..];
            let within = rest.char_indices().nth(end.col.saturating_sub(1)).map_or(rest.len(), |(i, _)| i);
            BuildError { message: error.code.to_string(), offset: Some(line_start + within) }
        })?;
        Ok(Box::new(Process::new(Arc::clone(kind), values)))
    }
}
