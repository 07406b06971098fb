//! Connected components above a threshold.

use ndarray::{Array2, ArrayView2};

use super::labels::{Connectivity, Labels};

/// What a pixel must exceed to belong to a segment.
#[derive(Debug, Clone, Copy)]
pub enum Threshold<'a> {
    /// The same for all pixels.
    Value(f32),
    /// Per pixel, `[y, x]`. Where it is NaN, and outside the map, no pixel belongs.
    Map(ArrayView2<'a, f32>),
}

/// The label of a pixel whose component was too small. Labels never get so far: an image has no room for as many segments.
const TOO_SMALL: u32 = u32::MAX;

/// Segments of at least `n_pixels` connected pixels whose values exceed the threshold (strictly; NaN never does).
///
/// Labels run from 1 in raster order of the first pixel of each segment.
///
/// ```
/// use ndarray::array;
/// use skyloom_stages::segment::{Connectivity, Threshold, detect_sources};
///
/// let image = array![[5.0_f32, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 5.0]];
/// let found = detect_sources(image.view(), Threshold::Value(1.0), 2, Connectivity::Eight);
/// assert_eq!(found.labels, array![[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]);
/// assert_eq!(detect_sources(image.view(), Threshold::Value(1.0), 2, Connectivity::Four).n, 0);
/// ```
#[must_use]
pub fn detect_sources(
    image: ArrayView2<'_, f32>,
    threshold: Threshold<'_>,
    n_pixels: usize,
    connectivity: Connectivity,
) -> Labels {
    let (height, width) = image.dim();
    let belongs = |x: usize, y: usize| {
        let value = image[[y, x]];
        match threshold {
            Threshold::Value(t) => value > t,
            Threshold::Map(map) => map.get([y, x]).is_some_and(|&t| value > t),
        }
    };
    match label_components((width, height), belongs, n_pixels, connectivity, || true) {
        Some(labels) => labels,
        None => Labels { labels: Array2::zeros((height, width)), n: 0 },
    }
}

/// Components of at least `n_pixels` of the pixels (x, y) of a `width` x `height` image that `belongs` names; `None` when
/// `go_on`, asked once per row, says no.
pub(super) fn label_components(
    (width, height): (usize, usize),
    belongs: impl Fn(usize, usize) -> bool,
    n_pixels: usize,
    connectivity: Connectivity,
    go_on: impl Fn() -> bool,
) -> Option<Labels> {
    let mut labels = Array2::zeros((height, width));
    let steps = connectivity.steps();
    let mut n = 0_u32;
    // Pixels of the component, in the order of their discovery; those before `done` have shown their neighbours.
    let mut component: Vec<[usize; 2]> = Vec::new();
    for y in 0..height {
        if !go_on() {
            return None;
        }
        for x in 0..width {
            if labels[[y, x]] != 0 || !belongs(x, y) {
                continue;
            }
            let label = n + 1;
            labels[[y, x]] = label;
            component.clear();
            component.push([x, y]);
            let mut done = 0;
            while let Some(&[px, py]) = component.get(done) {
                done += 1;
                for &[dx, dy] in steps {
                    let (Some(qx), Some(qy)) = (px.checked_add_signed(dx), py.checked_add_signed(dy)) else { continue };
                    if qx < width && qy < height && labels[[qy, qx]] == 0 && belongs(qx, qy) {
                        labels[[qy, qx]] = label;
                        component.push([qx, qy]);
                    }
                }
            }
            if component.len() >= n_pixels {
                n = label;
            } else {
                component.iter().for_each(|&[px, py]| labels[[py, px]] = TOO_SMALL);
            }
        }
    }
    labels.mapv_inplace(|l| if l == TOO_SMALL { 0 } else { l });
    Some(Labels { labels, n })
}
