//! Median filter of a mesh.

use ndarray::{Array2, s};

/// Median of a window of `size` cells (rows, columns; odd) around each cell, clipped at the mesh's edge.
///
/// With a threshold only the cells that `levels` puts above it are replaced.
pub(super) fn median_filter(
    mesh: &Array2<f64>,
    size: [usize; 2],
    threshold: Option<(f64, &Array2<f64>)>,
) -> Array2<f64> {
    if size == [1, 1] {
        return mesh.clone();
    }
    let (ny, nx) = mesh.dim();
    let [half_y, half_x] = size.map(|s| s / 2);
    Array2::from_shape_fn((ny, nx), |(y, x)| {
        if let Some((limit, levels)) = threshold
            && levels[[y, x]] <= limit
        {
            return mesh[[y, x]];
        }
        let rows = y.saturating_sub(half_y)..(y + half_y + 1).min(ny);
        let columns = x.saturating_sub(half_x)..(x + half_x + 1).min(nx);
        let mut values: Vec<f64> = mesh.slice(s![rows, columns]).iter().copied().collect();
        values.sort_unstable_by(f64::total_cmp);
        let n = values.len();
        0.5 * (values[(n - 1) / 2] + values[n / 2])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_clipped_at_the_edge() {
        let mesh = Array2::from_shape_vec((2, 3), vec![1.0, 2.0, 30.0, 4.0, 5.0, 6.0]).unwrap();
        let filtered = median_filter(&mesh, [3, 3], None);
        assert_eq!(filtered, Array2::from_shape_vec((2, 3), vec![3.0, 4.5, 5.5, 3.0, 4.5, 5.5]).unwrap());
    }

    #[test]
    fn only_cells_above_the_threshold_change() {
        let mesh = Array2::from_shape_vec((1, 4), vec![1.0, 9.0, 2.0, 3.0]).unwrap();
        let filtered = median_filter(&mesh, [1, 3], Some((8.0, &mesh)));
        assert_eq!(filtered, Array2::from_shape_vec((1, 4), vec![1.0, 2.0, 2.0, 3.0]).unwrap());
    }
}
