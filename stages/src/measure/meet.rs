//! Which polygons meet, and which boxes may hold them.

use super::polygon;

/// Whether two closed polygons share a point: their edges touch or cross, or one lies inside the other.
///
/// Polygons are lists of vertices `[x, y]`; the first vertex may be repeated at the end. A polygon without vertices or
/// with one that is not finite meets nothing. Touching counts as far as rounding can tell.
#[must_use]
pub fn polygons_meet(a: &[[f64; 2]], b: &[[f64; 2]]) -> bool {
    let (Some(box_a), Some(box_b)) = (polygon::bounds(a), polygon::bounds(b)) else { return false };
    let Some(common) = overlap(box_a, box_b) else { return false };
    // A polygon inside the other has all its vertices there; otherwise edges cross.
    if polygon::contains(b, a[0][0], a[0][1]) || polygon::contains(a, b[0][0], b[0][1]) {
        return true;
    }
    // Only edges that reach the common part of both boxes can meet. By row of their upper end, each finds its few
    // partners without a look at the others.
    let near = |vertices: &[[f64; 2]]| {
        let edges = vertices.iter().zip(vertices.iter().cycle().skip(1)).take(vertices.len());
        let mut edges: Vec<Edge> = edges
            .map(|(&from, &to)| Edge { from, to, bounds: edge_bounds(from, to) })
            .filter(|edge| overlap(edge.bounds, common).is_some())
            .collect();
        edges.sort_unstable_by(|e, f| e.bounds[1].total_cmp(&f.bounds[1]));
        edges
    };
    let (edges_a, edges_b) = (near(a), near(b));
    let tallest = edges_b.iter().map(|e| e.bounds[3] - e.bounds[1]).fold(0.0, f64::max);
    edges_a.iter().any(|e| {
        let first = edges_b.partition_point(|f| f.bounds[1] < e.bounds[1] - tallest);
        edges_b[first..]
            .iter()
            .take_while(|f| f.bounds[1] <= e.bounds[3])
            .any(|f| overlap(e.bounds, f.bounds).is_some() && segments_meet(e, f))
    })
}

struct Edge {
    from: [f64; 2],
    to: [f64; 2],
    bounds: [f64; 4],
}

fn edge_bounds(a: [f64; 2], b: [f64; 2]) -> [f64; 4] {
    [a[0].min(b[0]), a[1].min(b[1]), a[0].max(b[0]), a[1].max(b[1])]
}

/// The common part of two boxes `[least x, least y, greatest x, greatest y]`; touching counts.
fn overlap(a: [f64; 4], b: [f64; 4]) -> Option<[f64; 4]> {
    let common = [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])];
    (common[0] <= common[2] && common[1] <= common[3]).then_some(common)
}

/// Whether two edges whose boxes overlap share a point: the ends of each lie on both sides of the other, or on it.
fn segments_meet(e: &Edge, f: &Edge) -> bool {
    // Relative to the first end: far from the origin the products would lose digits.
    let side = |of: &Edge, p: [f64; 2]| {
        let (ux, uy) = (of.to[0] - of.from[0], of.to[1] - of.from[1]);
        ux * (p[1] - of.from[1]) - uy * (p[0] - of.from[0])
    };
    let both = |s: f64, t: f64| (s >= 0.0 && t <= 0.0) || (s <= 0.0 && t >= 0.0);
    both(side(e, f.from), side(e, f.to)) && both(side(f, e.from), side(f, e.to))
}

/// Boxes by position: finds those that reach into another box without a look at all of them.
#[derive(Debug, Clone)]
pub struct BoxIndex {
    boxes: Vec<[f64; 4]>,
    /// Position of the grid's first cell.
    origin: [f64; 2],
    cell: f64,
    n_x: usize,
    n_y: usize,
    /// Boxes of cell `t` are `entries[offsets[t]..offsets[t + 1]]`.
    offsets: Vec<usize>,
    entries: Vec<usize>,
}

/// Most cells along an axis: bounds the memory of the grid, whatever the extent.
const MOST_CELLS: f64 = 1024.0;

impl BoxIndex {
    /// An index of boxes `[least x, least y, greatest x, greatest y]`. `None`, and boxes that are not finite, are never found.
    #[must_use]
    pub fn new(boxes: impl IntoIterator<Item = Option<[f64; 4]>>) -> Self {
        let nowhere = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let sound = |b: &[f64; 4]| b.iter().all(|v| v.is_finite()) && b[0] <= b[2] && b[1] <= b[3];
        let boxes: Vec<[f64; 4]> = boxes.into_iter().map(|b| b.filter(sound).unwrap_or(nowhere)).collect();
        let extent = boxes
            .iter()
            .filter(|b| sound(b))
            .fold(nowhere, |e, b| [e[0].min(b[0]), e[1].min(b[1]), e[2].max(b[2]), e[3].max(b[3])]);
        let (size, origin) = if sound(&extent) {
            ((extent[2] - extent[0]).max(extent[3] - extent[1]), [extent[0], extent[1]])
        } else {
            (0.0, [0.0, 0.0])
        };
        // 64 px: larger than most isophotes, small beside an image.
        let cell = (size / MOST_CELLS).max(64.0);
        let count = |span: f64| if span > 0.0 { (span / cell) as usize + 1 } else { 1 };
        let (n_x, n_y) = (count(extent[2] - extent[0]), count(extent[3] - extent[1]));
        let mut index = Self { boxes, origin, cell, n_x, n_y, offsets: vec![0; n_x * n_y + 1], entries: Vec::new() };
        let covered: Vec<(usize, usize)> = (0..index.boxes.len())
            .filter(|&i| sound(&index.boxes[i]))
            .flat_map(|i| index.cells(index.boxes[i]).map(move |cell| (cell, i)))
            .collect();
        for &(cell, _) in &covered {
            index.offsets[cell + 1] += 1;
        }
        for t in 1..index.offsets.len() {
            index.offsets[t] += index.offsets[t - 1];
        }
        let mut free = index.offsets.clone();
        index.entries = vec![0; covered.len()];
        for (cell, i) in covered {
            index.entries[free[cell]] = i;
            free[cell] += 1;
        }
        index
    }

    fn cells(&self, bounds: [f64; 4]) -> impl Iterator<Item = usize> + use<> {
        let at = |v: f64, axis: usize, n: usize| (((v - self.origin[axis]) / self.cell).max(0.0) as usize).min(n - 1);
        let (x0, x1) = (at(bounds[0], 0, self.n_x), at(bounds[2], 0, self.n_x));
        let (y0, y1) = (at(bounds[1], 1, self.n_y), at(bounds[3], 1, self.n_y));
        let n_x = self.n_x;
        (y0..=y1).flat_map(move |y| (x0..=x1).map(move |x| y * n_x + x))
    }

    /// Indices of the boxes that share a point with `bounds`, rising.
    #[must_use]
    pub fn reaching(&self, bounds: [f64; 4]) -> Vec<usize> {
        if bounds.iter().any(|v| v.is_nan()) {
            return Vec::new();
        }
        let mut found: Vec<usize> = self
            .cells(bounds)
            .flat_map(|cell| &self.entries[self.offsets[cell]..self.offsets[cell + 1]])
            .copied()
            .filter(|&i| overlap(self.boxes[i], bounds).is_some())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, y: f64, side: f64) -> Vec<[f64; 2]> {
        vec![[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    }

    fn both_ways(a: &[[f64; 2]], b: &[[f64; 2]]) -> bool {
        let found = polygons_meet(a, b);
        assert_eq!(found, polygons_meet(b, a));
        found
    }

    #[test]
    fn polygons_that_cross_touch_or_lie_inside_meet() {
        let a = square(0.0, 0.0, 10.0);
        assert!(both_ways(&a, &square(5.0, 5.0, 10.0)), "corners cross");
        assert!(both_ways(&a, &square(2.0, 2.0, 3.0)), "inside");
        assert!(both_ways(&a, &square(10.0, 3.0, 3.0)), "a shared piece of edge");
        assert!(both_ways(&a, &square(10.0, 10.0, 3.0)), "a shared corner");
        assert!(both_ways(&a, &a), "the same");
        let bar = [[-5.0, 4.0], [15.0, 4.0], [15.0, 5.0], [-5.0, 5.0]];
        assert!(both_ways(&a, &bar), "a bar across, with no vertex inside");
        assert!(!both_ways(&a, &square(10.1, 3.0, 3.0)));
    }

    #[test]
    fn a_polygon_in_the_bay_of_another_does_not_meet_it() {
        let bay =
            [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [8.0, 10.0], [8.0, 2.0], [2.0, 2.0], [2.0, 10.0], [0.0, 10.0]];
        assert!(!both_ways(&bay, &square(4.0, 4.0, 2.0)));
        assert!(both_ways(&bay, &square(4.0, 1.5, 2.0)));
    }

    #[test]
    fn what_is_no_polygon_meets_nothing() {
        let a = square(0.0, 0.0, 10.0);
        assert!(!both_ways(&a, &[]));
        assert!(!both_ways(&a, &[[1.0, f64::NAN], [2.0, 2.0], [3.0, 1.0]]));
    }

    #[test]
    fn the_answer_equals_a_look_at_every_pair_of_edges() {
        // Wavy rings of many vertices at positions that cross, nest and miss.
        let ring = |cx: f64, cy: f64, r: f64, n: usize, waves: f64| -> Vec<[f64; 2]> {
            (0..n)
                .map(|k| {
                    let t = std::f64::consts::TAU * k as f64 / n as f64;
                    let r = r * (1.0 + 0.3 * libm::cos(waves * t));
                    [cx + r * libm::cos(t), cy + r * libm::sin(t)]
                })
                .collect()
        };
        let slow = |a: &[[f64; 2]], b: &[[f64; 2]]| {
            let edges = |v: &[[f64; 2]]| -> Vec<Edge> {
                (0..v.len())
                    .map(|i| {
                        let (from, to) = (v[i], v[(i + 1) % v.len()]);
                        Edge { from, to, bounds: edge_bounds(from, to) }
                    })
                    .collect()
            };
            edges(a)
                .iter()
                .any(|e| edges(b).iter().any(|f| overlap(e.bounds, f.bounds).is_some() && segments_meet(e, f)))
                || polygon::contains(a, b[0][0], b[0][1])
                || polygon::contains(b, a[0][0], a[0][1])
        };
        let a = ring(50.0, 50.0, 20.0, 300, 5.0);
        let mut n_meeting = 0;
        for i in 0..400 {
            let (x, y) = (20.0 + 3.1 * f64::from(i % 20), 20.0 + 3.1 * f64::from(i / 20));
            let b = ring(x, y, 2.0 + f64::from(i % 7), 40, 3.0);
            assert_eq!(both_ways(&a, &b), slow(&a, &b), "{x}, {y}");
            n_meeting += usize::from(slow(&a, &b));
        }
        assert!(n_meeting > 50 && n_meeting < 380, "{n_meeting}");
    }

    #[test]
    fn the_index_finds_what_a_look_at_every_box_finds() {
        let boxes: Vec<Option<[f64; 4]>> = (0..500_u32)
            .map(|i| {
                let (x, y) = (f64::from(i * 37 % 1009) * 3.0, f64::from(i * 101 % 997) * 2.0);
                (i % 50 != 0).then(|| [x, y, x + f64::from(i % 90) * 5.0, y + f64::from(i % 13)])
            })
            .collect();
        let index = BoxIndex::new(boxes.iter().copied());
        for query in [[0.0, 0.0, 50.0, 50.0], [-90.0, -90.0, -1.0, -1.0], [700.0, 300.0, 701.0, 2300.0], [1e9; 4]] {
            let expected: Vec<usize> =
                (0..boxes.len()).filter(|&i| boxes[i].is_some_and(|b| overlap(b, query).is_some())).collect();
            assert_eq!(index.reaching(query), expected);
        }
        assert!(BoxIndex::new([]).reaching([0.0, 0.0, 1.0, 1.0]).is_empty());
        assert!(BoxIndex::new([None]).reaching([0.0, 0.0, 1.0, 1.0]).is_empty());
        assert_eq!(BoxIndex::new([Some([5.0; 4])]).reaching([0.0, 0.0, 9.0, 9.0]), [0]);
    }
}
