//! What is known of every node: its ingredients, its keys, its record.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::why::Why;
use crate::digest::DigestBuilder;
use crate::graph::{Graph, Node, Wire};
use crate::keys::{Canonical, Ingredients, InputIngredient, Key, Upstream, action_key, diff_ingredients, recipe_key};
use crate::schedule::Lookup;
use crate::store::{Artefact, Record, Store};

/// Outputs of a node by port.
pub(crate) type Outputs = BTreeMap<String, Artefact>;

/// What is known of one node.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Kind, version, fingerprint, parameters; the inputs are added for each key.
    basis: Ingredients,
    /// Why there is no key.
    uncached: Option<String>,
    /// Static key.
    pub(crate) recipe: Option<Key>,
    /// Key over the content of the inputs, once computed.
    pub(crate) action: Option<Key>,
    /// The record that a key found.
    pub(crate) record: Option<Arc<Record>>,
    /// Whether the record came through the recipe key.
    pub(crate) is_recipe_hit: bool,
    /// Outputs, from the record or from this run.
    pub(crate) outputs: Option<Outputs>,
    /// The state of this node in its last run, whatever its keys.
    last: Option<Arc<Record>>,
}

/// Keys and records of all nodes of a graph. It is the memory of both the dry run and the run.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) graph: Arc<Graph>,
    pub(crate) store: Arc<Store>,
    pub(crate) entries: Vec<Entry>,
}

impl Ledger {
    /// Computes all recipe keys and looks them up. Nodes in `forced`, and all below them, are not looked up: what a
    /// forced node makes is not known from its recipe.
    pub(crate) fn open(graph: Arc<Graph>, store: Arc<Store>, forced: &[bool]) -> Self {
        let mut entries: Vec<Entry> = graph.nodes().par_iter().map(|node| basis(node, &store)).collect();
        let mut is_unsettled = vec![false; entries.len()];
        for (i, node) in graph.nodes().iter().enumerate() {
            is_unsettled[i] = forced[i] || node.inputs.iter().any(|w| is_unsettled[w.node]);
            if entries[i].uncached.is_some() {
                continue;
            }
            let inputs = node.inputs.iter().map(|wire| ingredient(&graph, node, wire, &entries[wire.node])).collect();
            entries[i].recipe = recipe_key(&Ingredients { inputs, ..entries[i].basis.clone() });
        }
        let (has_recipes, knows_graph) = (store.has_recipes(), store.knows_graph(graph.name()));
        let records: Vec<(Option<Record>, Option<Record>)> = entries
            .par_iter()
            .zip(graph.nodes())
            .zip(&is_unsettled)
            .map(|((entry, node), &is_unsettled)| {
                let record =
                    entry.recipe.filter(|_| has_recipes && !is_unsettled).and_then(|key| store.find_recipe(&key));
                let last = if record.is_none() && knows_graph { store.last(graph.name(), &node.name) } else { None };
                (record, last)
            })
            .collect();
        for (entry, (record, last)) in entries.iter_mut().zip(records) {
            entry.last = last.map(Arc::new);
            if let Some(record) = record {
                entry.outputs = Some(record.outputs.clone());
                entry.action = Some(record.action);
                entry.record = Some(Arc::new(record));
                entry.is_recipe_hit = true;
            }
        }
        Self { graph, store, entries }
    }

    /// What the recipe key of a node found.
    pub(crate) fn known(&self, node: usize) -> Lookup {
        match &self.entries[node].outputs {
            Some(outputs) if self.entries[node].is_recipe_hit => {
                Lookup::Hit { is_available: self.is_available(outputs) }
            }
            _ => Lookup::Miss,
        }
    }

    fn is_available(&self, outputs: &Outputs) -> bool {
        outputs.values().all(|artefact| self.store.contains(artefact))
    }

    /// Ingredients of a node as far as they are known now; `None` without fingerprint.
    pub(crate) fn ingredients(&self, node: usize) -> Option<Ingredients> {
        if self.entries[node].uncached.is_some() {
            return None;
        }
        let n = &self.graph.nodes()[node];
        let inputs = n.inputs.iter().map(|w| ingredient(&self.graph, n, w, &self.entries[w.node])).collect();
        Some(Ingredients { inputs, ..self.entries[node].basis.clone() })
    }

    /// Looks up the action key of a node whose inputs are all known.
    pub(crate) fn look_up_action(&mut self, node: usize) -> Lookup {
        let Some(key) = self.ingredients(node).and_then(|i| action_key(&i)) else { return Lookup::Miss };
        self.entries[node].action = Some(key);
        let Some(record) = self.store.find_action(&key) else { return Lookup::Miss };
        let is_available = self.is_available(&record.outputs);
        self.entries[node].outputs = Some(record.outputs.clone());
        self.entries[node].record = Some(Arc::new(record));
        Lookup::Hit { is_available }
    }

    /// Why a node runs that is not on record. `runs` says which nodes run in the same plan or run.
    pub(crate) fn reasons_to_run(&self, node: usize, is_forced: bool, runs: &dyn Fn(usize) -> bool) -> Vec<Why> {
        let entry = &self.entries[node];
        if is_forced {
            return vec![Why::Forced];
        }
        if let Some(because) = &entry.uncached {
            return vec![Why::NotCached { because: because.clone() }];
        }
        let Some(last) = &entry.last else {
            return vec![Why::FirstRun];
        };
        let mut reasons = Vec::new();
        if let Some(now) = self.ingredients(node) {
            reasons.extend(diff_ingredients(&last.ingredients, &now).into_iter().map(|change| Why::Changed { change }));
        }
        if reasons.is_empty() {
            let nodes = self.graph.nodes();
            let above = nodes[node].inputs.iter().filter(|w| runs(w.node));
            reasons.extend(above.map(|w| Why::InputRuns { port: w.port.clone(), node: nodes[w.node].name.clone() }));
        }
        if reasons.is_empty() {
            reasons.push(Why::RecordGone);
        }
        reasons
    }

    /// Why a node is reused.
    pub(crate) fn reason_to_reuse(&self, node: usize, is_asked: bool) -> Why {
        let entry = &self.entries[node];
        if entry.is_recipe_hit {
            Why::SameRecipe
        } else if is_asked {
            Why::SameContent
        } else {
            Why::NotNeeded
        }
    }

    /// Wall time of the last run of a node, in seconds.
    pub(crate) fn expected_s(&self, node: usize) -> Option<f64> {
        let entry = &self.entries[node];
        entry.record.as_ref().or(entry.last.as_ref()).map(|r| r.wall_s)
    }

    /// Why the node has no key, if so.
    pub(crate) fn uncached(&self, node: usize) -> Option<&str> {
        self.entries[node].uncached.as_deref()
    }
}

fn basis(node: &Node, store: &Store) -> Entry {
    let mut digests = DigestBuilder::with_files(store.file_digests());
    let mut uncached = node.stage.fingerprint(&mut digests).err().map(|e| e.message);
    let params = match Canonical::of_stage(node.stage.as_ref()) {
        Ok(params) => params,
        Err(e) => {
            uncached.get_or_insert_with(|| format!("its parameters cannot be written down: {e}"));
            Canonical::Unit
        }
    };
    let basis = Ingredients {
        kind: node.kind.clone(),
        version: node.stage.version(),
        provider: Some(node.provider.clone()),
        fingerprint: digests.parts().to_vec(),
        params,
        inputs: Vec::new(),
    };
    Entry { basis, uncached, recipe: None, action: None, record: None, is_recipe_hit: false, outputs: None, last: None }
}

fn ingredient(graph: &Graph, node: &Node, wire: &Wire, producer: &Entry) -> InputIngredient {
    let content = producer.outputs.as_ref().and_then(|o| o.get(&wire.output)).map(|a| a.digest);
    InputIngredient {
        port: wire.port.clone(),
        source: format!("{}.{}", graph.nodes()[wire.node].name, wire.output),
        product: node.signature.find_input(&wire.port).map_or("", |p| p.product.name).to_owned(),
        upstream: Upstream { recipe: producer.recipe, output: wire.output.clone(), content },
    }
}
