//! `psf.field` as a stage.

use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, PsfField, PsfModel, PsfSet, Table};
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError};

use super::algorithm::{CellOptions, GroupFits, build_psf_set};
use super::params::BuildField;
use crate::psf::fitted_star::{needed_columns, usable_fits};
use crate::psf::robust::median;

impl BuildField {
    /// The image, for its size.
    pub const IMAGE: In<Image> = In::new("image", "the image that the stars are of; only its size is used");
    /// Fits of faint stars.
    pub const FAINT: In<Table> = In::new("faint", "fits of the faint group, from psf.fit_faint");
    /// Fits of bright stars.
    pub const BRIGHT: Opt<Table> = Opt::new("bright", "fits of the bright group, from psf.fit_bright");
    /// The four fields.
    pub const SET: Out<PsfSet> = Out::new("set", "faint and bright, Moffat and compound: median and scatter per cell");
    /// The local PSF.
    pub const PSF: Out<PsfField> = Out::new("psf", "the Moffat of the faint group, with the local FWHM");
}

fn read_fits(table: &Table, port: &str) -> Result<GroupFits, StageError> {
    let read = |model| {
        usable_fits(table, model).map_err(|e| {
            StageError::config(format!("input {port:?}: {e}"))
                .with_help(format!("wire the table of psf.fit_{port} here"))
        })
    };
    Ok(GroupFits { moffat: read(PsfModel::Moffat)?, compound: read(PsfModel::Compound)? })
}

fn require_fits(inputs: &Facets, port: &str, problems: &mut Problems) {
    let Some(columns) = TableFacet::from_facet(&inputs.get(port)).columns else { return };
    let is_there = |name: &String| columns.iter().any(|(n, k)| n == name && *k != ColumnKind::Text);
    for model in [PsfModel::Moffat, PsfModel::Compound] {
        if let Some(name) = needed_columns(model).iter().find(|name| !is_there(name)) {
            problems
                .input(port, format!("a table without a numeric column {name:?}"), "a table of fitted PSF stars")
                .code("unknown-column")
                .help(format!("wire the table of psf.fit_{port} here"));
            return;
        }
    }
}

#[typetag::serde(name = "psf.field")]
impl Stage for BuildField {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::FAINT)
            .optional(&Self::BRIGHT)
            .output(&Self::SET)
            .output(&Self::PSF)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        self.check_params(problems);
    }

    fn infer(&self, inputs: &Facets, _: &mut FacetsOut, problems: &mut Problems) {
        require_fits(inputs, Self::FAINT.name, problems);
        require_fits(inputs, Self::BRIGHT.name, problems);
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        let n = |size: Option<usize>| size.map_or(1.0, |s| (s as f64 / self.cell_px).ceil());
        let cells = n(image.width) * n(image.height);
        if cells > MAX_CELLS {
            problems
                .param("cell_px", self.cell_px, "cells of a size that gives at most a million of them")
                .help("2000 px is the published size; a cell needs at least 10 stars");
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        // Two tables of fits of about 400 bytes, read twice, of at most one star per 1000 px; the cells of six fields.
        let stars = image.n_pixels() / 1000 * 1000;
        let n = |size: Option<usize>| size.map_or(1.0, |s| (s as f64 / self.cell_px).ceil().max(1.0));
        let cells = (n(image.width) * n(image.height)).min(MAX_CELLS) as u64 * 6 * 300;
        Demand { peak_bytes: image.bytes() + stars + cells + (4 << 20), threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, faint) = (cx.input(&Self::IMAGE)?, cx.input(&Self::FAINT)?);
        let faint = read_fits(&faint, Self::FAINT.name)?;
        let bright = match cx.optional(&Self::BRIGHT)? {
            Some(table) => read_fits(&table, Self::BRIGHT.name)?,
            None => GroupFits::default(),
        };
        let options = CellOptions::of(self, image.width(), image.height());
        let set = build_psf_set(&faint, &bright, &options).map_err(|e| {
            StageError::data(e).with_help(
                "psf.select_isolated says in its metrics why stars were turned down: in a crowded field make faint_stamp_px smaller \
                 (17 or 21) or raise faint_first_level_sigma; in an empty one make faint_max_mag fainter. Many stars but few fits: \
                 lower contour_sigma of psf.fit_faint",
            )
        })?;
        for (name, field) in set.fields() {
            cx.metric(&format!("{name}_borrowed_cells"), field.cells.iter().filter(|c| c.is_borrowed).count() as f64);
        }
        cx.metric("n_faint_moffat", faint.moffat.len() as f64);
        cx.metric("n_faint_compound", faint.compound.len() as f64);
        cx.metric("n_bright_moffat", bright.moffat.len() as f64);
        cx.metric("n_bright_compound", bright.compound.len() as f64);
        cx.metric("n_cells", set.faint_moffat.cells.len() as f64);
        cx.metric("fwhm_px", median(&set.faint_moffat.cells.iter().map(|c| c.fwhm).collect::<Vec<_>>()));
        cx.set(&Self::PSF, set.faint_moffat.clone());
        cx.set(&Self::SET, set);
        Ok(())
    }
}

/// More cells than any image has stars for.
const MAX_CELLS: f64 = 1e6;

skyloom_engine::register_stage!(BuildField, kind: "psf.field", example: "(cell_px: 2000.0)");
