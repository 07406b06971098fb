//! Contours of one image on the pixels of another of the same sky.

use std::borrow::Cow;

use skyloom_data::Wcs;

/// Grids that agree to this at the corners and the centre are the same; a contour's own error is larger.
const SAME_PX: f64 = 0.01;

/// Contour and light centre of one object on the pixels of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline<'a> {
    /// Vertices `[x, y]`, the first repeated at the end; none where the contour does not lie on that image's sky.
    pub vertices: Cow<'a, [[f64; 2]]>,
    /// Light centre.
    pub centre: [f64; 2],
}

/// How pixels of the image that the contours were drawn on become pixels of another image.
#[derive(Debug, Clone, Copy)]
pub struct Alignment<'a> {
    /// `None`: the same pixels.
    grids: Option<(&'a Wcs, &'a Wcs)>,
}

impl<'a> Alignment<'a> {
    /// Between two images of `width` x `height` pixels. Without world coordinates on both sides pixels are taken to be the same.
    #[must_use]
    pub fn new(from: Option<&'a Wcs>, to: Option<&'a Wcs>, width: usize, height: usize) -> Self {
        let grids = from.zip(to).filter(|(from, to)| from != to && !are_same(from, to, width, height));
        Self { grids }
    }

    /// Whether pixels of both images are the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.grids.is_none()
    }

    /// An object's contour and light centre on the other image.
    #[must_use]
    pub fn outline<'c>(&self, vertices: &'c [[f64; 2]], centre: [f64; 2]) -> Outline<'c> {
        let Some(grids) = self.grids else { return Outline { vertices: vertices.into(), centre } };
        let moved: Option<Vec<[f64; 2]>> = vertices.iter().map(|&at| carry(grids, at)).collect();
        // A light centre that was NaN before stays NaN: it only chooses where the pixel area is taken.
        Outline { vertices: moved.unwrap_or_default().into(), centre: carry(grids, centre).unwrap_or([f64::NAN; 2]) }
    }
}

fn carry((from, to): (&Wcs, &Wcs), [x, y]: [f64; 2]) -> Option<[f64; 2]> {
    let (ra, dec) = from.pixel_to_icrs(x, y)?;
    let (x, y) = to.icrs_to_pixel(ra, dec)?;
    (x.is_finite() && y.is_finite()).then_some([x, y])
}

fn are_same(from: &Wcs, to: &Wcs, width: usize, height: usize) -> bool {
    let (right, top) = (width.saturating_sub(1) as f64, height.saturating_sub(1) as f64);
    let places = [[0.0, 0.0], [right, 0.0], [0.0, top], [right, top], [right / 2.0, top / 2.0]];
    places.into_iter().all(|at| {
        carry((from, to), at).is_some_and(|[x, y]| (x - at[0]).abs() < SAME_PX && (y - at[1]).abs() < SAME_PX)
    })
}
