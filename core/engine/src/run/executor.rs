//! From a plan to its report: options, threads, the output folder.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::coordinator::Run;
use super::worker::{Completion, Job, Workshop, work};
use crate::event::Observer;
use crate::interrupt::Interrupt;
use crate::memory;
use crate::plan::Plan;
use crate::report::RunReport;
use crate::store::StoreError;

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
            logs: self.options.out.as_ref().map(|out| out.join("logs")),
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

pub(super) fn thread_pool(threads: usize) -> Result<Arc<rayon::ThreadPool>, RunError> {
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
