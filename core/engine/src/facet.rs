//! Facets: what is known of a product before it exists (shape, unit, columns).
//!
//! The engine carries them from stage to stage without understanding them; `skyloom-data` gives them meaning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One known property.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FacetValue {
    /// A truth value.
    Bool(bool),
    /// A count or size.
    Int(u64),
    /// A measure.
    Float(f64),
    /// A word: unit, band, frame.
    Text(String),
    /// A list, for instance of columns.
    List(Vec<FacetValue>),
    /// A record, for instance one column.
    Map(BTreeMap<String, FacetValue>),
}

/// What is known of one product before it exists. Absent means unknown, never "none".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facet(pub BTreeMap<String, FacetValue>);

impl Facet {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property.
    pub fn set(&mut self, name: &str, value: FacetValue) {
        self.0.insert(name.to_owned(), value);
    }

    /// A property, if known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FacetValue> {
        self.0.get(name)
    }

    /// An integer property, if known.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some(FacetValue::Int(v)) => Some(*v),
            _ => None,
        }
    }

    /// A float property, if known (an integer is one too).
    #[must_use]
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(FacetValue::Float(v)) => Some(*v),
            Some(FacetValue::Int(v)) => Some(*v as f64),
            _ => None,
        }
    }

    /// A text property, if known.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(FacetValue::Text(v)) => Some(v),
            _ => None,
        }
    }
}

/// The facets at a stage's inputs: per port, one facet per product wired to it, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Facets {
    ports: BTreeMap<String, Vec<(String, Facet)>>,
}

impl Facets {
    /// No inputs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the facet of a product that arrives at `port` from `source` (`node.port`).
    pub fn add(&mut self, port: &str, source: &str, facet: Facet) {
        self.ports.entry(port.to_owned()).or_default().push((source.to_owned(), facet));
    }

    /// The facet of the first product at a port; an empty facet when nothing is wired or known.
    #[must_use]
    pub fn get(&self, port: &str) -> Facet {
        self.ports.get(port).and_then(|v| v.first()).map(|(_, f)| f.clone()).unwrap_or_default()
    }

    /// Whether something is wired to the port.
    #[must_use]
    pub fn is_wired(&self, port: &str) -> bool {
        self.ports.get(port).is_some_and(|v| !v.is_empty())
    }

    /// All products at a port: source (`node.port`) and facet.
    #[must_use]
    pub fn all(&self, port: &str) -> &[(String, Facet)] {
        self.ports.get(port).map_or(&[], Vec::as_slice)
    }
}

/// What a stage says of its outputs.
#[derive(Debug, Clone, Default)]
pub struct FacetsOut {
    ports: BTreeMap<String, Facet>,
}

impl FacetsOut {
    /// Nothing said yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the facet of an output port.
    pub fn set(&mut self, port: &str, facet: Facet) {
        self.ports.insert(port.to_owned(), facet);
    }

    /// The facet of an output port; empty when nothing was said.
    #[must_use]
    pub fn get(&self, port: &str) -> Facet {
        self.ports.get(port).cloned().unwrap_or_default()
    }
}
