//! `io.read_image`: a FITS file becomes an image.

use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::fits::{
    self, FactOptions, FitsError, FitsErrorKind, HduChoice, ImageHeader, ReadOptions, carried_elsewhere,
};
use skyloom_data::{Image, Table};
use skyloom_engine::{
    Context, Demand, DigestBuilder, Facets, FacetsOut, InputPath, Out, Place, Problems, Signature, Stage, StageError,
};

use super::frame;

/// Reads an image from a FITS file, with its mask plane, world coordinates and the facts that measurements need.
///
/// Takes single and multi-extension files, gzipped and tile-compressed ones (`.fz`). Pixels that are NaN, BLANK or
/// infinite become NaN and are marked NO_DATA in the mask plane. An image whose projection is not supported is read
/// without world coordinates, with a warning. `frame` has its place in a larger image that it was cut from, as the cards `LTV1`
/// and `LTV2` say; (0, 0) without them. Comments of the header, HISTORY and cards that are not listed in
/// `keep_cards` are not carried on: editing them reruns this stage and nothing below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadImage {
    /// The FITS file.
    pub path: InputPath,
    /// HDU of the image: its position (0 is the primary) or its EXTNAME.
    ///
    /// Left out, the first HDU with a 2-D image is read, tile-compressed ones included.
    #[serde(default)]
    pub hdu: Option<HduChoice>,
    /// Band name, the suffix of photometry columns (`r`, `Ks`). Left out, it is taken from the header (`band_keys`).
    #[serde(default)]
    pub band: Option<String>,
    /// Exposure time that the pixel values belong to. Left out, it is taken from the header (`exposure_keys`).
    ///
    /// It enters magnitudes as `zero_point - 2.5 log10(flux / exposure)`. Set it to 1 when the pixels are rates or
    /// calibrated fluxes, as SDSS nanomaggies are: the header's exposure would shift every magnitude.
    #[serde(default)]
    #[schemars(extend("x-unit" = "s"))]
    pub exposure_s: Option<f64>,
    /// Magnitude of 1 pixel unit per second. Left out, it is taken from the header (`zero_point_keys`).
    ///
    /// Without it magnitudes are NaN; fluxes and shapes do not need it. Real ones lie between 0 and 40; the range is wide
    /// for odd units, and narrow enough to refuse what is no magnitude.
    #[serde(default)]
    #[schemars(range(min = -100.0, max = 100.0), extend("x-unit" = "mag"))]
    pub zero_point: Option<f64>,
    /// Unit of the pixels. Left out, it is taken from the header (`unit_keys`). Nothing is converted.
    #[serde(default)]
    pub unit: Option<String>,
    /// Header keywords that may hold the band name; the first that is there counts.
    #[serde(default = "default_band_keys")]
    pub band_keys: Vec<String>,
    /// Header keywords that may hold the exposure time in seconds; the first that is there counts.
    #[serde(default = "default_exposure_keys")]
    pub exposure_keys: Vec<String>,
    /// Header keywords that may hold the zero point; the first that is there counts.
    #[serde(default = "default_zero_point_keys")]
    pub zero_point_keys: Vec<String>,
    /// Header keywords that may hold the unit; the first that is there counts.
    #[serde(default = "default_unit_keys")]
    pub unit_keys: Vec<String>,
    /// Pixels at or above this value, in the file's unit, are marked SATURATED. Left out, none is.
    ///
    /// Too low, it takes the cores of good stars away from PSF fits and photometry; too high, clipped cores spoil them.
    #[serde(default)]
    pub saturation: Option<f64>,
    /// Whether pixels that are exactly 0 are marked BAD, for surveys that write 0 where they have no value.
    ///
    /// Leave it off where 0 marks saturated cores that later stages look for.
    #[serde(default)]
    pub mask_zero: bool,
    /// Confidence map of the same shape as the image: pixels of confidence 0, or without a value, are marked BAD.
    #[serde(default)]
    pub confidence: Option<InputPath>,
    /// HDU of the confidence map: position or EXTNAME. Left out, the first HDU with a 2-D image.
    #[serde(default)]
    pub confidence_hdu: Option<HduChoice>,
    /// Header keywords whose values are carried along and written into images made from this one, without their comments.
    ///
    /// Each is part of the image: when its value changes, everything below runs again. Keep it short.
    #[serde(default)]
    pub keep_cards: Vec<String>,
    /// Whether the world coordinates of the header are ignored, because they are wrong; work then goes on in pixels.
    #[serde(default)]
    pub ignore_wcs: bool,
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
fn default_band_keys() -> Vec<String> {
    keys(&["FILTER"])
}
fn default_exposure_keys() -> Vec<String> {
    keys(&["EXPTIME"])
}
fn default_zero_point_keys() -> Vec<String> {
    // MAGZPT: CASU (VISTA, UKIRT). MAGZERO: many camera pipelines.
    keys(&["MAGZPT", "MAGZERO"])
}
fn default_unit_keys() -> Vec<String> {
    keys(&["BUNIT"])
}

impl ReadImage {
    /// The image.
    pub const IMAGE: Out<Image> = Out::new("image", "the image, with mask plane, world coordinates and facts");
    /// The frame.
    pub const FRAME: Out<Table> = Out::new("frame", frame::DOC);

    /// Reads a file with defaults for everything else.
    #[must_use]
    pub fn new(path: impl Into<InputPath>) -> Self {
        Self {
            path: path.into(),
            hdu: None,
            band: None,
            exposure_s: None,
            zero_point: None,
            unit: None,
            band_keys: default_band_keys(),
            exposure_keys: default_exposure_keys(),
            zero_point_keys: default_zero_point_keys(),
            unit_keys: default_unit_keys(),
            saturation: None,
            mask_zero: false,
            confidence: None,
            confidence_hdu: None,
            keep_cards: Vec::new(),
            ignore_wcs: false,
        }
    }

    fn options(&self, band_rows: Option<usize>) -> ReadOptions {
        ReadOptions {
            hdu: self.hdu.clone(),
            facts: FactOptions {
                band: self.band.clone(),
                exposure_s: self.exposure_s,
                zero_point: self.zero_point,
                unit: self.unit.clone(),
                band_keys: self.band_keys.clone(),
                exposure_keys: self.exposure_keys.clone(),
                zero_point_keys: self.zero_point_keys.clone(),
                unit_keys: self.unit_keys.clone(),
                keep_cards: self.keep_cards.clone(),
            },
            saturation: self.saturation,
            mask_zero: self.mask_zero,
            confidence: self.confidence.as_ref().map(|p| p.0.clone()),
            confidence_hdu: self.confidence_hdu.clone(),
            ignore_wcs: self.ignore_wcs,
            band_rows,
        }
    }

    fn read_header(&self) -> Result<ImageHeader, FitsError> {
        fits::read_header(self.path.as_path(), self.hdu.as_ref())
    }
}

#[typetag::serde(name = "io.read_image")]
impl Stage for ReadImage {
    fn signature(&self) -> Signature {
        Signature::new().output(&Self::IMAGE).output(&Self::FRAME)
    }

    fn version(&self) -> u32 {
        2
    }

    fn check(&self, problems: &mut Problems) {
        if let Some(exposure_s) = self.exposure_s {
            problems.require_positive("exposure_s", exposure_s);
        }
        if let Some(zero_point) = self.zero_point
            && !(-100.0..=100.0).contains(&zero_point)
        {
            problems.param("zero_point", zero_point, "a magnitude, from -100 to 100");
        }
        if let Some(saturation) = self.saturation
            && !saturation.is_finite()
        {
            problems.param("saturation", saturation, "a finite number");
        }
        for (name, value) in [("band", &self.band), ("unit", &self.unit)] {
            if let Some(value) = value
                && (value.trim() != value || value.is_empty() || !value.bytes().all(|b| (b' '..=b'~').contains(&b)))
            {
                problems
                    .param(name, format!("{value:?}"), "ASCII text without blanks at its ends")
                    .help("FITS headers hold printable ASCII only: write uJy for microjansky");
            }
        }
        for (i, key) in self.keep_cards.iter().enumerate() {
            if let Some(reason) = carried_elsewhere(key) {
                let expected = format!("the keyword of another card: {reason}");
                problems.param(&format!("keep_cards.{i}"), format!("{key:?}"), &expected);
            }
        }
        if self.confidence_hdu.is_some() && self.confidence.is_none() {
            problems.param("confidence_hdu", "an HDU of no file", "a `confidence` file beside it");
        }
    }

    fn infer(&self, _: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        outputs.set(Self::FRAME.name, frame::facet());
        let header = self.read_header();
        match &header {
            Err(error) => report(problems, "path", error),
            Ok(header) => {
                let has_wcs = if self.ignore_wcs {
                    Some(false)
                } else {
                    match fits::header_wcs(self.path.as_path(), header) {
                        Ok((wcs, _)) => Some(wcs.is_some()),
                        Err(error) => {
                            report(problems, "path", &error);
                            None
                        }
                    }
                };
                let (meta, _) = fits::image_facts(header, &self.options(None).facts);
                let facet = ImageFacet {
                    width: Some(header.width),
                    height: Some(header.height),
                    unit: meta.unit,
                    band: meta.band,
                    has_wcs,
                    has_mask: None,
                };
                outputs.set(Self::IMAGE.name, facet.to_facet());
            }
        }
        if let Some(path) = &self.confidence {
            let result =
                fits::read_header(path.as_path(), self.confidence_hdu.as_ref()).and_then(|confidence| match &header {
                    Ok(image) => fits::check_confidence_shape(path.as_path(), &confidence, image),
                    Err(_) => Ok(()),
                });
            if let Err(error) = result {
                report(problems, "confidence", &error);
            }
        }
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // A file that cannot be read has been reported by `infer`.
        let Ok(header) = self.read_header() else { return Demand::default() };
        let confidence = self
            .confidence
            .as_ref()
            .and_then(|p| fits::read_header(p.as_path(), self.confidence_hdu.as_ref()).ok())
            .map_or(0, |h| h.memory_bytes);
        // Pixels, mask plane, files that are unpacked in memory, and a few bands.
        let pixels = header.width as u64 * header.height as u64;
        let threads = if header.is_compressed { 8 } else { 2 };
        Demand { peak_bytes: pixels * 6 + header.memory_bytes + confidence + (16 << 20), threads }
    }

    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        let mut file = |name: &str, path: &InputPath| {
            digest.file(name, path.as_path()).map_err(|e| StageError::from(FitsError::from_read(path.as_path(), &e)))
        };
        file("path", &self.path)?;
        self.confidence.iter().try_for_each(|path| file("confidence", path))
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let options = self.options(cx.band_rows().map(usize::from));
        let image = fits::OpenImage::open(self.path.as_path(), &options)?;
        let progress = cx.progress("rows", image.n_rows());
        let loaded = cx.pool().install(|| {
            image.read(&|n| {
                progress.advance(n as u64);
                !progress.is_cancelled()
            })
        })?;
        for warning in &loaded.warnings {
            cx.warn(warning);
        }
        for (name, n) in [
            ("n_no_data", loaded.n_no_data),
            ("n_infinite", loaded.n_infinite),
            ("n_saturated", loaded.n_saturated),
            ("n_bad", loaded.n_bad),
        ] {
            cx.metric(name, n as f64);
        }
        let size = (loaded.image.width(), loaded.image.height());
        cx.set(&Self::FRAME, frame::table(size, frame::origin(&loaded.header))?);
        cx.set(&Self::IMAGE, loaded.image);
        Ok(())
    }
}

fn report(problems: &mut Problems, param: &str, error: &FitsError) {
    let found = match (&error.path, error.kind) {
        // The path is what the user wrote; a loader shows the line, so only what the line may not show is repeated.
        (Some(path), FitsErrorKind::Missing) => format!("{} ({})", error.found, path.display()),
        (Some(path), _) => format!("{} in {}", error.found, path.display()),
        (None, _) => error.found.clone(),
    };
    let problem = problems.push(error.kind.code(), Place::Param(param.to_owned()), found, &error.expected);
    if let Some(help) = &error.help {
        problem.help(help.clone());
    }
}

skyloom_engine::register_stage!(ReadImage, kind: "io.read_image", example: "(path: \"frame.fits.gz\", zero_point: 22.5, exposure_s: 1.0)");

#[cfg(test)]
#[path = "read_image_tests.rs"]
mod tests;
