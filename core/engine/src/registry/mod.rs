//! The kinds of stages that a graph may name, from several sources: this binary, foreign programs, Python classes.

mod builtin;
mod catalogue;
mod parameters;
mod schema;
mod source;

pub use catalogue::{Registry, RegistryError};
pub use parameters::{Choice, ParamInfo, parameters, undocumented_parameters};
pub use source::{BuildError, StageInfo, StageSource};

pub(crate) use builtin::offset_of;
pub(crate) use builtin::ron_options;
pub(crate) use schema::{Range, SchemaView};
