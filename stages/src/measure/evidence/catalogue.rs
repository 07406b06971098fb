//! What the star catalogue says of an object.

use skyloom_data::{Table, TableError};

use crate::psf::CatalogueStar;
use crate::psf::PositionGrid;

/// What counts as a star, and what as a neighbour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogueOptions {
    /// Entries of less probability are no stars.
    pub min_prob: f64,
    /// Entries from this sharpness on are no stars.
    pub max_sharp: f64,
    /// Entries brighter than this count for the overdensity.
    pub overdensity_mag: f64,
}

impl Default for CatalogueOptions {
    fn default() -> Self {
        Self { min_prob: 0.33, max_sharp: 0.5, overdensity_mag: 20.0 }
    }
}

/// A catalogue prepared for questions about places.
#[derive(Debug, Clone)]
pub struct EvidenceCatalogue {
    stars: Vec<CatalogueStar>,
    /// `mag_<band> - mag`; empty when the catalogue has no such band.
    colour: Vec<f64>,
    grid: PositionGrid,
    options: CatalogueOptions,
}

/// Evidence from the entries inside a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogueEvidence {
    /// Entries inside.
    pub n: usize,
    /// Flux of the brightest entry that is not a star, over the flux of the region; 0 without one.
    pub extended_fraction: f64,
    /// Its colour; NaN when it is not known.
    pub extended_colour: f64,
}

impl EvidenceCatalogue {
    /// Reads `x`, `y`, `mag` and, where they are there, `prob`, `sharp` and `mag_<colour_band>`.
    ///
    /// # Errors
    /// When a required column is missing, or a column does not hold numbers.
    pub fn new(table: &Table, colour_band: Option<&str>, options: CatalogueOptions) -> Result<Self, TableError> {
        let stars = CatalogueStar::from_table(table)?;
        let band = colour_band.map(|band| format!("mag_{band}")).filter(|name| table.has_column(name));
        let colour = match band {
            Some(name) => table.floats(&name)?.iter().zip(&stars).map(|(m, star)| m - star.mag).collect(),
            None => Vec::new(),
        };
        let grid = PositionGrid::new(stars.iter().map(|s| (s.x, s.y)), 32.0);
        Ok(Self { stars, colour, grid, options })
    }

    /// Excess of entries within 1.5 radii over those from 2.5 to 5 radii, in units of the Poisson error of the latter (at least 1).
    ///
    /// Entries of unknown magnitude do not count. The radius is at least 4 px: smaller discs hold too few entries.
    #[must_use]
    pub fn overdensity(&self, centre: [f64; 2], r_light: f64) -> f64 {
        let radius = r_light.max(4.0);
        let (mut inner, mut outer) = (0.0, 0.0);
        self.grid.visit_within(centre[0], centre[1], 5.0 * radius, |i, distance| {
            if self.stars[i].mag < self.options.overdensity_mag {
                inner += f64::from(u8::from(distance < 1.5 * radius));
                outer += f64::from(u8::from(distance > 2.5 * radius));
            }
            true
        });
        // Areas: 1.5^2 against 5^2 - 2.5^2.
        let expected = outer * 2.25 / 18.75;
        (inner - expected) / expected.max(1.0_f64).sqrt()
    }

    /// Evidence from the entries that `is_inside` (given their nearest pixel), within `reach` of the centre. `flux_of` turns
    /// magnitudes into the unit of `flux`.
    pub fn inside(
        &self,
        centre: [f64; 2],
        reach: f64,
        flux: f64,
        flux_of: impl Fn(f64) -> f64,
        is_inside: impl Fn(i64, i64) -> bool,
    ) -> CatalogueEvidence {
        let (mut n, mut brightest): (usize, Option<usize>) = (0, None);
        self.grid.visit_within(centre[0], centre[1], reach, |i, _| {
            let star = &self.stars[i];
            if is_inside(star.x.round() as i64, star.y.round() as i64) {
                n += 1;
                let is_star = !(star.prob < self.options.min_prob || star.sharp >= self.options.max_sharp);
                let is_brighter = brightest
                    .is_none_or(|b| star.mag.total_cmp(&self.stars[b].mag).then(i.cmp(&b)) == std::cmp::Ordering::Less);
                if !is_star && star.mag.is_finite() && is_brighter {
                    brightest = Some(i);
                }
            }
            true
        });
        let extended_fraction = brightest.map_or(0.0, |b| flux_of(self.stars[b].mag) / flux);
        let extended_colour = brightest.and_then(|b| self.colour.get(b).copied()).unwrap_or(f64::NAN);
        CatalogueEvidence { n, extended_fraction, extended_colour }
    }
}

#[cfg(test)]
mod tests {
    use skyloom_data::TableBuilder;

    use super::*;

    fn catalogue() -> EvidenceCatalogue {
        let n = 12;
        let x = (0..n).map(|i| 100.0 + f64::from(i % 4)).collect();
        let y = (0..n).map(|i| 50.0 + f64::from(i / 4)).collect();
        let mut mag = vec![18.0; 12];
        mag[5] = 15.0;
        mag[6] = 16.0;
        mag[7] = f64::NAN;
        let mut prob = vec![0.9; 12];
        prob[5] = 0.1;
        prob[0] = f64::NAN;
        let mut sharp = vec![0.0; 12];
        sharp[6] = 0.7;
        let table = TableBuilder::new()
            .float("x", "px", "", x)
            .float("y", "px", "", y)
            .float("mag", "mag", "", mag.clone())
            .float("prob", "", "", prob)
            .float("sharp", "", "", sharp)
            .float("mag_J", "mag", "", mag.iter().map(|m| m + 1.2).collect())
            .build()
            .unwrap();
        EvidenceCatalogue::new(&table, Some("J"), CatalogueOptions::default()).unwrap()
    }

    #[test]
    fn the_brightest_entry_that_is_no_star_speaks_for_the_object() {
        let flux_of = |mag: f64| libm::exp10(0.4 * (15.0 - mag));
        let found = catalogue().inside([101.5, 51.0], 20.0, 2.0, flux_of, |x, y| x > 100 && y < 53);
        assert_eq!((found.n, found.extended_fraction), (9, 0.5));
        assert!((found.extended_colour - 1.2).abs() < 1e-12);
        let none = catalogue().inside([101.5, 51.0], 20.0, 2.0, flux_of, |x, _| x == 100);
        assert_eq!((none.n, none.extended_fraction, none.extended_colour.is_nan()), (3, 0.0, true));
    }

    #[test]
    fn a_clump_in_an_empty_field_is_an_overdensity_and_an_empty_catalogue_is_none() {
        assert_eq!(catalogue().overdensity([101.5, 51.0], 4.0), 11.0);
        let empty =
            TableBuilder::new().float("x", "", "", vec![]).float("y", "", "", vec![]).float("mag", "", "", vec![]);
        let empty = EvidenceCatalogue::new(&empty.build().unwrap(), Some("J"), CatalogueOptions::default()).unwrap();
        assert_eq!(empty.overdensity([1.0, 1.0], 9.0), 0.0);
    }
}
