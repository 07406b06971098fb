//! A stage's only window to the world: inputs, outputs, progress, cancellation, warnings, randomness, the pool.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::digest::Digest;
use crate::port::{In, Many, Opt, Out};
use crate::product::{Product, ProductType};
use crate::stage::StageError;

/// Receives what a stage says while it runs.
pub trait StageSink: Send + Sync {
    /// `done` of `total` units (`stars`, `rows`) are finished.
    fn progress(&self, unit: &str, done: u64, total: u64);
    /// Something the user should know; it is kept with the record and repeated when the node is reused.
    fn warning(&self, message: &str);
    /// A named number for the report.
    fn metric(&self, name: &str, value: f64);
    /// Keeps what a program printed (`stdout`) with the run; returns the file, where one was written.
    fn log(&self, name: &str, content: &[u8]) -> Option<PathBuf> {
        let _ = (name, content);
        None
    }
}

/// A sink that drops everything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silence;

impl StageSink for Silence {
    fn progress(&self, _: &str, _: u64, _: u64) {}
    fn warning(&self, _: &str) {}
    fn metric(&self, _: &str, _: f64) {}
}

/// A flag that asks running stages to stop.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has pulled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The products that arrive at a node: per port, source name (`node.port`) and product in the order of the graph file.
pub type InputProducts = BTreeMap<String, Vec<(String, InputProduct)>>;

/// A product that arrives at a node.
#[derive(Clone)]
pub enum InputProduct {
    /// In memory.
    Ready(Arc<dyn Product>),
    /// Read when the stage asks for it (see [`Signature::late`](crate::Signature::late)).
    Late(Arc<dyn Fn() -> Result<Arc<dyn Product>, StageError> + Send + Sync>),
}

impl InputProduct {
    fn get(&self) -> Result<Arc<dyn Product>, StageError> {
        match self {
            Self::Ready(product) => Ok(Arc::clone(product)),
            Self::Late(read) => read(),
        }
    }
}

impl fmt::Debug for InputProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(product) => write!(f, "Ready({})", product.type_name()),
            Self::Late(_) => f.write_str("Late"),
        }
    }
}

/// What the executor (or a test) lends to a running stage.
pub struct Services {
    /// The shared pool for work inside stages.
    pub pool: Arc<rayon::ThreadPool>,
    /// Set when the stage should stop.
    pub cancel: CancelToken,
    /// Receives progress, warnings, metrics.
    pub sink: Arc<dyn StageSink>,
    /// Seed of the stage's random numbers: the node's action key.
    pub seed: Digest,
    /// Folder under which scratch space is made on demand.
    pub scratch_root: PathBuf,
    /// Rows per band for stages that work in bands; `None` lets the stage choose. Never changes a result.
    pub band_rows: Option<NonZeroUsize>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("seed", &self.seed)
            .field("scratch_root", &self.scratch_root)
            .finish_non_exhaustive()
    }
}

/// See the module documentation.
pub struct Context<'a> {
    inputs: &'a InputProducts,
    services: &'a Services,
    outputs: BTreeMap<String, Arc<dyn Product>>,
    scratch: Option<tempfile::TempDir>,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("inputs", &self.inputs.keys())
            .field("outputs", &self.outputs.keys())
            .finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// A context over inputs and services.
    #[must_use]
    pub fn new(inputs: &'a InputProducts, services: &'a Services) -> Self {
        Self { inputs, services, outputs: BTreeMap::new(), scratch: None }
    }

    /// The product at a required port.
    ///
    /// # Errors
    /// When nothing is wired there or its type differs: both are caught by the loader, so this is a bug of the caller. When the
    /// product of a late port cannot be read.
    pub fn input<T: ProductType>(&self, port: &In<T>) -> Result<Arc<T>, StageError> {
        let (source, product) = self
            .inputs
            .get(port.name)
            .and_then(|v| v.first())
            .ok_or_else(|| StageError::config(format!("input {:?} is not wired", port.name)))?;
        downcast(port.name, source, product)
    }

    /// The product at an optional port.
    ///
    /// # Errors
    /// When the product's type differs from the port's, or the product of a late port cannot be read.
    pub fn optional<T: ProductType>(&self, port: &Opt<T>) -> Result<Option<Arc<T>>, StageError> {
        match self.inputs.get(port.name).and_then(|v| v.first()) {
            Some((source, product)) => downcast(port.name, source, product).map(Some),
            None => Ok(None),
        }
    }

    /// All products at a port, in the order of the graph file. Names of nodes are not told: they are in no key, so a
    /// result that held them would go stale when a node is renamed.
    ///
    /// # Errors
    /// When a product's type differs from the port's, or the product of a late port cannot be read.
    pub fn many<T: ProductType>(&self, port: &Many<T>) -> Result<Vec<Arc<T>>, StageError> {
        (0..self.count(port)).map(|i| self.nth(port, i)).collect()
    }

    /// How many products there are at a port.
    #[must_use]
    pub fn count<T: ProductType>(&self, port: &Many<T>) -> usize {
        self.inputs.get(port.name).map_or(0, Vec::len)
    }

    /// Product number `i` at a port, in the order of the graph file. Of a late port it is read anew each time, unless somebody
    /// still holds it.
    ///
    /// # Errors
    /// As [`Context::many`]; when there are not so many.
    pub fn nth<T: ProductType>(&self, port: &Many<T>, i: usize) -> Result<Arc<T>, StageError> {
        let list = self.inputs.get(port.name).map_or(&[][..], Vec::as_slice);
        let (source, product) = list.get(i).ok_or_else(|| {
            StageError::config(format!("input {:?} has {} products; number {i} was asked for", port.name, list.len()))
        })?;
        downcast(port.name, source, product)
    }

    /// All products at a port of this name, whatever their type: for stages whose ports are not known when they are compiled.
    ///
    /// # Errors
    /// When the product of a late port cannot be read.
    pub fn products(&self, port: &str) -> Result<Vec<Arc<dyn Product>>, StageError> {
        self.inputs.get(port).map_or(&[][..], Vec::as_slice).iter().map(|(_, product)| product.get()).collect()
    }

    /// Puts a product of any type at an output port of this name; the executor compares its type with the signature.
    pub fn set_product(&mut self, port: &str, product: Arc<dyn Product>) {
        self.outputs.insert(port.to_owned(), product);
    }

    /// Puts a product at an output port.
    pub fn set<T: ProductType>(&mut self, port: &Out<T>, product: T) {
        self.set_shared(port, Arc::new(product));
    }

    /// Puts a shared product at an output port: passing an input on costs no copy.
    pub fn set_shared<T: ProductType>(&mut self, port: &Out<T>, product: Arc<T>) {
        self.outputs.insert(port.name.to_owned(), product);
    }

    /// The outputs that were set, by port.
    #[must_use]
    pub fn into_outputs(self) -> BTreeMap<String, Arc<dyn Product>> {
        self.outputs
    }

    /// Starts counting real things (`stars`, `rows`). The counter may be shared between threads.
    #[must_use]
    pub fn progress(&self, unit: &str, total: u64) -> Progress {
        Progress::new(unit, total, self.sink(), self.cancel_token())
    }

    /// What receives progress, warnings and metrics, for work that cannot hold a borrow of this context (in another language).
    /// It keeps the observers of the run alive: let go of it before the stage returns.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn StageSink> {
        Arc::clone(&self.services.sink)
    }

    /// Fails when the user asked to stop. Call it between pieces of work of up to a second.
    ///
    /// # Errors
    /// `cancelled`, when the user asked to stop.
    pub fn check_cancelled(&self) -> Result<(), StageError> {
        if self.services.cancel.is_cancelled() { Err(StageError::cancelled()) } else { Ok(()) }
    }

    /// The flag behind [`Context::check_cancelled`], for use inside parallel loops.
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        self.services.cancel.clone()
    }

    /// Tells the user something that does not stop the stage.
    pub fn warn(&self, message: impl fmt::Display) {
        self.services.sink.warning(&message.to_string());
    }

    /// Notes a number for the report (`n_stars`).
    pub fn metric(&self, name: &str, value: f64) {
        self.services.sink.metric(name, value);
    }

    /// Keeps what a program printed (`stdout`, `stderr`) with the run, under the name of the node; returns the file, where one
    /// was written. The caller bounds its size.
    pub fn keep_log(&self, name: &str, content: &[u8]) -> Option<PathBuf> {
        self.services.sink.log(name, content)
    }

    /// Random numbers that depend on the node's action key alone.
    #[must_use]
    pub fn rng(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(*self.services.seed.as_bytes())
    }

    /// The shared pool: `cx.pool().install(|| algorithm(..))`.
    #[must_use]
    pub fn pool(&self) -> Arc<rayon::ThreadPool> {
        Arc::clone(&self.services.pool)
    }

    /// Rows per band, when the executor or a test wants a particular size; results never depend on it.
    #[must_use]
    pub fn band_rows(&self) -> Option<NonZeroUsize> {
        self.services.band_rows
    }

    /// An empty folder that lives as long as this context.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&mut self) -> Result<&Path, StageError> {
        if self.scratch.is_none() {
            let dir =
                tempfile::Builder::new().prefix("scratch-").tempdir_in(&self.services.scratch_root).map_err(|e| {
                    StageError::io(format!("no scratch space in {}: {e}", self.services.scratch_root.display()))
                })?;
            self.scratch = Some(dir);
        }
        match &self.scratch {
            Some(dir) => Ok(dir.path()),
            None => Err(StageError::io("no scratch space")),
        }
    }
}

fn downcast<T: ProductType>(port: &str, source: &str, product: &InputProduct) -> Result<Arc<T>, StageError> {
    let product = product.get()?;
    let found = product.type_name();
    let any: Arc<dyn std::any::Any + Send + Sync> = product;
    any.downcast::<T>()
        .map_err(|_| StageError::config(format!("input {port:?} takes {}, but {source} is {found}", T::TYPE)))
}

/// Counts finished units of work; cheap enough to call once per star.
pub struct Progress {
    unit: String,
    total: u64,
    done: AtomicU64,
    sink: Arc<dyn StageSink>,
    cancel: CancelToken,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Progress({} of {} {})", self.done.load(Ordering::Relaxed), self.total, self.unit)
    }
}

impl Progress {
    /// Starts counting towards a sink; stages get it from [`Context::progress`].
    #[must_use]
    pub fn new(unit: &str, total: u64, sink: Arc<dyn StageSink>, cancel: CancelToken) -> Self {
        sink.progress(unit, 0, total);
        Self { unit: unit.to_owned(), total, done: AtomicU64::new(0), sink, cancel }
    }

    /// Counts `n` more units.
    pub fn advance(&self, n: u64) {
        let before = self.done.fetch_add(n, Ordering::Relaxed);
        let now = before + n;
        // At most about 200 reports per stage: a report costs more than a star.
        let step = (self.total / 200).max(1);
        if now / step != before / step || now >= self.total {
            self.sink.progress(&self.unit, now, self.total);
        }
    }

    /// Whether the user asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}
