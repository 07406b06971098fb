//! The measures of one isophote: Miller et al. 2024, section 7.1.

use ndarray::ArrayView2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use skyloom_data::MaskBits;

use super::median::{Ellipse, median_in_ellipse};
use super::polygon;

/// Bits whose pixels have a value that counts.
const UNCOUNTED: u16 = MaskBits::CLIPPED | MaskBits::INTERPOLATED;

/// The definition of the light radius; the published form of eq. 2 leaves both open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LightRadius {
    /// Mean distance from the light centre, weighted by light.
    #[default]
    Mean,
    /// Root of the mean squared distance, weighted by light: 8 to 30 % larger.
    Rms,
}

/// How isophotes are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasureOptions {
    /// The definition of the light radius.
    pub light_radius: LightRadius,
    /// Semi-axes in units of the roots of the inertia tensor's eigenvalues.
    pub axis_scale: f64,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        Self { light_radius: LightRadius::Mean, axis_scale: 1.0 }
    }
}

/// Bits of the column `flags`.
#[derive(Debug, Clone, Copy)]
pub struct MeasureFlags;

impl MeasureFlags {
    /// Pixels inside the contour have no value (not finite, bad, without data or saturated); they add nothing to the moments.
    pub const MISSING_PIXELS: i64 = 1;
    /// Zeroed cores of subtracted stars lie inside the contour.
    pub const ZEROED_CORE: i64 = 1 << 1;
    /// The light centre lies outside the contour.
    pub const LIGHT_CENTRE_OUTSIDE: i64 = 1 << 2;
    /// Negative pixels make an eigenvalue of the inertia tensor negative: that semi-axis is given as 0.
    pub const NEGATIVE_MOMENT: i64 = 1 << 3;
    /// The inertia ellipse holds no pixel centre: the median pixel is the nearest pixel.
    pub const MEDIAN_OF_ONE: i64 = 1 << 4;
    /// The contour surrounds a region below its level.
    pub const HOLE: i64 = 1 << 5;
}

/// What is measured on one isophote. Lengths in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsophoteMeasures {
    /// Absolute area of the polygon.
    pub area: f64,
    /// `sqrt(area / pi)`.
    pub r_geo: f64,
    /// Centroid `[x, y]` of the polygon.
    pub centre: [f64; 2],
    /// Whether the centroid is inside the polygon.
    pub is_centre_inside: bool,
    /// Pixels whose centres are inside the polygon.
    pub n_pixels: usize,
    /// Sum of the pixel values.
    pub flux: f64,
    /// Light-weighted centre `[x, y]`.
    pub light_centre: [f64; 2],
    /// Light radius.
    pub r_light: f64,
    /// Eigenvalues of the inertia tensor in px^2, greater one first.
    pub inertia: [f64; 2],
    /// Major and minor semi-axis.
    pub axes: [f64; 2],
    /// Direction of the major axis in degrees, in (-90, 90], from +x towards +y; 0 for a round object.
    pub pa_deg: f64,
    /// Median of image / noise inside the inertia ellipse.
    pub median_pixel: f64,
    /// Pixels inside that are not finite or have a mask bit. The bits CLIPPED and INTERPOLATED do not count: the first says that a
    /// pixel is bright, not that it is wrong, and the value of the other is used.
    pub n_masked: usize,
    /// [`MeasureFlags`].
    pub flags: i64,
}

/// Measures one closed contour on `image` (`[y, x]`, background-subtracted).
///
/// `noise` is the noise map; without it the median pixel is in units of the image. Pixels that are not finite, and those that
/// `mask` marks BAD, NO_DATA or SATURATED, add nothing. `None` when the object cannot be measured: no area, no pixel, or a sum of light that is
/// not positive.
///
/// With `<q> = sum(q I) / sum(I)` over pixel centres inside the polygon (even-odd rule; eq. 2): light centre `(<x>, <y>)`, light
/// radius `<r>` or `sqrt(<r^2>)` about it, inertia tensor `<dx^2>, <dy^2>, <dx dy>` with eigenvalues `l1 >= l2`,
/// semi-axes `k sqrt(l1)`, `k sqrt(l2)`.
pub fn measure_isophote(
    vertices: &[[f64; 2]],
    image: ArrayView2<'_, f32>,
    noise: Option<ArrayView2<'_, f32>>,
    mask: Option<ArrayView2<'_, u16>>,
    options: &MeasureOptions,
) -> Option<IsophoteMeasures> {
    let (height, width) = image.dim();
    let signed = polygon::signed_area(vertices);
    let centre = polygon::centroid(vertices)?;
    let spans = polygon::spans(vertices, width, height);
    let bits = |x: usize, y: usize| mask.map_or(0, |m| m[[y, x]]);
    let value = |x: usize, y: usize| {
        let v = f64::from(image[[y, x]]);
        (v.is_finite() && bits(x, y) & (MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED) == 0).then_some(v)
    };
    let lit = || polygon::pixels(&spans).filter_map(|(x, y)| value(x, y).map(|v| (x as f64, y as f64, v)));

    let n_pixels: usize = spans.iter().map(|s| s.x_end - s.x_start).sum();
    let (mut n_lit, mut flux, mut sx, mut sy) = (0_usize, 0.0, 0.0, 0.0);
    // Relative to the centroid: far from the origin the products would lose digits.
    for (x, y, v) in lit() {
        n_lit += 1;
        flux += v;
        sx += (x - centre[0]) * v;
        sy += (y - centre[1]) * v;
    }
    if flux.is_nan() || flux <= 0.0 {
        return None;
    }
    let light_centre = [centre[0] + sx / flux, centre[1] + sy / flux];
    let (mut xx, mut yy, mut xy, mut r) = (0.0, 0.0, 0.0, 0.0);
    for (x, y, v) in lit() {
        let (dx, dy) = (x - light_centre[0], y - light_centre[1]);
        xx += dx * dx * v;
        yy += dy * dy * v;
        xy += dx * dy * v;
        r += libm::hypot(dx, dy) * v;
    }
    let (xx, yy, xy) = (xx / flux, yy / flux, xy / flux);
    let (inertia, pa_deg) = eigen(xx, yy, xy);
    let axes = inertia.map(|l| options.axis_scale * l.max(0.0).sqrt());
    let ellipse = Ellipse { centre: light_centre, a: axes[0], b: axes[1], pa_deg };
    let (median_pixel, is_median_of_one) = median_in_ellipse(&ellipse, (width, height), |x, y| match noise {
        None => value(x, y),
        Some(noise) => {
            let sigma = f64::from(noise[[y, x]]);
            value(x, y).filter(|_| sigma > 0.0).map(|v| v / sigma)
        }
    });
    let (mut n_masked, mut has_core) = (0, false);
    for (x, y) in polygon::pixels(&spans) {
        n_masked += usize::from(bits(x, y) & !UNCOUNTED != 0 || !image[[y, x]].is_finite());
        has_core |= bits(x, y) & MaskBits::CORE != 0;
    }
    let flags = [
        (has_core, MeasureFlags::ZEROED_CORE),
        (n_lit < n_pixels, MeasureFlags::MISSING_PIXELS),
        (!polygon::contains(vertices, light_centre[0], light_centre[1]), MeasureFlags::LIGHT_CENTRE_OUTSIDE),
        (inertia[1] < 0.0, MeasureFlags::NEGATIVE_MOMENT),
        (is_median_of_one, MeasureFlags::MEDIAN_OF_ONE),
        (signed < 0.0, MeasureFlags::HOLE),
    ];
    Some(IsophoteMeasures {
        area: signed.abs(),
        r_geo: (signed.abs() / std::f64::consts::PI).sqrt(),
        centre,
        is_centre_inside: polygon::contains(vertices, centre[0], centre[1]),
        n_pixels,
        flux,
        light_centre,
        r_light: match options.light_radius {
            LightRadius::Mean => r / flux,
            LightRadius::Rms => (xx + yy).sqrt(),
        },
        inertia,
        axes,
        pa_deg,
        median_pixel,
        n_masked,
        flags: flags.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, bit)| all | bit),
    })
}

/// Eigenvalues of a symmetric 2 x 2 tensor, greater one first, and the direction of its eigenvector in (-90, 90] degrees.
fn eigen(xx: f64, yy: f64, xy: f64) -> ([f64; 2], f64) {
    let mean = (xx + yy) / 2.0;
    let half = libm::hypot((xx - yy) / 2.0, xy);
    let values = [mean + half, mean - half];
    // The direction of a round tensor is rounding noise.
    if half <= 1e-12 * mean.abs() {
        return (values, 0.0);
    }
    // atan2 gives -180..180 degrees, half of it -90..90; -90 is the same direction as 90.
    let pa = 0.5 * libm::atan2(2.0 * xy, xx - yy).to_degrees();
    (values, if pa <= -90.0 { pa + 180.0 } else { pa })
}
