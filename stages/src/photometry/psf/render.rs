//! The image without the models of all stars.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::psf::Profile;

/// One star as it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn {
    pub(super) profile: Profile,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) radius: f64,
}

/// Rows that are drawn together. Every pixel adds its stars in their order, so the height changes nothing.
const BAND: usize = 64;

/// `image` minus all stars, each drawn inside its radius.
pub(super) fn without_stars(
    image: ArrayView2<'_, f32>,
    stars: &[Drawn],
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Array2<f32> {
    let (height, width) = image.dim();
    // Stars by the bands that they reach, each list in the order of the stars.
    let mut bands: Vec<Vec<usize>> = vec![Vec::new(); height.div_ceil(BAND)];
    for (i, star) in stars.iter().enumerate() {
        let (first, last) = rows(star, height);
        if first <= last {
            for band in &mut bands[first / BAND..=last / BAND] {
                band.push(i);
            }
        }
    }
    let mut result = image.to_owned();
    result.axis_chunks_iter_mut(Axis(0), BAND).into_par_iter().enumerate().for_each(|(b, mut band)| {
        if is_stopped() {
            return;
        }
        let mut model = Array2::<f64>::zeros(band.dim());
        for &i in &bands[b] {
            let star = &stars[i];
            let (first, last) = rows(star, height);
            let (low, high) = (first.max(b * BAND), last.min(b * BAND + band.nrows() - 1));
            for y in low..=high {
                let dy = y as f64 - star.y;
                let half = (star.radius * star.radius - dy * dy).max(0.0).sqrt();
                let start = (star.x - half).ceil().max(0.0) as usize;
                let end = ((star.x + half).floor() + 1.0).clamp(0.0, width as f64) as usize;
                for x in start..end {
                    model[[y - b * BAND, x]] += star.profile.value(x as f64, y as f64);
                }
            }
        }
        ndarray::Zip::from(&mut band).and(&model).for_each(|v, &m| *v = (f64::from(*v) - m) as f32);
    });
    result
}

/// First and last row that a star reaches; first behind last for none.
fn rows(star: &Drawn, height: usize) -> (usize, usize) {
    let (low, high) = ((star.y - star.radius).ceil(), (star.y + star.radius).floor());
    // Also for positions that are not finite.
    if !(high >= 0.0 && low <= height as f64 - 1.0 && low <= high) {
        return (1, 0);
    }
    (low.max(0.0) as usize, (high as usize).min(height - 1))
}
