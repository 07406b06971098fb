//! Opening and growing of pixel masks.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

/// The mask without its parts that are too small for a pixel and its four neighbours (opening by a cross). Beyond the edge
/// there is nothing.
#[must_use]
pub fn open(mask: ArrayView2<'_, bool>) -> Array2<bool> {
    let eroded = with_neighbours(mask, |own, n_set| own && n_set == 4);
    dilate(eroded.view(), 1)
}

/// The mask grown by `n` pixels: everything within `n` steps over pixel edges.
#[must_use]
pub fn dilate(mask: ArrayView2<'_, bool>, n: usize) -> Array2<bool> {
    (0..n).fold(mask.to_owned(), |mask, _| with_neighbours(mask.view(), |own, n_set| own || n_set > 0))
}

/// A new mask from each pixel and how many of its four neighbours are set.
fn with_neighbours(mask: ArrayView2<'_, bool>, decide: impl Fn(bool, usize) -> bool + Sync) -> Array2<bool> {
    let (height, width) = mask.dim();
    let mut result = Array2::from_elem((height, width), false);
    result.outer_iter_mut().into_par_iter().enumerate().for_each(|(y, mut row)| {
        for (x, to) in row.iter_mut().enumerate() {
            let near = [
                y > 0 && mask[[y - 1, x]],
                x > 0 && mask[[y, x - 1]],
                x + 1 < width && mask[[y, x + 1]],
                y + 1 < height && mask[[y + 1, x]],
            ];
            *to = decide(mask[[y, x]], near.iter().filter(|set| **set).count());
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_drops_lines_and_keeps_crosses() {
        let mut mask = Array2::from_elem((9, 12), false);
        mask.row_mut(1).fill(true);
        for (y, x) in [(5, 5), (4, 5), (6, 5), (5, 4), (5, 6)] {
            mask[[y, x]] = true;
        }
        let opened = open(mask.view());
        assert_eq!(opened.iter().filter(|v| **v).count(), 5);
        assert!(opened[[5, 5]] && opened[[4, 5]]);
    }

    #[test]
    fn growing_makes_a_diamond_and_stops_at_the_edge() {
        let mut mask = Array2::from_elem((9, 9), false);
        mask[[4, 4]] = true;
        assert_eq!(dilate(mask.view(), 3).iter().filter(|v| **v).count(), 25);
        mask.fill(false);
        mask[[0, 0]] = true;
        assert_eq!(dilate(mask.view(), 2).iter().filter(|v| **v).count(), 6);
        assert_eq!(dilate(mask.view(), 0), mask);
    }
}
