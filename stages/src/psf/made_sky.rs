//! Made skies for the tests of this family: stars of one shape with reproducible noise.

use ndarray::Array2;
use skyloom_data::{Image, PsfModel, Table, TableBuilder};

use super::model::{Profile, params_from_shape};

/// Shape of every star, of the compound model: gamma_x, gamma_y, theta_m, alpha, ratio_g, sigma_x, sigma_y, theta_g.
pub(super) const SHAPE: [f64; 8] = [2.4, 2.0, 0.4, 3.0, 0.5, 1.1, 1.0, 0.4];

/// A reproducible sequence in 0..1 (Weyl): enough for noise in a test, the same everywhere. Mean 0, standard deviation 1.
pub(super) fn noise_at(i: usize) -> f64 {
    let weyl = |step: f64| (i as f64 * step).fract();
    (weyl(0.618_033_988_749_895)
        + weyl(0.414_213_562_373_095)
        + weyl(0.732_050_807_568_877)
        + weyl(0.236_067_977_499_79)
        - 2.0)
        * 1.732
}

/// A star: position and peak of the whole model.
pub(super) type Star = (f64, f64, f64);

/// Adds stars to an image out to `reach` pixels.
pub(super) fn add_stars(image: &mut Image, model: PsfModel, shape: &[f64], stars: &[Star], reach: i64) {
    let (width, height) = (image.width() as i64, image.height() as i64);
    for &(x, y, peak) in stars {
        let unit = Profile::new(model, &params_from_shape(model, shape, 1.0, x, y));
        let scale = peak / unit.peak();
        let (cx, cy) = (x.round() as i64, y.round() as i64);
        for py in (cy - reach).max(0)..(cy + reach + 1).min(height) {
            for px in (cx - reach).max(0)..(cx + reach + 1).min(width) {
                image.pixels[[py as usize, px as usize]] += (scale * unit.value(px as f64, py as f64)) as f32;
            }
        }
    }
}

/// Stars of `SHAPE` on a grid of `step` px with noise 1, and the noise map.
pub(super) fn grid_sky(width: usize, height: usize, step: usize, peak: f64) -> (Image, Image, Vec<Star>) {
    let pixels = Array2::from_shape_fn((height, width), |(y, x)| noise_at(y * width + x) as f32);
    let mut image = Image::from_pixels(pixels);
    let mut stars = Vec::new();
    for gy in (step / 2..height).step_by(step) {
        for gx in (step / 2..width).step_by(step) {
            let k = stars.len();
            let shift = |n: usize| 0.37 * noise_at(n).clamp(-1.0, 1.0);
            stars.push((
                gx as f64 + shift(7 * k + 1),
                gy as f64 + shift(11 * k + 5),
                peak * (1.0 + 0.1 * (k % 7) as f64),
            ));
        }
    }
    add_stars(&mut image, PsfModel::Compound, &SHAPE, &stars, step as i64);
    let noise = Image::from_pixels(Array2::ones((height, width)));
    (image, noise, stars)
}

/// A star list with ids from 100 on.
pub(super) fn star_table(stars: &[Star], mag: f64) -> Table {
    TableBuilder::new()
        .int("id", "", "", (0..stars.len() as i64).map(|i| 100 + i).collect())
        .float("x", "px", "", stars.iter().map(|s| s.0).collect())
        .float("y", "px", "", stars.iter().map(|s| s.1).collect())
        .float("mag", "mag", "", vec![mag; stars.len()])
        .build()
        .expect("columns of one length")
}
