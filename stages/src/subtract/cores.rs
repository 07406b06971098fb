//! Connected cores of bright and saturated stars, found once on the input image.

use skyloom_data::{Image, MaskBits};

/// Noise multiples below zero that betray a blanked (zeroed) saturated pixel beside a core.
const DIP_SIGMA: f64 = 5.0;

/// A run of core pixels in one row: columns `x0..x1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub y: usize,
    pub x0: usize,
    pub x1: usize,
}

/// One 8-connected group of core pixels.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Core {
    pub runs: Vec<Run>,
    /// Pixels.
    pub area: usize,
    /// Mean position of the pixels.
    pub x: f64,
    pub y: f64,
    /// Pixels with the SATURATED bit.
    pub n_saturated: usize,
    /// Pixels far below zero: saturated pixels that the survey blanked.
    pub n_dips: usize,
    /// Brightest pixel.
    pub peak: f64,
    /// Largest drop from a core pixel to one of its four neighbours.
    pub drop: f64,
}

/// All cores of an image, and which core a pixel belongs to.
#[derive(Debug, Default)]
pub(super) struct Cores {
    pub list: Vec<Core>,
    /// The mask marks saturated pixels: the shape of a core need not be asked.
    pub is_saturation_known: bool,
    /// Runs of all cores with their core, sorted by row and column.
    index: Vec<(Run, usize)>,
}

impl Cores {
    /// Groups the pixels above `level` times the noise, those marked SATURATED, and deep dips touching them.
    pub fn find(image: &Image, noise: &Image, level: f64) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut row_starts = Vec::with_capacity(image.height() + 1);
        for y in 0..image.height() {
            row_starts.push(runs.len());
            let mut open: Option<usize> = None;
            for x in 0..=image.width() {
                let is_core = x < image.width() && kind(image, noise, level, x, y) != Kind::Sky;
                match (is_core, open) {
                    (true, None) => open = Some(x),
                    (false, Some(x0)) => {
                        runs.push(Run { y, x0, x1: x });
                        open = None;
                    }
                    _ => {}
                }
            }
        }
        row_starts.push(runs.len());
        let group = join_runs(&runs, &row_starts);
        Self::collect(image, noise, level, &runs, &group)
    }

    fn collect(image: &Image, noise: &Image, level: f64, runs: &[Run], group: &[usize]) -> Self {
        let mut cores: Vec<Core> = Vec::new();
        let mut number = vec![usize::MAX; runs.len()];
        let mut has_peak: Vec<bool> = Vec::new();
        for (i, run) in runs.iter().enumerate() {
            let root = group[i];
            if number[root] == usize::MAX {
                number[root] = cores.len();
                cores.push(Core::default());
                has_peak.push(false);
            }
            let n = number[root];
            let core = &mut cores[n];
            core.runs.push(*run);
            for x in run.x0..run.x1 {
                core.area += 1;
                core.x += x as f64;
                core.y += run.y as f64;
                match kind(image, noise, level, x, run.y) {
                    Kind::Saturated => core.n_saturated += 1,
                    Kind::Dip => core.n_dips += 1,
                    Kind::Bright => {
                        has_peak[n] = true;
                        let value = f64::from(image.pixels[[run.y, x]]);
                        core.peak = core.peak.max(value);
                        core.drop = core.drop.max(value - lowest_neighbour(image, x, run.y));
                    }
                    Kind::Sky => {}
                }
            }
        }
        // Dips alone are not a star.
        let keep: Vec<bool> = cores.iter().zip(&has_peak).map(|(c, p)| *p || c.n_saturated > 0).collect();
        let mut list = Vec::new();
        let mut index = Vec::new();
        for (mut core, is_kept) in cores.into_iter().zip(keep) {
            if is_kept {
                core.x /= core.area as f64;
                core.y /= core.area as f64;
                index.extend(core.runs.iter().map(|r| (*r, list.len())));
                list.push(core);
            }
        }
        index.sort_unstable_by_key(|(r, _)| (r.y, r.x0));
        let is_saturation_known = list.iter().any(|core| core.n_saturated > 0);
        Self { list, is_saturation_known, index }
    }

    /// The core at a pixel, or at one of its eight neighbours.
    pub fn near(&self, x: f64, y: f64) -> Option<usize> {
        let (cx, cy) = (x.round() as i64, y.round() as i64);
        for (dx, dy) in [(0, 0), (0, -1), (-1, 0), (1, 0), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)] {
            if let (Ok(ux), Ok(uy)) = (usize::try_from(cx + dx), usize::try_from(cy + dy)) {
                let after = self.index.partition_point(|(r, _)| (r.y, r.x0) <= (uy, ux));
                if let Some((run, core)) = after.checked_sub(1).map(|i| self.index[i])
                    && run.y == uy
                    && ux < run.x1
                {
                    return Some(core);
                }
            }
        }
        None
    }
}

/// The faintest of the four neighbours of a pixel, but not below zero; undefined and masked ones do not count.
fn lowest_neighbour(image: &Image, x: usize, y: usize) -> f64 {
    let bits = MaskBits::BAD | MaskBits::NO_DATA | MaskBits::SATURATED;
    let neighbours = [
        x.checked_sub(1).map(|left| (left, y)),
        y.checked_sub(1).map(|up| (x, up)),
        (x + 1 < image.width()).then_some((x + 1, y)),
        (y + 1 < image.height()).then_some((x, y + 1)),
    ];
    neighbours
        .into_iter()
        .flatten()
        .filter(|&(nx, ny)| image.is_good(nx, ny, bits))
        .fold(f64::INFINITY, |low, (nx, ny)| low.min(f64::from(image.pixels[[ny, nx]]).max(0.0)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sky,
    Bright,
    Dip,
    Saturated,
}

fn kind(image: &Image, noise: &Image, level: f64, x: usize, y: usize) -> Kind {
    let bits = image.mask.as_ref().map_or(0, |m| m[[y, x]]);
    if bits & MaskBits::SATURATED != 0 {
        return Kind::Saturated;
    }
    let (value, sigma) = (f64::from(image.pixels[[y, x]]), f64::from(noise.pixels[[y, x]]));
    let has_noise = sigma > 0.0;
    if bits & (MaskBits::BAD | MaskBits::NO_DATA) != 0 || !has_noise {
        Kind::Sky
    } else if value > level * sigma {
        Kind::Bright
    } else if value < -DIP_SIGMA * sigma {
        Kind::Dip
    } else {
        Kind::Sky
    }
}

/// For each run the first run of its 8-connected group.
fn join_runs(runs: &[Run], row_starts: &[usize]) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..runs.len()).collect();
    fn find(parent: &mut [usize], mut i: usize) -> usize {
        while parent[i] != i {
            parent[i] = parent[parent[i]];
            i = parent[i];
        }
        i
    }
    for y in 1..row_starts.len().saturating_sub(1) {
        let mut above = row_starts[y - 1];
        for here in row_starts[y]..row_starts[y + 1] {
            let run = runs[here];
            // Runs that end left of this one's diagonal neighbour cannot touch later ones either.
            while above < row_starts[y] && runs[above].x1 < run.x0 {
                above += 1;
            }
            let mut other = above;
            while other < row_starts[y] && runs[other].x0 <= run.x1 {
                let (a, b) = (find(&mut parent, here), find(&mut parent, other));
                // The smaller index wins: the root is the first run in raster order.
                parent[a.max(b)] = a.min(b);
                other += 1;
            }
        }
    }
    (0..runs.len()).map(|i| find(&mut parent, i)).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn diagonal_pixels_are_one_core_and_separate_ones_are_two() {
        let mut pixels = Array2::zeros((9, 9));
        for (y, x) in [(1, 1), (2, 2), (3, 1), (6, 6), (6, 7), (1, 7)] {
            pixels[[y, x]] = 500.0;
        }
        pixels[[7, 7]] = -50.0;
        let noise = Image::from_pixels(Array2::ones((9, 9)));
        let cores = Cores::find(&Image::from_pixels(pixels), &noise, 100.0);
        let mut areas: Vec<(usize, usize)> = cores.list.iter().map(|c| (c.area, c.n_dips)).collect();
        areas.sort_unstable();
        assert_eq!(areas, [(1, 0), (3, 0), (3, 1)]);
        assert_eq!(cores.near(2.0, 2.0), cores.near(1.0, 3.0));
        assert_ne!(cores.near(7.0, 1.0), cores.near(6.0, 6.0));
        assert_eq!(cores.near(4.4, 4.0), None);
        assert_eq!(cores.near(-30.0, 4.0), None);
    }
}
