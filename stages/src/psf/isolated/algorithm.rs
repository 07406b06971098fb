//! Which stars of a catalogue are alone in their cut-outs.

use ndarray::{Array2, s};
use rayon::prelude::*;
use skyloom_data::{Image, MaskBits};

use super::count::{CountScratch, count_contours};
use super::params::{Group, SelectIsolated};
use crate::contour::{ContourOptions, find_contours};
use crate::measure::polygon;
use crate::psf::{CAPPED, CatalogueStar, PositionGrid};

/// A star that passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsolatedStar {
    /// Index in the catalogue.
    pub row: usize,
    /// Centroid of the lowest contour, column.
    pub x_contour: f64,
    /// The same, row.
    pub y_contour: f64,
    /// Largest pixel of the 3x3 box on the position, in units of the noise.
    pub peak_sigma: f64,
}

/// How many stars of a group each test turned down; a star counts at the first test that it fails, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons {
    /// Probability of being a star too low.
    pub prob: usize,
    /// Not sharp as a single star.
    pub sharp: usize,
    /// The cut-out crosses the edge, or the position is not finite.
    pub edge: usize,
    /// A pixel of the cut-out has no value, no noise, or is masked.
    pub masked: usize,
    /// Saturated or interpolated over, by mask, or saturated by a negative core.
    pub saturated: usize,
    /// No pixel reaches the lowest level, or no level has a contour.
    pub faint: usize,
    /// More than one contour at a level.
    pub crowded: usize,
    /// The centroid is too far from the catalogue position, or the lowest contour is cut by the edge of the cut-out.
    pub off_centre: usize,
    /// A brighter entry of the catalogue is the same source.
    pub duplicate: usize,
}

impl Reasons {
    /// Names and counts, in the order of the tests.
    #[must_use]
    pub fn list(&self) -> [(&'static str, usize); 9] {
        [
            ("prob", self.prob),
            ("sharp", self.sharp),
            ("edge", self.edge),
            ("masked", self.masked),
            ("saturated", self.saturated),
            ("faint", self.faint),
            ("crowded", self.crowded),
            ("off_centre", self.off_centre),
            ("duplicate", self.duplicate),
        ]
    }
}

/// The stars of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Those that passed, in the order of the catalogue.
    pub stars: Vec<IsolatedStar>,
    /// Stars of the catalogue in the group's range of magnitude.
    pub n_in_range: usize,
    /// Why the others did not pass.
    pub reasons: Reasons,
}

/// Contours of isolated stars cannot be closer than this unless they are the same.
const SAME_PX: f64 = 1.0;

enum Verdict {
    Prob,
    Sharp,
    Edge,
    Masked,
    Saturated,
    Faint,
    Crowded,
    OffCentre,
    Isolated(IsolatedStar),
}

/// The isolated stars of one group (section 5.1 of Miller et al. 2024).
///
/// `image` is background-subtracted, `noise` the standard deviation per pixel, of the same shape. A star of unknown magnitude
/// is in no group. `tick` is called once per star in the range of magnitude, from several threads; `false` stops, and the result
/// is `None`. The result does not depend on the threads.
#[must_use]
pub fn select_isolated(
    image: &Image,
    noise: &Image,
    stars: &[CatalogueStar],
    group: &Group,
    params: &SelectIsolated,
    tick: &(dyn Fn() -> bool + Sync),
) -> Option<Selection> {
    let in_range: Vec<usize> =
        (0..stars.len()).filter(|&i| stars[i].mag >= group.min_mag && stars[i].mag <= group.max_mag).collect();
    let verdicts: Vec<Verdict> = in_range
        .par_iter()
        .map_init(CountScratch::default, |scratch, &row| {
            tick().then(|| judge(image, noise, row, &stars[row], group, params, scratch))
        })
        .collect::<Option<_>>()?;
    let mut selection = Selection { stars: Vec::new(), n_in_range: in_range.len(), reasons: Reasons::default() };
    let reasons = &mut selection.reasons;
    for verdict in verdicts {
        let count = match verdict {
            Verdict::Isolated(star) => {
                selection.stars.push(star);
                continue;
            }
            Verdict::Prob => &mut reasons.prob,
            Verdict::Sharp => &mut reasons.sharp,
            Verdict::Edge => &mut reasons.edge,
            Verdict::Masked => &mut reasons.masked,
            Verdict::Saturated => &mut reasons.saturated,
            Verdict::Faint => &mut reasons.faint,
            Verdict::Crowded => &mut reasons.crowded,
            Verdict::OffCentre => &mut reasons.off_centre,
        };
        *count += 1;
    }
    drop_duplicates(&mut selection, stars);
    Some(selection)
}

/// Two isolated entries with one contour are one star: it must not count twice in the PSF. The brighter entry stays, of equal ones
/// the first.
fn drop_duplicates(selection: &mut Selection, catalogue: &[CatalogueStar]) {
    let all = std::mem::take(&mut selection.stars);
    let grid = PositionGrid::new(all.iter().map(|s| (s.x_contour, s.y_contour)), 16.0);
    let rank = |i: usize| (catalogue[all[i].row].mag, all[i].row);
    for (i, star) in all.iter().enumerate() {
        if grid.any_within(star.x_contour, star.y_contour, SAME_PX, |j| j != i && rank(j) < rank(i)) {
            selection.reasons.duplicate += 1;
        } else {
            selection.stars.push(*star);
        }
    }
}

/// One star; what costs least is asked first.
fn judge(
    image: &Image,
    noise: &Image,
    row: usize,
    star: &CatalogueStar,
    group: &Group,
    params: &SelectIsolated,
    scratch: &mut CountScratch,
) -> Verdict {
    if star.prob <= params.min_prob {
        return Verdict::Prob;
    }
    let sharp = if params.use_absolute_sharp { star.sharp.abs() } else { star.sharp };
    if sharp >= params.max_sharp {
        return Verdict::Sharp;
    }
    // The 3x3 box on the position must be inside, too.
    let r = group.radius_px.max(1);
    let (Some(cx), Some(cy)) = (inner(star.x, image.width(), r), inner(star.y, image.height(), r)) else {
        return Verdict::Edge;
    };
    let value = |y: usize, x: usize| f64::from(image.pixels[[y, x]]) / f64::from(noise.pixels[[y, x]]);
    let middle = || (cy - 1..=cy + 1).flat_map(|y| (cx - 1..=cx + 1).map(move |x| (y, x)));
    if let Some(verdict) = unusable(image, noise, cx, cy, r) {
        return verdict;
    }
    if middle().any(|(y, x)| value(y, x) < params.saturated_below_sigma) {
        return Verdict::Saturated;
    }
    let peak_sigma = middle().fold(f64::NEG_INFINITY, |m, (y, x)| m.max(value(y, x)));
    let Some(&lowest) = group.levels_sigma.first() else { return Verdict::Faint };
    if peak_sigma <= lowest {
        return Verdict::Faint;
    }
    let stamp = Array2::from_shape_fn((2 * r + 1, 2 * r + 1), |(y, x)| value(cy + y - r, cx + x - r));
    let highest = stamp.fold(f64::NEG_INFINITY, |m, &v| m.max(v));
    let mut first_level = None;
    for &level in group.levels_sigma.iter().take_while(|&&level| level < highest) {
        match count_contours(stamp.view(), level, 1, scratch) {
            0 => {}
            1 => {
                first_level.get_or_insert(level);
            }
            _ => return Verdict::Crowded,
        }
    }
    let Some(level) = first_level else { return Verdict::Faint };
    let options = ContourOptions { drop_holes: true, drop_open: true, ..ContourOptions::default() };
    let contours = find_contours(stamp.view(), level, None, &options);
    let Some([x, y]) = contours.first().and_then(|c| polygon::centroid(&c.vertices)) else {
        return Verdict::OffCentre;
    };
    let (x_contour, y_contour) = (x + (cx - r) as f64, y + (cy - r) as f64);
    if libm::hypot(x_contour - star.x, y_contour - star.y) >= params.max_offset_px {
        return Verdict::OffCentre;
    }
    Verdict::Isolated(IsolatedStar { row, x_contour, y_contour, peak_sigma })
}

/// The nearest pixel, when `radius` pixels on both sides of it are inside.
fn inner(v: f64, size: usize, radius: usize) -> Option<usize> {
    let nearest = v.round();
    // False for NaN.
    (nearest >= radius as f64 && nearest + radius as f64 <= size as f64 - 1.0).then_some(nearest as usize)
}

/// Why the pixels of a cut-out cannot be used, if they cannot.
fn unusable(image: &Image, noise: &Image, cx: usize, cy: usize, r: usize) -> Option<Verdict> {
    let bits = image
        .mask
        .as_ref()
        .map_or(0, |mask| mask.slice(s![cy - r..=cy + r, cx - r..=cx + r]).iter().fold(0, |all, &m| all | m));
    if bits & CAPPED != 0 {
        return Some(Verdict::Saturated);
    }
    let is_bad = bits & (MaskBits::BAD | MaskBits::NO_DATA | MaskBits::CORE) != 0
        || (cy - r..=cy + r).any(|y| {
            (cx - r..=cx + r).any(|x| {
                let (value, sigma) = (image.pixels[[y, x]], noise.pixels[[y, x]]);
                !(value.is_finite() && sigma > 0.0 && sigma.is_finite())
            })
        });
    is_bad.then_some(Verdict::Masked)
}
