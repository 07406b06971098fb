//! `mask.sdss_fpm`: the adapter.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, MaskBits};
use skyloom_engine::{
    Context, Demand, DigestBuilder, Facets, FacetsOut, In, InputPath, Out, Place, Problems, Signature, Stage,
    StageError, register_stage,
};

use super::algorithm::{mark, read_flag, read_names};

/// Marks saturated and bad pixels of an SDSS frame, as its `fpM` file lists them.
///
/// SDSS interpolates over saturated cores: the pixel values do not show where. The file names a flag per kind of defect
/// (`S_MASK_SATUR`, `S_MASK_CR`, ..) and lists its regions, in the pixels of the frame of the same run, camera column, band and
/// field. Pixel values are not changed, and bits that are set already stay. Without a file the image passes as it is, so that a
/// graph can have a parameter for it.
///
/// Metrics: `n_saturated_regions`, `n_saturated`, `n_bad_regions`, `n_bad`; pixels are counted where the bit is new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SdssFpm {
    /// The `fpM` file of the frame. Left out, the image passes unchanged.
    #[serde(default)]
    pub path: Option<InputPath>,
    /// Flags whose pixels become SATURATED.
    #[serde(default = "default_saturated")]
    pub saturated: Vec<String>,
    /// Flags whose pixels become BAD: `S_MASK_CR` for cosmic rays that were removed, `S_MASK_INTERP` for all that was
    /// interpolated (dead columns, too), `S_MASK_NOTCHECKED` for what was not searched.
    ///
    /// BAD pixels count nowhere, and every contour that meets one is open: mark only what spoils a measurement.
    #[serde(default)]
    pub bad: Vec<String>,
}

fn default_saturated() -> Vec<String> {
    vec!["S_MASK_SATUR".to_owned()]
}

impl SdssFpm {
    /// The frame.
    pub const IMAGE: In<Image> = In::new("image", "image with the pixels of the SDSS frame");
    /// The frame with mask.
    pub const MASKED: Out<Image> = Out::new("image", "the image with the bits set");

    /// Flags of a bit, with the parameter that lists them.
    fn lists(&self) -> [(&'static str, &[String], u16); 2] {
        [("saturated", &self.saturated, MaskBits::SATURATED), ("bad", &self.bad, MaskBits::BAD)]
    }
}

#[typetag::serde(name = "mask.sdss_fpm")]
impl Stage for SdssFpm {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).output(&Self::MASKED)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        for (param, flags, _) in self.lists() {
            if flags.iter().any(|flag| flag.trim().is_empty()) {
                problems.param(param, "an empty name", "names of flags such as \"S_MASK_SATUR\"");
            }
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        outputs.set(Self::MASKED.name, inputs.get(Self::IMAGE.name));
        let Some(path) = &self.path else { return };
        match read_names(path.as_path()) {
            Ok(names) => {
                let known = names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
                for (param, flags, _) in self.lists() {
                    for flag in flags.iter().filter(|flag| names.iter().all(|(name, _)| name != *flag)) {
                        problems.param(param, format!("{flag:?}"), &format!("flags of the file: {known}"));
                    }
                }
            }
            Err(error) => {
                let found = format!("{} ({})", error.found, path.as_path().display());
                let place = Place::Param("path".to_owned());
                let problem = problems.push(error.kind.code(), place, found, &error.expected);
                if let Some(help) = &error.help {
                    problem.help(help.clone());
                }
            }
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let facet = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        Demand { peak_bytes: 2 * facet.bytes() + (8 << 20), threads: 1 }
    }

    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        let Some(path) = &self.path else { return Ok(()) };
        let unreadable =
            |e: std::io::Error| StageError::from(skyloom_data::fits::FitsError::from_read(path.as_path(), &e));
        digest.file("path", path.as_path()).map(|_| ()).map_err(unreadable)
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let mut image = (*cx.input(&Self::IMAGE)?).clone();
        if let Some(path) = &self.path {
            let path = path.as_path();
            let names = read_names(path)?;
            let mut mask = image.mask.take().unwrap_or_else(|| Array2::zeros(image.pixels.dim()));
            for (param, flags, bits) in self.lists() {
                let (mut n_regions, mut n_pixels) = (0, 0);
                for flag in flags {
                    let hdu = names.iter().find(|(name, _)| name == flag).map(|(_, hdu)| *hdu).ok_or_else(|| {
                        StageError::config(format!("{param}: no flag {flag:?} in {}", path.display()))
                    })?;
                    cx.check_cancelled()?;
                    let regions = read_flag(path, hdu)?;
                    n_regions += regions.len();
                    n_pixels += mark(&mut mask, &regions, bits).map_err(|run| {
                        let (width, height) = (image.width(), image.height());
                        StageError::data(format!(
                            "{flag} marks row {}, columns {} to {} in {}; the image has {width} x {height} pixels",
                            run.y,
                            run.first,
                            run.last,
                            path.display()
                        ))
                        .with_help("give the fpM file of the same run, camera column, band and field")
                    })?;
                }
                cx.metric(&format!("n_{param}_regions"), n_regions as f64);
                cx.metric(&format!("n_{param}"), n_pixels as f64);
            }
            // No mask plane where nothing is marked: that is how images say it.
            image.mask = mask.iter().any(|&bits| bits != 0).then_some(mask);
        }
        cx.set(&Self::MASKED, image);
        Ok(())
    }
}

register_stage!(SdssFpm, kind: "mask.sdss_fpm", example: "(saturated: [\"S_MASK_SATUR\"], bad: [\"S_MASK_CR\"])");
