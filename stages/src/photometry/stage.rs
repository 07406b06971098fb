//! The stage `photometry.isophotal`.

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
use super::columns::{NewColumns, Photometry, RESIDUAL_COLUMN, new_columns};
use super::isophotal::light_inside;
use super::objects::Objects;
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
/// A second table of objects of the same isophotes, `rejected`, is measured in the same go: each image is read once for both.
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
    /// What was rejected.
    pub const REJECTED_BEFORE: Opt<Table> =
        Opt::new("rejected", "objects that a rule removed, with ids of the same isophotes: measured too");
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
    /// The rejected objects with photometry.
    pub const REJECTED: Out<Table> =
        Out::new("rejected", "the rejected objects with the same columns; without any, the other table's without rows");

    fn names(&self) -> Vec<String> {
        self.band.iter().chain(&self.bands).cloned().collect()
    }
}

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
            .optional(&Self::REJECTED_BEFORE)
            // Three bands with their noise are more than all other stages hold: one band at a time.
            .late("image")
            .late("noise")
            .late("residual")
            .output(&Self::OUT)
            .output(&Self::REJECTED)
    }

    fn version(&self) -> u32 {
        4
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
        let ports: &[&str] = if inputs.is_wired("rejected") { &["table", "rejected"] } else { &["table"] };
        let tables: Vec<_> =
            ports.iter().map(|port| (*port, TableFacet::from_facet(&inputs.get(port)).columns)).collect();
        for (port, columns) in &tables {
            for needed in ["id", "x_light", "y_light"] {
                if columns.as_ref().is_some_and(|columns| !columns.iter().any(|(name, _)| name == needed)) {
                    let expected = "the table of measure.isophotes";
                    problems.input(port, format!("no column {needed:?}"), expected).code("unknown-column");
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
        let new = new_columns(&names, inputs.is_wired("residual"));
        for (port, columns) in tables {
            let Some(mut columns) = columns else { continue };
            for name in &new {
                let is_there = columns.iter().any(|(taken, _)| taken == name);
                if is_there && self.fill {
                    continue;
                }
                if is_there {
                    let expected = "a table without the columns of this band";
                    problems
                        .input(port, format!("column {name:?} is there already"), expected)
                        .help("set band to another name, or wire residual to only one of the photometry nodes");
                } else {
                    columns.push((name.clone(), ColumnKind::Float));
                }
            }
            let facet = TableFacet { columns: Some(columns) }.to_facet();
            if ports.len() == 1 {
                outputs.set("rejected", facet.clone());
            }
            outputs.set(port, facet);
        }
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
        let rejected = cx.optional(&Self::REJECTED_BEFORE)?;
        let rejected = rejected.map_or_else(|| Table::from_batch(table.batch().slice(0, 0)), |t| (*t).clone());
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let mut objects = Objects::new(&isophotes);
        objects.extend("table", &table)?;
        objects.extend("rejected", &rejected)?;
        cx.metric("n_objects", objects.contours.len() as f64);
        // The residual's light is summed first, but its column comes last.
        let residual = self.residual_light(cx, &objects)?;
        let mut bands = Bands::new(self.names(), cx.count(&Self::IMAGE))?;
        let progress = cx.progress("objects", (objects.contours.len() * bands.len().max(1)) as u64);
        let mut drawn_on = residual.as_ref().map(|r| r.wcs.clone());
        let mut results = [(*table).clone(), rejected];
        let columns = NewColumns { fill: self.fill };
        for i in 0..bands.len() {
            let (image, noise) = bands.read(cx, i)?;
            require_shape("image", &image, objects.frame)?;
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
            let mut rest = &rows[..];
            for result in &mut results {
                let (own, others) = rest.split_at(result.n_rows());
                rest = others;
                *result = columns.add_band(result, &name, image.meta.unit.as_deref(), own).map_err(twice)?;
            }
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
            let description = description.trim_end_matches(", ");
            let mut rest = &residual.mags[..];
            for result in &mut results {
                let (own, others) = rest.split_at(result.n_rows());
                rest = others;
                let values = Float64Array::from_iter_values(own.iter().map(|mag| mag + offset));
                *result = columns.add(result, RESIDUAL_COLUMN, "mag", description, values).map_err(twice)?;
            }
        }
        let [table, rejected] = results;
        cx.set(&Self::OUT, table);
        cx.set(&Self::REJECTED, rejected);
        Ok(())
    }
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

register_stage!(IsophotalPhotometry, kind: "photometry.isophotal", example: "(band: \"r\", pixel_scale_arcsec: 0.396)");
