//! The truth and the catalogue as tables, and the summary.

use arrow::array::{ArrayRef, Float64Array};
use skyloom_data::{CardValue, Header, Table, TableBuilder, TableError, Wcs, WcsError};

use super::catalogue::Entry;
use super::crowding::Crowding;
use super::stage_params::Field;
use super::truth::{Cluster, Truth};

/// The tile is turned by so many degrees: a WCS with a diagonal matrix hides mistakes.
const TURN_DEG: f64 = 3.0;

/// A tangential projection about the centre of the field.
///
/// # Errors
/// When the centre or the scale is out of range.
pub fn field_wcs(field: &Field) -> Result<Option<Wcs>, WcsError> {
    let mut header = Header::new();
    for (key, value) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("RADESYS", "ICRS")] {
        header.set(key, CardValue::Text(value.to_owned()));
    }
    let scale = field.pixel_scale_arcsec / 3600.0;
    let (sin, cos) = libm::sincos(TURN_DEG.to_radians());
    for (key, value) in [
        ("CRPIX1", (field.width_px as f64 + 1.0) / 2.0),
        ("CRPIX2", (field.height_px as f64 + 1.0) / 2.0),
        ("CRVAL1", field.ra_deg),
        ("CRVAL2", field.dec_deg),
        ("CD1_1", -scale * cos),
        ("CD1_2", scale * sin),
        ("CD2_1", scale * sin),
        ("CD2_2", scale * cos),
    ] {
        header.set(key, CardValue::Float(value));
    }
    Wcs::from_header(&header)
}

fn sky(wcs: Option<&Wcs>, positions: impl Iterator<Item = (f64, f64)>) -> (Vec<f64>, Vec<f64>) {
    positions.map(|(x, y)| wcs.and_then(|w| w.pixel_to_icrs(x, y)).unwrap_or((f64::NAN, f64::NAN))).unzip()
}

/// The catalogue: `id, ra, dec, x, y`, then magnitude and error per band (`Ks, eKs, ..`), `sharp, prob, parallax,
/// parallax_error`.
///
/// # Errors
/// When two bands have one name.
pub fn catalogue_table(field: &Field, entries: &[Entry], wcs: Option<&Wcs>) -> Result<Table, TableError> {
    let (ra, dec) = sky(wcs, entries.iter().map(|e| (e.x, e.y)));
    let column = |f: &dyn Fn(&Entry) -> f64| entries.iter().map(f).collect::<Vec<f64>>();
    let mut builder = TableBuilder::new()
        .int("id", "", "number of the entry", (0..entries.len() as i64).collect())
        .float("ra", "deg", "right ascension (ICRS)", ra)
        .float("dec", "deg", "declination (ICRS)", dec)
        .float("x", "px", "column, zero-based", column(&|e| e.x))
        .float("y", "px", "row, zero-based", column(&|e| e.y));
    for (k, band) in field.bands.iter().enumerate() {
        builder = builder.float(&band.name, "mag", "magnitude", column(&|e| e.mags[k])).float(
            &format!("e{}", band.name),
            "mag",
            "error of the magnitude",
            column(&|e| e.errors[k]),
        );
    }
    let optional = |f: &dyn Fn(&(f64, f64)) -> f64| -> ArrayRef {
        std::sync::Arc::new(Float64Array::from(entries.iter().map(|e| e.parallax.as_ref().map(f)).collect::<Vec<_>>()))
    };
    builder
        .float("sharp", "", "0 = point-like, larger = extended", column(&|e| e.sharp))
        .float("prob", "", "probability of being a star", column(&|e| e.prob))
        .array("parallax", "mas", "parallax; missing without an astrometric match", optional(&|p| p.0))
        .array("parallax_error", "mas", "error of the parallax", optional(&|p| p.1))
        .build()
}

/// All stars: `id, x, y`, a magnitude per band, `kind` (0 field, 1 foreground, 2 cluster member, 3 loose star of a complex, 4
/// planted pair), `cluster`, `incat`, `others` and `peak` (counts of the first band).
///
/// # Errors
/// When two bands have one name.
pub fn star_table(field: &Field, truth: &Truth, crowding: &[Crowding], is_in: &[bool]) -> Result<Table, TableError> {
    let stars = &truth.stars;
    let mut builder = TableBuilder::new()
        .int("id", "", "number of the star", (0..stars.len() as i64).collect())
        .float("x", "px", "column, zero-based", stars.iter().map(|s| s.x).collect())
        .float("y", "px", "row, zero-based", stars.iter().map(|s| s.y).collect());
    for (k, band) in field.bands.iter().enumerate() {
        let mags = (0..stars.len()).map(|i| truth.star_mag(field, i, k)).collect();
        builder = builder.float(&band.name, "mag", "true magnitude", mags);
    }
    let kind = "0 field, 1 foreground, 2 cluster member, 3 loose star of a complex, 4 planted pair";
    builder
        .int("kind", "", kind, stars.iter().map(|s| s.kind as i64).collect())
        .int(
            "cluster",
            "",
            "cluster; -2 - complex for loose stars; -1",
            stars.iter().map(|s| s.cluster.into()).collect(),
        )
        .bool("incat", "whether the catalogue has it", is_in.to_vec())
        .float("others", "count", "light of other stars at its place", crowding.iter().map(|c| c.others).collect())
        .float("peak", "count", "its own peak", crowding.iter().map(|c| c.peak).collect())
        .build()
}

/// What the members of a cluster add up to.
#[derive(Debug, Clone, Default)]
struct Sums {
    mags: Vec<f64>,
    brightest: f64,
    x_flux: f64,
    y_flux: f64,
    r_half: f64,
}

fn sums(field: &Field, truth: &Truth, cluster: &Cluster) -> Sums {
    let numbers = cluster.first_star..cluster.first_star + cluster.n_stars;
    let flux = |i: usize, band: usize| libm::exp10(-0.4 * truth.star_mag(field, i, band));
    let total = |band: usize| numbers.clone().map(|i| flux(i, band)).fold(0.0, |a, b| a + b);
    let all = total(0);
    let mean = |f: &dyn Fn(usize) -> f64| numbers.clone().map(|i| f(i) * flux(i, 0)).fold(0.0, |a, b| a + b) / all;
    let mut radii: Vec<(f64, f64)> = numbers
        .clone()
        .map(|i| (libm::hypot(truth.stars[i].x - cluster.x, truth.stars[i].y - cluster.y), flux(i, 0)))
        .collect();
    radii.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut within = 0.0;
    let half = radii.iter().find(|(_, f)| {
        within += f;
        within >= 0.5 * all
    });
    Sums {
        mags: (0..field.bands.len()).map(|b| -2.5 * libm::log10(total(b))).collect(),
        brightest: numbers.clone().map(|i| truth.stars[i].mag).fold(f64::INFINITY, f64::min),
        x_flux: mean(&|i| truth.stars[i].x),
        y_flux: mean(&|i| truth.stars[i].y),
        r_half: half.map_or(f64::NAN, |(r, _)| *r),
    }
}

/// Stellar mass from the luminosity in Ks at the distance of the LMC (modulus 18.5, solar magnitude 3.27), with one
/// mass-to-light ratio per age: a rough number, for orientation only.
fn mass(cluster: &Cluster, mag: f64) -> f64 {
    let ratio = if cluster.is_young { 0.63 } else { 3.7 };
    ratio * libm::exp10(-0.4 * (mag - 18.5 - 3.27))
}

/// The clusters; see the descriptions of the columns.
///
/// # Errors
/// When two bands have one name.
pub fn cluster_table(field: &Field, truth: &Truth, wcs: Option<&Wcs>) -> Result<Table, TableError> {
    let clusters = &truth.clusters;
    let sums: Vec<Sums> = clusters.iter().map(|c| sums(field, truth, c)).collect();
    let of = |f: &dyn Fn(&Cluster) -> f64| clusters.iter().map(f).collect::<Vec<f64>>();
    let summed = |f: &dyn Fn(&Sums) -> f64| sums.iter().map(f).collect::<Vec<f64>>();
    let first = |s: &Sums| s.mags.first().copied().unwrap_or(f64::NAN);
    let (ra, dec) = sky(wcs, clusters.iter().map(|c| (c.x, c.y)));
    let scale = field.pixel_scale_arcsec;
    let parent = clusters.iter().map(|c| c.complex.map_or(-1, |p| p as i64)).collect();
    let brightness = |(c, s): (&Cluster, &Sums)| {
        // Half of the light on the area of the half-light circle.
        first(s) + 2.5 * libm::log10(std::f64::consts::TAU * (c.r_half_px * scale).powi(2))
    };
    let mut builder = TableBuilder::new()
        .int("id", "", "number of the cluster", (0..clusters.len() as i64).collect())
        .int("parent", "", "its complex; -1 for none", parent)
        .float("x", "px", "centre, column, zero-based", of(&|c| c.x))
        .float("y", "px", "centre, row, zero-based", of(&|c| c.y))
        .float("xflux", "px", "flux-weighted mean column of the members", summed(&|s| s.x_flux))
        .float("yflux", "px", "flux-weighted mean row of the members", summed(&|s| s.y_flux))
        .float("rh_px", "px", "half-light radius of the profile", of(&|c| c.r_half_px))
        .float(
            "rh_emp_px",
            "px",
            "radius about the centre that holds half of the members' light",
            summed(&|s| s.r_half),
        )
        .float("rh_arcsec", "arcsec", "half-light radius of the profile", of(&|c| c.r_half_px * scale))
        .float("mag", "mag", "total magnitude in the first band", summed(&first))
        .float("mag_bright", "mag", "magnitude of the brightest member", summed(&|s| s.brightest))
        .int("nstar", "", "members", clusters.iter().map(|c| c.n_stars as i64).collect())
        .text("kind", "profile", clusters.iter().map(|c| c.shape.name().to_owned()).collect())
        .float("conc", "", "c of King, gamma of EFF, 0 for Plummer", of(&|c| c.concentration))
        .float("q", "", "axis ratio", of(&|c| c.q))
        .float("pa", "rad", "direction of the major axis, from +x towards +y", of(&|c| c.pa))
        .float(
            "mass",
            "solMass",
            "rough stellar mass",
            clusters.iter().zip(&sums).map(|(c, s)| mass(c, first(s))).collect(),
        )
        .float("age_myr", "Myr", "age", of(&|c| if c.is_young { 1.5 } else { 300.0 }))
        .float("av", "mag", "extinction in V", of(&|c| c.a_v))
        .float(
            "sb_rh",
            "mag/arcsec^2",
            "mean surface brightness within rh",
            clusters.iter().zip(&sums).map(brightness).collect(),
        );
    for (k, band) in field.bands.iter().enumerate().skip(1) {
        builder = builder.float(&format!("mag_{}", band.name), "mag", "total magnitude", summed(&|s| s.mags[k]));
    }
    builder.float("ra", "deg", "right ascension (ICRS)", ra).float("dec", "deg", "declination (ICRS)", dec).build()
}

/// The galaxies: `id, x, y, mag, jk` (colour), `re` (px), `re_arcsec`, `n`, `q`, `pa` (rad).
///
/// # Errors
/// Never for tables made here.
pub fn galaxy_table(field: &Field, truth: &Truth) -> Result<Table, TableError> {
    let galaxies = &truth.galaxies;
    let of = |f: &dyn Fn(&super::truth::Galaxy) -> f64| galaxies.iter().map(f).collect::<Vec<f64>>();
    TableBuilder::new()
        .int("id", "", "number of the galaxy", (0..galaxies.len() as i64).collect())
        .float("x", "px", "centre, column, zero-based", of(&|g| g.x))
        .float("y", "px", "centre, row, zero-based", of(&|g| g.y))
        .float("mag", "mag", "total magnitude in the first band", of(&|g| g.mag))
        .float("jk", "mag", "colour", of(&|g| g.colour))
        .float("re", "px", "half-light radius", of(&|g| g.r_half_px))
        .float("re_arcsec", "arcsec", "half-light radius", of(&|g| g.r_half_px * field.pixel_scale_arcsec))
        .float("n", "", "Sersic index", of(&|g| g.n))
        .float("q", "", "axis ratio", of(&|g| g.q))
        .float("pa", "rad", "direction of the major axis, from +x towards +y", of(&|g| g.pa))
        .build()
}

/// The close pairs: stars `a` and `b`, the mean place weighted by flux, `sep` (px), `mag` of both.
///
/// # Errors
/// Never for tables made here.
pub fn blend_table(truth: &Truth) -> Result<Table, TableError> {
    let both: Vec<(f64, f64, f64)> = truth
        .blends
        .iter()
        .map(|blend| {
            let (a, b) = (&truth.stars[blend.a], &truth.stars[blend.b]);
            let (fa, fb) = (libm::exp10(-0.4 * a.mag), libm::exp10(-0.4 * b.mag));
            let mean = |u: f64, v: f64| (fa * u + fb * v) / (fa + fb);
            (mean(a.x, b.x), mean(a.y, b.y), -2.5 * libm::log10(fa + fb))
        })
        .collect();
    TableBuilder::new()
        .int("a", "", "one star", truth.blends.iter().map(|b| b.a as i64).collect())
        .int("b", "", "the other star", truth.blends.iter().map(|b| b.b as i64).collect())
        .float("x", "px", "column of the light, zero-based", both.iter().map(|v| v.0).collect())
        .float("y", "px", "row of the light, zero-based", both.iter().map(|v| v.1).collect())
        .float("sep", "px", "separation", truth.blends.iter().map(|b| b.separation).collect())
        .float("mag", "mag", "magnitude of both together", both.iter().map(|v| v.2).collect())
        .build()
}

/// Size, bands and noise model of the field as JSON: with the tables all that a scorer needs.
#[must_use]
pub fn summary(field: &Field, truth: &Truth) -> serde_json::Value {
    let mut bands = serde_json::Map::new();
    let mut noise = serde_json::Map::new();
    for band in &field.bands {
        let n = field.noise(band);
        bands.insert(
            band.name.clone(),
            serde_json::json!({
                "zp": band.zero_point, "dit": band.dit_s, "tot": band.total_s, "sky": band.sky_mag,
                "fw": band.fwhm_factor, "gain": band.gain,
            }),
        );
        noise.insert(
            band.name.clone(),
            serde_json::json!({
                "sky": n.sky, "geff": n.gain_total, "rn2": n.read_noise2, "sigma_sky": n.sigma(n.sky, 100.0),
            }),
        );
    }
    serde_json::json!({
        "nx": field.width_px, "ny": field.height_px, "pix": field.pixel_scale_arcsec, "seed": field.seed,
        "bands": bands, "sat": field.saturation, "noise": noise,
        "nstar": truth.stars.len(), "ncluster": truth.clusters.len(), "ngal": truth.galaxies.len(),
    })
}
