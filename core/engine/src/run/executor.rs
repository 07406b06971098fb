//! The coordinator: asks the scheduler, hands jobs to node threads, keeps the books.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cpu_time::ProcessTime;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use rayon::prelude::*;

use super::slot::Slot;
use super::summary::NodeNotes;
use super::worker::{Completion, End, Job, JobInput, JobKeys, Workshop, work};
use crate::digest::Digest;
use crate::event::{Event, Observer};
use crate::graph::Keep;
use crate::interrupt::Interrupt;
use crate::keys::action_key;
use crate::memory;
use crate::plan::Plan;
use crate::report::{DeliveredFile, Failure, RunReport, RunStatus, Verdict};
use crate::schedule::{Finish, Lookup, Phase, Scheduler, Task};
use crate::stage::{ErrorClass, StageError};
use crate::store::{Delivered, StoreError};

/// How to run.
#[derive(Clone)]
pub struct RunOptions {
    /// Threads: of the pool for work inside stages, and nodes that may run at once.
    pub threads: NonZeroUsize,
    /// Memory budget in bytes.
    pub memory_budget: u64,
    /// Band height for stages that work in bands; `None` lets each stage choose. Never changes a result.
    pub band_rows: Option<NonZeroUsize>,
    /// Receive all events.
    pub observers: Vec<Arc<dyn Observer>>,
    /// Ends the run early.
    pub interrupt: Interrupt,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            memory_budget: memory::default_budget(),
            band_rows: None,
            observers: Vec::new(),
            interrupt: Interrupt::new(),
        }
    }
}

impl std::fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunOptions")
            .field("threads", &self.threads)
            .field("memory_budget", &self.memory_budget)
            .finish_non_exhaustive()
    }
}

/// A run could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The output folder cannot be used.
    #[error("output folder {path}: {message}")]
    Out {
        /// The folder.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Threads cannot be made.
    #[error("cannot start {threads} threads: {message}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        message: String,
    },
    /// The store cannot be used.
    #[error("{0}")]
    Store(StoreError),
}

impl Plan {
    /// Carries the plan out. A failed node is no error of this function: the report says what happened.
    ///
    /// # Errors
    /// When nothing could be started.
    pub fn run(self, options: &RunOptions) -> Result<RunReport, RunError> {
        if let Some(out) = &self.options.out {
            prepare_out(out)?;
        }
        let pool = thread_pool(options.threads.get())?;
        // Held to the end: what this run finds and makes is spared by a garbage collection beside it.
        let tenancy = self.ledger.store.tenancy().map_err(RunError::Store)?;
        let scratch_root = tenancy.scratch_folder().map_err(RunError::Store)?;
        let workshop = Arc::new(Workshop {
            store: Arc::clone(&self.ledger.store),
            observers: options.observers.clone(),
            scratch_root,
        });
        let (job_sender, job_receiver) = unbounded::<Job>();
        let (done_sender, done_receiver) = unbounded::<Completion>();
        let slots = options.threads.get();
        std::thread::scope(|scope| {
            for n in 0..slots {
                let (jobs, done, workshop) = (job_receiver.clone(), done_sender.clone(), Arc::clone(&workshop));
                std::thread::Builder::new()
                    .name(format!("node-{n}"))
                    .spawn_scoped(scope, move || serve(&jobs, &done, &workshop))
                    .map_err(|e| RunError::Threads { threads: slots, message: e.to_string() })?;
            }
            drop((job_receiver, done_sender));
            let scheduler = self.scheduler(options.memory_budget, slots);
            Run::new(self, options, pool, workshop, scheduler, job_sender, done_receiver).finish()
        })
    }
}

fn serve(jobs: &Receiver<Job>, done: &Sender<Completion>, workshop: &Arc<Workshop>) {
    while let Ok(job) = jobs.recv() {
        if done.send(work(job, workshop)).is_err() {
            break;
        }
    }
}

fn thread_pool(threads: usize) -> Result<Arc<rayon::ThreadPool>, RunError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|n| format!("pool-{n}"))
        .build()
        .map(Arc::new)
        .map_err(|e| RunError::Threads { threads, message: e.to_string() })
}

fn prepare_out(out: &std::path::Path) -> Result<(), RunError> {
    let fail = |message: String| RunError::Out { path: out.to_path_buf(), message };
    std::fs::create_dir_all(out).map_err(|e| {
        fail(match out.ancestors().find(|p| p.is_file()) {
            Some(file) => format!("cannot be made, because {} is a plain file", file.display()),
            None => format!("cannot be made: {e}"),
        })
    })?;
    // Asked before the first pixel: a run of an hour must not end at a folder that cannot be written.
    // The file has no name where the system allows that, so that a kill leaves nothing behind.
    tempfile::tempfile_in(out).map(drop).map_err(|e| fail(format!("cannot be written: {e}")))
}

pub(super) struct Run<'a> {
    pub(super) plan: Plan,
    pub(super) options: &'a RunOptions,
    pool: Arc<rayon::ThreadPool>,
    workshop: Arc<Workshop>,
    pub(super) scheduler: Scheduler,
    jobs: Option<Sender<Job>>,
    done: Receiver<Completion>,
    slots: Vec<BTreeMap<String, Arc<Slot>>>,
    pub(super) notes: Vec<NodeNotes>,
    running: BTreeMap<usize, Arc<AtomicBool>>,
    pub(super) files: Vec<DeliveredFile>,
    is_delivered: Vec<bool>,
    pub(super) failures: Vec<Failure>,
    pub(super) warnings: Vec<String>,
    pub(super) peak_bytes: u64,
}

impl<'a> Run<'a> {
    fn new(
        plan: Plan,
        options: &'a RunOptions,
        pool: Arc<rayon::ThreadPool>,
        workshop: Arc<Workshop>,
        scheduler: Scheduler,
        jobs: Sender<Job>,
        done: Receiver<Completion>,
    ) -> Self {
        let nodes = plan.ledger.graph.nodes();
        let slots = nodes
            .iter()
            .map(|n| n.signature.outputs.iter().map(|o| (o.name.clone(), Arc::new(Slot::default()))).collect())
            .collect();
        let notes = nodes.iter().map(|_| NodeNotes::default()).collect();
        let is_delivered = vec![false; plan.deliveries.len()];
        Self {
            plan,
            options,
            pool,
            workshop,
            scheduler,
            jobs: Some(jobs),
            done,
            slots,
            notes,
            running: BTreeMap::new(),
            files: Vec::new(),
            is_delivered,
            failures: Vec::new(),
            warnings: Vec::new(),
            peak_bytes: 0,
        }
    }

    fn finish(mut self) -> Result<RunReport, RunError> {
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        let started_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        self.workshop.tell(&Event::RunStarted {
            graph: self.plan.ledger.graph.name().to_owned(),
            nodes: self.plan.is_included.iter().filter(|i| **i).count(),
            threads: self.options.threads.get(),
            memory_budget: self.options.memory_budget,
        });
        loop {
            self.work_until_idle();
            if !self.deliver() {
                break;
            }
        }
        // Dropping the sender ends the node threads.
        self.jobs = None;
        self.peak_bytes = self.peak_bytes.max(memory::peak_bytes());
        self.remember_reused();
        self.pin_kept();
        let report = self.report(start.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64(), started_unix_s);
        let count = |v| report.nodes.iter().filter(|n| n.verdict == v).count();
        for node in report.nodes.iter().filter(|n| matches!(n.verdict, Verdict::Reused | Verdict::Blocked)) {
            self.workshop.tell(&Event::NodeFinished {
                node: node.name.clone(),
                verdict: node.verdict,
                reason: node.reason.clone(),
                wall_s: 0.0,
            });
        }
        self.workshop.tell(&Event::RunFinished {
            status: report.status,
            ran: count(Verdict::Ran),
            reused: count(Verdict::Reused),
            failed: count(Verdict::Failed),
            blocked: count(Verdict::Blocked),
            wall_s: report.wall_s,
        });
        Ok(report)
    }

    /// Remembers what reused nodes rest on, so that the next run compares with this one.
    fn remember_reused(&self) {
        let graph = &self.plan.ledger.graph;
        graph.nodes().par_iter().zip(&self.plan.ledger.entries).enumerate().for_each(|(i, (node, entry))| {
            let is_reused = self.plan.is_included[i] && !self.notes[i].has_run && self.notes[i].error.is_none();
            if let (true, Some(record)) = (is_reused, &entry.record)
                && let Err(e) = self.plan.ledger.store.remember(graph.name(), &node.name, record)
            {
                tracing::warn!("what {} rests on was not noted: {e}", node.name);
            }
        });
    }

    /// Pins the artefacts of `keep: always`, under the name of the graph.
    fn pin_kept(&mut self) {
        let graph = Arc::clone(&self.plan.ledger.graph);
        let kept = graph.nodes().iter().zip(&self.plan.ledger.entries).filter(|(node, _)| node.keep == Keep::Always);
        let artefacts = kept.filter_map(|(_, entry)| entry.outputs.as_ref()).flat_map(|outputs| outputs.values());
        let digests: Vec<Digest> = artefacts.map(|a| a.digest).collect();
        if digests.is_empty() {
            return;
        }
        if let Err(e) = self.plan.ledger.store.pin(&format!("graph {}", graph.name()), &digests) {
            self.warn(format!("what the graph wants kept is not pinned: {e}"));
        }
    }

    fn work_until_idle(&mut self) {
        loop {
            if self.options.interrupt.is_asked() {
                self.scheduler.drain();
            }
            while let Some(task) = self.scheduler.next_task() {
                match task {
                    Task::Lookup(node) => self.look_up(node),
                    Task::Run(node) => self.start(node),
                }
                if self.options.interrupt.is_asked() {
                    self.scheduler.drain();
                }
            }
            if self.scheduler.n_running() == 0 {
                return;
            }
            match self.done.recv_timeout(Duration::from_millis(50)) {
                Ok(completion) => self.take(completion),
                Err(RecvTimeoutError::Timeout) => {}
                // Workers catch panics of stages, so this is a broken invariant of our own.
                Err(RecvTimeoutError::Disconnected) => unreachable!("a node thread ended while a node was running"),
            }
        }
    }

    fn look_up(&mut self, node: usize) {
        let found = self.plan.ledger.look_up_action(node);
        if let Lookup::Hit { .. } = found {
            self.notes[node].was_looked_up = true;
            let entry = &self.plan.ledger.entries[node];
            if let (Some(recipe), Some(action)) = (entry.recipe, entry.action)
                && let Err(e) = self.plan.ledger.store.link_recipe(&recipe, &action)
            {
                self.warn(format!("the recipe of {} was not noted: {e}", self.plan.ledger.graph.nodes()[node].name));
            }
        }
        self.scheduler.looked_up(node, found);
    }

    fn start(&mut self, index: usize) {
        let graph = Arc::clone(&self.plan.ledger.graph);
        let node = graph.nodes()[index].clone();
        let reasons = {
            let scheduler = &self.scheduler;
            let notes = &self.notes;
            let runs = |n: usize| {
                notes[n].has_run
                    || matches!(
                        scheduler.phase(n),
                        Phase::Running | Phase::Ran | Phase::WaitsForData | Phase::ReadyToRun
                    )
            };
            self.plan.reasons(index, &runs)
        };
        self.notes[index].reasons = reasons;
        self.workshop.tell(&Event::NodeStarted {
            node: node.name.clone(),
            kind: node.kind.clone(),
            expected_s: self.plan.ledger.expected_s(index),
        });
        let keys = self.plan.ledger.ingredients(index).and_then(|ingredients| {
            let action = action_key(&ingredients)?;
            Some(JobKeys { recipe: self.plan.ledger.entries[index].recipe, action, ingredients })
        });
        if let Some(because) = self.plan.ledger.uncached(index) {
            let message = format!("{} is not cached: {because}", node.name);
            self.warn(message);
        }
        self.plan.ledger.entries[index].action = keys.as_ref().map(|k| k.action);
        let inputs = self.job_inputs(index);
        let was_alone = Arc::new(AtomicBool::new(self.running.is_empty()));
        for other in self.running.values() {
            other.store(false, Ordering::SeqCst);
        }
        self.running.insert(index, Arc::clone(&was_alone));
        if self.running.len() == 1 {
            self.make_room(index);
        }
        self.peak_bytes = self.peak_bytes.max(memory::peak_bytes());
        let node_is_stored = node.keep != Keep::Never || self.plan.deliveries.iter().any(|(_, n, _)| *n == index);
        let job = Job {
            index,
            graph_name: graph.name().to_owned(),
            pool: self.pool_for(node.threads),
            node,
            inputs,
            keys,
            was_alone,
            cancel: self.options.interrupt.token(),
            band_rows: self.options.band_rows,
            is_stored: node_is_stored,
            expected: self.plan.ledger.entries[index].record.as_ref().map(|r| r.outputs.clone()),
        };
        if let Some(jobs) = &self.jobs {
            // The receivers live as long as the scope; a send cannot fail before this sender is dropped.
            let _ = jobs.send(job);
        }
    }

    fn pool_for(&self, limit: Option<usize>) -> Arc<rayon::ThreadPool> {
        match limit {
            Some(limit) if limit < self.options.threads.get() => {
                thread_pool(limit.max(1)).unwrap_or_else(|_| Arc::clone(&self.pool))
            }
            _ => Arc::clone(&self.pool),
        }
    }

    fn job_inputs(&self, index: usize) -> Vec<JobInput> {
        let nodes = self.plan.ledger.graph.nodes();
        nodes[index]
            .inputs
            .iter()
            .filter_map(|wire| {
                let producer = &nodes[wire.node];
                Some(JobInput {
                    port: wire.port.clone(),
                    source: format!("{}.{}", producer.name, wire.output),
                    producer: wire.node,
                    kind: producer.signature.find_output(&wire.output)?.product,
                    artefact: self.plan.ledger.entries[wire.node].outputs.as_ref()?.get(&wire.output)?.clone(),
                    slot: Arc::clone(self.slots[wire.node].get(&wire.output)?),
                })
            })
            .collect()
    }

    /// Drops products that the node does not read when it would not fit beside them; they can be read again.
    fn make_room(&self, index: usize) {
        let node = &self.plan.ledger.graph.nodes()[index];
        let held: u64 = self.slots.iter().flat_map(|s| s.values()).map(|s| s.bytes()).sum();
        if held + node.demand.peak_bytes <= self.options.memory_budget {
            return;
        }
        let nodes = self.plan.ledger.graph.nodes();
        for (producer, ports) in self.slots.iter().enumerate().filter(|(p, _)| nodes[*p].keep != Keep::Never) {
            for (port, slot) in ports {
                if !node.inputs.iter().any(|w| w.node == producer && w.output == *port) {
                    slot.drop_product();
                }
            }
        }
    }

    fn take(&mut self, completion: Completion) {
        let index = completion.index;
        self.running.remove(&index);
        let name = self.plan.ledger.graph.nodes()[index].name.clone();
        let notes = &mut self.notes[index];
        notes.usage = completion.usage;
        notes.warnings = completion.warnings;
        notes.metrics = completion.metrics;
        let reason = crate::plan::Why::join(&notes.reasons);
        match completion.end {
            End::Done(outputs) => {
                notes.has_run = true;
                let artefacts = outputs.iter().map(|(port, (artefact, _))| (port.clone(), artefact.clone())).collect();
                self.plan.ledger.entries[index].outputs = Some(artefacts);
                self.scheduler.finished(index, Finish::Done);
                if self.scheduler.is_awaited(index) {
                    for (port, (_, product)) in outputs {
                        if let Some(slot) = self.slots[index].get(&port) {
                            slot.fill(product);
                        }
                    }
                }
                self.tell_finished(name, Verdict::Ran, reason, completion.usage.wall_s);
            }
            End::LostInputs { producers, messages } => {
                for message in messages {
                    self.warn(message);
                }
                for &producer in &producers {
                    self.slots[producer].values().for_each(|s| s.drop_product());
                }
                self.scheduler.lost_inputs(index, &producers);
            }
            End::Failed(error) => {
                let finish = match error.class {
                    ErrorClass::NoWork => Finish::NoWork,
                    ErrorClass::Cancelled => Finish::Cancelled,
                    _ => Finish::Failed,
                };
                notes.has_run = finish == Finish::NoWork;
                self.scheduler.finished(index, finish);
                let verdict = if finish == Finish::NoWork { Verdict::Ran } else { Verdict::Failed };
                self.tell_finished(name, verdict, error.message.clone(), completion.usage.wall_s);
                self.notes[index].error = Some(error);
            }
        }
        self.release(index);
    }

    fn tell_finished(&self, node: String, verdict: Verdict, reason: String, wall_s: f64) {
        self.workshop.tell(&Event::NodeFinished { node, verdict, reason, wall_s });
    }

    /// Drops products whose last reader is finished.
    fn release(&mut self, index: usize) {
        let graph = Arc::clone(&self.plan.ledger.graph);
        for producer in graph.nodes()[index].inputs.iter().map(|w| w.node).chain([index]) {
            if !self.scheduler.is_awaited(producer) {
                self.slots[producer].values().for_each(|s| s.drop_product());
            }
        }
        // Only a few nodes hold products at once, but all must be asked; skip that for graphs without large products.
        if self.plan.ledger.graph.nodes().len() <= 1000 {
            let held = self.slots.iter().flat_map(|s| s.values()).map(|s| s.bytes()).sum();
            self.scheduler.set_held_bytes(held);
        }
    }

    /// Places files in the output folder. `true` when an artefact was lost and must be made again first.
    fn deliver(&mut self) -> bool {
        let Some(out) = self.plan.options.out.clone() else { return false };
        let mut must_continue = false;
        for d in 0..self.plan.deliveries.len() {
            let (file, node, port) = self.plan.deliveries[d].clone();
            if self.is_delivered[d]
                || !self.scheduler.phase(node).is_known() && self.scheduler.phase(node) != Phase::Idle
            {
                continue;
            }
            let Some(artefact) = self.plan.ledger.entries[node].outputs.as_ref().and_then(|o| o.get(&port)).cloned()
            else {
                continue;
            };
            let source = format!("{}.{port}", self.plan.ledger.graph.nodes()[node].name);
            match self.plan.ledger.store.deliver(&artefact, &out.join(&file)) {
                Ok(how) => {
                    let is_new = how == Delivered::Copied;
                    self.is_delivered[d] = true;
                    self.workshop.tell(&Event::FileDelivered { file: file.clone(), is_new });
                    let (digest, bytes) = (artefact.digest, artefact.bytes);
                    self.files.push(DeliveredFile { file, product: source, digest, bytes, is_new });
                }
                Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) if self.options.interrupt.is_asked() => {}
                Err(error @ (StoreError::Missing { .. } | StoreError::Damaged { .. })) => {
                    if let StoreError::Damaged { .. } = error {
                        self.warn(format!("artefact of {source}: {error}; it is made again"));
                    }
                    self.scheduler.lost(node);
                    self.scheduler.want_data(node);
                    must_continue = true;
                }
                Err(error) => {
                    self.is_delivered[d] = true;
                    let StageError { class, message, help } = StageError::from(error);
                    self.failures.push(Failure { node: None, class, message, help });
                }
            }
        }
        must_continue
    }

    fn warn(&mut self, message: String) {
        self.workshop.tell(&Event::EngineWarning { message: message.clone() });
        self.warnings.push(message);
    }

    /// How the run ended.
    pub(super) fn status(&self) -> RunStatus {
        let is_cancelled = self.options.interrupt.is_asked()
            || self.notes.iter().any(|n| n.error.as_ref().is_some_and(|e| e.class == ErrorClass::Cancelled));
        let has_failed = !self.failures.is_empty()
            || self.notes.iter().any(|n| n.error.as_ref().is_some_and(|e| e.class != ErrorClass::NoWork));
        match (is_cancelled, has_failed) {
            (true, _) => RunStatus::Cancelled,
            (_, true) => RunStatus::Failed,
            _ => RunStatus::Succeeded,
        }
    }
}
