//! `io.read_exposure`: the adapter.

use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::fits::{self, FactOptions, FitsError, HduChoice, ReadOptions, carried_elsewhere};
use skyloom_data::{CardValue, Image, MaskBits, Table};
use skyloom_engine::{
    Context, Demand, DigestBuilder, Facets, FacetsOut, InputPath, Out, Place, Problems, Signature, Stage, StageError,
    register_stage,
};

use super::algorithm::{flags_of, n_rows, read};
use super::calibration::zero_point;
use super::layout::{ExposureLayout, PlaneFile, Planes};
use super::planes::Wanted;
use crate::io::frame;

/// Reads an exposure or coadd of a survey with its mask planes and its noise: Rubin (LSST) and DECam.
///
/// Rubin files are those that `afw` writes (`layout: afw`, `.fits` or `.fits.fz`): the HDUs `IMAGE`, `MASK`, `VARIANCE`; the planes
/// of the mask by their `MP_` cards; the zero point from pixels in nJy (31.4), `FLUXMAG0` or the table `PhotoCalib`. The world
/// coordinates of the header count in the pixels of the file; where they begin in the frame of the tract (`LTV1`, `LTV2`) is kept in
/// the image and in `frame`. Images of DECam's Community Pipeline (`layout: decam`) come with `quality` and `weight` files of the
/// same HDUs.
///
/// Pixels that are NaN or infinite, or whose variance is not positive, are masked: the first as NO_DATA, the others as BAD, with NaN
/// in the noise map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadExposure {
    /// The FITS file.
    pub path: InputPath,
    /// How the files are arranged.
    #[serde(default)]
    pub layout: ExposureLayout,
    /// DECam: HDU of the detector, by EXTNAME (`S29`) or position, in all files. Left out, the first image.
    #[serde(default)]
    pub hdu: Option<HduChoice>,
    /// DECam: file of the data-quality plane (`_ood_`, for stacks `_osd_`). Left out, nothing is flagged.
    #[serde(default)]
    pub quality: Option<InputPath>,
    /// DECam: file of the weight map, the inverse variances (`_oow_`, for stacks `_osw_`). Left out, there is no noise map.
    #[serde(default)]
    pub weight: Option<InputPath>,
    /// Band name, the suffix of photometry columns. Left out, the first word of the card BAND or FILTER.
    #[serde(default)]
    pub band: Option<String>,
    /// AB magnitude of one pixel unit. Left out, the file says; without any, magnitudes are NaN.
    #[serde(default)]
    #[schemars(range(min = -100.0, max = 100.0), extend("x-unit" = "mag"))]
    pub zero_point: Option<f64>,
    /// Exposure time that the pixel values belong to, for magnitudes. Left out, 1.
    ///
    /// Zero points of both surveys are for the pixels as they are; a time from the header would shift every magnitude.
    #[serde(default)]
    #[schemars(extend("x-unit" = "s"))]
    pub exposure_s: Option<f64>,
    /// Unit of the pixels. Left out, the card BUNIT. `nJy` sets the zero point. Nothing is converted.
    #[serde(default)]
    pub unit: Option<String>,
    /// Flags whose pixels become SATURATED. Left out, `SAT`; for DECam `SATURATED` and `BLEED`.
    ///
    /// Flags of Rubin are the names of the file's `MP_` cards. Those of DECam are BAD, NO_VALUE, SATURATED, BLEED, CR, LOW_WEIGHT,
    /// DIFFERENT, STREAK (codes 1 to 8), and before version 3.5 of the pipeline BAD, SATURATED, INTERPOLATED, CR, BLEED, DIFFERENT.
    #[serde(default)]
    pub saturated: Option<Vec<String>>,
    /// Flags whose pixels become BAD. Left out, `BAD`; for DECam `BAD` and `CR`.
    ///
    /// BAD pixels count nowhere, and every contour that meets one is open: mark only what spoils a measurement. Rubin interpolates
    /// over cosmic rays (`CR`, `INTRP`) and leaves sound values near edges (`EDGE`), so these are not bad by default.
    #[serde(default)]
    pub bad: Option<Vec<String>>,
    /// Flags whose pixels become NO_DATA. Left out, `NO_DATA`; for DECam `NO_VALUE`.
    #[serde(default)]
    pub no_data: Option<Vec<String>>,
    /// Flags whose pixels become INTERPOLATED: `SAT` where a pipeline interpolates over saturated pixels, as those of both surveys do.
    /// Left out, none.
    ///
    /// Fits of stars leave such pixels out as they do SATURATED ones; filters, contours and sums of light use their values. Take the flag
    /// out of `saturated`, which would open every contour that meets the pixels.
    #[serde(default)]
    pub interpolated: Option<Vec<String>>,
    /// Header keywords whose values are carried along, as in `io.read_image`.
    #[serde(default)]
    pub keep_cards: Vec<String>,
    /// Whether the world coordinates of the header are ignored, because they are wrong; work then goes on in pixels.
    #[serde(default)]
    pub ignore_wcs: bool,
}

/// Why an exposure cannot be read, and which parameter named the file.
struct Refusal {
    param: &'static str,
    error: FitsError,
}

impl ReadExposure {
    /// The image.
    pub const IMAGE: Out<Image> = Out::new("image", "the image, with mask plane, world coordinates and facts");
    /// The noise.
    pub const NOISE: Out<Image> =
        Out::new("noise", "standard deviation per pixel from the variances; NaN where there is none");
    /// The frame.
    pub const FRAME: Out<Table> = Out::new("frame", frame::DOC);

    /// Reads a file with defaults for everything else.
    #[must_use]
    pub fn new(path: impl Into<InputPath>, layout: ExposureLayout) -> Self {
        Self {
            path: path.into(),
            layout,
            hdu: None,
            quality: None,
            weight: None,
            band: None,
            zero_point: None,
            exposure_s: None,
            unit: None,
            saturated: None,
            bad: None,
            no_data: None,
            interpolated: None,
            keep_cards: Vec::new(),
            ignore_wcs: false,
        }
    }

    fn wanted(&self) -> Wanted {
        let default = Wanted::default_of(self.layout);
        Wanted {
            saturated: self.saturated.clone().unwrap_or(default.saturated),
            bad: self.bad.clone().unwrap_or(default.bad),
            no_data: self.no_data.clone().unwrap_or(default.no_data),
            interpolated: self.interpolated.clone().unwrap_or(default.interpolated),
        }
    }

    /// Finds the planes and compares their shapes.
    fn planes(&self) -> Result<Planes, Refusal> {
        let of = |param| move |error| Refusal { param, error };
        let path = self.path.as_path();
        let planes = match self.layout {
            ExposureLayout::Afw => Planes {
                image: PlaneFile::named(path, "IMAGE", 1).map_err(of("path"))?,
                flags: Some(PlaneFile::named(path, "MASK", 2).map_err(of("path"))?),
                noise: Some(PlaneFile::named(path, "VARIANCE", 3).map_err(of("path"))?),
            },
            ExposureLayout::Decam => {
                let image = PlaneFile::open(path, self.hdu.as_ref(), "path").map_err(of("path"))?;
                // Without a choice all three take the HDU of the image.
                let hdu = HduChoice::Index(image.header.hdu);
                let hdu = self.hdu.as_ref().unwrap_or(&hdu);
                let other = |path: &Option<InputPath>, param: &'static str| {
                    path.as_ref()
                        .map(|path| PlaneFile::open(path.as_path(), Some(hdu), param).map_err(of(param)))
                        .transpose()
                };
                Planes { flags: other(&self.quality, "quality")?, noise: other(&self.weight, "weight")?, image }
            }
        };
        for (plane, what) in [(&planes.flags, "a mask plane"), (&planes.noise, "a map of variances")] {
            if let Some(plane) = plane {
                plane.check_shape(what, &planes.image.header).map_err(of(plane.param))?;
            }
        }
        Ok(planes)
    }

    /// Everything that the header decides, as values.
    fn options(&self, image: &PlaneFile, band_rows: Option<usize>) -> ReadOptions {
        let first_word = |key: &str| match image.header.get(key) {
            Some(CardValue::Text(text)) => text.split_whitespace().next().map(str::to_owned),
            _ => None,
        };
        let unit = self.unit.clone().or_else(|| first_word("BUNIT"));
        let path = image.path.as_path();
        let zero = self.zero_point.or_else(|| zero_point(path, &image.header, unit.as_deref(), self.layout));
        ReadOptions {
            hdu: image.hdu.clone(),
            facts: FactOptions {
                band: self.band.clone().or_else(|| first_word("BAND")).or_else(|| first_word("FILTER")),
                exposure_s: Some(self.exposure_s.unwrap_or(1.0)),
                zero_point: zero,
                unit,
                keep_cards: self.keep_cards.clone(),
                ..FactOptions::default()
            },
            ignore_wcs: self.ignore_wcs,
            band_rows,
            ..ReadOptions::default()
        }
    }
}

#[typetag::serde(name = "io.read_exposure")]
impl Stage for ReadExposure {
    fn signature(&self) -> Signature {
        let signature = Signature::new().output(&Self::IMAGE).output(&Self::FRAME);
        let has_noise = self.layout == ExposureLayout::Afw || self.weight.is_some();
        if has_noise { signature.output(&Self::NOISE) } else { signature }
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        if let Some(exposure_s) = self.exposure_s {
            problems.require_positive("exposure_s", exposure_s);
        }
        if let Some(zero_point) = self.zero_point {
            problems.require_range("zero_point", zero_point, -100.0, 100.0);
        }
        for (name, value) in [("band", &self.band), ("unit", &self.unit)] {
            if let Some(value) = value
                && (value.trim() != value || value.is_empty() || !value.bytes().all(|b| (b' '..=b'~').contains(&b)))
            {
                problems.param(name, format!("{value:?}"), "ASCII text without blanks at its ends");
            }
        }
        for (i, key) in self.keep_cards.iter().enumerate() {
            if let Some(reason) = carried_elsewhere(key) {
                let expected = format!("the keyword of another card: {reason}");
                problems.param(&format!("keep_cards.{i}"), format!("{key:?}"), &expected);
            }
        }
        if self.layout == ExposureLayout::Afw {
            let is_set =
                [("hdu", self.hdu.is_some()), ("quality", self.quality.is_some()), ("weight", self.weight.is_some())];
            for (name, _) in is_set.iter().filter(|(_, is_set)| *is_set) {
                problems
                    .param(name, "a value", "nothing with layout afw, whose file holds all planes")
                    .help("set layout: decam");
            }
        }
        let wanted = self.wanted();
        for (param, names, _) in wanted.lists() {
            if names.iter().any(|name| name.trim().is_empty()) {
                problems.param(param, "an empty name", "names of flags such as \"SAT\"");
            }
        }
    }

    fn infer(&self, _: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let planes = match self.planes() {
            Ok(planes) => planes,
            Err(refusal) => return report(problems, refusal.param, &refusal.error),
        };
        let header = &planes.image.header;
        let has_wcs = if self.ignore_wcs {
            Some(false)
        } else {
            match fits::header_wcs(&planes.image.path, header) {
                Ok((wcs, _)) => Some(wcs.is_some()),
                Err(error) => {
                    report(problems, "path", &error);
                    None
                }
            }
        };
        if let Some(plane) = &planes.flags {
            match flags_of(plane, self.layout, &self.wanted()) {
                Err(error) => report(problems, plane.param, &error),
                Ok(flags) => {
                    // Files may lack planes that count by default; any other must be there when the graph names it.
                    let usual = Wanted::default_of(self.layout);
                    let written = [
                        ("saturated", &self.saturated),
                        ("bad", &self.bad),
                        ("no_data", &self.no_data),
                        ("interpolated", &self.interpolated),
                    ];
                    for (param, names) in written {
                        let names = names.iter().flatten().filter(|name| usual.bits_of(name) == 0);
                        for name in names.filter(|name| !flags.names.contains(name)) {
                            let expected = format!("flags of the file: {}", flags.names.join(", "));
                            problems.param(param, format!("{name:?}"), &expected);
                        }
                    }
                }
            }
        }
        let (meta, _) = fits::image_facts(header, &self.options(&planes.image, None).facts);
        let facet = ImageFacet {
            width: Some(header.width),
            height: Some(header.height),
            unit: meta.unit,
            band: meta.band,
            has_wcs,
            has_mask: None,
        }
        .to_facet();
        if planes.noise.is_some() {
            outputs.set(Self::NOISE.name, facet.clone());
        }
        outputs.set(Self::IMAGE.name, facet);
        outputs.set(Self::FRAME.name, frame::facet());
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // A file that cannot be read has been reported by `infer`.
        let Ok(planes) = self.planes() else { return Demand::default() };
        let header = &planes.image.header;
        let pixels = header.width as u64 * header.height as u64;
        // A gzip file is in memory while it is open, and one plane is open at a time.
        let others = [&planes.flags, &planes.noise].into_iter().flatten().map(|p| p.header.memory_bytes);
        let unpacked = others.chain([header.memory_bytes]).max().unwrap_or(0);
        // Pixels, mask plane, noise; bands of a million integers, floats and bytes.
        Demand { peak_bytes: pixels * 10 + unpacked + (32 << 20), threads: if header.is_compressed { 8 } else { 2 } }
    }

    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        let files = [("path", Some(&self.path)), ("quality", self.quality.as_ref()), ("weight", self.weight.as_ref())];
        for (name, path) in files {
            if let Some(path) = path {
                let unreadable = |e: std::io::Error| StageError::from(FitsError::from_read(path.as_path(), &e));
                digest.file(name, path.as_path()).map_err(unreadable)?;
            }
        }
        Ok(())
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let planes = self.planes().map_err(|refusal| StageError::from(refusal.error))?;
        let options = self.options(&planes.image, cx.band_rows().map(usize::from));
        let progress = cx.progress("rows", n_rows(&planes));
        let exposure = cx.pool().install(|| {
            read(&planes, &options, self.layout, &self.wanted(), &|n| {
                progress.advance(n as u64);
                !progress.is_cancelled()
            })
        })?;
        for warning in &exposure.warnings {
            cx.warn(warning);
        }
        if options.facts.zero_point.is_none() {
            cx.warn("no photometric calibration was found: magnitudes are NaN; set zero_point");
        }
        for (name, bit) in [
            ("n_no_data", MaskBits::NO_DATA),
            ("n_saturated", MaskBits::SATURATED),
            ("n_bad", MaskBits::BAD),
            ("n_interpolated", MaskBits::INTERPOLATED),
        ] {
            let n = exposure.image.mask.iter().flatten().filter(|&&bits| bits & bit != 0).count();
            cx.metric(name, n as f64);
        }
        cx.metric("n_no_noise", exposure.n_no_noise as f64);
        cx.set(&Self::IMAGE, exposure.image);
        cx.set(&Self::FRAME, exposure.frame);
        if let Some(noise) = exposure.noise {
            cx.set(&Self::NOISE, noise);
        }
        Ok(())
    }
}

fn report(problems: &mut Problems, param: &str, error: &FitsError) {
    let found = match &error.path {
        Some(path) => format!("{} ({})", error.found, path.display()),
        None => error.found.clone(),
    };
    let problem = problems.push(error.kind.code(), Place::Param(param.to_owned()), found, &error.expected);
    if let Some(help) = &error.help {
        problem.help(help.clone());
    }
}

register_stage!(ReadExposure, kind: "io.read_exposure", example: "(path: \"deepCoadd_9813_42_i.fits\", band: \"i\")");
