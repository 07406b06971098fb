//! The stage `photometry.isophotal`.

use std::sync::Arc;

use arrow::array::Float64Array;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, Isophotes, Table, TableError};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::isophotal::light_inside;
use crate::measure::polygon;
use crate::measure::shape::{check_shape, require_shape};

/// Magnitudes and surface brightnesses inside isophotes, in one band.
///
/// Step 6 of Miller et al. 2024: the flux is the sum of the pixels whose centres are inside the contour, of a
/// background-subtracted image of any band. Adds the columns `flux_<band>`, `flux_err_<band>`, `mag_<band>`,
/// `mag_err_<band>`, `sb_<band>`, `peak_sb_<band>` to the table, and `mag_residual` when a residual image is wired.
///
/// `m = zero point - 2.5 log10(flux / exposure) + vega_offset`; NaN where the flux is not positive. Surface brightness is
/// that magnitude plus 2.5 log10 of the contour's area in square arcseconds; its peak is that of the brightest pixel. Pixels without value
/// (not finite, bad, without data, saturated) are missing in the sums; a warning says in how many objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsophotalPhotometry {
    /// Band name: the suffix of the columns. Absent, the name that the image carries.
    #[serde(default)]
    pub band: Option<String>,
    /// Added to all magnitudes: turns a survey's own system into Vega magnitudes (VISTA: Gonzalez-Fernandez et al.
    /// 2018). 0 keeps the system of the zero point.
    #[serde(default)]
    #[schemars(range(min = -100.0, max = 100.0), extend("x-unit" = "mag"))]
    pub vega_offset: f64,
    /// Side of a pixel in arcseconds, for surface brightnesses. Absent, the area of the pixel at the light centre
    /// by the image's world coordinates; without any, surface brightnesses are NaN.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "arcsec"))]
    pub pixel_scale_arcsec: Option<f64>,
    /// Fills columns that are there already: rows without a value (null) get one, values that are there stay. For tables that a stage
    /// made longer, as `contour.hierarchy` does: its nested isophotes have no photometry yet. Off, a column that is
    /// there already is an error.
    #[serde(default)]
    pub fill: bool,
}

impl IsophotalPhotometry {
    /// The objects.
    pub const TABLE: In<Table> = In::new("table", "objects, with columns id, x_light, y_light");
    /// The contours.
    pub const ISOPHOTES: In<Isophotes> = In::new("isophotes", "the contours that the ids point to");
    /// The image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image of the band");
    /// The noise.
    pub const NOISE: Opt<Image> = Opt::new("noise", "noise map of the image; without it errors are NaN");
    /// The residual.
    pub const RESIDUAL: Opt<Image> = Opt::new("residual", "residual image: gives mag_residual");
    /// The objects with photometry.
    pub const OUT: Out<Table> = Out::new("table", "the table with the columns of the band added");
}

/// The columns that a band adds: name without suffix, unit (the image's own when empty), description.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("flux", "", "sum of the pixels inside the contour"),
    ("flux_err", "", "error of flux, from the noise map"),
    ("mag", "mag", "magnitude of flux"),
    ("mag_err", "mag", "error of mag"),
    ("sb", "mag / arcsec2", "mean surface brightness inside the contour"),
    ("peak_sb", "mag / arcsec2", "surface brightness of the brightest pixel inside the contour"),
];

const RESIDUAL_COLUMN: &str = "mag_residual";

/// Magnitude error per relative flux error: 2.5 / ln 10.
const MAG_PER_RELATIVE: f64 = 1.085_736_204_758_129_6;

#[typetag::serde(name = "photometry.isophotal")]
impl Stage for IsophotalPhotometry {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::TABLE)
            .input(&Self::ISOPHOTES)
            .input(&Self::IMAGE)
            .optional(&Self::NOISE)
            .optional(&Self::RESIDUAL)
            .output(&Self::OUT)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_range("vega_offset", self.vega_offset, -100.0, 100.0);
        if let Some(scale) = self.pixel_scale_arcsec {
            problems.require_positive("pixel_scale_arcsec", scale);
        }
        if self.band.as_deref().is_some_and(|band| band.trim().is_empty()) {
            problems.param("band", "an empty name", "a band name such as \"r\" or \"Ks\"");
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        for port in ["isophotes", "noise", "residual"] {
            check_shape(inputs, "image", port, problems);
        }
        let table = TableFacet::from_facet(&inputs.get("table"));
        let band = self.band.clone().or(ImageFacet::from_facet(&inputs.get("image")).band);
        let Some(mut columns) = table.columns else { return };
        for needed in ["id", "x_light", "y_light"] {
            if !columns.iter().any(|(name, _)| name == needed) {
                let expected = "the table of measure.isophotes";
                problems.input("table", format!("no column {needed:?}"), expected).code("unknown-column");
            }
        }
        // Without a band name the new columns are not known yet, and neither are all columns of the result.
        let Some(band) = band else { return };
        for name in new_columns(&band, inputs.is_wired("residual")) {
            let is_there = columns.iter().any(|(taken, _)| *taken == name);
            if is_there && self.fill {
                continue;
            }
            if is_there {
                let expected = "a table without the columns of this band";
                problems
                    .input("table", format!("column {name:?} is there already"), expected)
                    .help("set band to another name, or wire residual to only one of the photometry nodes");
            } else {
                columns.push((name, ColumnKind::Float));
            }
        }
        outputs.set("table", TableFacet { columns: Some(columns) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let wired = ["noise", "residual"].iter().filter(|port| inputs.is_wired(port)).count() as u64;
        // Contours: as `contour.trace` estimates them for one level.
        let peak_bytes = (1 + wired) * image.bytes() + 2 * image.n_pixels() + (1 << 20);
        Demand { peak_bytes, threads: image.height.unwrap_or(0).div_ceil(64).max(1) }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::TABLE)?;
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let image = cx.input(&Self::IMAGE)?;
        let noise = cx.optional(&Self::NOISE)?;
        let residual = cx.optional(&Self::RESIDUAL)?;
        let frame = (isophotes.width, isophotes.height);
        require_shape("image", &image, frame)?;
        for (port, map) in [("noise", &noise), ("residual", &residual)] {
            if let Some(map) = map {
                require_shape(port, map, frame)?;
            }
        }
        let band = self.band.clone().or_else(|| image.meta.band.clone()).ok_or_else(|| {
            StageError::config("no band name: the image carries none").with_help("set band, for instance \"r\"")
        })?;

        let contours = contours_of(&table, &isophotes)?;
        let at = light_centres(&table).map_err(StageError::config)?;
        let progress = cx.progress("objects", contours.len() as u64);
        let rows: Option<Vec<Photometry>> = cx.pool().install(|| {
            contours
                .par_iter()
                .zip(at)
                .map(|(vertices, at)| {
                    let row = self.measure(vertices, at, &image, noise.as_deref(), residual.as_deref());
                    progress.advance(1);
                    (!progress.is_cancelled()).then_some(row)
                })
                .collect()
        });
        let rows = rows.ok_or_else(StageError::cancelled)?;

        let n_incomplete = rows.iter().filter(|r| r.is_incomplete).count();
        cx.metric("n_objects", rows.len() as f64);
        cx.metric("n_incomplete", n_incomplete as f64);
        if n_incomplete > 0 {
            cx.warn(format!(
                "{n_incomplete} of {} objects hold pixels without value: their fluxes lack them",
                rows.len()
            ));
        }
        if image.meta.zero_point.is_none() {
            cx.warn("the image has no zero point: magnitudes are NaN");
        }
        if self.pixel_scale_arcsec.is_none() && image.wcs.is_none() {
            cx.warn("no world coordinates and no pixel_scale_arcsec: surface brightnesses are NaN");
        }
        let table = self.add_columns(&table, &band, &image, &rows, residual.is_some()).map_err(|e| {
            StageError::config(e).with_help("set band to another name, or wire residual to only one photometry node")
        })?;
        cx.set(&Self::OUT, table);
        Ok(())
    }
}

/// The new values of one row.
struct Photometry {
    /// In the order of [`COLUMNS`].
    values: [f64; 6],
    mag_residual: f64,
    is_incomplete: bool,
}

impl IsophotalPhotometry {
    fn measure(
        &self,
        vertices: &[[f64; 2]],
        [x, y]: [f64; 2],
        image: &Image,
        noise: Option<&Image>,
        residual: Option<&Image>,
    ) -> Photometry {
        let light = light_inside(
            vertices,
            image.pixels.view(),
            image.mask.as_ref().map(|m| m.view()),
            noise.map(|n| n.pixels.view()),
        );
        let pixel_area = match (self.pixel_scale_arcsec, &image.wcs) {
            (Some(scale), _) => scale * scale,
            (None, Some(wcs)) => wcs.pixel_area_arcsec2(x, y),
            (None, None) => f64::NAN,
        };
        let area = polygon::signed_area(vertices).abs() * pixel_area;
        let magnitude = |image: &Image, flux: f64| image.magnitude(flux) + self.vega_offset;
        let mag = magnitude(image, light.flux);
        let mag_err = if light.flux > 0.0 { MAG_PER_RELATIVE * light.flux_error / light.flux } else { f64::NAN };
        let sb = mag + 2.5 * log10(area);
        let peak_sb = magnitude(image, light.peak) + 2.5 * log10(pixel_area);
        let mag_residual = residual.map_or(f64::NAN, |residual| {
            let mask = residual.mask.as_ref().map(|m| m.view());
            magnitude(residual, light_inside(vertices, residual.pixels.view(), mask, None).flux)
        });
        Photometry {
            values: [light.flux, light.flux_error, mag, mag_err, sb, peak_sb],
            mag_residual,
            is_incomplete: light.n_missing > 0,
        }
    }
}

impl IsophotalPhotometry {
    fn add_columns(
        &self,
        table: &Table,
        band: &str,
        image: &Image,
        rows: &[Photometry],
        with_residual: bool,
    ) -> Result<Table, TableError> {
        let add = |table: Table, name: &str, unit: &str, description: &str, values: Float64Array| {
            if self.fill && table.has_column(name) {
                filled(&table, name, &values)
            } else {
                table.with_column(name, unit, description, Arc::new(values))
            }
        };
        let flux_unit = image.meta.unit.as_deref().unwrap_or_default();
        let mut table = table.clone();
        for (k, (name, unit, description)) in COLUMNS.into_iter().enumerate() {
            let unit = if unit.is_empty() { flux_unit } else { unit };
            let values = Float64Array::from_iter_values(rows.iter().map(|r| r.values[k]));
            table = add(table, &format!("{name}_{band}"), unit, &format!("{description}, {band}"), values)?;
        }
        if with_residual {
            let values = Float64Array::from_iter_values(rows.iter().map(|r| r.mag_residual));
            let description = format!("magnitude of the residual image inside the contour, {band}");
            table = add(table, RESIDUAL_COLUMN, "mag", &description, values)?;
        }
        Ok(table)
    }
}

/// NaN instead of minus infinity for nothing.
fn log10(value: f64) -> f64 {
    if value > 0.0 { libm::log10(value) } else { f64::NAN }
}

fn new_columns(band: &str, with_residual: bool) -> Vec<String> {
    let residual = with_residual.then(|| RESIDUAL_COLUMN.to_owned());
    COLUMNS.iter().map(|(name, _, _)| format!("{name}_{band}")).chain(residual).collect()
}

/// The contour of each row.
fn contours_of<'a>(table: &Table, isophotes: &'a Isophotes) -> Result<Vec<&'a [[f64; 2]]>, StageError> {
    let ids = table.ints("id").map_err(StageError::config)?;
    ids.into_iter()
        .enumerate()
        .map(|(row, id)| {
            let contour = id.and_then(|id| usize::try_from(id).ok()).and_then(|id| isophotes.contours.get(id));
            contour.map(|c| &c.vertices[..]).ok_or_else(|| {
                let id = id.map_or_else(|| "no id".to_owned(), |id| format!("id {id}"));
                let n = isophotes.contours.len();
                StageError::data(format!("row {row} of the table has {id}; the isophote set has {n} contours"))
                    .with_help("wire the isophotes that the table was measured on")
            })
        })
        .collect()
}

fn light_centres(table: &Table) -> Result<Vec<[f64; 2]>, TableError> {
    Ok(table.floats("x_light")?.into_iter().zip(table.floats("y_light")?).map(|(x, y)| [x, y]).collect())
}

/// A column whose nulls are filled with new values.
fn filled(table: &Table, name: &str, values: &Float64Array) -> Result<Table, TableError> {
    let old = table.batch().column_by_name(name).and_then(|c| c.as_any().downcast_ref::<Float64Array>());
    let old = old.ok_or_else(|| TableError::Column(format!("column {name:?} does not hold floats")))?;
    let both: Float64Array = old.iter().zip(values).map(|(old, new)| old.or(new)).collect();
    table.replace_column(name, Arc::new(both))
}

register_stage!(IsophotalPhotometry, kind: "photometry.isophotal", example: "(band: \"r\", pixel_scale_arcsec: 0.396)");
