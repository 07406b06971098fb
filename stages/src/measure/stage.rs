//! The stage `measure.isophotes`.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Image, Isophote, Isophotes, PsfField, Table};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::columns::{Row, candidate_columns, candidate_table};
use super::fwhm::{local_fwhm, require_fwhm};
use super::moments::{IsophoteMeasures, LightRadius, MeasureOptions, measure_isophote};
use super::shape::{check_shape, require_shape};
use super::tree::tree_of_survivors;

/// Measures isophotes, and keeps those that are large enough and far enough from the edge.
///
/// Step 5 of Miller et al. 2024: geometric area, radius and centre of each contour; centre, radius, inertia ellipse
/// and median pixel of the light inside. One row per isophote that passes, in order of `id`, its index in the isophote set.
///
/// An isophote is left out, for the first of these reasons that holds: it is not closed; a vertex is too close to the
/// image's edge; it cannot be measured (no pixel inside, or a sum of light that is not positive); its `r_geo` is too
/// small. The metrics count each. When the parent of an isophote was left out, its `parent_id` is the nearest
/// ancestor that was kept, and null if there is none; `root_id` and `is_atomic` refer to the kept isophotes too.
///
/// `flags` adds up: 1 pixels without value inside, 2 zeroed star cores inside, 4 light centre outside the contour, 8
/// negative pixels make a semi-axis undefined (given as 0), 16 the median pixel is that of the nearest pixel alone,
/// 32 contour around a region below its level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureIsophotes {
    /// FWHM of the PSF in pixels, used everywhere instead of a PSF field; required when no PSF field is wired.
    ///
    /// Too large loses small objects to the size cut and to the disposal rules; too small keeps blends of stars.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub fwhm_px: Option<f64>,
    /// Least geometric radius in units of the local FWHM. The published method uses 2; at 1 many single stars pass, above
    /// 3 compact clusters are lost.
    #[serde(default = "default_min_r_geo_fwhm")]
    #[schemars(range(min = 0.0), extend("x-unit" = "FWHM"))]
    pub min_r_geo_fwhm: f64,
    /// Least distance of every vertex from the image's edge, in pixels.
    ///
    /// Background and star subtraction are unreliable at the edge. 75 in the published method (tiles of 12,800 x 15,400 px);
    /// large values lose extended objects in small images.
    #[serde(default = "default_edge_distance_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub edge_distance_px: f64,
    /// Definition of `r_light`: `mean` distance from the light centre, or `rms`, which is 8 to 30 % larger. The disposal rules
    /// were published for `mean`.
    #[serde(default)]
    pub light_radius: LightRadius,
    /// Semi-axes `a`, `b` in units of the roots of the inertia tensor's eigenvalues; also the ellipse of the median pixel.
    /// 1 takes the core, 2 nearly all light.
    #[serde(default = "default_axis_scale")]
    #[schemars(range(min = 0.0))]
    pub axis_scale: f64,
    /// The word in the column `sample`, to tell tables apart that are joined later.
    #[serde(default = "default_sample")]
    pub sample: String,
}

fn default_min_r_geo_fwhm() -> f64 {
    2.0
}

fn default_edge_distance_px() -> f64 {
    75.0
}

fn default_axis_scale() -> f64 {
    1.0
}

fn default_sample() -> String {
    "conservative".to_owned()
}

impl Default for MeasureIsophotes {
    fn default() -> Self {
        Self {
            fwhm_px: None,
            min_r_geo_fwhm: default_min_r_geo_fwhm(),
            edge_distance_px: default_edge_distance_px(),
            light_radius: LightRadius::Mean,
            axis_scale: default_axis_scale(),
            sample: default_sample(),
        }
    }
}

impl MeasureIsophotes {
    /// The contours.
    pub const ISOPHOTES: In<Isophotes> = In::new("isophotes", "contours of the image");
    /// The image that is measured.
    pub const IMAGE: In<Image> =
        In::new("image", "background-subtracted image whose light is measured, usually a residual");
    /// The noise.
    pub const NOISE: In<Image> = In::new("noise", "noise map");
    /// The PSF.
    pub const PSF: Opt<PsfField> = Opt::new("psf", "PSF field: gives the local FWHM unless fwhm_px is set");
    /// The measures.
    pub const TABLE: Out<Table> = Out::new("table", "one row per kept isophote");
}

/// What became of one isophote.
enum Verdict {
    Open,
    AtEdge,
    Unmeasurable,
    Small,
    Kept(Box<(IsophoteMeasures, f64)>),
}

#[typetag::serde(name = "measure.isophotes")]
impl Stage for MeasureIsophotes {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::ISOPHOTES)
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .optional(&Self::PSF)
            .output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        if let Some(fwhm) = self.fwhm_px {
            problems.require_positive("fwhm_px", fwhm);
        }
        problems.require_range("min_r_geo_fwhm", self.min_r_geo_fwhm, 0.0, f64::MAX);
        problems.require_range("edge_distance_px", self.edge_distance_px, 0.0, f64::MAX);
        problems.require_positive("axis_scale", self.axis_scale);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, "image", "noise", problems);
        check_shape(inputs, "image", "isophotes", problems);
        require_fwhm(self.fwhm_px, inputs, problems);
        outputs.set("table", TableFacet { columns: Some(candidate_columns()) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        // Contours: as `contour.trace` estimates them for one level.
        let noise = ImageFacet::from_facet(&inputs.get("noise")).bytes();
        let peak_bytes = image.bytes() + noise + 2 * image.n_pixels() + (1 << 20);
        Demand { peak_bytes, threads: image.height.unwrap_or(0).div_ceil(64).max(1) }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let isophotes = cx.input(&Self::ISOPHOTES)?;
        let image = cx.input(&Self::IMAGE)?;
        let noise = cx.input(&Self::NOISE)?;
        let psf = cx.optional(&Self::PSF)?;
        let frame = (isophotes.width, isophotes.height);
        require_shape("image", &image, frame)?;
        require_shape("noise", &noise, frame)?;
        let fwhm_at = local_fwhm(self.fwhm_px, psf.as_deref())?;

        let progress = cx.progress("isophotes", isophotes.contours.len() as u64);
        let verdicts: Option<Vec<Verdict>> = cx.pool().install(|| {
            let judge = |contour: &Isophote| {
                let verdict = self.judge(contour, &image, &noise, &fwhm_at);
                progress.advance(1);
                (!progress.is_cancelled()).then_some(verdict)
            };
            isophotes.contours.par_iter().map(judge).collect()
        });
        let verdicts = verdicts.ok_or_else(StageError::cancelled)?;
        let is_kept: Vec<bool> = verdicts.iter().map(|v| matches!(v, Verdict::Kept(_))).collect();
        let tree = tree_of_survivors(&isophotes, &is_kept).map_err(|message| {
            StageError::data(message).with_help("isophotes must be ordered by level, parents before their children")
        })?;

        let count = |is_wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|v| is_wanted(v)).count() as f64;
        cx.metric("n_contours", verdicts.len() as f64);
        cx.metric("n_kept", count(|v| matches!(v, Verdict::Kept(_))));
        cx.metric("n_dropped_open", count(|v| matches!(v, Verdict::Open)));
        cx.metric("n_dropped_edge", count(|v| matches!(v, Verdict::AtEdge)));
        cx.metric("n_dropped_unmeasurable", count(|v| matches!(v, Verdict::Unmeasurable)));
        cx.metric("n_dropped_small", count(|v| matches!(v, Verdict::Small)));

        let rows: Vec<Row> = verdicts
            .into_iter()
            .zip(&tree)
            .enumerate()
            .filter_map(|(id, (verdict, node))| match (verdict, node) {
                (Verdict::Kept(kept), Some(node)) => {
                    let (measures, fwhm_local) = *kept;
                    let [x, y] = measures.light_centre;
                    let sky = image.wcs.as_ref().and_then(|wcs| wcs.pixel_to_icrs(x, y));
                    let level_sigma = isophotes.contours[id].level_sigma;
                    Some(Row { id, node: *node, level_sigma, sky, measures, fwhm_local })
                }
                _ => None,
            })
            .collect();
        let table = candidate_table(&rows, &self.sample).map_err(StageError::data)?;
        cx.set(&Self::TABLE, table);
        Ok(())
    }
}

impl MeasureIsophotes {
    /// Measures one isophote and applies the cuts.
    fn judge(
        &self,
        contour: &Isophote,
        image: &Image,
        noise: &Image,
        fwhm_at: &(impl Fn(f64, f64) -> f64 + Sync),
    ) -> Verdict {
        let vertices = &contour.vertices[..];
        if vertices.len() < 4 || vertices.first() != vertices.last() {
            return Verdict::Open;
        }
        // The image ends half a pixel outside the centres of its outermost pixels.
        let near = self.edge_distance_px - 0.5;
        let (right, bottom) = (image.width() as f64 - 1.0 - near, image.height() as f64 - 1.0 - near);
        if !vertices.iter().all(|&[x, y]| x >= near && y >= near && x <= right && y <= bottom) {
            return Verdict::AtEdge;
        }
        let options = MeasureOptions { light_radius: self.light_radius, axis_scale: self.axis_scale };
        let mask = image.mask.as_ref().map(|m| m.view());
        let Some(measures) = measure_isophote(vertices, image.pixels.view(), Some(noise.pixels.view()), mask, &options)
        else {
            return Verdict::Unmeasurable;
        };
        let fwhm = fwhm_at(measures.light_centre[0], measures.light_centre[1]);
        if measures.r_geo >= self.min_r_geo_fwhm * fwhm {
            Verdict::Kept(Box::new((measures, fwhm)))
        } else {
            Verdict::Small
        }
    }
}

register_stage!(MeasureIsophotes, kind: "measure.isophotes", example: "(min_r_geo_fwhm: 2.0, edge_distance_px: 75.0)");
