//! Runs one stage without a graph.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use skyloom_engine::{
    CancelToken, CodecError, Context, Digest, InputProduct, InputProducts, Product, ProductType, Services, Stage,
    StageError, StageSink, memory,
};

/// A stage, its inputs, and how to run it.
#[derive(Debug, Clone)]
pub struct Harness {
    stage: Arc<dyn Stage>,
    inputs: InputProducts,
    threads: usize,
    band_rows: Option<NonZeroUsize>,
    cancel: CancelToken,
}

/// What a stage made and said.
#[derive(Debug)]
pub struct Outcome {
    /// Products by port.
    pub outputs: BTreeMap<String, Arc<dyn Product>>,
    /// Warnings in the order of their first appearance.
    pub warnings: Vec<String>,
    /// Metrics, in order.
    pub metrics: Vec<(String, f64)>,
}

#[derive(Debug, Default)]
struct Notes {
    warnings: Mutex<Vec<String>>,
    metrics: Mutex<Vec<(String, f64)>>,
}

impl StageSink for Notes {
    fn progress(&self, _: &str, _: u64, _: u64) {}
    fn warning(&self, message: &str) {
        self.warnings.lock().expect("no test panics while it holds this lock").push(message.to_owned());
    }
    fn metric(&self, name: &str, value: f64) {
        self.metrics.lock().expect("no test panics while it holds this lock").push((name.to_owned(), value));
    }
}

impl Harness {
    /// A stage with one thread and no inputs.
    pub fn new(stage: impl Stage + 'static) -> Self {
        Self::of(Arc::new(stage))
    }

    /// The same for a stage behind a trait object.
    #[must_use]
    pub fn of(stage: Arc<dyn Stage>) -> Self {
        Self { stage, inputs: BTreeMap::new(), threads: 1, band_rows: None, cancel: CancelToken::new() }
    }

    /// Wires a product to an input port.
    #[must_use]
    pub fn input<T: ProductType>(self, port: &str, product: T) -> Self {
        self.shared_input(port, Arc::new(product))
    }

    /// The same for a product that others hold too.
    #[must_use]
    pub fn shared_input(mut self, port: &str, product: Arc<dyn Product>) -> Self {
        let list = self.inputs.entry(port.to_owned()).or_default();
        let source = format!("test{}.{port}", list.len());
        list.push((source, InputProduct::Ready(product)));
        self
    }

    /// Runs on so many threads.
    #[must_use]
    pub fn threads(mut self, n: usize) -> Self {
        self.threads = n;
        self
    }

    /// Suggests a band height.
    #[must_use]
    pub fn band_rows(mut self, rows: usize) -> Self {
        self.band_rows = NonZeroUsize::new(rows);
        self
    }

    /// The stage.
    #[must_use]
    pub fn stage(&self) -> &dyn Stage {
        &*self.stage
    }

    /// The stage's version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.stage.version()
    }

    /// Runs with this cancel token.
    #[must_use]
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = token;
        self
    }

    /// Runs the stage.
    ///
    /// # Errors
    /// What the stage returns; a missing output is an error too.
    ///
    /// # Panics
    /// When no thread pool or temporary folder can be made: the machine is at fault.
    pub fn run(&self) -> Result<Outcome, StageError> {
        self.run_measured().map(|(outcome, _)| outcome)
    }

    /// Runs the stage, and says how many bytes it needed at most, its inputs and outputs included: what [`Stage::estimate`] is
    /// about. They are counted where the test binary has [`install_allocator!`](crate::install_allocator), and only right
    /// while nothing else runs.
    ///
    /// # Errors
    /// As [`Harness::run`].
    ///
    /// # Panics
    /// As [`Harness::run`].
    pub fn run_measured(&self) -> Result<(Outcome, u64), StageError> {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(self.threads).build().expect("a thread pool can be made");
        // Threads allocate when they start: that is no work of the stage.
        pool.broadcast(|_| ());
        let scratch = tempfile::tempdir().expect("a temporary folder can be made");
        let notes = Arc::new(Notes::default());
        let services = Services {
            pool: Arc::new(pool),
            cancel: self.cancel.clone(),
            sink: Arc::clone(&notes) as Arc<dyn StageSink>,
            seed: Digest::of(b"test"),
            scratch_root: scratch.path().to_path_buf(),
            band_rows: self.band_rows,
        };
        let mut cx = Context::new(&self.inputs, &services);
        let before = memory::allocated_bytes();
        memory::reset_peak();
        self.stage.run(&mut cx)?;
        let peak_bytes = memory::peak_bytes().saturating_sub(before) + self.input_bytes();
        let outputs = cx.into_outputs();
        for port in &self.stage.signature().outputs {
            if !outputs.contains_key(&port.name) {
                return Err(StageError::config(format!("output {:?} was not set", port.name)));
            }
        }
        let warnings = notes.warnings.lock().expect("not poisoned").clone();
        let metrics = notes.metrics.lock().expect("not poisoned").clone();
        Ok((Outcome { outputs, warnings, metrics }, peak_bytes))
    }

    fn input_bytes(&self) -> u64 {
        let bytes = |input: &InputProduct| match input {
            InputProduct::Ready(product) => product.resident_bytes(),
            InputProduct::Late(_) => 0,
        };
        self.inputs.values().flatten().map(|(_, input)| bytes(input)).sum()
    }
}

impl Outcome {
    /// The product at a port.
    ///
    /// # Panics
    /// When the port has no product of this type: the test is wrong.
    #[must_use]
    pub fn get<T: ProductType>(&self, port: &str) -> Arc<T> {
        let product = self.outputs.get(port).unwrap_or_else(|| panic!("no output {port:?}"));
        let any: Arc<dyn std::any::Any + Send + Sync> = Arc::clone(product) as _;
        any.downcast::<T>().unwrap_or_else(|_| panic!("output {port:?} is not {}", T::TYPE))
    }

    /// Digests of the encoded products, by port.
    ///
    /// # Errors
    /// When a product cannot be encoded.
    pub fn digests(&self) -> Result<BTreeMap<String, Digest>, CodecError> {
        let dir = tempfile::tempdir()?;
        self.outputs
            .iter()
            .map(|(port, product)| {
                let path = dir.path().join(format!("{port}.{}", product.extension()));
                product.encode(&path)?;
                Ok((port.clone(), Digest::of_file(&path)?))
            })
            .collect()
    }
}
