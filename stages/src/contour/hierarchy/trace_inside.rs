//! The contours at rising levels inside one root.

use super::regions::{Window, regions_above};
use crate::contour::find::{Contour, ContourOptions, DEFAULT_BAND_ROWS, Orientation, trace_levels};
use crate::contour::marching::Saddle;
use crate::contour::nesting::link_parents;
use crate::measure::polygon;

/// Which levels are traced, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NestedOptions {
    /// The lowest level.
    pub first: f64,
    /// Distance between levels, greater than 0.
    pub step: f64,
    /// Most levels.
    pub max_levels: usize,
    /// What saddle cells join.
    pub saddle: Saddle,
}

/// One contour inside a root.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested<M> {
    /// Its level.
    pub level: f64,
    /// The nested contour of the highest lower level that contains it, as an index into the list; `None` when only the root does.
    pub parent: Option<usize>,
    /// Vertices `[x, y]` in pixels of the image.
    pub vertices: Vec<[f64; 2]>,
    /// What `judge` measured.
    pub measures: M,
}

/// Measures a closed contour at a level, or leaves it out.
pub type Judge<'a, M> = &'a dyn Fn(f64, &[[f64; 2]]) -> Option<M>;

/// What [`trace_inside`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced<M> {
    /// The contours, ordered by level, then by first vertex in raster order.
    pub nested: Vec<Nested<M>>,
    /// Whether there is light above the last level that was traced.
    pub is_cut_short: bool,
}

/// Traces the contours inside a root, level by level until there is nothing above a level.
///
/// `bounds` is the box of the root's polygon, `regions` are the connected regions above the first level that reach into it, `image`
/// is the whole image as a window. `judge(level, vertices)` measures a closed contour around high pixels whose box reaches into the root's, and returns `None` to
/// leave it out: its children then hang on the nearest contour around it that was kept. `fill(y, x0, row)` writes signal-to-noise; `go_on` says no to stop: `None`.
///
/// Only as much of the image is traced as the regions above each level need, so that no contour is cut open by the
/// cut-out: the result equals that of tracing the whole image at every level.
pub fn trace_inside<M>(
    bounds: [f64; 4],
    regions: &[Window],
    image: Window,
    options: &NestedOptions,
    fill: &(dyn Fn(usize, usize, &mut [f64]) + Sync),
    judge: Judge<'_, M>,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Option<Traced<M>> {
    let mut traced = Traced { nested: Vec::new(), is_cut_short: false };
    let Some(outer) = cut_out(regions, bounds, image) else { return Some(traced) };
    let contour_options = ContourOptions {
        saddle: options.saddle,
        orientation: Orientation::Low,
        drop_holes: true,
        drop_open: true,
        min_area: 0.0,
    };
    // Per level, the contours that reach into the root's box; vertices count from the corner of `outer`.
    let mut levels: Vec<Vec<Contour>> = Vec::new();
    let mut window = outer;
    for k in 0.. {
        let level = options.first + k as f64 * options.step;
        if k > 0 {
            let fill = |y: usize, row: &mut [f64]| fill(y, window.x0, row);
            let regions = regions_above(window, level, &fill, go_on)?;
            match cut_out(&regions, bounds, window) {
                None => break,
                Some(inner) => window = inner,
            }
        }
        if k >= options.max_levels {
            traced.is_cut_short = true;
            break;
        }
        let fill = |y: usize, row: &mut [f64]| fill(window.y0 + y, window.x0, row);
        let (width, height) = (window.width(), window.height());
        let found = trace_levels(width, height, &[level], &contour_options, DEFAULT_BAND_ROWS, &fill, &|_| go_on())?;
        let shift = [(window.x0 - outer.x0) as f64, (window.y0 - outer.y0) as f64];
        let contours = found.into_iter().flatten().map(|mut contour| {
            contour.vertices.iter_mut().for_each(|v| *v = [v[0] + shift[0], v[1] + shift[1]]);
            contour
        });
        let corner = [outer.x0 as f64, outer.y0 as f64];
        let local = [bounds[0] - corner[0], bounds[1] - corner[1], bounds[2] - corner[0], bounds[3] - corner[1]];
        levels.push(contours.filter(|c| polygon::bounds(&c.vertices).is_some_and(|b| meets(b, local))).collect());
    }

    let parents = link_parents(outer.width(), outer.height(), &levels);
    let corner = [outer.x0 as f64, outer.y0 as f64];
    // Index in the result of the nearest kept contour at or around each.
    let mut anchors: Vec<Vec<Option<usize>>> = Vec::with_capacity(levels.len());
    for (k, (contours, parents)) in levels.into_iter().zip(parents).enumerate() {
        let level = options.first + k as f64 * options.step;
        let mut own = Vec::with_capacity(contours.len());
        for (contour, parent) in contours.into_iter().zip(parents) {
            let parent = parent.and_then(|(level, index)| anchors[level][index]);
            let vertices: Vec<[f64; 2]> =
                contour.vertices.into_iter().map(|v| [v[0] + corner[0], v[1] + corner[1]]).collect();
            own.push(match judge(level, &vertices) {
                None => parent,
                Some(measures) => {
                    traced.nested.push(Nested { level, parent, vertices, measures });
                    Some(traced.nested.len() - 1)
                }
            });
        }
        anchors.push(own);
        if !go_on() {
            return None;
        }
    }
    Some(traced)
}

/// The window of all regions that reach into `bounds`, with room for their contours; `None` when there are none.
fn cut_out(regions: &[Window], bounds: [f64; 4], within: Window) -> Option<Window> {
    let reaching = regions.iter().copied().filter(|r| meets(r.reach(), bounds));
    // One pixel below the level closes every contour; a second one is not needed but costs nothing.
    reaching.reduce(Window::union).map(|window| window.grown(2, within))
}

fn meets(a: [f64; 4], b: [f64; 4]) -> bool {
    a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3]
}
