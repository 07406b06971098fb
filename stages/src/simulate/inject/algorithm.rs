//! Planted light on pixels.

use rayon::prelude::*;
use skyloom_data::{Image, PsfField, PsfModel};

use crate::psf::{MAX_PARAMS, Params, Profile, params_from_shape};

use super::super::draws::{Domain, Draws};
use super::super::render::{PointSource, RowIndex, Spread, add_rows};
use super::placing::LOST;

/// What blurs planted objects.
#[derive(Debug, Clone, Copy)]
pub enum InjectionPsf<'a> {
    /// The local model of a PSF field.
    Field(&'a PsfField),
    /// A round Gaussian of this FWHM in pixels.
    Gaussian(f64),
    /// A round Moffat of this FWHM in pixels and exponent.
    Moffat(f64, f64),
}

/// A source's image ends where it falls to this part of its own peak: 0.1 % of the light of a Moffat with exponent 2.5.
const WING: f64 = 1e-5;
/// And at this distance at the latest, which fits with exponents near 1 would exceed.
const MOST_PX: f64 = 200.0;

impl InjectionPsf<'_> {
    /// FWHM at a place in pixels.
    #[must_use]
    pub fn fwhm(&self, x: f64, y: f64) -> f64 {
        match self {
            Self::Field(field) => field.fwhm_at(x, y),
            Self::Gaussian(fwhm) | Self::Moffat(fwhm, _) => *fwhm,
        }
    }

    /// Model and parameters of a source of flux 1.
    fn unit(&self, x: f64, y: f64) -> (PsfModel, Params) {
        match self {
            Self::Field(field) => (field.model, params_from_shape(field.model, &field.cell_at(x, y).median, 1.0, x, y)),
            Self::Gaussian(fwhm) => {
                let sigma = fwhm / (2.0 * (2.0 * std::f64::consts::LN_2).sqrt());
                (PsfModel::Gaussian, params_from_shape(PsfModel::Gaussian, &[sigma, sigma, 0.0], 1.0, x, y))
            }
            Self::Moffat(fwhm, alpha) => {
                let gamma = 0.5 * fwhm / libm::expm1(std::f64::consts::LN_2 / alpha).sqrt();
                (PsfModel::Moffat, params_from_shape(PsfModel::Moffat, &[gamma, gamma, 0.0, *alpha], 1.0, x, y))
            }
        }
    }

    /// Whether the PSF has a finite, positive total everywhere: a Moffat exponent of 1 has not.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let sound = |(model, params): (PsfModel, Params)| {
            let total = Profile::new(model, &params);
            let total = total.moffat_flux() + total.gauss_flux();
            total.is_finite() && total > 0.0
        };
        match self {
            Self::Field(field) => {
                let shapes = field.cells.iter().map(|cell| &cell.median);
                shapes
                    .into_iter()
                    .all(|shape| sound((field.model, params_from_shape(field.model, shape, 1.0, 0.0, 0.0))))
            }
            Self::Gaussian(_) | Self::Moffat(..) => sound(self.unit(0.0, 0.0)),
        }
    }

    /// The image of a source.
    fn spread(&self, source: &PointSource) -> Spread {
        let (model, unit) = self.unit(source.x, source.y);
        let profile = Profile::new(model, &unit);
        let scale = source.flux / (profile.moffat_flux() + profile.gauss_flux());
        let mut params: Params = [0.0; MAX_PARAMS];
        params.copy_from_slice(&unit);
        params[0] *= scale;
        if model == PsfModel::Compound {
            params[7] *= scale;
        }
        let peak = params[0] + if model == PsfModel::Compound { params[7] } else { 0.0 };
        Spread::new(model, &params, WING * peak, MOST_PX)
    }
}

/// Adds sources to the pixels of an image that have a value and are not masked; with a gain (electrons per unit) also the
/// photon noise of the added light. Returns the flux added before noise.
///
/// `block_rows` rows are made at a time per thread; the result does not depend on it. `go_on` is asked now and then.
pub fn add_light(
    image: &mut Image,
    sources: &[PointSource],
    psf: &InjectionPsf<'_>,
    noise: Option<(f64, u64)>,
    block_rows: usize,
    go_on: impl Fn() -> bool + Sync,
) -> f64 {
    let (width, height) = (image.width(), image.height());
    if width == 0 || height == 0 {
        return 0.0;
    }
    let spread = |i: usize| psf.spread(&sources[i]);
    let index = RowIndex::new(sources.len(), height, block_rows, spread);
    let Image { pixels, mask, .. } = image;
    // Views of images made elsewhere need not be in one piece.
    let mut rows: Vec<_> = pixels.rows_mut().into_iter().collect();
    let added: Vec<Vec<f64>> = rows
        .par_chunks_mut(index.rows())
        .enumerate()
        .map(|(block, rows)| {
            if index.block(block).is_empty() {
                return vec![0.0; rows.len()];
            }
            let mut light = vec![0.0; rows.len() * width];
            add_rows(&index, block, width, &mut light, spread, &go_on);
            let mut sums = Vec::with_capacity(rows.len());
            for (k, (row, light)) in rows.iter_mut().zip(light.chunks(width)).enumerate() {
                let y = block * index.rows() + k;
                let mut draws = noise.map(|(gain, seed)| (gain, Draws::new(seed, Domain::InjectedNoise, 0, y as u64)));
                let mut sum = 0.0;
                for (x, (value, &light)) in row.iter_mut().zip(light).enumerate() {
                    let is_masked = mask.as_ref().is_some_and(|m| m[[y, x]] & LOST != 0);
                    if light <= 0.0 || value.is_nan() || is_masked {
                        continue;
                    }
                    sum += light;
                    let seen = match &mut draws {
                        Some((gain, draws)) => draws.poisson(light * *gain) as f64 / *gain,
                        None => light,
                    };
                    *value = (f64::from(*value) + seen) as f32;
                }
                sums.push(sum);
            }
            sums
        })
        .collect();
    // One sum per row, added in order: the same bits for any number of threads and block height.
    added.into_iter().flatten().fold(0.0, |a, b| a + b)
}
