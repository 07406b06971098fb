//! The pixels of a fit, laid out for the kernels.

use super::{GROUP, Slot};
use crate::psf::levenberg::FitPixel;

/// Pixels of a fit in groups; what a group has left over weighs nothing.
#[derive(Debug, Clone, Default)]
pub struct FitPixels {
    pub(super) groups: Vec<Group>,
    n: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub x: Slot,
    pub y: Slot,
    pub value: Slot,
    pub weight: Slot,
}

impl FitPixels {
    /// Takes out all pixels and keeps the memory.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.n = 0;
    }

    /// Takes these pixels in place of all others.
    pub fn replace(&mut self, pixels: &[FitPixel]) {
        self.groups.clear();
        self.n = pixels.len();
        self.groups.extend(pixels.chunks(GROUP).map(|chunk| {
            // Spare pixels lie at a place where any model is finite.
            let spare = FitPixel { value: 0.0, weight: 0.0, ..chunk[0] };
            let at = |k: usize| chunk.get(k).unwrap_or(&spare);
            Group {
                x: std::array::from_fn(|k| at(k).x),
                y: std::array::from_fn(|k| at(k).y),
                value: std::array::from_fn(|k| at(k).value),
                weight: std::array::from_fn(|k| at(k).weight),
            }
        }));
    }

    /// Adds a pixel.
    pub fn push(&mut self, pixel: FitPixel) {
        let slot = self.n % GROUP;
        if slot == 0 {
            // Spare pixels lie at a place where any model is finite.
            let (x, y) = ([pixel.x; GROUP], [pixel.y; GROUP]);
            self.groups.push(Group { x, y, value: [0.0; GROUP], weight: [0.0; GROUP] });
        }
        if let Some(group) = self.groups.last_mut() {
            (group.x[slot], group.y[slot]) = (pixel.x, pixel.y);
            (group.value[slot], group.weight[slot]) = (pixel.value, pixel.weight);
        }
        self.n += 1;
    }

    /// Number of pixels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The pixels, in their order.
    pub fn iter(&self) -> impl Iterator<Item = FitPixel> + '_ {
        (0..self.n).map(|i| {
            let (group, slot) = (&self.groups[i / GROUP], i % GROUP);
            FitPixel { x: group.x[slot], y: group.y[slot], value: group.value[slot], weight: group.weight[slot] }
        })
    }
}

impl Extend<FitPixel> for FitPixels {
    fn extend<I: IntoIterator<Item = FitPixel>>(&mut self, pixels: I) {
        pixels.into_iter().for_each(|pixel| self.push(pixel));
    }
}

impl FromIterator<FitPixel> for FitPixels {
    fn from_iter<I: IntoIterator<Item = FitPixel>>(pixels: I) -> Self {
        let mut all = Self::default();
        all.extend(pixels);
        all
    }
}
