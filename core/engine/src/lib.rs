//! The engine of Skyloom: graphs of pluggable stages, rerun only where something changed, with a reason for everything.
//!
//! It knows nodes, keys and plans; it has never heard of a pixel. See `docs/architecture.md` in the repository.

mod context;
mod diagnostic;
mod digest;
mod event;
mod facet;
mod graph;
mod input_path;
mod interrupt;
mod keys;
mod loader;
pub mod memory;
mod nearest;
mod ordered_sum;
mod plan;
mod port;
mod problem;
mod product;
mod registry;
mod report;
mod run;
mod schedule;
mod stage;
mod store;

pub use context::{CancelToken, Context, InputProducts, Progress, Services, Silence, StageSink};
pub use diagnostic::Diagnostic;
pub use digest::{Digest, DigestBuilder, FileDigests};
pub use event::{Event, Observer};
pub use facet::{Facet, FacetValue, Facets, FacetsOut};
pub use graph::{Graph, GraphTest, Keep, Node, Origin, ProductRef, ResolvedValue, Wire};
pub use input_path::InputPath;
pub use interrupt::Interrupt;
pub use keys::{
    Canonical, CanonicalError, Change, Ingredients, InputIngredient, Key, MalformedCanonical, Reason, Upstream,
    action_key, diff_ingredients, recipe_key,
};
pub use loader::{LoadFailure, LoadOptions, load, load_str};
pub use nearest::nearest;
pub use ordered_sum::{SUM_CHUNK, ordered_sum};
pub use plan::{Ledger, Plan, PlanError, PlanOptions, PlannedFile, PlannedNode, PlannedVerdict, Why};
pub use port::{Arity, In, InputPort, Many, Opt, Out, OutputPort, Signature};
pub use problem::{Place, Problems, StageProblem};
pub use product::{CodecError, Deliverable, Product, ProductKind, ProductType};
pub use registry::{
    BuildError, Choice, ParamInfo, Registry, RegistryError, StageInfo, StageSource, parameters, undocumented_parameters,
};
pub use report::{DeliveredFile, Failure, NodeReport, ReportedValue, RunReport, RunStatus, Verdict, resolved_graph};
pub use run::{RunError, RunOptions};
pub use schedule::{Finish, Lookup, Phase, Scheduler, SchedulerNode, Task};
pub use stage::{Demand, ErrorClass, Stage, StageError, StageRecord};
pub use store::{
    Artefact, DamageReport, Delivered, GcOptions, GcReport, LoadError, Record, Removed, RemovedKind, StatCache, Store,
    StoreEntry, StoreError, Tenancy,
};

/// Re-exported for [`register_stage!`].
pub use inventory;
/// Re-exported for [`register_stage!`].
pub use schemars;
