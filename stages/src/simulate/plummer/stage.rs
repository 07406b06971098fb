//! `simulate.plummer`: the adapter.

use skyloom_data::Image;
use skyloom_data::facets::ImageFacet;
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::algorithm::{PlummerProfile, add_plummer};

/// Plants a smooth, noise-free star cluster with a Plummer profile, to test what a graph finds.
///
/// `Sigma(r) = L / (pi a^2) (1 + r^2 / a^2)^-2` (Plummer 1911), with `a` the projected half-light radius, integrated over
/// each pixel. The flux follows from the image's zero point and exposure time, `L = t_exp 10^(0.4 (ZP - mag))`; an image
/// without zero point is an error. NaN pixels stay NaN, and the mask is not changed.
///
/// Metrics: `flux_total`, `flux_added` (what fell on pixels) and `fraction_within_truncation`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plummer {
    /// Centre, column, zero-based; it must lie on the image.
    #[schemars(extend("x-unit" = "px"))]
    pub x: f64,
    /// Centre, row, zero-based; it must lie on the image.
    #[schemars(extend("x-unit" = "px"))]
    pub y: f64,
    /// Total magnitude, of the profile out to infinity, in the system of the image's zero point.
    #[schemars(extend("x-unit" = "mag"))]
    pub mag: f64,
    /// Projected half-light radius, which is the Plummer scale radius. For an ellipse the geometric mean of its semi-axes.
    ///
    /// Clusters smaller than the seeing look like stars: the profile is not convolved with a PSF.
    #[schemars(range(min = 0.01), extend("x-unit" = "px"))]
    pub r_half_px: f64,
    /// `1 - b/a`: 0 is round.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 0.95))]
    pub ellipticity: f64,
    /// Direction of the major axis, from +x towards +y.
    #[serde(default)]
    #[schemars(range(min = -360.0, max = 360.0), extend("x-unit" = "deg"))]
    pub pa_deg: f64,
    /// Radius beyond which nothing is added; by default 20 half-light radii, which hold 0.9975 of the flux.
    ///
    /// The fraction within `t` half-light radii is `t^2 / (1 + t^2)`. The rest is left out, the total is not scaled up.
    #[serde(default)]
    #[schemars(range(min = 0.01), extend("x-unit" = "px"))]
    pub truncate_px: Option<f64>,
}

/// At the default truncation the profile has fallen to 1/160,000 of its centre: no visible edge.
const DEFAULT_TRUNCATION: f64 = 20.0;

impl Plummer {
    /// The image to plant into.
    pub const IMAGE: In<Image> = In::new("image", "Image with a zero point.");
    /// The image with the cluster.
    pub const PLANTED: Out<Image> = Out::new("image", "The image with the cluster added.");

    fn profile(&self, flux: f64) -> PlummerProfile {
        PlummerProfile {
            x: self.x,
            y: self.y,
            flux,
            r_half_px: self.r_half_px,
            ellipticity: self.ellipticity,
            pa_deg: self.pa_deg,
            truncate_px: self.truncate_px.unwrap_or(DEFAULT_TRUNCATION * self.r_half_px),
        }
    }
}

/// Whether a coordinate lies on one of `size` pixels.
fn is_on(coordinate: f64, size: usize) -> bool {
    coordinate >= -0.5 && coordinate < size as f64 - 0.5
}

#[typetag::serde(name = "simulate.plummer")]
impl Stage for Plummer {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).output(&Self::PLANTED)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        for (name, value) in [("x", self.x), ("y", self.y)] {
            if !value.is_finite() {
                problems.param(name, value, "a finite number");
            }
        }
        // Beyond 60 mag either way the flux leaves the range of f32 pixels.
        problems.require_range("mag", self.mag, -60.0, 60.0);
        problems.require_range("r_half_px", self.r_half_px, 0.01, 1e6);
        problems.require_range("ellipticity", self.ellipticity, 0.0, 0.95);
        problems.require_range("pa_deg", self.pa_deg, -360.0, 360.0);
        if let Some(radius) = self.truncate_px {
            problems.require_range("truncate_px", radius, 0.01, 1e9);
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let facet = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        for (name, value, size) in [("x", self.x, facet.width), ("y", self.y, facet.height)] {
            // A coordinate that is not finite is reported by check().
            if let Some(size) = size.filter(|size| value.is_finite() && !is_on(value, *size)) {
                problems.param(name, value, &format!("a position on the image, from 0 to {}", size.saturating_sub(1)));
            }
        }
        outputs.set(Self::PLANTED.name, inputs.get(Self::IMAGE.name));
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let facet = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        Demand { peak_bytes: 2 * facet.bytes() + (1 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let input = cx.input(&Self::IMAGE)?;
        let Some(zero_point) = input.meta.zero_point else {
            return Err(StageError::data("the image has no zero point, so a magnitude has no flux")
                .with_help("give the reader of the image its zero point"));
        };
        if !is_on(self.x, input.width()) || !is_on(self.y, input.height()) {
            return Err(StageError::data(format!(
                "the centre ({}, {}) is not on the image of {} x {} pixels",
                self.x,
                self.y,
                input.width(),
                input.height()
            )));
        }
        let flux = input.meta.exposure_s.unwrap_or(1.0) * libm::exp10(0.4 * (zero_point - self.mag));
        let profile = self.profile(flux);
        cx.check_cancelled()?;
        let mut image = (*input).clone();
        let added = cx.pool().install(|| add_plummer(&mut image.pixels, &profile));
        cx.metric("flux_total", flux);
        cx.metric("flux_added", added);
        cx.metric("fraction_within_truncation", profile.fraction_within_truncation());
        cx.set(&Self::PLANTED, image);
        Ok(())
    }
}

register_stage!(Plummer, kind: "simulate.plummer", example: "(x: 1650, y: 250, mag: 15.0, r_half_px: 10)");
