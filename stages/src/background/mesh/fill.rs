//! Filling the excluded cells of a mesh from their nearest neighbours.

use ndarray::Array2;
use rayon::prelude::*;

/// Neighbours that a filled cell is made of.
const NEIGHBOURS: usize = 10;

/// Replaces NaN cells by the mean of the nearest good cells, weighted by the inverse of the distance in cells.
///
/// Cells at equal distance are taken in raster order. `false` when there is no good cell at all.
pub(super) fn fill_cells(mesh: &mut Array2<f64>) -> bool {
    let (ny, nx) = mesh.dim();
    let holes: Vec<(usize, usize)> = mesh.indexed_iter().filter(|(_, v)| v.is_nan()).map(|(at, _)| at).collect();
    if holes.len() == mesh.len() {
        return false;
    }
    let good = &*mesh;
    let filled: Vec<f64> = holes
        .par_iter()
        .map(|&(y, x)| {
            let mut reach = 3;
            loop {
                let is_whole_mesh = reach >= ny.max(nx);
                let mut found: Vec<(usize, usize, usize)> = Vec::new();
                for row in y.saturating_sub(reach)..(y + reach + 1).min(ny) {
                    for column in x.saturating_sub(reach)..(x + reach + 1).min(nx) {
                        let d2 = row.abs_diff(y).pow(2) + column.abs_diff(x).pow(2);
                        // Beyond the reach some neighbours of the same distance were not looked at.
                        if (is_whole_mesh || d2 <= reach * reach) && !good[[row, column]].is_nan() {
                            found.push((d2, row, column));
                        }
                    }
                }
                if found.len() >= NEIGHBOURS || is_whole_mesh {
                    found.sort_unstable();
                    found.truncate(NEIGHBOURS);
                    let (mut sum, mut weights) = (0.0, 0.0);
                    for (d2, row, column) in found {
                        let weight = 1.0 / (d2 as f64).sqrt();
                        sum += weight * good[[row, column]];
                        weights += weight;
                    }
                    return sum / weights;
                }
                reach *= 2;
            }
        })
        .collect();
    for (at, value) in holes.into_iter().zip(filled) {
        mesh[at] = value;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_takes_the_ten_nearest_by_inverse_distance() {
        let mut mesh = Array2::from_shape_fn((5, 5), |(y, x)| (y * 5 + x) as f64);
        mesh[[0, 0]] = f64::NAN;
        fill_cells(&mut mesh);
        // Distances^2 1, 1, 2, 4, 4, 5, 5, 8, and of the two at 9 and two at 10 the first two: (0,3) and (3,0).
        let near = [(0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0)];
        let weight = |&(y, x): &(usize, usize)| 1.0 / ((y * y + x * x) as f64).sqrt();
        let sum: f64 = near.iter().map(|at| weight(at) * (at.0 * 5 + at.1) as f64).fold(0.0, |a, b| a + b);
        let weights: f64 = near.iter().map(weight).fold(0.0, |a, b| a + b);
        assert!((mesh[[0, 0]] - sum / weights).abs() < 1e-12);
    }

    #[test]
    fn far_holes_are_filled_and_a_mesh_of_holes_is_refused() {
        let mut mesh = Array2::from_elem((40, 3), f64::NAN);
        assert!(!fill_cells(&mut mesh));
        mesh[[39, 2]] = 7.0;
        assert!(fill_cells(&mut mesh));
        assert!(mesh.iter().all(|v| (v - 7.0).abs() < 1e-12));
    }
}
