//! Ports: which type of product, and as which file it travels.

use serde::Deserialize;
use skyloom_data::{Image, Isophotes, PsfField, PsfSet, Table};
use skyloom_engine::{Arity, Deliverable, InputPort, OutputPort, ProductKind, ProductType, Signature};

use crate::descriptor::{ArityWord, Descriptor, InputSpec, OutputSpec, ProductWord};

/// File format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case", rename = "format")]
pub(crate) enum Format {
    /// Parquet, as the store has it.
    #[default]
    Parquet,
    /// A FITS binary table.
    Fits,
}

impl ProductWord {
    /// The word in `job.json`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Image => Image::TYPE,
            Self::Table => Table::TYPE,
            Self::Isophotes => Isophotes::TYPE,
            Self::Psf => PsfField::TYPE,
            Self::PsfSet => PsfSet::TYPE,
            Self::Json => "json",
            Self::File => Deliverable::TYPE,
        }
    }

    /// The engine's type. JSON is a file that is checked.
    fn kind(self) -> ProductKind {
        match self {
            Self::Image => ProductKind::of::<Image>(),
            Self::Table => ProductKind::of::<Table>(),
            Self::Isophotes => ProductKind::of::<Isophotes>(),
            Self::Psf => ProductKind::of::<PsfField>(),
            Self::PsfSet => ProductKind::of::<PsfSet>(),
            Self::Json | Self::File => ProductKind::of::<Deliverable>(),
        }
    }

    /// Format, which is the extension too. That of a file is its own.
    pub(crate) fn extension(self, format: Option<Format>) -> &'static str {
        match (self, format.unwrap_or_default()) {
            (Self::Image, _) | (Self::Table, Format::Fits) => "fits",
            (Self::Table, Format::Parquet) | (Self::Isophotes, _) => "parquet",
            (Self::Psf | Self::PsfSet | Self::Json, _) => "json",
            (Self::File, _) => "bin",
        }
    }
}

impl InputSpec {
    pub(crate) fn engine_arity(&self) -> Arity {
        match self.arity {
            ArityWord::Required => Arity::One,
            ArityWord::Optional => Arity::Optional,
            ArityWord::Any => Arity::Many,
        }
    }
}

impl OutputSpec {
    /// Format of the file, which is its extension too.
    pub(crate) fn file_extension(&self) -> &str {
        match &self.extension {
            Some(extension) if self.product == ProductWord::File => extension,
            _ => self.product.extension(self.format),
        }
    }
}

impl Descriptor {
    /// The ports in the order of the file.
    pub(crate) fn signature(&self) -> Signature {
        let input = |(name, spec): (&String, &InputSpec)| InputPort {
            name: name.clone(),
            doc: spec.doc.clone(),
            product: spec.product.kind(),
            arity: spec.engine_arity(),
            is_late: false,
        };
        let output = |(name, spec): (&String, &OutputSpec)| OutputPort {
            name: name.clone(),
            doc: spec.doc.clone(),
            product: spec.product.kind(),
        };
        Signature {
            inputs: self.inputs.iter().map(input).collect(),
            outputs: self.outputs.iter().map(output).collect(),
        }
    }
}
