//! The engine of Skyloom: graphs of pluggable stages, rerun only where something changed, with a reason for everything.
//!
//! It knows nodes, keys and plans; it has never heard of a pixel. Four types follow each other, each only obtainable from
//! the one before, so that an unchecked graph cannot run:
//!
//! ```text
//! graph file --load--> Graph --Plan::new--> Plan --Plan::run--> RunReport
//! ```
//!
//! # Stages
//!
//! A [`Stage`] is a serde struct whose fields are the parameters. It says which typed ports it has ([`Signature`]), which
//! version it is, what its outputs will look like before any pixel is read ([`Facet`]), how much memory it needs
//! ([`Demand`]) and which files it reads ([`DigestBuilder`]); then it runs, with a [`Context`] as its only window to the
//! world. [`register_stage!`] announces it to the [`Registry`], which also takes stages from other sources.
//!
//! # Loading
//!
//! [`load`] reads a graph file (see `docs/graph-files.md`), its bases and overlays, and reports *all* problems together as
//! [`Diagnostic`]s: where, what was found, what was expected, what to do. A node without a problem of its own is asked
//! [`Stage::infer`] even when something above it is wrong: what comes from there is unknown, and unknown is never wrong.
//!
//! # Two keys
//!
//! The *recipe key* of a node is made from its kind, version, files, parameters and the recipe keys above it: it is known
//! before anything runs, and still hits when intermediates were deleted. The *action key* has the content digests of the
//! inputs instead: it gives early cutoff when a node above ran again and made the same bytes. [`Ingredients`] are kept
//! beside every record, so that [`diff_ingredients`] can say why a node runs. Names of nodes and paths of files are in no
//! key.
//!
//! # The store
//!
//! A [`Store`] is a folder of plain files. Artefacts are named by the digest of their content, appear by one rename, and
//! are verified when they are read; a damaged one counts as absent. A node is committed by the rename of its record, after
//! all its outputs are in place. Several processes may share a store. Deleting it costs time, never correctness.
//!
//! # Running
//!
//! The [`Scheduler`] is a state machine without threads that *pulls*: a goal asks for the digests of a node, or for its
//! data, and what is on record asks for nothing above it (`docs/decisions/0001-pull-scheduler.md`). The dry run drives it
//! with records; [`Plan::run`] drives it with node threads, one shared rayon pool for work inside stages, and a memory
//! budget. Files of the graph are products that the engine places in the output folder, also when every node was reused.
//! One stream of [`Event`]s feeds progress bars, JSON lines, tests; the [`RunReport`] is `run.json`.

mod context;
mod deliverable;
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

pub use context::{CancelToken, Context, InputProduct, InputProducts, Progress, Services, Silence, StageSink};
pub use deliverable::{Deliverable, FileContent};
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
pub use loader::{LoadFailure, LoadOptions, Plugin, RonFile, load, load_str, load_tests, plugins, plugins_str};
pub use nearest::nearest;
pub use ordered_sum::{SUM_CHUNK, ordered_sum};
pub use plan::{Ledger, Plan, PlanError, PlanOptions, PlannedFile, PlannedNode, PlannedVerdict, Why};
pub use port::{Arity, In, InputPort, Many, Opt, Out, OutputPort, Signature};
pub use problem::{Place, Problems, StageProblem};
pub use product::{CodecError, Product, ProductKind, ProductType};
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
