//! `contour.concentrated`: the adapter.

use rayon::prelude::*;
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Image, Isophote, Isophotes, MaskBits, PsfField, Table};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::outline::outline;
use super::params::Concentrated;
use super::signal::{SignalOptions, signal_of};
use super::walk::{Found, Limits, Scene, walk};
use crate::background::mesh::MeshError;
use crate::contour::numbering::Gathered;
use crate::measure::columns::{Row, candidate_columns, candidate_table};
use crate::measure::evidence::{
    CatalogueOptions, EvidenceCatalogue, check_star_light, flux_of_magnitude, star_light, windowed_centre,
};
use crate::measure::fwhm::{local_fwhm, require_fwhm};
use crate::measure::shape::{check_shapes, require_shape};
use crate::measure::{MeasureOptions, TreeNode, measure_isophote};
use crate::psf::require_columns;

/// Width of the window of the centre, in units of `r_light`: the best of 1, 1.5 and 2 on simulated fields.
const WINDOW: f64 = 1.5;

impl Concentrated {
    /// The image.
    pub const IMAGE: In<Image> = In::new("image", "star-subtracted image, its background measured with objects masked");
    /// The noise.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel");
    /// The stars in.
    pub const WITH_STARS: Opt<Image> = Opt::new("with_stars", "image before the stars were subtracted");
    /// The stars out.
    pub const RESIDUAL: Opt<Image> =
        Opt::new("residual", "image after the stars were subtracted: with `with_stars` it gives their light");
    /// The catalogue.
    pub const STARS: Opt<Table> = Opt::new("stars", "star catalogue with x, y, mag, for min_overdensity_sigma");
    /// The PSF.
    pub const PSF: Opt<PsfField> = Opt::new("psf", "PSF field: gives fwhm_local unless fwhm_px is set");
    /// The contours.
    pub const ISOPHOTES: Out<Isophotes> = Out::new("isophotes", "one contour per object");
    /// The objects.
    pub const TABLE: Out<Table> = Out::new("table", "one row per object");
}

#[typetag::serde(name = "contour.concentrated")]
impl Stage for Concentrated {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .optional(&Self::WITH_STARS)
            .optional(&Self::RESIDUAL)
            .optional(&Self::STARS)
            .optional(&Self::PSF)
            .output(&Self::ISOPHOTES)
            .output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        let are_levels = |l: &[f64]| l.iter().all(|v| v.is_finite() && *v > 0.0) && l.windows(2).all(|w| w[0] < w[1]);
        if self.levels_sigma.is_empty() || !are_levels(&self.levels_sigma) {
            let found = format!("{:?}", self.levels_sigma);
            problems.param("levels_sigma", found, "one or more numbers above 0, rising");
        }
        problems.require_range("smooth_px", self.smooth_px, 0.0, 100.0);
        problems.require_range("noise_box_px", self.noise_box_px as f64, 8.0, 100_000.0);
        problems.require_range("noise_floor", self.noise_floor, 0.0, 1.0);
        problems.require_range("star_noise", self.star_noise, 0.0, 1.0);
        problems.require_range("guard_px", self.guard_px as f64, 0.0, 100.0);
        problems.require_range("guard_min_pixels", self.guard_min_pixels as f64, 1.0, 1e9);
        problems.require_range("min_area", self.min_area as f64, 1.0, 1e15);
        problems.require_range("max_area", self.max_area as f64, 1.0, 1e15);
        if self.max_area < self.min_area {
            problems.param("max_area", self.max_area, "not less than min_area");
        }
        problems.require_range("min_concentration", self.min_concentration, 0.0, f64::MAX);
        if let Some(limit) = self.mag_limit {
            problems.require_range("mag_limit", limit, -100.0, 100.0);
        }
        problems.require_range("edge_distance_px", self.edge_distance_px, 0.0, f64::MAX);
        problems.require_range("smooth_r_light_px", self.smooth_r_light_px, 0.0, f64::MAX);
        problems.require_range("smooth_chi2", self.smooth_chi2, 0.0, f64::MAX);
        if let Some(limit) = self.min_overdensity_sigma {
            problems.require_range("min_overdensity_sigma", limit, -1e6, 1e6);
        }
        problems.require_range("overdensity_mag", self.overdensity_mag, -100.0, 100.0);
        if let Some(fwhm) = self.fwhm_px {
            problems.require_positive("fwhm_px", fwhm);
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shapes(inputs, &["image", "noise", "with_stars", "residual"], problems);
        check_star_light(inputs, problems);
        require_fwhm(self.fwhm_px, inputs, problems);
        require_columns(inputs, "stars", &["x", "y", "mag"], problems);
        if self.min_overdensity_sigma.is_some() && !inputs.is_wired("stars") {
            problems
                .input("stars", "nothing", "a star catalogue, because min_overdensity_sigma is set")
                .help("wire the catalogue to stars, or leave min_overdensity_sigma out");
        }
        let frame = ImageFacet::from_facet(&inputs.get("image"));
        outputs.set(
            "isophotes",
            ImageFacet { width: frame.width, height: frame.height, ..ImageFacet::default() }.to_facet(),
        );
        outputs.set("table", TableFacet { columns: Some(candidate_columns()) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let threads = image.height.unwrap_or(0).div_ceil(64).clamp(1, 64);
        let boxes = (threads * self.noise_box_px.pow(2) * 16) as u64;
        // Four images of 6; bad, guard and what was seen 3; light, filled, smoothed twice, noise 4 each; regions and the
        // catalogue about as much as one image.
        Demand { peak_bytes: image.n_pixels() * (24 + 3 + 20 + 6) + boxes + (4 << 20), threads }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let noise = cx.input(&Self::NOISE)?;
        let with_stars = cx.optional(&Self::WITH_STARS)?;
        let residual = cx.optional(&Self::RESIDUAL)?;
        let stars = cx.optional(&Self::STARS)?;
        let psf = cx.optional(&Self::PSF)?;
        let frame = (image.width(), image.height());
        require_shape("noise", &noise, frame)?;
        let fwhm_at = local_fwhm(self.fwhm_px, psf.as_deref())?;
        let min_flux = match (self.mag_limit, image.meta.zero_point) {
            (Some(limit), Some(_)) => flux_of_magnitude(&image, limit)?,
            (Some(_), None) => {
                cx.warn("the image has no zero point: mag_limit limits nothing");
                0.0
            }
            (None, _) => 0.0,
        };
        let catalogue = self.catalogue(stars.as_deref())?;
        let bad = image.bad_pixels();
        let light = star_light(with_stars.as_deref(), residual.as_deref(), &bad)?;
        drop((with_stars, residual));
        let is_saturated =
            |x: usize, y: usize| image.mask.as_ref().is_some_and(|m| m[[y, x]] & MaskBits::SATURATED != 0);

        let progress = cx.progress("rows", image.height() as u64);
        let watch = |rows: u64| {
            progress.advance(rows);
            !progress.is_cancelled()
        };
        let go_on = || !progress.is_cancelled();
        let options = SignalOptions {
            smooth_px: self.smooth_px,
            noise_box_px: self.noise_box_px,
            noise_floor: self.noise_floor,
            star_noise: self.star_noise,
            guard_px: self.guard_px,
            guard_min_pixels: self.guard_min_pixels,
        };
        let limits = self.limits(min_flux);
        let (contours, rows, n_unmeasured) = cx.pool().install(|| {
            let signal = signal_of(image.pixels.view(), bad.view(), &is_saturated, light, &options, &watch)
                .map_err(|e| explain(e, &image))?;
            let scene = Scene {
                significance: signal.significance.view(),
                image: image.pixels.view(),
                bad: bad.view(),
                noise: noise.pixels.view(),
            };
            let found = walk(scene, &self.levels_sigma, &limits, catalogue.as_ref(), &go_on)
                .ok_or_else(StageError::cancelled)?;
            Ok::<_, StageError>(number(&found, scene, &image, &fwhm_at))
        })?;
        cx.metric("n_objects", rows.len() as f64);
        cx.metric("n_unmeasured", n_unmeasured as f64);
        cx.set(&Self::TABLE, candidate_table(&rows, &self.sample).map_err(StageError::data)?);
        cx.set(&Self::ISOPHOTES, contours);
        Ok(())
    }
}

impl Concentrated {
    fn catalogue(&self, stars: Option<&Table>) -> Result<Option<EvidenceCatalogue>, StageError> {
        let options = CatalogueOptions { overdensity_mag: self.overdensity_mag, ..CatalogueOptions::default() };
        match (self.min_overdensity_sigma, stars) {
            (Some(_), Some(table)) => EvidenceCatalogue::new(table, None, options).map(Some).map_err(StageError::data),
            (Some(_), None) => {
                Err(StageError::config("min_overdensity_sigma is set, and no catalogue is wired to stars")
                    .with_help("wire the catalogue to stars, or leave min_overdensity_sigma out"))
            }
            (None, _) => Ok(None),
        }
    }

    fn limits(&self, min_flux: f64) -> Limits {
        Limits {
            min_area: self.min_area,
            max_area: self.max_area,
            min_concentration: self.min_concentration,
            min_flux,
            edge_distance_px: self.edge_distance_px,
            smooth_r_light_px: self.smooth_r_light_px,
            smooth_chi2: self.smooth_chi2,
            min_overdensity_sigma: self.min_overdensity_sigma,
        }
    }
}

/// Contours and rows of the objects, in order of id; and how many could not be measured.
fn number(
    found: &[Found],
    scene: Scene<'_>,
    image: &Image,
    fwhm_at: &(impl Fn(f64, f64) -> f64 + Sync),
) -> (Isophotes, Vec<Row>, usize) {
    let mask = image.mask.as_ref().map(|m| m.view());
    let measured: Vec<_> = found
        .par_iter()
        .map(|object| {
            let vertices = outline(&object.region, scene.significance, object.level)?;
            let noise = Some(scene.noise);
            let mut measures = measure_isophote(&vertices, scene.image, noise, mask, &MeasureOptions::default())?;
            let value = |x: usize, y: usize| {
                let v = f64::from(scene.image[[y, x]]);
                (!scene.bad[[y, x]]).then_some(v)
            };
            let pixels = object.region.pixels().map(|(x, y)| (x, y, value(x, y)));
            measures.light_centre = windowed_centre(pixels, object.light.centre, WINDOW * object.light.r_light);
            Some((Isophote { level_sigma: object.level, parent: None, vertices }, measures))
        })
        .collect();
    let n_unmeasured = measured.iter().filter(|m| m.is_none()).count();
    let mut gathered = Gathered::default();
    let mut measures = Vec::new();
    for (isophote, m) in measured.into_iter().flatten() {
        measures.push((isophote.level_sigma, m));
        gathered.push(isophote);
    }
    let (isophotes, ids) = gathered.finish(image.width(), image.height());
    let mut rows: Vec<Row> = measures
        .into_iter()
        .zip(ids)
        .map(|((level_sigma, measures), id)| {
            let [x, y] = measures.light_centre;
            Row {
                id,
                node: TreeNode { parent: None, root: id, is_atomic: true },
                level_sigma,
                sky: image.wcs.as_ref().and_then(|wcs| wcs.pixel_to_icrs(x, y)),
                measures,
                fwhm_local: fwhm_at(x, y),
            }
        })
        .collect();
    rows.sort_by_key(|row| row.id);
    (isophotes, rows, n_unmeasured)
}

fn explain(error: MeshError, image: &Image) -> StageError {
    match error {
        MeshError::Stopped => StageError::cancelled(),
        error => StageError::data(format!("image of {} x {} px: {error}", image.width(), image.height()))
            .with_help("the noise is measured in boxes of noise_box_px; the image must have noise and good pixels"),
    }
}

register_stage!(Concentrated, kind: "contour.concentrated", example: "(mag_limit: 16.7, fwhm_px: 2.6)");
