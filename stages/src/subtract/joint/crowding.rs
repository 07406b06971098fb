//! How crowded the stars are, and what that says about the level under them.

use super::params::SubtractJoint;
use super::star::Source;
use crate::psf::PositionGrid;

/// Radius in which stars are counted, in FWHM: wider than a compact cluster, which is an island and no sea.
const RADIUS_FWHM: f64 = 6.0;

/// For each star the share of `level_sigma` that its level may have.
///
/// A level under a star stands for light of nothing that is listed. Where listed stars are as dense as the PSF can tell apart, the
/// disc of a fit holds as many of their fluxes as it has pixels to say something about: a free level then takes the
/// light of neighbours, and leaves it in the image. Half at `level_crowding` stars per square FWHM, and falling with the fourth power.
pub(super) fn level_shares(sources: &[Source], width: usize, height: usize, params: &SubtractJoint) -> Vec<f64> {
    let radius = RADIUS_FWHM * params.fwhm_px;
    let grid = PositionGrid::new(sources.iter().map(|s| (s.star.x, s.star.y)), 16.0);
    let inside = |v: f64, size: usize| {
        let (low, high) = ((v - radius).max(-0.5), (v + radius).min(size as f64 - 0.5));
        ((high - low) / (2.0 * radius)).clamp(0.25, 1.0)
    };
    sources
        .iter()
        .map(|s| {
            let mut n = 0_usize;
            grid.visit_within(s.star.x, s.star.y, radius, |_, _| {
                n += 1;
                true
            });
            let share = inside(s.star.x, width) * inside(s.star.y, height);
            let area = std::f64::consts::PI * RADIUS_FWHM * RADIUS_FWHM * share;
            1.0 / (1.0 + (n as f64 / area / params.level_crowding).powi(4))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::psf::CatalogueStar;

    fn grid(step: f64) -> Vec<Source> {
        let n = (200.0 / step) as usize;
        (0..n * n)
            .map(|i| Source {
                star: CatalogueStar::new(i as i64, (i % n) as f64 * step, (i / n) as f64 * step, 15.0),
                error: 0.0,
                row: Some(i),
            })
            .collect()
    }

    #[test]
    fn a_sea_of_stars_has_no_level_and_a_field_keeps_it() {
        let params = SubtractJoint { fwhm_px: 2.5, ..SubtractJoint::default() };
        // One star per square FWHM, also at the edges.
        assert!(level_shares(&grid(2.5), 200, 200, &params).iter().all(|s| *s < 0.05));
        // One in 36.
        assert!(level_shares(&grid(15.0), 200, 200, &params).iter().all(|s| *s > 0.95));
        assert!(level_shares(&[], 200, 200, &params).is_empty());
    }
}
