//! The coordinator: asks the scheduler, hands jobs to node threads, keeps the books.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cpu_time::ProcessTime;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};

use super::executor::{RunError, RunOptions, thread_pool};
use super::slot::Slot;
use super::summary::NodeNotes;
use super::worker::{Completion, End, Job, JobInput, JobKeys, Workshop};
use crate::event::Event;
use crate::graph::Keep;
use crate::keys::action_key;
use crate::memory;
use crate::plan::Plan;
use crate::report::{DeliveredFile, Failure, RunReport, RunStatus, Verdict};
use crate::schedule::{Finish, Lookup, Phase, Scheduler, Task};
use crate::stage::ErrorClass;

/// The books of one run.
pub(super) struct Run<'a> {
    pub(super) plan: Plan,
    pub(super) options: &'a RunOptions,
    pub(super) pool: Arc<rayon::ThreadPool>,
    pub(super) workshop: Arc<Workshop>,
    pub(super) scheduler: Scheduler,
    pub(super) jobs: Option<Sender<Job>>,
    pub(super) done: Receiver<Completion>,
    pub(super) slots: Vec<BTreeMap<String, Arc<Slot>>>,
    /// Per node: its output ports that are read, each with the reader.
    readers: Vec<Vec<(String, usize)>>,
    pub(super) notes: Vec<NodeNotes>,
    pub(super) running: BTreeMap<usize, Arc<AtomicBool>>,
    pub(super) files: Vec<DeliveredFile>,
    pub(super) is_delivered: Vec<bool>,
    pub(super) failures: Vec<Failure>,
    pub(super) warnings: Vec<String>,
    pub(super) peak_bytes: u64,
}

impl<'a> Run<'a> {
    pub(super) fn new(
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
        let mut readers = vec![Vec::new(); nodes.len()];
        for (reader, node) in nodes.iter().enumerate() {
            for wire in &node.inputs {
                readers[wire.node].push((wire.output.clone(), reader));
            }
        }
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
            readers,
            notes,
            running: BTreeMap::new(),
            files: Vec::new(),
            is_delivered,
            failures: Vec::new(),
            warnings: Vec::new(),
            peak_bytes: 0,
        }
    }

    pub(super) fn finish(mut self) -> Result<RunReport, RunError> {
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

    fn job_inputs(&mut self, index: usize) -> Vec<JobInput> {
        let has_room = self.make_room_for_late(index);
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
                    is_late: !has_room && nodes[index].signature.find_input(&wire.port)?.is_late,
                })
            })
            .collect()
    }

    /// Whether the products of late ports fit in memory as a whole: then they are read before the stage starts, all at once, and
    /// stay for other readers. Their room is taken from nodes that start beside this one.
    fn make_room_for_late(&mut self, index: usize) -> bool {
        let node = &self.plan.ledger.graph.nodes()[index];
        // Adding up what all slots hold is for the few that have late ports: a graph may have 10,000 nodes.
        if node.signature.inputs.iter().all(|port| !port.is_late) {
            return true;
        }
        let is_late = |port: &str| node.signature.find_input(port).is_some_and(|p| p.is_late);
        let missing: u64 = node
            .inputs
            .iter()
            .filter(|wire| is_late(&wire.port))
            .filter(|wire| self.slots[wire.node].get(&wire.output).is_some_and(|slot| slot.bytes() == 0))
            .filter_map(|wire| Some(self.plan.ledger.entries[wire.node].outputs.as_ref()?.get(&wire.output)?.bytes))
            .sum();
        let held: u64 = self.slots.iter().flat_map(|s| s.values()).map(|s| s.bytes()).sum();
        let has_room = held + missing + self.scheduler.running_bytes() <= self.options.memory_budget;
        if has_room {
            self.scheduler.set_held_bytes(held + missing);
        }
        has_room
    }

    /// Drops products that the node does not read, or reads late, when it would not fit beside them; they can be read again.
    fn make_room(&self, index: usize) {
        let node = &self.plan.ledger.graph.nodes()[index];
        let held: u64 = self.slots.iter().flat_map(|s| s.values()).map(|s| s.bytes()).sum();
        if held + node.demand.peak_bytes <= self.options.memory_budget {
            return;
        }
        let nodes = self.plan.ledger.graph.nodes();
        let is_late = |port: &str| node.signature.find_input(port).is_some_and(|p| p.is_late);
        for (producer, ports) in self.slots.iter().enumerate().filter(|(p, _)| nodes[*p].keep != Keep::Never) {
            for (port, slot) in ports {
                if !node.inputs.iter().any(|w| w.node == producer && w.output == *port && !is_late(&w.port)) {
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
        notes.logs = completion.logs;
        let reason = crate::plan::Why::join(&notes.reasons);
        match completion.end {
            End::Done(outputs) => {
                notes.has_run = true;
                let artefacts = outputs.iter().map(|(port, (artefact, _))| (port.clone(), artefact.clone())).collect();
                self.plan.ledger.entries[index].outputs = Some(artefacts);
                self.scheduler.finished(index, Finish::Done);
                for (port, (_, product)) in outputs {
                    if self.is_awaited(index, &port)
                        && let Some(slot) = self.slots[index].get(&port)
                    {
                        slot.fill(product);
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

    /// Whether a node that still has something to do reads this product. Asked by port: of two maps that a stage makes, one may
    /// have no reader at all.
    fn is_awaited(&self, producer: usize, port: &str) -> bool {
        self.readers[producer].iter().any(|(read, reader)| read == port && self.scheduler.phase(*reader).is_active())
    }

    fn tell_finished(&self, node: String, verdict: Verdict, reason: String, wall_s: f64) {
        self.workshop.tell(&Event::NodeFinished { node, verdict, reason, wall_s });
    }

    /// Drops products whose last reader is finished.
    fn release(&mut self, index: usize) {
        let graph = Arc::clone(&self.plan.ledger.graph);
        for producer in graph.nodes()[index].inputs.iter().map(|w| w.node).chain([index]) {
            for (port, slot) in &self.slots[producer] {
                if !self.is_awaited(producer, port) {
                    slot.drop_product();
                }
            }
        }
        let kept: Vec<usize> = graph.nodes()[index].inputs.iter().map(|w| w.node).chain([index]).collect();
        for producer in kept.into_iter().filter(|&n| graph.nodes()[n].keep == Keep::Never) {
            let bytes = self.slots[producer].values().map(|slot| slot.bytes()).sum();
            self.scheduler.set_kept_bytes(producer, bytes);
        }
        // Only a few nodes hold products at once, but all must be asked; skip that for graphs without large products.
        if self.plan.ledger.graph.nodes().len() <= 1000 {
            let held = self.slots.iter().flat_map(|s| s.values()).map(|s| s.bytes()).sum();
            self.scheduler.set_held_bytes(held);
        }
    }

    pub(super) fn warn(&mut self, message: String) {
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
