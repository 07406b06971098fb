//! The engine of Skyloom: graphs of pluggable stages, rerun only where something changed, with a reason for everything.
//!
//! It knows nodes, keys and plans; it has never heard of a pixel. See `docs/architecture.md` in the repository.

mod context;
mod diagnostic;
mod digest;
mod facet;
mod graph;
mod input_path;
mod loader;
mod ordered_sum;
mod port;
mod problem;
mod product;
mod registry;
mod stage;

pub use context::{CancelToken, Context, InputProducts, Progress, Services, Silence, StageSink};
pub use diagnostic::Diagnostic;
pub use digest::{Digest, DigestBuilder, FileDigests};
pub use facet::{Facet, FacetValue, Facets, FacetsOut};
pub use graph::{Graph, GraphTest, Keep, Node, Origin, ProductRef, ResolvedValue, Wire};
pub use input_path::InputPath;
pub use loader::{LoadFailure, LoadOptions, load, load_str};
pub use ordered_sum::{SUM_CHUNK, ordered_sum};
pub use port::{Arity, In, InputPort, Many, Opt, Out, OutputPort, Signature};
pub use problem::{Place, Problems, StageProblem};
pub use product::{CodecError, Deliverable, Product, ProductKind, ProductType};
pub use registry::{
    BuildError, Choice, ParamInfo, Registry, RegistryError, StageInfo, StageSource, parameters, undocumented_parameters,
};
pub use stage::{Demand, ErrorClass, Stage, StageError, StageRecord};

/// Re-exported for [`register_stage!`].
pub use inventory;
/// Re-exported for [`register_stage!`].
pub use schemars;
