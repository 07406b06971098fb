//! One node on one thread: load the inputs, run the stage, store the outputs, commit the record.

use std::any::Any;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cpu_time::{ProcessTime, ThreadTime};
use rayon::prelude::*;

use super::slot::Slot;
use crate::context::{CancelToken, Context, InputProduct, InputProducts, Services, StageSink};
use crate::digest::{Digest, DigestBuilder};
use crate::event::{Event, Observer};
use crate::graph::Node;
use crate::keys::{Ingredients, Key};
use crate::memory;
use crate::product::{Product, ProductKind};
use crate::stage::{ErrorClass, StageError};
use crate::store::{Artefact, LoadError, Record, Store};

/// What a node made, by output port.
pub(crate) type Made = BTreeMap<String, (Artefact, Arc<dyn Product>)>;

/// What a stage said: warnings and named numbers, which belong in its record, and the files with what it printed.
#[derive(Debug, Clone, Default)]
struct Said {
    warnings: Vec<String>,
    metrics: Vec<(String, f64)>,
    logs: Vec<PathBuf>,
}

/// Everything that a worker needs for one node.
pub(crate) struct Job {
    pub(crate) index: usize,
    pub(crate) node: Node,
    pub(crate) graph_name: String,
    pub(crate) inputs: Vec<JobInput>,
    /// Ingredients and keys; `None` when the node cannot be cached.
    pub(crate) keys: Option<JobKeys>,
    /// Whether another node runs at the same time; set by the executor at any moment.
    pub(crate) was_alone: Arc<AtomicBool>,
    pub(crate) pool: Arc<rayon::ThreadPool>,
    pub(crate) cancel: CancelToken,
    pub(crate) band_rows: Option<NonZeroUsize>,
    /// Whether the artefacts are kept in the store.
    pub(crate) is_stored: bool,
    pub(crate) expected: Option<BTreeMap<String, Artefact>>,
}

pub(crate) struct JobKeys {
    pub(crate) ingredients: Ingredients,
    pub(crate) recipe: Option<Key>,
    pub(crate) action: Key,
}

pub(crate) struct JobInput {
    pub(crate) port: String,
    pub(crate) source: String,
    pub(crate) producer: usize,
    pub(crate) kind: ProductKind,
    pub(crate) artefact: Artefact,
    pub(crate) slot: Arc<Slot>,
    /// Read when the stage asks for it.
    pub(crate) is_late: bool,
}

/// What a worker sends back.
pub(crate) struct Completion {
    pub(crate) index: usize,
    pub(crate) end: End,
    pub(crate) usage: Usage,
    pub(crate) warnings: Vec<String>,
    pub(crate) metrics: Vec<(String, f64)>,
    pub(crate) logs: Vec<PathBuf>,
}

pub(crate) enum End {
    Done(Made),
    LostInputs { producers: Vec<usize>, messages: Vec<String> },
    Failed(StageError),
}

/// Time and memory of one node.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) peak_bytes: u64,
    pub(crate) was_alone: bool,
}

/// What all workers share.
pub(crate) struct Workshop {
    pub(crate) store: Arc<Store>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) scratch_root: PathBuf,
    /// Folder for what programs print; none when the run has no output folder.
    pub(crate) logs: Option<PathBuf>,
}

impl Workshop {
    pub(crate) fn tell(&self, event: &Event) {
        for observer in &self.observers {
            observer.event(event);
        }
    }
}

/// Forwards what a stage says, and keeps what belongs in its record.
struct Notes {
    node: String,
    workshop: Arc<Workshop>,
    kept: Mutex<Said>,
}

impl Notes {
    fn kept(&self) -> std::sync::MutexGuard<'_, Said> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StageSink for Notes {
    fn progress(&self, unit: &str, done: u64, total: u64) {
        self.workshop.tell(&Event::NodeProgress { node: self.node.clone(), unit: unit.to_owned(), done, total });
    }
    fn warning(&self, message: &str) {
        self.kept().warnings.push(message.to_owned());
        self.workshop.tell(&Event::NodeWarning { node: self.node.clone(), message: message.to_owned() });
    }
    fn metric(&self, name: &str, value: f64) {
        self.kept().metrics.push((name.to_owned(), value));
    }
    fn log(&self, name: &str, content: &[u8]) -> Option<PathBuf> {
        let path = self.workshop.logs.as_ref()?.join(log_name(&self.node, name));
        if content.is_empty() {
            // What an earlier run of the node printed would be taken for this one's.
            let _ = std::fs::remove_file(&path);
            return None;
        }
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, content));
        if let Err(error) = written {
            self.warning(&format!("what it printed was not kept: {}: {error}", path.display()));
            return None;
        }
        self.kept().logs.push(path.clone());
        Some(path)
    }
}

/// File name of a log. Names of expanded nodes hold any text; characters that not every file system takes become `_`.
fn log_name(node: &str, name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.[]".contains(c);
    let node: String = node.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{node}.{name}.txt")
}

/// Runs one job to its end. Never panics: a panic of the stage becomes an error that names it.
pub(crate) fn work(job: Job, workshop: &Arc<Workshop>) -> Completion {
    let index = job.index;
    let notes = Arc::new(Notes { node: job.node.name.clone(), workshop: Arc::clone(workshop), kept: Mutex::default() });
    let resident: u64 = job.inputs.iter().filter(|i| !i.is_late).map(|i| i.slot.bytes()).sum();
    let allocated = memory::allocated_bytes();
    if job.was_alone.load(Ordering::SeqCst) {
        memory::reset_peak();
    }
    let (start, process, thread) = (Instant::now(), ProcessTime::now(), ThreadTime::now());
    let end = run_stage(&job, workshop, &notes);
    let was_alone = job.was_alone.load(Ordering::SeqCst);
    let usage = Usage {
        wall_s: start.elapsed().as_secs_f64(),
        cpu_s: if was_alone { process.elapsed().as_secs_f64() } else { thread.elapsed().as_secs_f64() },
        // What was in memory before does not count, but for the node's own inputs.
        peak_bytes: (memory::peak_bytes() + resident).saturating_sub(allocated),
        was_alone,
    };
    let Said { warnings, metrics, logs } = notes.kept().clone();
    let end = match end {
        End::Done(outputs) => match commit(&job, &outputs, usage, &warnings, &metrics, workshop) {
            Ok(()) => End::Done(outputs),
            Err(error) => End::Failed(error),
        },
        other => other,
    };
    Completion { index, end, usage, warnings, metrics, logs }
}

fn run_stage(job: &Job, workshop: &Arc<Workshop>, notes: &Arc<Notes>) -> End {
    let lost = Arc::new(Mutex::new(Lost::default()));
    let inputs = match load_inputs(job, workshop, &lost) {
        Ok(inputs) => inputs,
        Err(end) => return end,
    };
    let seed = match &job.keys {
        Some(keys) => keys.action.digest(),
        None => Digest::of(job.node.name.as_bytes()),
    };
    let services = Services {
        pool: Arc::clone(&job.pool),
        cancel: job.cancel.clone(),
        sink: Arc::clone(notes) as Arc<dyn StageSink>,
        seed,
        scratch_root: workshop.scratch_root.clone(),
        band_rows: job.band_rows,
    };
    // Nothing of the context is used after a panic, so it cannot be seen in a broken state.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut cx = Context::new(&inputs, &services);
        job.node.stage.run(&mut cx).map(|()| cx.into_outputs())
    }));
    // A late input that was gone: whatever the stage made of it, it runs again.
    let lost = std::mem::take(&mut *lost.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(end) = lost.into_end() {
        return end;
    }
    let products = match result {
        Ok(Ok(products)) => products,
        Ok(Err(error)) => return End::Failed(error),
        Err(panic) => return End::Failed(panicked(job, panic.as_ref())),
    };
    drop(inputs);
    match store_outputs(job, products, workshop) {
        Ok(outputs) => {
            warn_if_not_deterministic(job, &outputs, notes);
            End::Done(outputs)
        }
        Err(error) => End::Failed(error),
    }
}

/// Inputs that are not in the store any more, and who made them.
#[derive(Default)]
struct Lost {
    producers: Vec<usize>,
    messages: Vec<String>,
}

impl Lost {
    /// Notes a lost input; any other error comes back.
    fn note(&mut self, source: &str, producer: usize, error: LoadError) -> Result<(), StageError> {
        if !matches!(error, LoadError::Missing { .. } | LoadError::Damaged { .. }) {
            return Err(StageError::io(error));
        }
        self.messages.push(format!("artefact of {source}: {error}; it is made again"));
        self.producers.push(producer);
        Ok(())
    }

    fn into_end(self) -> Option<End> {
        let Self { producers, messages } = self;
        (!producers.is_empty()).then_some(End::LostInputs { producers, messages })
    }
}

fn load_inputs(job: &Job, workshop: &Arc<Workshop>, late_lost: &Arc<Mutex<Lost>>) -> Result<InputProducts, End> {
    let mut inputs = InputProducts::new();
    let mut lost = Lost::default();
    // Verifying and decoding an image takes a second: all inputs at once.
    let loaded: Vec<_> = job.pool.install(|| {
        let load =
            |input: &JobInput| (!input.is_late).then(|| input.slot.get(&workshop.store, input.kind, &input.artefact));
        job.inputs.par_iter().map(load).collect()
    });
    for (input, loaded) in job.inputs.iter().zip(loaded) {
        let product = match loaded {
            None => late(input, workshop, late_lost),
            Some(Ok(product)) => InputProduct::Ready(product),
            Some(Err(error)) => match lost.note(&input.source, input.producer, error) {
                Ok(()) => continue,
                Err(error) => return Err(End::Failed(error)),
            },
        };
        inputs.entry(input.port.clone()).or_default().push((input.source.clone(), product));
    }
    lost.into_end().map_or(Ok(inputs), Err)
}

/// An input that is read when the stage asks for it.
fn late(input: &JobInput, workshop: &Arc<Workshop>, lost: &Arc<Mutex<Lost>>) -> InputProduct {
    let (slot, workshop, lost) = (Arc::clone(&input.slot), Arc::clone(workshop), Arc::clone(lost));
    let (kind, artefact, producer, source) = (input.kind, input.artefact.clone(), input.producer, input.source.clone());
    InputProduct::Late(Arc::new(move || {
        slot.lend(&workshop.store, kind, &artefact).map_err(|error| {
            let message = error.to_string();
            match lost.lock().unwrap_or_else(PoisonError::into_inner).note(&source, producer, error) {
                Ok(()) => StageError::io(message),
                Err(error) => error,
            }
        })
    }))
}

fn store_outputs(
    job: &Job,
    mut products: BTreeMap<String, Arc<dyn Product>>,
    workshop: &Workshop,
) -> Result<Made, StageError> {
    let mut checked = Vec::new();
    for port in &job.node.signature.outputs {
        let product = products.remove(&port.name).ok_or_else(|| {
            StageError::config(format!("stage {} ended without setting its output {:?}", job.node.kind, port.name))
                .with_help("this is a bug of the stage")
        })?;
        if product.type_name() != port.product.name {
            return Err(StageError::config(format!(
                "stage {} set its output {:?} to {}, but declared {}",
                job.node.kind,
                port.name,
                product.type_name(),
                port.product.name
            )));
        }
        checked.push((port.name.clone(), product));
    }
    let put = if job.is_stored { Store::put } else { Store::measure };
    // Encoding and digesting an image takes a second: all outputs at once.
    job.pool.install(|| {
        checked
            .into_par_iter()
            .map(|(name, product)| Ok((name, (put(&workshop.store, product.as_ref())?, product))))
            .collect()
    })
}

fn commit(
    job: &Job,
    outputs: &Made,
    usage: Usage,
    warnings: &[String],
    metrics: &[(String, f64)],
    workshop: &Workshop,
) -> Result<(), StageError> {
    let Some(keys) = &job.keys else { return Ok(()) };
    // A file that was edited while the stage read it: nobody knows which version the products come from.
    let mut now = DigestBuilder::with_files(workshop.store.file_digests());
    let is_unchanged = job.node.stage.fingerprint(&mut now).is_ok() && now.parts() == keys.ingredients.fingerprint;
    if !is_unchanged {
        let message = format!("a file that {} reads changed while it ran; the result is not kept", job.node.name);
        workshop.tell(&Event::NodeWarning { node: job.node.name.clone(), message });
        return Ok(());
    }
    let record = Record {
        graph: job.graph_name.clone(),
        node: job.node.name.clone(),
        kind: job.node.kind.clone(),
        provider: job.node.provider.clone(),
        version: job.node.stage.version(),
        recipe: keys.recipe,
        action: keys.action,
        ingredients: keys.ingredients.clone(),
        outputs: outputs.iter().map(|(port, (artefact, _))| (port.clone(), artefact.clone())).collect(),
        wall_s: usage.wall_s,
        cpu_s: usage.cpu_s,
        peak_bytes: usage.peak_bytes,
        estimated_bytes: job.node.demand.peak_bytes,
        was_alone: usage.was_alone,
        warnings: warnings.to_vec(),
        metrics: metrics.to_vec(),
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let commit = if job.is_stored { Store::commit } else { Store::commit_without_artefacts };
    Ok(commit(&workshop.store, &record)?)
}

/// A stage that is run again because its artefact was lost must make the same bytes.
fn warn_if_not_deterministic(job: &Job, outputs: &Made, notes: &Notes) {
    let Some(expected) = &job.expected else { return };
    for (port, (artefact, _)) in outputs {
        if expected.get(port).is_some_and(|old| old.digest != artefact.digest) {
            notes.warning(&format!(
                "output {port} differs from the last run with the same inputs: stage {} is not deterministic",
                job.node.kind
            ));
        }
    }
}

fn panicked(job: &Job, panic: &(dyn Any + Send)) -> StageError {
    let message = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    StageError::new(ErrorClass::Panic, format!("stage {} panicked: {message}", job.node.kind))
        .with_help(format!("this is a bug of the stage; report it to {}", job.node.provider))
}
