//! A made scene of clusters and other light on noise of 1, for tests: the same on every machine.

use ndarray::Array2;
use skyloom_data::{Image, PsfCell, PsfField, PsfModel, Table, TableBuilder};

/// Width of the PSF: a Gaussian of FWHM 2.6 px.
pub(crate) const SIGMA: f64 = 1.104;

/// Value of a round Gaussian of flux 1.
pub(crate) fn gaussian_star(dx: f64, dy: f64, sigma: f64) -> f64 {
    libm::exp(-0.5 * (dx * dx + dy * dy) / (sigma * sigma)) / (2.0 * std::f64::consts::PI * sigma * sigma)
}

/// Light on noise of standard deviation 1.
pub(crate) struct MadeScene {
    pixels: Array2<f64>,
    stars: Vec<[f64; 2]>,
    state: u64,
}

impl MadeScene {
    /// Noise alone.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let mut scene = Self { pixels: Array2::zeros((height, width)), stars: Vec::new(), state: 1 };
        let noise: Vec<f64> = (0..width * height).map(|_| scene.normal()).collect();
        scene.pixels = Array2::from_shape_fn((height, width), |(y, x)| noise[y * width + x]);
        scene
    }

    /// An even number from 0 to 1 (linear congruence).
    fn even(&mut self) -> f64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 40) as f64 / f64::from(1 << 24)
    }

    /// A normal number (sum of twelve even ones).
    fn normal(&mut self) -> f64 {
        (0..12).fold(-6.0, |sum, _| sum + self.even())
    }

    /// More light.
    pub(crate) fn add(mut self, light: impl Fn(f64, f64) -> f64) -> Self {
        self.pixels.indexed_iter_mut().for_each(|((y, x), v)| *v += light(x as f64, y as f64));
        self
    }

    /// A star.
    pub(crate) fn star(mut self, x: f64, y: f64, flux: f64) -> Self {
        self.stars.push([x, y]);
        let (height, width) = self.pixels.dim();
        let range = |c: f64, size: usize| ((c - 12.0).max(0.0) as usize)..((c + 13.0).max(0.0) as usize).min(size);
        for py in range(y, height) {
            for px in range(x, width) {
                self.pixels[[py, px]] += flux * gaussian_star(px as f64 - x, py as f64 - y, SIGMA);
            }
        }
        self
    }

    /// A Plummer sphere of `n` stars of flux 60 on average.
    pub(crate) fn cluster(mut self, cx: f64, cy: f64, r_half: f64, n: usize) -> Self {
        for _ in 0..n {
            let u = 0.01 + 0.9 * self.even();
            let (r, angle) = (r_half * (u / (1.0 - u)).sqrt(), 2.0 * std::f64::consts::PI * self.even());
            let flux = 20.0 + 80.0 * self.even();
            self = self.star(cx + r * libm::cos(angle), cy + r * libm::sin(angle), flux);
        }
        self
    }

    /// The image; zero point 25, 1 s.
    pub(crate) fn image(&self) -> Image {
        let mut image = Image::from_pixels(self.pixels.mapv(|v| v as f32));
        image.meta.zero_point = Some(25.0);
        image
    }

    /// All stars, of 19 mag.
    pub(crate) fn star_table(&self) -> Table {
        let column = |k: usize| self.stars.iter().map(|s| s[k]).collect();
        TableBuilder::new()
            .float("x", "px", "", column(0))
            .float("y", "px", "", column(1))
            .float("mag", "mag", "", vec![19.0; self.stars.len()])
            .build()
            .expect("columns of one length")
    }

    /// The PSF.
    pub(crate) fn psf(&self) -> PsfField {
        let cell = PsfCell {
            n_stars: 9,
            median: vec![SIGMA, SIGMA, 0.0],
            scatter: vec![0.0; 3],
            fwhm: 2.6,
            is_borrowed: false,
        };
        let (height, width) = self.pixels.dim();
        PsfField { model: PsfModel::Gaussian, width, height, n_x: 1, n_y: 1, cells: vec![cell] }
    }
}
