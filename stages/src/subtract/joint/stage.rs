//! `subtract.joint` as a stage.

use ndarray::{Array2, Zip};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, MaskBits, PsfField, Table, TableBuilder};
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError};

use super::algorithm::{JointError, JointSubtraction, magnitude_errors, subtract_joint};
use super::params::SubtractJoint;
use super::star::{JointFlags, JointRecord};
use crate::measure::shape::{check_shape, require_shape};
use crate::psf::CatalogueStar;
use crate::psf::require_columns;

impl SubtractJoint {
    /// The image with its sky.
    pub const IMAGE: In<Image> = In::new(
        "image",
        "image with its sky; saturated pixels must be masked, or INTERPOLATED: then they are as those of `mask`",
    );
    /// Confidence.
    pub const CONFIDENCE: Opt<Image> = Opt::new("confidence", "confidence map (100 = full exposure): scales the noise");
    /// Pixels without weight.
    pub const MASK: Opt<Image> = Opt::new(
        "mask",
        "image whose mask says which pixels the fits do not see, such as saturated cores that the survey interpolated. Their values stay in \
         the images with stars; in the residual they are SATURATED, with a value from around. Its pixel values are not used",
    );
    /// The catalogue.
    pub const STARS: In<Table> = In::new(
        "stars",
        "star catalogue with x, y, mag and, where known, id, mag_err, prob, sharp, parallax, parallax_error",
    );
    /// What is left.
    pub const RESIDUAL: Out<Image> = Out::new("image", "image without sky and stars; masked pixels are 0");
    /// What is left without the foreground alone.
    pub const FOREGROUND: Out<Image> = Out::new("foreground", "image without sky and foreground stars");
    /// The image without its sky.
    pub const WITH_STARS: Out<Image> = Out::new("with_stars", "image without sky, stars in it");
    /// The sky.
    pub const BACKGROUND: Out<Image> = Out::new("background", "the sky");
    /// The noise.
    pub const NOISE: Out<Image> = Out::new("noise", "standard deviation per pixel");
    /// The PSF.
    pub const PSF: Out<PsfField> = Out::new("psf", "the PSF of faint stars on a grid");
    /// What happened to each star.
    pub const RECORDS: Out<Table> = Out::new("stars", "one row per catalogue star: position, flux, flags");
}

const FLOATS: [(&str, &str, &str); 7] = [
    ("x", "px", "fitted centre, column; the catalogue's where nothing was fitted"),
    ("y", "px", "fitted centre, row"),
    ("flux", "", "fitted flux; NaN where nothing was subtracted"),
    ("flux_err", "", "its standard error with all other stars fixed"),
    ("mag", "mag", "magnitude of the flux"),
    ("fwhm", "px", "FWHM of the star's model"),
    ("chi2", "", "mean squared residual in units of its expected scatter"),
];

const FLAGS: &str = "1 duplicate, 2 outside or unknown, 4 probability cut, 8 sharpness cut, 16 not fitted (catalogue values subtracted), \
                     32 foreground, 64 PSF star";

const COMPANIONS: &str = "stars that the catalogue lacks, found beside this one and removed with it";

#[typetag::serde(name = "subtract.joint")]
impl Stage for SubtractJoint {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .optional(&Self::CONFIDENCE)
            .optional(&Self::MASK)
            .input(&Self::STARS)
            .output(&Self::RESIDUAL)
            .output(&Self::FOREGROUND)
            .output(&Self::WITH_STARS)
            .output(&Self::BACKGROUND)
            .output(&Self::NOISE)
            .output(&Self::PSF)
            .output(&Self::RECORDS)
    }

    fn version(&self) -> u32 {
        3
    }

    fn check(&self, problems: &mut Problems) {
        self.check_params(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, "image", "confidence", problems);
        check_shape(inputs, "image", "mask", problems);
        require_columns(inputs, "stars", &["x", "y", "mag"], problems);
        for port in ["image", "foreground", "with_stars", "background", "noise"] {
            outputs.set(port, inputs.get("image"));
        }
        let mut columns = vec![("id".to_owned(), ColumnKind::Int)];
        columns.extend(FLOATS.iter().map(|(n, ..)| ((*n).to_owned(), ColumnKind::Float)));
        columns.push(("flags".to_owned(), ColumnKind::Int));
        columns.push(("n_companions".to_owned(), ColumnKind::Int));
        columns.extend(["catalogue_x", "catalogue_y", "catalogue_mag"].map(|n| (n.to_owned(), ColumnKind::Float)));
        columns.push(("is_removed".to_owned(), ColumnKind::Bool));
        outputs.set("stars", TableFacet { columns: Some(columns) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let n = image.n_pixels();
        // Input 6, confidence 6, mask 6, bad and hidden 3; sky, residual, weight, three results and one map on the way: 4 each.
        let stars = n / 60 * 500;
        Demand { peak_bytes: n * (21 + 7 * 4) + stars + (96 << 20).min(8 * image.bytes()) + (8 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let confidence = cx.optional(&Self::CONFIDENCE)?;
        let mask = cx.optional(&Self::MASK)?;
        let table = cx.input(&Self::STARS)?;
        for (port, map) in [("confidence", &confidence), ("mask", &mask)] {
            if let Some(map) = map {
                require_shape(port, map, (image.width(), image.height()))?;
            }
        }
        let hidden = hidden_pixels(&image, mask.as_deref());
        if image.meta.zero_point.is_none() {
            let zero_point = self.instrumental_zero_point;
            cx.warn(format!(
                "the image has no zero point: catalogue magnitudes are taken for {zero_point} - 2.5 log10(flux / exposure)"
            ));
        }
        let stars = CatalogueStar::from_table(&table).map_err(StageError::data)?;
        let errors = magnitude_errors(&table).map_err(StageError::data)?;
        let progress = cx.progress("steps", 0);
        let tick = || !progress.is_cancelled();
        let map = confidence.as_ref().map(|c| &c.pixels);
        let done = cx
            .pool()
            .install(|| subtract_joint(&image, map, hidden.as_ref(), &stars, &errors, self, &tick))
            .map_err(explain)?;
        report(cx, &done);
        cx.set(&Self::RECORDS, record_table(&image, &stars, &done.records)?);
        cx.set(&Self::PSF, done.psf.to_field(image.width(), image.height(), done.n_psf_stars));
        let with = |pixels| {
            let mut out = image.with_pixels(pixels);
            if let Some(mask) = &mut out.mask {
                // No star was zeroed here.
                mask.mapv_inplace(|m| m & !MaskBits::CORE);
            }
            out
        };
        let mut residual = with(done.residual);
        if let Some(hidden) = &hidden {
            // What is left of a star whose core was not seen is no measurement.
            let mut mask = residual.mask.take().unwrap_or_else(|| Array2::zeros(hidden.dim()));
            Zip::from(&mut mask).and(hidden).for_each(|m, &h| *m |= if h { MaskBits::SATURATED } else { 0 });
            residual.mask = Some(mask);
        }
        cx.set(&Self::RESIDUAL, residual);
        cx.set(&Self::FOREGROUND, with(done.foreground));
        cx.set(&Self::WITH_STARS, with(done.image));
        cx.set(&Self::BACKGROUND, with(done.sky));
        cx.set(&Self::NOISE, with(done.noise));
        Ok(())
    }
}

/// Pixels that have a value which the fits of stars must not see: INTERPOLATED ones, and those that `mask` says.
fn hidden_pixels(image: &Image, mask: Option<&Image>) -> Option<Array2<bool>> {
    let interpolated = image.mask.as_ref().map(|m| m.mapv(|bits| bits & MaskBits::INTERPOLATED != 0));
    let interpolated = interpolated.filter(|pixels| pixels.iter().any(|is_hidden| *is_hidden));
    let masked = mask.filter(|m| m.mask.is_some()).map(Image::bad_pixels);
    match (interpolated, masked) {
        (Some(a), Some(b)) => Some(a | b),
        (a, b) => a.or(b),
    }
}

fn explain(error: JointError) -> StageError {
    match error {
        JointError::Stopped | JointError::Sky(crate::background::mesh::MeshError::Stopped) => StageError::cancelled(),
        JointError::TooFewPsfStars { .. } => {
            StageError::data(error).with_help("widen psf_mag, or raise psf_neighbour_share in a crowded field")
        }
        JointError::Sky(_) | JointError::NoNoise => StageError::data(error),
    }
}

fn report(cx: &mut Context<'_>, done: &JointSubtraction) {
    let count = |f: &dyn Fn(&JointRecord) -> bool| done.records.iter().filter(|r| f(r)).count() as f64;
    cx.metric("n_stars", done.records.len() as f64);
    cx.metric("n_removed", count(&|r| r.is_removed()));
    cx.metric("n_cut", count(&|r| r.flags & (JointFlags::PROBABILITY | JointFlags::SHARPNESS) != 0));
    cx.metric("n_duplicates", count(&|r| r.flags & JointFlags::DUPLICATE != 0));
    cx.metric("n_not_fitted", count(&|r| r.flags & JointFlags::NOT_FITTED != 0));
    cx.metric("n_companions", done.records.iter().map(|r| r.n_companions).sum::<i64>() as f64);
    cx.metric("n_psf_stars", done.n_psf_stars as f64);
    cx.metric("n_levels", done.n_levels as f64);
    cx.metric("sky_noise", done.sky_noise);
    cx.metric("alpha", done.psf.alpha);
}

fn record_table(image: &Image, stars: &[CatalogueStar], records: &[JointRecord]) -> Result<Table, StageError> {
    let float = |name: &str, r: &JointRecord| match name {
        "x" => r.x,
        "y" => r.y,
        "flux" => r.flux,
        "flux_err" => r.flux_error,
        "mag" => image.magnitude(r.flux),
        "fwhm" => r.fwhm,
        _ => r.chi2,
    };
    let image_unit = image.meta.unit.clone().unwrap_or_default();
    let mut builder =
        TableBuilder::new().int("id", "", "number in the catalogue", stars.iter().map(|s| s.id).collect());
    for (name, unit, description) in FLOATS {
        let unit = if name.starts_with("flux") { image_unit.as_str() } else { unit };
        builder = builder.float(name, unit, description, records.iter().map(|r| float(name, r)).collect());
    }
    builder
        .int("flags", "", FLAGS, records.iter().map(|r| r.flags).collect())
        .int("n_companions", "", COMPANIONS, records.iter().map(|r| r.n_companions).collect())
        .float("catalogue_x", "px", "position in the catalogue, column", stars.iter().map(|s| s.x).collect())
        .float("catalogue_y", "px", "position in the catalogue, row", stars.iter().map(|s| s.y).collect())
        .float("catalogue_mag", "mag", "magnitude in the catalogue", stars.iter().map(|s| s.mag).collect())
        .bool("is_removed", "whether the star left the image", records.iter().map(JointRecord::is_removed).collect())
        .build()
        .map_err(StageError::data)
}

skyloom_engine::register_stage!(SubtractJoint, kind: "subtract.joint", example: "(flux_prior: 0.05)");
