//! Divides segments into the sources that touch in them.

use std::cell::RefCell;

use ndarray::ArrayView2;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flood::Flood;
use super::labels::{Connectivity, Labels};
use super::markers::{MarkerFinder, SegmentPixels};

/// How the levels lie between the least value `m` and the greatest value `M` of a segment, at `s = k / (n_levels + 1)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeblendMode {
    /// `m (M/m)^s`: dense at low values, where faint neighbours part. A segment with `m <= 0` takes `linear`.
    #[default]
    Exponential,
    /// `m + s (M - m)`.
    Linear,
    /// `m + (M - m) sinh(4 s) / sinh(4)`: between the two others.
    Sinh,
}

/// How segments are divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeblendOptions {
    /// Least number of pixels of a peak above a level; segments of fewer than twice as many stay whole.
    pub n_pixels: usize,
    /// Number of levels.
    pub n_levels: usize,
    /// Least share of the segment's light that a source must have: 0 keeps all peaks, 1 divides nothing.
    pub contrast: f64,
    /// How the levels lie.
    pub mode: DeblendMode,
    /// Which pixels are neighbours: as in the detection.
    pub connectivity: Connectivity,
}

impl Default for DeblendOptions {
    fn default() -> Self {
        Self {
            n_pixels: 5,
            n_levels: 32,
            contrast: 0.001,
            mode: DeblendMode::Exponential,
            connectivity: Connectivity::Eight,
        }
    }
}

/// Divided segments.
#[derive(Debug, Clone, PartialEq)]
pub struct Deblended {
    /// Labels `1..=n`: segments that stayed whole first, in their order, then the parts of the others, by segment and
    /// in raster order of the peaks.
    pub labels: Labels,
    /// The segment that each label comes from: the first entry is that of label 1.
    pub parents: Vec<u32>,
    /// Segments with values not above zero, for which exponential levels do not exist: they took linear ones.
    pub n_linear: usize,
    /// Segments in pieces that do not touch under this connectivity: they stay whole.
    pub n_in_pieces: usize,
}

/// Images of fewer pixels are divided on the calling thread: they come by the hundred thousand, one per star, and their
/// callers are parallel.
const PARALLEL_FROM: usize = 1 << 17;

thread_local! {
    /// The work space for small images: as many as there are stars must not allocate it.
    static DIVIDER: RefCell<Divider> = RefCell::default();
}

/// Divides the segments of `image` (`[y, x]`) as photutils does.
///
/// Per segment: levels between its least and greatest value; peaks that stay apart with `n_pixels` pixels each above
/// some level are markers; a watershed from the markers divides the segment. While a part has less than `contrast` of the segment's light, the faintest one
/// is given up and its pixels are flooded again. Values that are not finite are flooded last and add no light.
/// Labels are consecutive; [`deblend_with`] also tells the parents.
#[must_use]
pub fn deblend_sources(image: ArrayView2<'_, f32>, segments: &Labels, options: &DeblendOptions) -> Labels {
    match deblend_with(image, segments, options, &|| true) {
        Some(divided) => divided.labels,
        None => segments.clone(),
    }
}

/// As [`deblend_sources`], with the origin of each label; `None` when `go_on`, asked before every segment, says no.
pub fn deblend_with(
    image: ArrayView2<'_, f32>,
    segments: &Labels,
    options: &DeblendOptions,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Option<Deblended> {
    let boxes = bounding_boxes(segments);
    let divide = |divider: &mut Divider, label: usize| {
        go_on().then(|| divider.divide(image, segments, label as u32 + 1, boxes[label], options))
    };
    let parts: Vec<Parts> = if segments.labels.len() < PARALLEL_FROM {
        DIVIDER
            .with_borrow_mut(|divider| (0..boxes.len()).map(|label| divide(divider, label)).collect::<Option<_>>())?
    } else {
        (0..boxes.len()).into_par_iter().map_init(Divider::default, divide).collect::<Option<_>>()?
    };

    // New label of each segment that stays whole; label before the first part of the others.
    let mut parents: Vec<u32> = Vec::with_capacity(parts.len());
    let mut base = vec![0_u32; parts.len()];
    for (label, _) in parts.iter().enumerate().filter(|(_, p)| p.basins.is_empty()) {
        parents.push(label as u32 + 1);
        base[label] = parents.len() as u32;
    }
    for (label, part) in parts.iter().enumerate().filter(|(_, p)| !p.basins.is_empty()) {
        base[label] = parents.len() as u32;
        parents.extend((0..part.n).map(|_| label as u32 + 1));
    }
    let mut cursors = vec![0_usize; parts.len()];
    let mut labels = segments.labels.clone();
    for label in &mut labels {
        let Some(at) = (*label as usize).checked_sub(1).filter(|&at| at < parts.len()) else { continue };
        // Basins are in raster order too.
        *label = base[at] + parts[at].basins.get(cursors[at]).copied().unwrap_or(0);
        cursors[at] += 1;
    }
    Some(Deblended {
        labels: Labels { labels, n: parents.len() as u32 },
        parents,
        n_linear: parts.iter().filter(|p| p.is_linear).count(),
        n_in_pieces: parts.iter().filter(|p| p.is_in_pieces).count(),
    })
}

/// Columns `x0..x1` and rows `y0..y1` of each segment, as `[x0, x1, y0, y1]`.
fn bounding_boxes(segments: &Labels) -> Vec<[usize; 4]> {
    let mut boxes = vec![[usize::MAX, 0, usize::MAX, 0]; segments.n as usize];
    for ((y, x), &label) in segments.labels.indexed_iter() {
        if let Some(b) = (label as usize).checked_sub(1).and_then(|at| boxes.get_mut(at)) {
            *b = [b[0].min(x), b[1].max(x + 1), b[2].min(y), b[3].max(y + 1)];
        }
    }
    // A label that is not there has an empty box.
    boxes.into_iter().map(|b| if b[1] == 0 { [0; 4] } else { b }).collect()
}

/// What became of one segment.
#[derive(Debug, Default)]
struct Parts {
    /// Number of the part (from 1) of each pixel, in raster order; empty for a segment that stays whole.
    basins: Vec<u32>,
    n: u32,
    is_linear: bool,
    is_in_pieces: bool,
}

/// Work space, kept from segment to segment.
#[derive(Debug, Default)]
struct Divider {
    pixels: SegmentPixels,
    levels: Vec<f64>,
    finder: MarkerFinder,
    basin: Vec<u32>,
    flood: Flood,
    light: Vec<f64>,
}

impl Divider {
    fn divide(
        &mut self,
        image: ArrayView2<'_, f32>,
        segments: &Labels,
        label: u32,
        bounds: [usize; 4],
        options: &DeblendOptions,
    ) -> Parts {
        let mut parts = Parts::default();
        if options.contrast >= 1.0 {
            return parts;
        }
        self.pixels.load(bounds, options.connectivity, |x, y| {
            (segments.labels[[y, x]] == label).then(|| image.get([y, x]).copied().map_or(f64::NAN, f64::from))
        });
        if self.pixels.len() < options.n_pixels.saturating_mul(2) {
            return parts;
        }
        let finite = || self.pixels.values.iter().copied().filter(|v| v.is_finite());
        let least = finite().fold(f64::INFINITY, f64::min);
        let greatest = finite().fold(f64::NEG_INFINITY, f64::max);
        if least >= greatest {
            return parts;
        }
        parts.is_linear = options.mode == DeblendMode::Exponential && least <= 0.0;
        let mode = if parts.is_linear { DeblendMode::Linear } else { options.mode };
        fill_levels(least, greatest, mode, options.n_levels, &mut self.levels);
        let n_markers = self.finder.find(&self.pixels, &self.levels, options.n_pixels.max(1), &mut self.basin);
        if n_markers < 2 {
            return parts;
        }
        self.flood.fill(&self.pixels, &mut self.basin);
        parts.is_in_pieces = self.basin.contains(&0);
        if parts.is_in_pieces {
            return parts;
        }
        let n = self.drop_faint(n_markers, options.contrast);
        if n >= 2 {
            parts.n = n;
            parts.basins.clone_from(&self.basin);
        }
        parts
    }

    /// Gives up parts with too little light, one at a time, because several could together have enough. Returns the
    /// number of parts left, numbered from 1.
    fn drop_faint(&mut self, n_markers: u32, contrast: f64) -> u32 {
        let total = finite_sum(self.pixels.values.iter().copied());
        let mut alive: Vec<u32> = (1..=n_markers).collect();
        while alive.len() > 1 {
            self.light.clear();
            self.light.resize(n_markers as usize + 1, 0.0);
            for (&basin, &value) in self.basin.iter().zip(&self.pixels.values).filter(|(_, v)| v.is_finite()) {
                self.light[basin as usize] += value;
            }
            let share = |basin: u32| self.light[basin as usize] / total;
            if !alive.iter().any(|&basin| share(basin) < contrast) {
                break;
            }
            let faintest = (0..alive.len()).min_by(|&a, &b| share(alive[a]).total_cmp(&share(alive[b]))).unwrap_or(0);
            let dropped = alive.remove(faintest);
            self.basin.iter_mut().filter(|b| **b == dropped).for_each(|b| *b = 0);
            self.flood.fill(&self.pixels, &mut self.basin);
        }
        let mut number = vec![0; n_markers as usize + 1];
        for (new, &old) in (1..).zip(&alive) {
            number[old as usize] = new;
        }
        self.basin.iter_mut().for_each(|b| *b = number[*b as usize]);
        alive.len() as u32
    }
}

fn finite_sum(values: impl Iterator<Item = f64>) -> f64 {
    values.filter(|v| v.is_finite()).fold(0.0, |a, b| a + b)
}

/// Levels between `least` and `greatest`, both exclusive, rising.
fn fill_levels(least: f64, greatest: f64, mode: DeblendMode, n: usize, levels: &mut Vec<f64>) {
    levels.clear();
    levels.extend((1..=n).map(|k| {
        let s = k as f64 / (n as f64 + 1.0);
        match mode {
            DeblendMode::Linear => least + s * (greatest - least),
            DeblendMode::Exponential => least * libm::pow(greatest / least, s),
            DeblendMode::Sinh => least + (greatest - least) * libm::sinh(4.0 * s) / libm::sinh(4.0),
        }
    }));
}
