//! Two patches of one coadd with an overlap, and the object table of both.

use std::io;
use std::path::{Path, PathBuf};

use ndarray::{Array2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use skyloom_data::{CardValue, Header, TableBuilder, Wcs, parquet_io};

use super::rubin::{RubinCalibration, RubinExposure, plane};

/// Columns and rows of a patch.
pub const PATCH: usize = 560;
/// Columns that both patches have.
pub const OVERLAP: usize = 240;
/// The band.
pub const BAND: &str = "i";

/// Columns of both patches together.
const WIDTH: usize = 2 * PATCH - OVERLAP;
/// Place of the first pixel of both in the tract.
const ORIGIN: (i64, i64) = (11_900, 8_000);
/// FWHM of a star in px, at 0.2 arcsec per px.
const FWHM: f64 = 3.8;
/// Sky noise of a pixel in nJy.
const SIGMA: f64 = 3.0;
/// Pixels above this are clipped and flagged.
const SATURATION: f64 = 60_000.0;

/// Something that shines: a star or a cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    /// Column in the frame of the tract, zero-based.
    pub x: f64,
    /// Row.
    pub y: f64,
    /// AB magnitude.
    pub mag: f64,
    /// Half-light radius of a cluster in px; 0 for a star.
    pub r_half: f64,
}

/// Where the files of a pair are.
#[derive(Debug, Clone)]
pub struct PairFiles {
    /// The two patches.
    pub exposures: [PathBuf; 2],
    /// The object table.
    pub catalogue: PathBuf,
}

/// The same sky in two patches: stars, a cluster in the overlap and one in the first patch alone.
#[derive(Debug, Clone)]
pub struct CoaddPair {
    /// The stars.
    pub stars: Vec<Source>,
    /// The clusters: the first lies in the overlap.
    pub clusters: [Source; 2],
    pixels: Array2<f32>,
    variance: Array2<f32>,
    mask: Array2<i32>,
}

/// World coordinates of the tract: TAN, 0.2 arcsec per px.
///
/// # Panics
/// Never: the cards are good.
#[must_use]
pub fn tract_wcs() -> Wcs {
    let mut header = Header::new();
    for (key, value) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("RADESYS", "ICRS")] {
        header.set(key, CardValue::Text(value.to_owned()));
    }
    let scale = 0.2 / 3600.0;
    let numbers = [("CRPIX1", 15_001.0), ("CRPIX2", 15_001.0), ("CRVAL1", 53.1), ("CRVAL2", -28.1)];
    let matrix = [("CD1_1", -scale), ("CD1_2", 0.0), ("CD2_1", 0.0), ("CD2_2", scale)];
    for (key, value) in numbers.into_iter().chain(matrix) {
        header.set(key, CardValue::Float(value));
    }
    Wcs::from_header(&header).expect("good cards").expect("a WCS")
}

fn flux(mag: f64) -> f64 {
    libm::exp10((31.4 - mag) / 2.5)
}

impl CoaddPair {
    /// The pair with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (x0, y0) = (ORIGIN.0 as f64, ORIGIN.1 as f64);
        let in_overlap = (PATCH - OVERLAP / 2) as f64;
        let clusters = [
            Source { x: x0 + in_overlap, y: y0 + 280.0, mag: 18.5, r_half: 9.0 },
            Source { x: x0 + 160.0, y: y0 + 330.0, mag: 18.8, r_half: 9.0 },
        ];
        let mut stars = Vec::new();
        // One saturated star, away from the clusters.
        stars.push(Source { x: x0 + 240.0, y: y0 + 120.0, mag: 15.5, r_half: 0.0 });
        while stars.len() < 420 {
            let (x, y) = (rng.random_range(0.0..WIDTH as f64), rng.random_range(0.0..PATCH as f64));
            // Faint stars are many: counts grow by a factor of two per magnitude.
            let mag = 25.0 + libm::log2(rng.random_range(0.004..1.0));
            let star = Source { x: x0 + x, y: y0 + y, mag, r_half: 0.0 };
            let is_free = clusters.iter().all(|c| libm::hypot(star.x - c.x, star.y - c.y) > 40.0);
            if is_free {
                stars.push(star);
            }
        }
        let mut light = Array2::<f64>::zeros((PATCH, WIDTH));
        for source in stars.iter().chain(&clusters) {
            add(&mut light, source);
        }
        let variance = light.mapv(|v| SIGMA * SIGMA + 0.01 * v);
        let mut mask = Array2::<i32>::zeros(light.dim());
        let mut pixels = light;
        for ((v, var), flags) in pixels.iter_mut().zip(&variance).zip(&mut mask) {
            // Twelve uniform numbers have the variance 1; their sum is normal enough for a sky.
            let normal: f64 = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            *v += normal * var.sqrt();
            if *v > 5.0 * SIGMA {
                *flags |= plane("DETECTED");
            }
            if *v > SATURATION {
                *v = SATURATION;
                *flags |= plane("SAT") | plane("INTRP");
            }
        }
        let mut pixels = pixels.mapv(|v| v as f32);
        let mut variance = variance.mapv(|v| v as f32);
        // A corner without data, and cosmic rays that were interpolated over.
        pixels.slice_mut(s![..6, ..8]).fill(f32::NAN);
        variance.slice_mut(s![..6, ..8]).fill(f32::NAN);
        mask.slice_mut(s![..6, ..8]).fill(plane("NO_DATA"));
        mask.slice_mut(s![200..203, 300..310]).mapv_inplace(|m| m | plane("CR") | plane("INTRP"));
        Self { stars, clusters, pixels, variance, mask }
    }

    /// One of the two patches, 0 or 1.
    #[must_use]
    pub fn patch(&self, number: usize) -> RubinExposure {
        let first = number * (PATCH - OVERLAP);
        let part = s![.., first..first + PATCH];
        RubinExposure {
            pixels: self.pixels.slice(part).to_owned(),
            mask: self.mask.slice(part).to_owned(),
            variance: self.variance.slice(part).to_owned(),
            origin: (ORIGIN.0 + first as i64, ORIGIN.1),
            wcs: tract_wcs(),
            band: BAND.to_owned(),
            calibration: RubinCalibration::NanoJansky,
            has_names: true,
        }
    }

    /// Writes `patch-0.fits`, `patch-1.fits` and `objects.parquet`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<PairFiles> {
        let exposures = [0, 1].map(|number| folder.join(format!("patch-{number}.fits")));
        for (number, path) in exposures.iter().enumerate() {
            self.patch(number).write(path)?;
        }
        let catalogue = folder.join("objects.parquet");
        self.write_objects(&catalogue)?;
        Ok(PairFiles { exposures, catalogue })
    }

    /// The object table of the tract. Besides the stars it has the clusters, as extended objects, and copies of the stars in the
    /// overlap, which are not primary: whoever reads it must choose.
    fn write_objects(&self, path: &Path) -> io::Result<()> {
        let wcs = tract_wcs();
        let middle = ORIGIN.0 as f64 + (PATCH - OVERLAP / 2) as f64;
        let copies = self.stars.iter().filter(|s| (s.x - middle).abs() < OVERLAP as f64 / 2.0);
        let rows: Vec<(&Source, bool)> =
            self.stars.iter().chain(&self.clusters).map(|s| (s, true)).chain(copies.map(|s| (s, false))).collect();
        let column = |value: &dyn Fn(&Source) -> f64| rows.iter().map(|(s, _)| value(s)).collect::<Vec<f64>>();
        let sky = |s: &Source| wcs.pixel_to_icrs(s.x, s.y).unwrap_or((f64::NAN, f64::NAN));
        // Errors of PSF photometry in the sky noise: about 33 px of noise.
        let error = SIGMA * 33_f64.sqrt();
        let table = TableBuilder::new()
            .int("objectId", "", "", (0..rows.len()).map(|i| 3_000_000_000_000 + i as i64).collect())
            .float("coord_ra", "", "", column(&|s| sky(s).0))
            .float("coord_dec", "", "", column(&|s| sky(s).1))
            .float("x", "", "", column(&|s| s.x))
            .float("y", "", "", column(&|s| s.y))
            .bool("detect_isPrimary", "", rows.iter().map(|(_, is_primary)| *is_primary).collect())
            .float("refExtendedness", "", "", column(&|s| f64::from(u8::from(s.r_half > 0.0))))
            .float("i_extendedness", "", "", column(&|s| f64::from(u8::from(s.r_half > 0.0))))
            .float("i_psfFlux", "", "", column(&|s| flux(s.mag)))
            .float("i_psfFluxErr", "", "", column(&|_| error))
            .float("g_psfFlux", "", "", column(&|s| 0.6 * flux(s.mag)))
            .float("g_psfFluxErr", "", "", column(&|_| error))
            .build()
            .map_err(io::Error::other)?;
        parquet_io::write_batch(table.batch(), path).map_err(io::Error::other)
    }
}

/// Adds a Moffat star, or a cluster: a Plummer sphere, which is wide enough to go without the seeing.
fn add(light: &mut Array2<f64>, source: &Source) {
    let (cx, cy) = (source.x - ORIGIN.0 as f64, source.y - ORIGIN.1 as f64);
    let total = flux(source.mag);
    let beta = 3.0;
    let alpha = FWHM / (2.0 * (libm::exp2(1.0 / beta) - 1.0).sqrt());
    let reach: f64 = if source.r_half > 0.0 { 120.0 } else { 60.0 };
    let range = |c: f64, size: usize| {
        let low = (c - reach).floor().max(0.0) as usize;
        let high = (c + reach).ceil().min(size as f64 - 1.0).max(0.0) as usize;
        low..=high
    };
    for y in range(cy, light.nrows()) {
        for x in range(cx, light.ncols()) {
            let r2 = (x as f64 - cx).powi(2) + (y as f64 - cy).powi(2);
            let profile = if source.r_half > 0.0 {
                let a2 = source.r_half * source.r_half;
                a2 / (std::f64::consts::PI * (a2 + r2) * (a2 + r2))
            } else {
                let norm = (beta - 1.0) / (std::f64::consts::PI * alpha * alpha);
                norm / (1.0 + r2 / (alpha * alpha)).powi(3)
            };
            light[[y, x]] += total * profile;
        }
    }
}
