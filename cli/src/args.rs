//! The command line: what can be asked, and its help.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::size::{Setting, parse_setting, parse_size, parse_threads};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a stage failed on its data, a test failed, or `diff` and `cache verify` found something
  2    the command line was wrong
  3    the graph has problems; nothing ran
  4    a file, the output folder or the cache could not be read or written
  5    out of memory budget or disk space
  70   a stage panicked: a bug
  130  stopped by Ctrl-C";

/// Weaves survey images into catalogues: runs a graph of stages, reruns only what changed, and says why.
#[derive(Debug, Parser)]
#[command(name = "skyloom", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One verb, one thing.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a graph: report all problems together, run nothing.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Run the tests that a graph file carries.
    #[command(after_help = EXIT_CODES)]
    Test(TestArgs),
    /// Say what a run would do, in which order and why; run nothing.
    #[command(after_help = EXIT_CODES)]
    Plan(PlanArgs),
    /// Run a graph: only what changed, and what depends on it.
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Say why a node ran or was reused in the last run.
    Why(WhyArgs),
    /// Draw a graph as DOT, Mermaid or SVG, coloured by what a run would do.
    Graph(GraphArgs),
    /// List the stages, or show one: ports, parameters, units, ranges.
    Stages(StagesArgs),
    /// Show a product: header and statistics of an image, head of a table.
    Show(ShowArgs),
    /// Look after the cache.
    Cache(CacheArgs),
    /// Compare two runs, or two graph files: what differs, and why.
    Diff(DiffArgs),
    /// Start a stage of your own: a crate with tests, a graph, and a program.
    New(NewArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// A graph and changes to it.
#[derive(Debug, Args, Clone)]
pub struct GraphSource {
    /// The graph file (RON), or the `run.json` of an earlier run.
    pub graph: PathBuf,
    /// Set a graph parameter or `node.parameter`; the value is RON, and anything else is text.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// Lay a file of changes over the graph; later ones win.
    #[arg(long = "overlay", value_name = "FILE")]
    pub overlay: Vec<PathBuf>,
    /// Take kinds of stages from the descriptors in this folder (*.stage.ron), or from this descriptor, besides those that the
    /// graph names.
    #[arg(long = "plugins", value_name = "DIR")]
    pub plugins: Vec<PathBuf>,
}

/// Where intermediate products are kept.
#[derive(Debug, Args, Clone)]
pub struct CachePlace {
    /// Cache folder [default: the user's cache folder].
    #[arg(long, value_name = "DIR", env = "SKYLOOM_CACHE", hide_env_values = true)]
    pub cache: Option<PathBuf>,
}

/// Machine-readable output.
#[derive(Debug, Args, Clone, Copy)]
pub struct Format {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which part of the graph.
#[derive(Debug, Args, Clone)]
pub struct Selection {
    /// Only what this node needs, and the node itself. May be given more than once.
    #[arg(long, value_name = "NODE")]
    pub until: Vec<String>,
    /// Run this node whatever the cache says. May be given more than once.
    #[arg(long, value_name = "NODE")]
    pub force: Vec<String>,
    /// Folder for the files of the graph [default: out/<graph name>].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What a run may use.
#[derive(Debug, Args, Clone)]
pub struct Limits {
    /// Threads, at most 1024 [default: all cores].
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    pub threads: Option<NonZeroUsize>,
    /// Memory budget, for instance 6GiB [default: 70 % of the machine].
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Rows per band in stages that work in bands; results never depend on it.
    #[arg(long, value_name = "N", hide = true)]
    pub band_rows: Option<NonZeroUsize>,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub source: GraphSource,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub format: Format,
}

/// `test`
#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    pub source: GraphSource,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub cache: CachePlace,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub format: Format,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub source: GraphSource,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub cache: CachePlace,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub format: Format,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub source: GraphSource,
    #[command(flatten)]
    pub selection: Selection,
    #[command(flatten)]
    pub cache: CachePlace,
    #[command(flatten)]
    pub limits: Limits,
    /// Print events as JSON lines.
    #[arg(long)]
    pub json: bool,
}

/// Which earlier run.
#[derive(Debug, Args, Clone)]
pub struct RunPlace {
    /// The run's report [default: the last run of this cache].
    #[arg(long, value_name = "RUN.JSON")]
    pub run: Option<PathBuf>,
    /// The last run of this graph (its name), instead of the last run of all.
    #[arg(long, value_name = "NAME")]
    pub graph: Option<String>,
    #[command(flatten)]
    pub cache: CachePlace,
}

/// `why`
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The node.
    pub node: String,
    #[command(flatten)]
    pub place: RunPlace,
    #[command(flatten)]
    pub format: Format,
}

/// Picture formats of `graph`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drawing {
    /// Graphviz.
    Dot,
    /// Mermaid, for Markdown.
    Mermaid,
    /// A picture.
    Svg,
}

/// `graph`
#[derive(Debug, Args)]
pub struct GraphArgs {
    #[command(flatten)]
    pub source: GraphSource,
    /// Format of the drawing.
    #[arg(long, value_enum, default_value = "dot")]
    pub format: Drawing,
    /// Write to this file instead of the terminal.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub cache: CachePlace,
    /// Print nodes and wires as JSON instead of a drawing.
    #[arg(long)]
    pub json: bool,
}

/// `stages`
#[derive(Debug, Args)]
pub struct StagesArgs {
    #[command(subcommand)]
    pub what: StagesCommand,
    /// Take kinds of stages from the descriptors in this folder (*.stage.ron), or from this descriptor.
    #[arg(long = "plugins", value_name = "DIR", global = true)]
    pub plugins: Vec<PathBuf>,
}

/// What to show of the stages.
#[derive(Debug, Subcommand)]
pub enum StagesCommand {
    /// All kinds, with one line each.
    List(Format),
    /// One kind: ports, parameters with type, unit, default, range and meaning, an example node.
    Show {
        /// The kind, for instance background.nebulise.
        kind: String,
        #[command(flatten)]
        format: Format,
    },
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A product of the last run (`node.port`, or `node` when it has one output), or a FITS or Parquet file.
    pub product: String,
    /// Rows of a table to print.
    #[arg(long, default_value_t = 10)]
    pub rows: usize,
    /// Write a preview of an image to this PNG file.
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    #[command(flatten)]
    pub place: RunPlace,
    #[command(flatten)]
    pub format: Format,
}

/// `cache`
#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    pub what: CacheCommand,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// List the artefacts: type, size, last use, nodes.
    Ls {
        #[command(flatten)]
        cache: CachePlace,
        #[command(flatten)]
        format: Format,
    },
    /// Remove artefacts that were not used for longest, until the rest fits.
    Gc {
        /// Keep at most so much, for instance 10GiB.
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        max_size: u64,
        /// Say what would be removed; remove nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        cache: CachePlace,
        #[command(flatten)]
        format: Format,
    },
    /// Read every artefact and name the damaged ones.
    Verify {
        #[command(flatten)]
        cache: CachePlace,
        #[command(flatten)]
        format: Format,
    },
    /// Protect the products of a run from `gc`.
    Pin {
        /// Name of the pin.
        name: String,
        #[command(flatten)]
        place: RunPlace,
    },
    /// Remove a pin.
    Unpin {
        /// Name of the pin.
        name: String,
        #[command(flatten)]
        cache: CachePlace,
    },
}

/// `diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Report of the first run (`run.json`, or the folder that holds it), or a graph file.
    pub a: PathBuf,
    /// Report of the second run, or another graph file.
    pub b: PathBuf,
    #[command(flatten)]
    pub format: Format,
}

/// `new`
#[derive(Debug, Args)]
pub struct NewArgs {
    #[command(subcommand)]
    pub what: NewCommand,
}

/// What to start.
#[derive(Debug, Subcommand)]
pub enum NewCommand {
    /// A Cargo workspace: a crate with one stage and its tests, a graph, and a program that links the crate.
    Stage(NewStageArgs),
}

/// `new stage`
#[derive(Debug, Args)]
pub struct NewStageArgs {
    /// Name of the crate: a word of your own and a verb, for instance acme-halo, whose kind is acme.halo.
    pub name: String,
    /// Where Skyloom comes from: the path of a checkout, or the address of a Git repository [default: the checkout that this
    /// program was built from].
    #[arg(long, value_name = "PATH_OR_GIT_URL")]
    pub skyloom: Option<String>,
    /// Folder to write; it must be new or empty [default: NAME].
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
    /// Write a Python package, too: all of skyloom for Python, with the stage in it. Needs a checkout.
    #[arg(long)]
    pub python: bool,
}
