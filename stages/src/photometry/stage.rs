//! The stage `photometry.isophotal`.

use std::sync::Arc;

use arrow::array::Float64Array;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, Isophotes, Table, TableError, Wcs};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Many, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::aligned::{Alignment, Outline};
use super::bands::{VegaOffset, names, pair_noise};
use super::isophotal::light_inside;
use super::one_by_one::Bands;
use crate::measure::polygon;
use crate::measure::shape::{check_shapes, require_shape};

/// Magnitudes and surface brightnesses inside isophotes, in one band or several.
///
/// Step 6 of Miller et al. 2024: the flux is the sum of the pixels whose centres are inside the contour, of a
/// background-subtracted image of any band. Adds the columns `flux_<band>`, `flux_err_<band>`, `mag_<band>`,
/// `mag_err_<band>`, `sb_<band>`, `peak_sb_<band>` for each wired image, in their order, and `mag_residual` when a residual
/// image is wired. A band whose image is switched off in the graph has no columns.
///
/// `m = zero point - 2.5 log10(flux / exposure) + vega_offset`; NaN where the flux is not positive. Surface brightness is
/// that magnitude plus 2.5 log10 of the contour's area in square arcseconds; its peak is that of the brightest pixel. Pixels without value
/// (not finite, bad, without data, saturated) are missing in the sums; a warning says in how many objects.
///
/// Contours belong to the pixels of the residual image, or of the first image where none is wired. On an image with other world
/// coordinates, as the bands of SDSS have them, every contour is carried over by way of the sky; nothing is resampled. What
/// lies beyond that image's edge is missing in the sums. Images without world coordinates are taken to share the pixels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsophotalPhotometry {
    /// Band name of a single image: the suffix of the columns. Absent, the name that the image carries.
    #[serde(default)]
    pub band: Option<String>,
    /// Band names of several images, in the order of their wires. Absent, the names that the images carry; leave it so where
    /// a band may be switched off.
    #[serde(default)]
    pub bands: Vec<String>,
    /// Added to magnitudes: turns a survey's own system into Vega magnitudes (VISTA: Gonzalez-Fernandez et al. 2018).
    ///
    /// One number for all bands, or by band: `{"Ks": 0.0, "J": -0.02}`; a band that is not named keeps the system of its zero
    /// point. `mag_residual` takes the offset of the residual's own band.
    #[serde(default)]
    #[schemars(extend("x-unit" = "mag"))]
    pub vega_offset: VegaOffset,
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
    /// The images.
    pub const IMAGE: Many<Image> = Many::new("image", "background-subtracted images, one per band");
    /// The noise.
    pub const NOISE: Many<Image> =
        Many::new("noise", "noise maps, matched to the images by band, or by order; without one errors are NaN");
    /// The residual.
    pub const RESIDUAL: Opt<Image> = Opt::new("residual", "residual image: gives mag_residual");
    /// The objects with photometry.
    pub const OUT: Out<Table> = Out::new("table", "the table with the columns of the bands added");

    fn names(&self) -> Vec<String> {
        self.band.iter().chain(&self.bands).cloned().collect()
    }
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
            .many(&Self::IMAGE)
            .many(&Self::NOISE)
            .optional(&Self::RESIDUAL)
            // Three bands with their noise are more than all other stages hold: one band at a time.
            .late("image")
            .late("noise")
            .late("residual")
            .output(&Self::OUT)
    }

    fn version(&self) -> u32 {
        3
    }

    fn check(&self, problems: &mut Problems) {
        for (name, offset) in self.vega_offset.entries() {
            problems.require_range(&name, offset, -100.0, 100.0);
        }
        if let Some(scale) = self.pixel_scale_arcsec {
            problems.require_positive("pixel_scale_arcsec", scale);
        }
        if self.band.is_some() && !self.bands.is_empty() {
            problems.param("bands", "band and bands", "one of them");
        }
        let is_empty = |band: &String| band.trim().is_empty();
        for (name, is_bad) in [("band", self.band.iter().any(is_empty)), ("bands", self.bands.iter().any(is_empty))] {
            if is_bad {
                problems.param(name, "an empty name", "a band name such as \"r\" or \"Ks\"");
            }
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shapes(inputs, &["image", "isophotes", "noise", "residual"], problems);
        let table = TableFacet::from_facet(&inputs.get("table"));
        if let Some(columns) = &table.columns {
            for needed in ["id", "x_light", "y_light"] {
                if !columns.iter().any(|(name, _)| name == needed) {
                    let expected = "the table of measure.isophotes";
                    problems.input("table", format!("no column {needed:?}"), expected).code("unknown-column");
                }
            }
        }
        let carried = |port: &str| -> Vec<Option<String>> {
            inputs.all(port).iter().map(|(_, facet)| ImageFacet::from_facet(facet).band).collect()
        };
        let (images, maps) = (carried("image"), carried("noise"));
        if images.iter().chain(&maps).all(Option::is_some)
            && let Err(found) = pair_noise(&images, &maps)
        {
            problems.input("noise", found, "one noise map per image, of the same band");
        }
        // Without a band name the new columns are not known yet, and neither are all columns of the result.
        let given = self.names();
        if given.is_empty() && images.iter().any(Option::is_none) {
            return;
        }
        let names = match names(&given, &images) {
            Ok(names) => names,
            Err((place, found)) => {
                let expected = "one name of its own for each image";
                match place {
                    "bands" => problems.param(if self.band.is_some() { "band" } else { "bands" }, found, expected),
                    port => problems.input(port, found, expected),
                };
                return;
            }
        };
        let Some(mut columns) = table.columns else { return };
        for name in new_columns(&names, inputs.is_wired("residual")) {
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
        let largest = |port: &str| {
            inputs.all(port).iter().map(|(_, facet)| ImageFacet::from_facet(facet).bytes()).max().unwrap_or(0)
        };
        let image = ImageFacet::from_facet(&inputs.get("image"));
        // One band at a time; the residual last. Contours: as `contour.trace` estimates them for one level.
        let images = (largest("image") + largest("noise")).max(largest("residual"));
        let peak_bytes = images + 2 * image.n_pixels() + (1 << 20);
        Demand { peak_bytes, threads: image.height.unwrap_or(0).div_ceil(64).max(1) }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::TABLE)?;
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let contours = contours_of(&table, &isophotes)?;
        let at = light_centres(&table).map_err(StageError::config)?;
        let objects = Objects { contours, at, frame: (isophotes.width, isophotes.height) };
        cx.metric("n_objects", objects.contours.len() as f64);
        // The residual's light is summed first, but its column comes last.
        let residual = self.residual_light(cx, &objects)?;
        let mut bands = Bands::new(self.names(), cx.count(&Self::IMAGE))?;
        let progress = cx.progress("objects", (objects.contours.len() * bands.len().max(1)) as u64);
        let mut drawn_on = residual.as_ref().map(|r| r.wcs.clone());
        let mut result = (*table).clone();
        for i in 0..bands.len() {
            let image = cx.nth(&Self::IMAGE, i)?;
            require_shape("image", &image, objects.frame)?;
            let noise = bands.noise_of(cx, i, &image)?;
            if let Some(map) = &noise {
                require_shape("noise", map, objects.frame)?;
            }
            let name = bands.name(i, &image)?;
            // Without a residual the contours are taken to be drawn on the first image.
            let drawn_on = drawn_on.get_or_insert_with(|| image.wcs.clone()).as_ref();
            let alignment = Alignment::new(drawn_on, image.wcs.as_ref(), objects.frame.0, objects.frame.1);
            if !alignment.is_same() {
                cx.metric(&format!("n_carried_over_{name}"), objects.contours.len() as f64);
            }
            let offset = self.vega_offset.of(&name);
            let rows: Option<Vec<Photometry>> = cx.pool().install(|| {
                objects
                    .contours
                    .par_iter()
                    .zip(&objects.at)
                    .map(|(vertices, at)| {
                        let row = self.measure(&alignment.outline(vertices, *at), &image, noise.as_deref(), offset);
                        progress.advance(1);
                        (!progress.is_cancelled()).then_some(row)
                    })
                    .collect()
            });
            let rows = rows.ok_or_else(StageError::cancelled)?;
            self.say(cx, &name, &image, &rows, bands.len() > 1);
            result = self.add_columns(&result, &name, &image, &rows).map_err(twice)?;
        }
        for (name, near) in self.vega_offset.misspelt(&bands.names()) {
            cx.warn(format!("vega_offset names the band {name:?}, which no image has; {near:?} has no offset"));
        }
        if let Some(residual) = residual {
            // The residual is of one of the bands; without a name of its own it takes the first one's.
            let names = bands.names();
            let band = residual.band.as_ref().or(names.first());
            let offset = band.map_or(0.0, |band| self.vega_offset.of(band));
            let description =
                format!("magnitude of the residual image inside the contour, {}", band.map_or("", |b| b.as_str()));
            let values = Float64Array::from_iter_values(residual.mags.iter().map(|mag| mag + offset));
            let description = description.trim_end_matches(", ");
            result = self.add(result, RESIDUAL_COLUMN, "mag", description, values).map_err(twice)?;
        }
        cx.set(&Self::OUT, result);
        Ok(())
    }
}

/// Contours and light centres by row, and the shape `(width, height)` of the image that the contours were drawn on.
struct Objects<'a> {
    contours: Vec<&'a [[f64; 2]]>,
    at: Vec<[f64; 2]>,
    frame: (usize, usize),
}

/// What the residual image says: magnitudes without offset.
struct ResidualLight {
    mags: Vec<f64>,
    band: Option<String>,
    wcs: Option<Wcs>,
}

fn twice(error: TableError) -> StageError {
    StageError::config(error).with_help("set band to another name, or wire residual to only one photometry node")
}

/// The new values of one row.
struct Photometry {
    /// In the order of [`COLUMNS`].
    values: [f64; 6],
    is_incomplete: bool,
}

impl IsophotalPhotometry {
    /// The residual's light, after which its image is dropped.
    fn residual_light(&self, cx: &Context<'_>, objects: &Objects<'_>) -> Result<Option<ResidualLight>, StageError> {
        let Some(residual) = cx.optional(&Self::RESIDUAL)? else { return Ok(None) };
        require_shape("residual", &residual, objects.frame)?;
        let mags = cx
            .pool()
            .install(|| objects.contours.par_iter().map(|vertices| residual_magnitude(vertices, &residual)).collect());
        Ok(Some(ResidualLight { mags, band: residual.meta.band.clone(), wcs: residual.wcs.clone() }))
    }

    fn measure(&self, outline: &Outline<'_>, image: &Image, noise: Option<&Image>, offset: f64) -> Photometry {
        let (vertices, [x, y]) = (&outline.vertices[..], outline.centre);
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
        let mag = image.magnitude(light.flux) + offset;
        let mag_err = if light.flux > 0.0 { MAG_PER_RELATIVE * light.flux_error / light.flux } else { f64::NAN };
        let sb = mag + 2.5 * log10(area);
        let peak_sb = image.magnitude(light.peak) + offset + 2.5 * log10(pixel_area);
        Photometry {
            values: [light.flux, light.flux_error, mag, mag_err, sb, peak_sb],
            is_incomplete: light.n_missing > 0 || !lies_on(vertices, image),
        }
    }

    /// Metrics and warnings of one band; with several, each names its band.
    fn say(&self, cx: &Context<'_>, band: &str, image: &Image, rows: &[Photometry], is_one_of_many: bool) {
        let n_incomplete = rows.iter().filter(|r| r.is_incomplete).count();
        let suffix = if is_one_of_many { format!(" ({band})") } else { String::new() };
        let name = if is_one_of_many { format!("n_incomplete_{band}") } else { "n_incomplete".to_owned() };
        cx.metric(&name, n_incomplete as f64);
        if n_incomplete > 0 {
            let n = rows.len();
            cx.warn(format!("{n_incomplete} of {n} objects hold pixels without value: their fluxes lack them{suffix}"));
        }
        if image.meta.zero_point.is_none() {
            cx.warn(format!("the image has no zero point: magnitudes are NaN{suffix}"));
        }
        if self.pixel_scale_arcsec.is_none() && image.wcs.is_none() {
            cx.warn(format!("no world coordinates and no pixel_scale_arcsec: surface brightnesses are NaN{suffix}"));
        }
    }
}

/// Whether a contour lies within the image as a whole.
fn lies_on(vertices: &[[f64; 2]], image: &Image) -> bool {
    let is_on = |at: f64, size: usize| (-0.5..=size as f64 - 0.5).contains(&at);
    !vertices.is_empty() && vertices.iter().all(|&[x, y]| is_on(x, image.width()) && is_on(y, image.height()))
}

fn residual_magnitude(vertices: &[[f64; 2]], residual: &Image) -> f64 {
    let mask = residual.mask.as_ref().map(|m| m.view());
    residual.magnitude(light_inside(vertices, residual.pixels.view(), mask, None).flux)
}

/// NaN instead of minus infinity for nothing.
fn log10(value: f64) -> f64 {
    if value > 0.0 { libm::log10(value) } else { f64::NAN }
}

fn new_columns(bands: &[String], with_residual: bool) -> Vec<String> {
    let residual = with_residual.then(|| RESIDUAL_COLUMN.to_owned());
    let of_band = |band: &String| COLUMNS.map(|(name, _, _)| format!("{name}_{band}"));
    bands.iter().flat_map(of_band).chain(residual).collect()
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

impl IsophotalPhotometry {
    fn add_columns(&self, table: &Table, band: &str, image: &Image, rows: &[Photometry]) -> Result<Table, TableError> {
        let flux_unit = image.meta.unit.as_deref().unwrap_or_default();
        let mut table = table.clone();
        for (k, (name, unit, description)) in COLUMNS.into_iter().enumerate() {
            let unit = if unit.is_empty() { flux_unit } else { unit };
            let values = Float64Array::from_iter_values(rows.iter().map(|r| r.values[k]));
            table = self.add(table, &format!("{name}_{band}"), unit, &format!("{description}, {band}"), values)?;
        }
        Ok(table)
    }

    /// Adds a column, or fills one that is there.
    fn add(
        &self,
        table: Table,
        name: &str,
        unit: &str,
        description: &str,
        values: Float64Array,
    ) -> Result<Table, TableError> {
        if self.fill && table.has_column(name) {
            filled(&table, name, &values)
        } else {
            table.with_column(name, unit, description, Arc::new(values))
        }
    }
}

/// A column whose nulls are filled with new values.
fn filled(table: &Table, name: &str, values: &Float64Array) -> Result<Table, TableError> {
    let old = table.batch().column_by_name(name).and_then(|c| c.as_any().downcast_ref::<Float64Array>());
    let old = old.ok_or_else(|| TableError::Column(format!("column {name:?} does not hold floats")))?;
    let both: Float64Array = old.iter().zip(values).map(|(old, new)| old.or(new)).collect();
    table.replace_column(name, Arc::new(both))
}

register_stage!(IsophotalPhotometry, kind: "photometry.isophotal", example: "(band: \"r\", pixel_scale_arcsec: 0.396)");
