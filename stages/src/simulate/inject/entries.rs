//! Bright planted stars in a star list.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use skyloom_data::{Image, Table, TableBuilder, TableError, Wcs};

use crate::psf::{PositionGrid, mad_sigma};

use super::super::draws::{Domain, Draws};
use super::super::recognition::{
    Crowd, FLOOR, chance_of_entry, crowded_error, merging_shift, position_scatter, probability, sharpness,
};
use super::super::render::PointSource;

/// What PSF photometry of the image can see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seeing {
    /// Faintest flux that is listed.
    pub flux_limit: f64,
    /// Light of others at the star's place, as a part of the star's own peak, at which half of the stars are listed.
    pub crowding_limit: f64,
    /// Standard deviation of a pixel of the sky.
    pub sky_sigma: f64,
    /// Electrons per pixel unit, where known.
    pub gain: Option<f64>,
}

/// A planted star as the list has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// Number of the star among those given.
    pub star: usize,
    /// Measured place and flux.
    pub source: PointSource,
    /// Error of the magnitude.
    pub error: f64,
    /// 0 = point-like, larger = extended.
    pub sharp: f64,
    /// Probability of being a star.
    pub prob: f64,
}

/// Neighbours farther than this, in FWHM, neither hide a star nor keep it company.
const REACH_FWHM: f64 = 4.0;

/// Standard deviation of a pixel of the sky, from differences of neighbours, which gradients and most stars leave alone; 0 for an
/// image without any.
#[must_use]
pub fn sky_sigma(image: &Image) -> f64 {
    // A million pixels know it to 0.1 %.
    let step = (image.width() * image.height() / 1_000_000).max(1);
    let (width, n) = (image.width(), image.width() * image.height());
    let differences: Vec<f64> = (0..n)
        .step_by(step)
        .filter(|i| i % width + 1 < width)
        .map(|i| f64::from(image.pixels[[i / width, i % width + 1]]) - f64::from(image.pixels[[i / width, i % width]]))
        .filter(|d| d.is_finite())
        .collect();
    if differences.is_empty() { 0.0 } else { mad_sigma(&differences, 0.0) / std::f64::consts::SQRT_2 }
}

/// The stars that a catalogue holds, with errors, as the field of `simulate.field` is listed. `stars` are all members of one object,
/// down to the faintest; `draws` gives the random numbers of each. In order of brightness.
#[must_use]
pub fn list_stars(
    stars: &[PointSource],
    seeing: Seeing,
    fwhm: impl Fn(f64, f64) -> f64,
    draws: impl Fn(usize) -> Draws,
) -> Vec<Entry> {
    let mut order: Vec<usize> = (0..stars.len()).collect();
    order.sort_by(|&a, &b| stars[b].flux.total_cmp(&stars[a].flux).then(a.cmp(&b)));
    let grid = PositionGrid::new(stars.iter().map(|s| (s.x, s.y)), 8.0);
    order
        .into_iter()
        .take_while(|&i| stars[i].flux > seeing.flux_limit)
        .filter_map(|i| list_star(stars, i, seeing, fwhm(stars[i].x, stars[i].y), &grid, draws(i)))
        .collect()
}

fn list_star(
    stars: &[PointSource],
    i: usize,
    seeing: Seeing,
    fwhm: f64,
    grid: &PositionGrid,
    mut draws: Draws,
) -> Option<Entry> {
    let star = &stars[i];
    let (mut others, mut crowd) = (0.0, Crowd::default());
    grid.visit_within(star.x, star.y, REACH_FWHM * fwhm, |j, r| {
        if j != i {
            let (ratio, d2) = (stars[j].flux / star.flux, (r / fwhm).powi(2));
            // A Gaussian core: 4 ln 2 per squared FWHM.
            others += ratio * libm::exp(-2.772_588_722_239_781 * d2);
            crowd.add(ratio, d2);
        }
        true
    });
    let crowd = crowd.finish();
    if draws.uniform() >= chance_of_entry(others, seeing.crowding_limit) {
        return None;
    }
    // A PSF of this FWHM spreads the noise of `4 pi sigma^2` pixels on the flux.
    let pixels = 4.0 * std::f64::consts::PI * (fwhm / 2.355).powi(2);
    let variance = pixels * seeing.sky_sigma.powi(2) + seeing.gain.map_or(0.0, |gain| star.flux / gain);
    let alone = libm::hypot(FLOOR, 1.0857 * variance.sqrt() / star.flux);
    let error = crowded_error(alone, others);
    let mag_offset = merging_shift(&crowd) + error * draws.normal();
    let scatter = position_scatter(error, &crowd);
    let (dx, dy) = draws.normal_pair();
    let source = PointSource {
        x: star.x + scatter * dx,
        y: star.y + scatter * dy,
        flux: star.flux * libm::exp10(-0.4 * mag_offset),
    };
    let sharp = sharpness(error, &crowd, draws.normal());
    let prob = probability(alone, error, &crowd, draws.normal());
    Some(Entry { star: i, source, error, sharp, prob })
}

/// The random numbers of one star of one object.
#[must_use]
pub fn entry_draws(seed: u64, object: usize, star: usize) -> Draws {
    Draws::new(seed, Domain::InjectedEntry, object as u64, star as u64)
}

/// A star list with more rows, each an entry and its magnitude: `x`, `y`, the magnitude, `mag_err`, `sharp`, `prob`, `flux`, `id`
/// (continued), `ra` and `dec` (by the WCS) where it has such columns, empty values in the others. Without a list, one of all these.
///
/// # Errors
/// When the list has no numeric columns `x` and `y`.
pub fn add_entries(
    list: Option<&Table>,
    stars: &[(Entry, f64)],
    mag_column: &str,
    wcs: Option<&Wcs>,
) -> Result<Table, TableError> {
    let sky: Vec<(f64, f64)> = stars
        .iter()
        .map(|(s, _)| wcs.and_then(|w| w.pixel_to_icrs(s.source.x, s.source.y)).unwrap_or((f64::NAN, f64::NAN)))
        .collect();
    let numbers = |name: &str| -> Option<Vec<f64>> {
        let of = |f: &dyn Fn(usize) -> f64| Some((0..stars.len()).map(f).collect());
        match name {
            "x" => of(&|i| stars[i].0.source.x),
            "y" => of(&|i| stars[i].0.source.y),
            "ra" => of(&|i| sky[i].0),
            "dec" => of(&|i| sky[i].1),
            "flux" => of(&|i| stars[i].0.source.flux),
            "mag_err" => of(&|i| stars[i].0.error),
            "sharp" => of(&|i| stars[i].0.sharp),
            "prob" => of(&|i| stars[i].0.prob),
            name if name == mag_column => of(&|i| stars[i].1),
            _ => None,
        }
    };
    let Some(list) = list else {
        let mut builder = TableBuilder::new().int("id", "", "number of the star", (0..stars.len() as i64).collect());
        for (name, unit, text) in [
            ("x", "px", "column, zero-based"),
            ("y", "px", "row, zero-based"),
            ("ra", "deg", "right ascension (ICRS)"),
            ("dec", "deg", "declination (ICRS)"),
            (mag_column, "mag", "magnitude"),
            ("mag_err", "mag", "error of the magnitude"),
            ("sharp", "", "0 = point-like, larger = extended"),
            ("prob", "", "probability of being a star"),
            ("flux", "", "flux in pixel units"),
        ] {
            builder = builder.float(name, unit, text, numbers(name).unwrap_or_default());
        }
        return builder.build();
    };
    list.floats("x")?;
    list.floats("y")?;
    let first_id = match list.has_column("id") {
        true => list.floats("id")?.into_iter().filter(|v| v.is_finite()).fold(-1.0, f64::max) as i64 + 1,
        false => 0,
    };
    let mut builder = TableBuilder::new();
    let schema = list.batch().schema();
    for (field, column) in schema.fields().iter().zip(list.batch().columns()) {
        let is_float = *column.data_type() == DataType::Float64;
        let more: ArrayRef = match (field.name().as_str(), column.data_type()) {
            ("id", DataType::Int64) => {
                Arc::new(Int64Array::from_iter_values((0..stars.len() as i64).map(|i| first_id + i)))
            }
            (name, _) => match numbers(name).filter(|_| is_float) {
                Some(values) => Arc::new(Float64Array::from(values)),
                None => new_null_array(column.data_type(), stars.len()),
            },
        };
        let both =
            concat(&[column.as_ref() as &dyn Array, more.as_ref()]).map_err(|e| TableError::Shape(e.to_string()))?;
        let note = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        builder = builder.array(field.name(), &note("unit"), &note("description"), both);
    }
    builder.build()
}
