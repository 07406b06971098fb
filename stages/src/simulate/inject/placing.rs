//! Places for planted objects: away from the edge, from masked pixels, from each other.

use skyloom_data::{Image, MaskBits};

use super::super::draws::Draws;

/// Where objects may lie.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The image: its size, masked pixels and pixels without a value.
    pub image: &'a Image,
    /// Smallest distance of a centre from the outermost pixel centres.
    pub edge_px: f64,
    /// Radius around a centre without masked pixels.
    pub clearance_px: f64,
    /// Smallest distance between two centres.
    pub separation_px: f64,
}

/// Trials per object: where one in a hundred places is free, one object in 20,000 is lost.
const TRIALS: usize = 1000;

/// Bits of pixels that hold no usable light.
pub(super) const LOST: u16 = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED;

/// A place for every object, drawn from its own stream; `None` when there is none. In order, because each keeps its distance
/// from those before.
#[must_use]
pub fn place_objects(ground: &Ground<'_>, streams: impl Iterator<Item = Draws>) -> Vec<Option<(f64, f64)>> {
    let mut placed: Vec<(f64, f64)> = Vec::new();
    streams
        .map(|mut draws| {
            let found = (0..TRIALS).find_map(|_| ground.trial(&mut draws, &placed));
            placed.extend(found);
            found
        })
        .collect()
}

impl Ground<'_> {
    fn trial(&self, draws: &mut Draws, placed: &[(f64, f64)]) -> Option<(f64, f64)> {
        let (u, v) = (draws.uniform(), draws.uniform());
        let span = |size: usize| (self.edge_px, size as f64 - 1.0 - self.edge_px);
        let ((x0, x1), (y0, y1)) = (span(self.image.width()), span(self.image.height()));
        if x1 < x0 || y1 < y0 {
            return None;
        }
        let (x, y) = (x0 + u * (x1 - x0), y0 + v * (y1 - y0));
        let far = self.separation_px.powi(2);
        let is_free = placed.iter().all(|(px, py)| (px - x).powi(2) + (py - y).powi(2) >= far);
        (is_free && self.is_clear(x, y)).then_some((x, y))
    }

    fn is_clear(&self, x: f64, y: f64) -> bool {
        let reach = |v: f64, size: usize| {
            let low = (v - self.clearance_px).floor().max(0.0) as usize;
            let high = ((v + self.clearance_px).ceil().max(0.0) as usize + 1).min(size);
            low..high
        };
        let columns = reach(x, self.image.width());
        reach(y, self.image.height()).all(|row| {
            columns.clone().all(|column| {
                let square = (column as f64 - x).powi(2) + (row as f64 - y).powi(2);
                // The pixel under the centre counts whatever the clearance.
                square > self.clearance_px.powi(2).max(0.5) || self.image.is_good(column, row, LOST)
            })
        })
    }
}
