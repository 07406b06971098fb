//! A checked graph: what the loader hands to the planner. An unchecked graph cannot run.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use petgraph::graph::DiGraph;
use serde::Serialize;

use crate::facet::FacetsOut;
use crate::port::Signature;
use crate::stage::{Demand, Stage};

/// A graph that passed every check. Only [`crate::load`] makes one.
#[derive(Debug)]
pub struct Graph {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) file: PathBuf,
    /// Nodes in topological order; ties keep the order of the file.
    pub(crate) nodes: Vec<Node>,
    /// Structure; node weights are indices into `nodes`, edges run from producer to reader.
    pub(crate) structure: DiGraph<usize, ()>,
    pub(crate) outputs: IndexMap<String, ProductRef>,
    pub(crate) params: IndexMap<String, ResolvedValue>,
    pub(crate) tests: Vec<GraphTest>,
    /// Graph files that were read (base, file, overlays), in order.
    pub(crate) sources: Vec<PathBuf>,
    /// Files and folders that bring kinds of stages, absolute.
    pub(crate) plugins: Vec<PathBuf>,
    /// Index of a node by name.
    by_name: IndexMap<String, usize>,
}

/// One node of a checked graph. Its name is its identity.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique name; an expanded node is called `mags[Y]`.
    pub name: String,
    /// Kind as written in the file.
    pub kind: String,
    /// The stage with its parameters.
    pub stage: Arc<dyn Stage>,
    /// Its ports.
    pub signature: Signature,
    /// Wires into its input ports, in signature order and, per port, in file order.
    pub inputs: Vec<Wire>,
    /// Whether its artefacts stay in the store.
    pub keep: Keep,
    /// Free text of the user, for displays.
    pub label: Option<String>,
    /// Upper limit of threads for this node.
    pub threads: Option<usize>,
    /// Parameters as written, with origin; defaults are listed too.
    pub params: Vec<(String, ResolvedValue)>,
    /// Crate (or program) that brings the stage, with version.
    pub provider: String,
    /// What is known of the outputs.
    pub facets: FacetsOut,
    /// Memory and threads, from `estimate`.
    pub demand: Demand,
}

/// A wire: which product arrives at which port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// Input port of the reading node.
    pub port: String,
    /// Index of the producing node in [`Graph::nodes`].
    pub node: usize,
    /// Output port of the producing node.
    pub output: String,
}

/// A product by name: `node.port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ProductRef {
    /// Node name.
    pub node: String,
    /// Output port.
    pub port: String,
}

/// What happens to a node's artefacts. Never part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Stored, and removed by garbage collection when old.
    #[default]
    Auto,
    /// Stored and pinned.
    Always,
    /// Not stored when nobody outside this run needs it.
    Never,
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResolvedValue {
    /// RON text of the value after all references were replaced.
    pub value: String,
    /// Where the value was written.
    pub origin: Origin,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// In a graph file or overlay.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// On the command line, as `--set`.
    CommandLine,
    /// The default of the stage.
    Default,
}

/// A test in the graph file: changes to the graph, applied before it runs. It passes when every node succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GraphTest {
    /// Name, unique in the file.
    pub name: String,
    /// What it shows.
    pub doc: String,
}

impl Graph {
    /// Puts checked parts together; only the loader does this.
    pub(crate) fn new(
        name: String,
        doc: String,
        file: PathBuf,
        nodes: Vec<Node>,
        structure: DiGraph<usize, ()>,
        outputs: IndexMap<String, ProductRef>,
        params: IndexMap<String, ResolvedValue>,
        tests: Vec<GraphTest>,
        sources: Vec<PathBuf>,
        plugins: Vec<PathBuf>,
    ) -> Self {
        let by_name = nodes.iter().enumerate().map(|(i, node)| (node.name.clone(), i)).collect();
        Self { name, doc, file, nodes, structure, outputs, params, tests, sources, plugins, by_name }
    }

    /// Name of the graph.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// One line about it.
    #[must_use]
    pub fn doc(&self) -> &str {
        &self.doc
    }
    /// The graph file.
    #[must_use]
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }
    /// Nodes in topological order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
    /// Index of a node by name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
    /// The structure as a petgraph; weights are indices into [`Graph::nodes`].
    #[must_use]
    pub fn structure(&self) -> &DiGraph<usize, ()> {
        &self.structure
    }
    /// File names in the output folder and the products that they hold.
    #[must_use]
    pub fn outputs(&self) -> &IndexMap<String, ProductRef> {
        &self.outputs
    }
    /// Graph parameters with origins.
    #[must_use]
    pub fn params(&self) -> &IndexMap<String, ResolvedValue> {
        &self.params
    }
    /// Tests of the file.
    #[must_use]
    pub fn tests(&self) -> &[GraphTest] {
        &self.tests
    }
    /// Graph files that were read, in order.
    #[must_use]
    pub fn sources(&self) -> &[PathBuf] {
        &self.sources
    }
    /// Files and folders that bring kinds of stages, absolute: named by the graph, then by the command line.
    #[must_use]
    pub fn plugins(&self) -> &[PathBuf] {
        &self.plugins
    }
}
