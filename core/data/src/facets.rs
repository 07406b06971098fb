//! What is known of images and tables before they exist: the meaning of the engine's facets.

use skyloom_engine::{Facet, FacetValue};

/// What is known of an image. `None` means unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageFacet {
    /// Columns.
    pub width: Option<usize>,
    /// Rows.
    pub height: Option<usize>,
    /// Unit of the pixels.
    pub unit: Option<String>,
    /// Band name.
    pub band: Option<String>,
    /// Whether there is a WCS.
    pub has_wcs: Option<bool>,
    /// `false` when there is surely no mask plane: maps that are defined everywhere.
    pub has_mask: Option<bool>,
}

impl ImageFacet {
    /// Reads a facet that [`ImageFacet::to_facet`] made.
    #[must_use]
    pub fn from_facet(facet: &Facet) -> Self {
        Self {
            width: facet.int("width").map(|v| v as usize),
            height: facet.int("height").map(|v| v as usize),
            unit: facet.text("unit").map(str::to_owned),
            band: facet.text("band").map(str::to_owned),
            has_wcs: truth(facet, "has_wcs"),
            has_mask: truth(facet, "has_mask"),
        }
    }

    /// The engine's form.
    #[must_use]
    pub fn to_facet(&self) -> Facet {
        let mut facet = Facet::new();
        if let Some(v) = self.width {
            facet.set("width", FacetValue::Int(v as u64));
        }
        if let Some(v) = self.height {
            facet.set("height", FacetValue::Int(v as u64));
        }
        if let Some(v) = &self.unit {
            facet.set("unit", FacetValue::Text(v.clone()));
        }
        if let Some(v) = &self.band {
            facet.set("band", FacetValue::Text(v.clone()));
        }
        if let Some(v) = self.has_wcs {
            facet.set("has_wcs", FacetValue::Bool(v));
        }
        if let Some(v) = self.has_mask {
            facet.set("has_mask", FacetValue::Bool(v));
        }
        facet
    }

    /// Pixels; 0 when the shape is not known.
    #[must_use]
    pub fn n_pixels(&self) -> u64 {
        self.width.unwrap_or(0) as u64 * self.height.unwrap_or(0) as u64
    }

    /// Bytes of the pixels and, unless there surely is none, a mask plane.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.n_pixels() * if self.has_mask == Some(false) { 4 } else { 6 }
    }
}

fn truth(facet: &Facet, name: &str) -> Option<bool> {
    match facet.get(name) {
        Some(FacetValue::Bool(v)) => Some(*v),
        _ => None,
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Floats.
    Float,
    /// Integers.
    Int,
    /// Truth values.
    Bool,
    /// Strings.
    Text,
}

impl ColumnKind {
    /// The word in the facet.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Text => "text",
        }
    }
}

/// What is known of a table: its columns, when known, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableFacet {
    /// Column names and kinds; `None` when unknown.
    pub columns: Option<Vec<(String, ColumnKind)>>,
}

impl TableFacet {
    /// Reads a facet that [`TableFacet::to_facet`] made.
    #[must_use]
    pub fn from_facet(facet: &Facet) -> Self {
        let Some(FacetValue::List(list)) = facet.get("columns") else {
            return Self { columns: None };
        };
        let columns = list
            .iter()
            .filter_map(|item| match item {
                FacetValue::Text(t) => {
                    let (name, kind) = t.rsplit_once(':')?;
                    let kind = match kind {
                        "float" => ColumnKind::Float,
                        "int" => ColumnKind::Int,
                        "bool" => ColumnKind::Bool,
                        _ => ColumnKind::Text,
                    };
                    Some((name.to_owned(), kind))
                }
                _ => None,
            })
            .collect();
        Self { columns: Some(columns) }
    }

    /// The engine's form.
    #[must_use]
    pub fn to_facet(&self) -> Facet {
        let mut facet = Facet::new();
        if let Some(columns) = &self.columns {
            let list = columns.iter().map(|(n, k)| FacetValue::Text(format!("{n}:{}", k.name()))).collect();
            facet.set("columns", FacetValue::List(list));
        }
        facet
    }
}
