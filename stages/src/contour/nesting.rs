//! Which contour lies in which: the parents of contours of several levels.

use rayon::prelude::*;

use super::find::Contour;
use crate::measure::polygon::{self, crosses_left_of};

/// Side of the tiles in which contours are looked up, in pixels.
const TILE: usize = 64;

/// Contours of more vertices than this get an index of their edges by row.
const INDEXED_ABOVE: usize = 64;

/// The parent of every contour: the contour of the highest lower level that contains it, as `(level, contour)` indices into
/// `levels`. `None` for the lowest level and for what lies in no other contour.
///
/// `levels` holds the contours of each level, lowest first. Contours of different levels do not cross, so the first
/// vertex decides. Only closed contours around high regions can be parents; when several of one level contain a contour
/// (an island in a hole), the smallest does.
#[must_use]
pub fn link_parents(width: usize, height: usize, levels: &[Vec<Contour>]) -> Vec<Vec<Option<(usize, usize)>>> {
    let lower = &levels[..levels.len().saturating_sub(1)];
    let indices: Vec<LevelIndex<'_>> = lower.par_iter().map(|level| LevelIndex::new(width, height, level)).collect();
    levels
        .iter()
        .enumerate()
        .map(|(k, contours)| {
            contours
                .par_iter()
                .map(|contour| {
                    let [x, y] = contour.vertices[0];
                    (0..k).rev().find_map(|lower| indices[lower].smallest_around(x, y).map(|i| (lower, i)))
                })
                .collect()
        })
        .collect()
}

/// The contours of one level, found by position.
struct LevelIndex<'a> {
    tiles_x: usize,
    /// Entries of tile `t` are `entries[offsets[t]..offsets[t + 1]]`: indices into `islands`.
    offsets: Vec<usize>,
    entries: Vec<usize>,
    islands: Vec<Island<'a>>,
}

/// A contour that can be a parent.
struct Island<'a> {
    index: usize,
    vertices: &'a [[f64; 2]],
    area: f64,
    /// Least x, least y, greatest x, greatest y.
    bounds: [f64; 4],
    /// For large contours: edges `rows[r]..rows[r + 1]` of `edges` start in cell row `floor(least y) + r`.
    rows: Vec<usize>,
    edges: Vec<usize>,
}

impl<'a> LevelIndex<'a> {
    fn new(width: usize, height: usize, contours: &'a [Contour]) -> Self {
        let islands: Vec<Island<'a>> = contours
            .iter()
            .enumerate()
            .filter(|(_, c)| c.is_closed)
            .filter_map(|(index, c)| Island::new(index, &c.vertices))
            .collect();
        let tiles_x = width.div_ceil(TILE).max(1);
        let tiles_y = height.div_ceil(TILE).max(1);
        let covered = |island: &Island<'_>| {
            let tile = |v: f64, n: usize| (v.max(0.0) as usize / TILE).min(n - 1);
            let [x0, y0, x1, y1] = island.bounds;
            let (columns, rows) = (tile(x0, tiles_x)..=tile(x1, tiles_x), tile(y0, tiles_y)..=tile(y1, tiles_y));
            rows.flat_map(move |ty| columns.clone().map(move |tx| ty * tiles_x + tx))
        };
        let mut offsets = vec![0_usize; tiles_x * tiles_y + 1];
        for tile in islands.iter().flat_map(covered) {
            offsets[tile + 1] += 1;
        }
        for t in 1..offsets.len() {
            offsets[t] += offsets[t - 1];
        }
        let mut free = offsets.clone();
        let mut entries = vec![0_usize; offsets[offsets.len() - 1]];
        for (i, island) in islands.iter().enumerate() {
            for tile in covered(island) {
                entries[free[tile]] = i;
                free[tile] += 1;
            }
        }
        Self { tiles_x, offsets, entries, islands }
    }

    /// Index of the contour of least area that contains the point.
    fn smallest_around(&self, x: f64, y: f64) -> Option<usize> {
        let tile = (y.max(0.0) as usize / TILE) * self.tiles_x + (x.max(0.0) as usize / TILE).min(self.tiles_x - 1);
        let range = *self.offsets.get(tile)?..*self.offsets.get(tile + 1)?;
        self.entries[range]
            .iter()
            .map(|&i| &self.islands[i])
            .filter(|island| island.contains(x, y))
            .min_by(|a, b| a.area.total_cmp(&b.area).then(a.index.cmp(&b.index)))
            .map(|island| island.index)
    }
}

impl<'a> Island<'a> {
    fn new(index: usize, vertices: &'a [[f64; 2]]) -> Option<Self> {
        let area = polygon::signed_area(vertices);
        if area <= 0.0 {
            return None;
        }
        let bounds = polygon::bounds(vertices)?;
        let (mut rows, mut edges) = (Vec::new(), Vec::new());
        if vertices.len() > INDEXED_ABOVE {
            // An edge of a contour stays in one row of cells, and with the half-open rule it can only meet
            // points of that row.
            let first = bounds[1].floor();
            let row_of = |i: usize| (vertices[i][1].min(vertices[i + 1][1]).floor() - first) as usize;
            let n_rows = (bounds[3].floor() - first) as usize + 1;
            rows = vec![0; n_rows + 1];
            for i in 0..vertices.len() - 1 {
                rows[row_of(i) + 1] += 1;
            }
            for r in 1..rows.len() {
                rows[r] += rows[r - 1];
            }
            let mut free = rows.clone();
            edges = vec![0; vertices.len() - 1];
            for i in 0..vertices.len() - 1 {
                let slot = &mut free[row_of(i)];
                edges[*slot] = i;
                *slot += 1;
            }
        }
        Some(Self { index, vertices, area, bounds, rows, edges })
    }

    fn contains(&self, x: f64, y: f64) -> bool {
        let [x0, y0, x1, y1] = self.bounds;
        if !(x >= x0 && x <= x1 && y >= y0 && y <= y1) {
            return false;
        }
        if self.rows.is_empty() {
            return polygon::contains(self.vertices, x, y);
        }
        let row = (y.floor() - y0.floor()) as usize;
        let edges = &self.edges[self.rows[row]..self.rows[row + 1]];
        edges.iter().filter(|&&i| crosses_left_of(self.vertices[i], self.vertices[i + 1], x, y)).count() % 2 == 1
    }
}
