//! Flooding a segment from its markers.

use std::collections::BinaryHeap;

use super::markers::SegmentPixels;

/// A pixel that waits to pass its basin on: brightest first, then first come.
#[derive(Debug, PartialEq)]
struct Waiting {
    value: f64,
    age: u64,
    pixel: u32,
}

impl Eq for Waiting {}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.total_cmp(&other.value).then(other.age.cmp(&self.age))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Work space of [`Flood::fill`], kept from segment to segment.
#[derive(Debug, Default)]
pub(super) struct Flood {
    heap: BinaryHeap<Waiting>,
}

impl Flood {
    /// Gives every pixel without basin (0) that can be reached the basin of the neighbour from which the flood arrives first:
    /// a watershed of the negative image (Meyer 1991). Among equal values the pixel that was reached first goes first.
    pub(super) fn fill(&mut self, pixels: &SegmentPixels, basin: &mut [u32]) {
        self.heap.clear();
        let mut age = 0;
        for i in 0..basin.len() as u32 {
            // Pixels inside a basin have nobody to pass it on to.
            if basin[i as usize] != 0 && pixels.neighbours(i).any(|j| basin[j as usize] == 0) {
                self.heap.push(Waiting { value: pixels.values[i as usize], age, pixel: i });
                age += 1;
            }
        }
        while let Some(Waiting { pixel, .. }) = self.heap.pop() {
            for j in pixels.neighbours(pixel) {
                if basin[j as usize] == 0 {
                    basin[j as usize] = basin[pixel as usize];
                    self.heap.push(Waiting { value: pixels.values[j as usize], age, pixel: j });
                    age += 1;
                }
            }
        }
    }
}
