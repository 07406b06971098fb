//! The label image, and which pixels are neighbours.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pixels are neighbours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// Pixels that share an edge.
    Four,
    /// Pixels that share an edge or a corner.
    #[default]
    Eight,
}

impl Connectivity {
    /// Steps `[dx, dy]` to the neighbours: over the edges first, then over the corners, each in raster order.
    #[must_use]
    pub(super) fn steps(self) -> &'static [[isize; 2]] {
        const STEPS: [[isize; 2]; 8] = [[0, -1], [-1, 0], [1, 0], [0, 1], [-1, -1], [1, -1], [-1, 1], [1, 1]];
        match self {
            Self::Four => &STEPS[..4],
            Self::Eight => &STEPS,
        }
    }
}

/// Segments of an image: every pixel has the label of its segment, or 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Labels `1..=n`, and 0 where there is no segment; `[y, x]`.
    pub labels: Array2<u32>,
    /// Number of segments; each of the labels `1..=n` is there.
    pub n: u32,
}

impl Labels {
    /// The label of pixel (`x`, `y`); 0 outside the image.
    #[must_use]
    pub fn at(&self, x: usize, y: usize) -> u32 {
        self.labels.get([y, x]).copied().unwrap_or(0)
    }

    /// Where `label` is.
    #[must_use]
    pub fn mask(&self, label: u32) -> Array2<bool> {
        self.labels.mapv(|l| l == label && l != 0)
    }

    /// Pixels of each segment: the first entry is that of label 1.
    #[must_use]
    pub fn areas(&self) -> Vec<usize> {
        let mut areas = vec![0; self.n as usize];
        for area in self.labels.iter().filter_map(|&l| (l as usize).checked_sub(1)) {
            if let Some(area) = areas.get_mut(area) {
                *area += 1;
            }
        }
        areas
    }

    /// The segment `label` alone, as label 1; no segment when there is no such label. Dividing only the segment of one
    /// star saves the work on its neighbours.
    #[must_use]
    pub fn only(&self, label: u32) -> Self {
        let labels = self.labels.mapv(|l| u32::from(l == label && l != 0));
        Self { labels, n: u32::from(label != 0 && label <= self.n) }
    }
}
