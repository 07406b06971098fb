//! The record that each node of each graph had last: what `plan` and `why` compare with, and where expected times come
//! from.

use super::error::StoreError;
use super::handle::Store;
use super::place::TempFile;
use super::record::Record;
use super::sealed::{seal, unseal};

const LAST: &str = ".json";
const PREVIOUS: &str = ".previous.json";

impl Store {
    /// Remembers what a node was reused from; [`Store::commit`] remembers by itself. When that differs from before, what it
    /// was before is kept too, so that `why` can still compare after the run.
    ///
    /// Two graphs of the same name share these files; that costs a less telling reason, nothing else.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember(&self, graph: &str, node: &str, record: &Record) -> Result<(), StoreError> {
        if self.last(graph, node).is_some_and(|last| last.action == record.action && last.recipe == record.recipe) {
            return Ok(());
        }
        let mut record = record.clone();
        graph.clone_into(&mut record.graph);
        node.clone_into(&mut record.node);
        let temp = self.tenant()?.temp("json")?;
        temp.write(&seal(&record, &self.layout.last_of(graph, node, LAST))?)?;
        self.replace_last(graph, node, &record, temp)
    }

    /// Puts the file of a record in place, and keeps what was there when it was another action.
    pub(crate) fn replace_last(
        &self,
        graph: &str,
        node: &str,
        record: &Record,
        file: TempFile,
    ) -> Result<(), StoreError> {
        let path = self.layout.last_of(graph, node, LAST);
        if self.last(graph, node).is_some_and(|last| last.action != record.action) {
            let previous = self.layout.last_of(graph, node, PREVIOUS);
            std::fs::rename(&path, &previous)
                .map_err(|e| StoreError::io("keeping what a node ran before", &previous, e, 0))?;
        }
        file.place(&path)
    }

    /// Whether any node of this graph was ever remembered: where not, nobody need ask node by node.
    #[must_use]
    pub fn knows_graph(&self, graph: &str) -> bool {
        self.layout.last_of_graph(graph).is_dir()
    }

    /// What a node ran, or was reused from, last.
    #[must_use]
    pub fn last(&self, graph: &str, node: &str) -> Option<Record> {
        self.read_last(graph, node, LAST)
    }

    /// What a node ran before [`Store::last`], when that was something else.
    #[must_use]
    pub fn previous(&self, graph: &str, node: &str) -> Option<Record> {
        self.read_last(graph, node, PREVIOUS)
    }

    fn read_last(&self, graph: &str, node: &str, suffix: &str) -> Option<Record> {
        let path = self.layout.last_of(graph, node, suffix);
        let (record, _): (Record, _) = unseal(&path).value(&path)?;
        // File names may be cut short or lose case; the text inside does not.
        (record.graph == graph && record.node == node).then_some(record)
    }
}
