//! What pixels with the bit INTERPOLATED are to the stages: to fits of stars the same as SATURATED ones, to all others pixels like any.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use skyloom_data::fits::image_to_fits_bytes;
use skyloom_data::{Image, Isophotes, MaskBits, PsfField, PsfSet, Table, TableBuilder};
use skyloom_engine::Digest;
use skyloom_testkit::Harness;

use super::made_sky::{Star, grid_sky};
use super::*;
use crate::background::masked_mesh::MaskedMeshBackground;
use crate::background::mesh::MeshBackground;
use crate::background::nebuliser::Nebulise;
use crate::contour::Trace;
use crate::detect::DetectStars;
use crate::measure::MeasureIsophotes;
use crate::photometry::IsophotalPhotometry;
use crate::photometry::psf::PsfPhotometry;
use crate::subtract::{SubtractCatalogue, SubtractStars};

/// 64 stars; the cores of every eighth are flat, as a pipeline leaves them that interpolates over saturation.
struct Sky {
    image: Image,
    noise: Image,
    stars: Vec<Star>,
}

fn sky() -> Sky {
    let (mut image, noise, stars) = grid_sky(400, 400, 50, 300.0);
    image.meta.band = Some("r".to_owned());
    image.meta.zero_point = Some(25.0);
    for at in core_pixels(&stars) {
        image.pixels[at] = image.pixels[at].min(200.0);
    }
    Sky { image, noise, stars }
}

fn core_pixels(stars: &[Star]) -> Vec<[usize; 2]> {
    let near = |&(x, y, _): &Star| {
        let (cx, cy) = (x.round() as usize, y.round() as usize);
        (cy - 1..=cy + 1).flat_map(move |y| (cx - 1..=cx + 1).map(move |x| [y, x]))
    };
    stars.iter().step_by(8).flat_map(near).collect()
}

impl Sky {
    fn marked(&self, bits: u16) -> Image {
        let mut image = self.image.clone();
        let mut mask = ndarray::Array2::zeros(image.pixels.dim());
        for at in core_pixels(&self.stars) {
            mask[at] = bits;
        }
        image.mask = (bits != 0).then_some(mask);
        image
    }

    fn list(&self) -> Table {
        let column = |value: &dyn Fn(&Star) -> f64| self.stars.iter().map(value).collect();
        TableBuilder::new()
            .int("id", "", "", (0..self.stars.len() as i64).collect())
            .float("x", "px", "", column(&|s| s.0))
            .float("y", "px", "", column(&|s| s.1))
            .float("flux", "", "", column(&|s| 20.0 * s.2))
            .float("mag", "mag", "", column(&|_| 16.0))
            .build()
            .expect("columns of one length")
    }

    fn psf(&self, model: PsfShape) -> PsfField {
        let stage = self.harness(PsfFit { model, ..PsfFit::default() }).input("stars", self.list());
        let outcome = stage.input("image", self.marked(MaskBits::SATURATED)).run().expect("a PSF");
        outcome.get::<PsfField>("psf").as_ref().clone()
    }

    fn harness(&self, stage: impl skyloom_engine::Stage + 'static) -> Harness {
        Harness::new(stage).input("noise", self.noise.clone())
    }

    /// Digests of what the stage makes of the sky with these bits; masks, which are passed on, are left out.
    fn made(&self, harness: &Harness, bits: u16) -> BTreeMap<String, Digest> {
        let outcome = harness.clone().input("image", self.marked(bits)).run().expect("the stage runs");
        let mut digests = outcome.digests().expect("products that can be encoded");
        for (port, product) in &outcome.outputs {
            let any: Arc<dyn Any + Send + Sync> = Arc::clone(product) as _;
            if let Ok(image) = any.downcast::<Image>() {
                let bytes = image_to_fits_bytes(&image, false).expect("a file");
                digests.insert(port.clone(), Digest::of(&bytes));
            }
        }
        digests
    }
}

#[test]
fn fits_of_stars_leave_interpolated_pixels_out_as_saturated_ones() {
    let sky = sky();
    let psf = sky.psf(PsfShape::Moffat);
    let set = PsfSet {
        faint_moffat: psf.clone(),
        bright_moffat: psf.clone(),
        faint_compound: sky.psf(PsfShape::Compound),
        bright_compound: sky.psf(PsfShape::Compound),
    };
    let stages = [
        ("psf.fit", sky.harness(PsfFit::default())),
        ("psf.select_isolated", sky.harness(SelectIsolated::default())),
        ("psf.fit_faint", sky.harness(FitFaint::default())),
        ("psf.fit_bright", sky.harness(FitBright { core_counts: Some(1e6), ..FitBright::default() }).input("set", set)),
        ("photometry.psf", sky.harness(PsfPhotometry::default()).input("psf", psf)),
    ];
    for (kind, harness) in stages {
        let harness = harness.input("stars", sky.list());
        let interpolated = sky.made(&harness, MaskBits::INTERPOLATED);
        assert_eq!(interpolated, sky.made(&harness, MaskBits::SATURATED), "{kind}");
        assert_ne!(interpolated, sky.made(&harness, 0), "{kind} does not notice the bit");
    }
}

#[test]
fn to_all_other_stages_interpolated_pixels_are_like_any() {
    let sky = sky();
    let trace = sky.harness(Trace { levels_sigma: vec![20.0], ..Trace::default() });
    let traced = trace.clone().input("image", sky.image.clone()).run().expect("contours").get::<Isophotes>("isophotes");
    assert_eq!(traced.contours.len(), sky.stars.len(), "one per star");
    let measure = MeasureIsophotes {
        fwhm_px: Some(3.0),
        min_r_geo_fwhm: 0.0,
        edge_distance_px: 0.0,
        ..MeasureIsophotes::default()
    };
    let measure = sky.harness(measure).shared_input("isophotes", traced.clone());
    let shapes = measure.clone().input("image", sky.image.clone()).run().expect("measures").get::<Table>("table");
    let light =
        sky.harness(IsophotalPhotometry::default()).shared_input("isophotes", traced).shared_input("table", shapes);
    let psf = sky.psf(PsfShape::Moffat);
    let set = PsfSet {
        faint_moffat: psf.clone(),
        bright_moffat: psf.clone(),
        faint_compound: sky.psf(PsfShape::Compound),
        bright_compound: sky.psf(PsfShape::Compound),
    };
    let detect = DetectStars { threshold_sigma: Some(5.0), ..DetectStars::new(3.0) };
    let catalogue = SubtractCatalogue { core_counts: Some(1e6), ..SubtractCatalogue::default() };
    let stages = [
        ("background.nebulise", Harness::new(Nebulise::new(31, 11))),
        ("background.mesh", Harness::new(MeshBackground::default())),
        ("background.masked_mesh", Harness::new(MaskedMeshBackground::default())),
        ("detect.stars", sky.harness(detect)),
        ("contour.trace", trace),
        ("measure.isophotes", measure),
        ("photometry.isophotal", light),
        ("subtract.stars", sky.harness(SubtractStars::default()).input("stars", sky.list()).input("psf", psf)),
        ("subtract.catalogue", sky.harness(catalogue).input("stars", sky.list()).input("psf", set)),
    ];
    for (kind, harness) in stages {
        assert_eq!(sky.made(&harness, MaskBits::INTERPOLATED), sky.made(&harness, 0), "{kind}");
    }
}
