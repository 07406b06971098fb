//! Behaviour of the removal on made stars and clusters.

use ndarray::Array2;
use skyloom_data::{Card, CardValue, Image, MaskBits, PsfCell, PsfField, PsfModel, PsfSet, Table, TableBuilder};
use skyloom_engine::{ErrorClass, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;
use crate::psf::{CatalogueStar, Profile, params_from_shape};
use crate::subtract::Schedule;

const SIZE: usize = 260;
const ZERO_POINT: f64 = 25.0;
const MOFFAT: [f64; 4] = [2.2, 2.0, 0.4, 3.0];
const COMPOUND: [f64; 8] = [2.3, 2.1, 0.4, 2.6, 0.5, 1.2, 1.0, 0.2];

/// A reproducible sequence near the standard normal distribution.
fn noise_at(i: usize) -> f64 {
    let weyl = |step: f64| (i as f64 * step).fract();
    (weyl(0.618_033_988_749_895)
        + weyl(0.414_213_562_373_095)
        + weyl(0.732_050_807_568_877)
        + weyl(0.236_067_977_499_79)
        - 2.0)
        * 1.732
}

fn field(model: PsfModel, shape: &[f64], scatter: f64) -> PsfField {
    let profile = Profile::new(model, &params_from_shape(model, shape, 1.0, 0.0, 0.0));
    let cell = PsfCell {
        n_stars: 50,
        median: shape.to_vec(),
        scatter: shape.iter().map(|v| scatter * v.abs()).collect(),
        fwhm: profile.mean_fwhm(),
        is_borrowed: false,
    };
    PsfField { model, width: SIZE, height: SIZE, n_x: 1, n_y: 1, cells: vec![cell] }
}

fn psf() -> PsfSet {
    PsfSet {
        faint_moffat: field(PsfModel::Moffat, &MOFFAT, 0.05),
        faint_compound: field(PsfModel::Compound, &COMPOUND, 0.05),
        bright_moffat: field(PsfModel::Moffat, &MOFFAT, 0.05),
        bright_compound: field(PsfModel::Compound, &COMPOUND, 0.05),
    }
}

fn flux_of(mag: f64) -> f64 {
    libm::pow(10.0, 0.4 * (ZERO_POINT - mag))
}

fn profile_of(star: &CatalogueStar) -> Profile {
    let unit = Profile::new(PsfModel::Compound, &params_from_shape(PsfModel::Compound, &COMPOUND, 1.0, 0.0, 0.0));
    let amplitude = flux_of(star.mag) / unit.flux();
    Profile::new(PsfModel::Compound, &params_from_shape(PsfModel::Compound, &COMPOUND, amplitude, star.x, star.y))
}

/// An image of noise 1 with stars of the compound PSF; pixels above `saturation` become the lowest value there is.
fn sky(stars: &[CatalogueStar], saturation: f64) -> Image {
    let profiles: Vec<Profile> = stars.iter().map(profile_of).collect();
    let mut image = Image::from_pixels(Array2::from_shape_fn((SIZE, SIZE), |(y, x)| {
        let light = profiles.iter().fold(0.0, |sum, p| sum + p.value(x as f64, y as f64));
        if light > saturation { -5000.0 } else { (noise_at(y * SIZE + x) + light) as f32 }
    }));
    image.meta.zero_point = Some(ZERO_POINT);
    image.meta.cards = vec![Card { key: "TOTEXP".into(), value: CardValue::Float(9315.0), comment: String::new() }];
    image
}

fn flat_noise() -> Image {
    Image::from_pixels(Array2::ones((SIZE, SIZE)))
}

fn star(id: i64, x: f64, y: f64, mag: f64) -> CatalogueStar {
    CatalogueStar::new(id, x, y, mag)
}

/// A crowded field with stars of all classes.
fn crowd() -> Vec<CatalogueStar> {
    (0..240)
        .map(|i| {
            let t = f64::from(i);
            let place = |step: f64| 4.0 + (t * step).fract() * (SIZE as f64 - 8.0);
            star(i64::from(i), place(0.754_877_666), place(0.569_840_291), 12.5 + 8.0 * (t / 239.0).sqrt())
        })
        .collect()
}

fn params() -> SubtractCatalogue {
    SubtractCatalogue { saturated_below_sigma: -50.0, keep_cores_zero: true, ..SubtractCatalogue::default() }
}

fn subtract(image: &Image, stars: &[CatalogueStar], params: &SubtractCatalogue) -> CatalogueSubtraction {
    subtract_catalogue(image, &flat_noise(), &psf(), stars, 143.3, params, Schedule::Levels, &|| true)
        .expect("the removal succeeds")
}

fn rms_near(image: &Array2<f32>, x: f64, y: f64, radius: f64) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for ((py, px), &v) in image.indexed_iter() {
        if libm::hypot(px as f64 - x, py as f64 - y) <= radius && v != 0.0 {
            sum += f64::from(v) * f64::from(v);
            n += 1.0;
        }
    }
    (sum / n).sqrt()
}

pub(super) fn table_of(stars: &[CatalogueStar]) -> Table {
    let column = |f: fn(&CatalogueStar) -> f64| stars.iter().map(f).collect();
    TableBuilder::new()
        .int("id", "", "", stars.iter().map(|s| s.id).collect())
        .float("x", "px", "", column(|s| s.x))
        .float("y", "px", "", column(|s| s.y))
        .float("mag", "mag", "", column(|s| s.mag))
        .float("prob", "", "", column(|s| s.prob))
        .float("sharp", "", "", column(|s| s.sharp))
        .float("parallax", "mas", "", column(|s| s.parallax))
        .float("parallax_error", "mas", "", column(|s| s.parallax_error))
        .build()
        .expect("a table")
}

fn harness(image: Image, stars: &[CatalogueStar]) -> Harness {
    Harness::new(params())
        .input("image", image)
        .input("noise", flat_noise())
        .input("stars", table_of(stars))
        .input("psf", psf())
}

#[test]
fn isolated_stars_of_every_class_leave_noise() {
    let stars = [
        star(1, 60.3, 60.8, 12.2),
        star(2, 180.1, 70.4, 13.6),
        star(3, 70.7, 190.2, 15.8),
        star(4, 190.4, 190.9, 19.5),
    ];
    let done = subtract(&sky(&stars, 1e9), &stars, &params());
    for (record, star) in done.records.iter().zip(&stars) {
        assert!(record.is_removed(), "{star:?}: {record:?}");
        let rms = rms_near(&done.pixels, star.x, star.y, 6.0);
        assert!(rms < 1.25, "{star:?} leaves {rms}");
        assert!((record.x - star.x).abs() < 0.1 && (record.y - star.y).abs() < 0.1, "{record:?}");
        let dmag = ZERO_POINT - 2.5 * libm::log10(record.flux) - star.mag;
        assert!(dmag.abs() < 0.2, "{star:?}: {dmag} mag off");
    }
    assert_eq!(done.records[0].treatment, Treatment::Core);
    assert_eq!(done.records[3].treatment, Treatment::Whole);
    let core = done.mask.as_ref().expect("a mask").iter().filter(|&&m| m & MaskBits::CORE != 0).count();
    assert!(core > 10);
}

#[test]
fn a_level_at_a_time_gives_the_bits_of_one_after_the_other() {
    let stars = crowd();
    let image = sky(&stars, 2e4);
    let run = |schedule| {
        subtract_catalogue(&image, &flat_noise(), &psf(), &stars, 143.3, &params(), schedule, &|| true).expect("done")
    };
    let (one, many) = (run(Schedule::Sequential), run(Schedule::Levels));
    assert!(many.n_levels < one.n_levels / 2, "{} levels", many.n_levels);
    assert!(one.pixels.iter().zip(&many.pixels).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert_eq!(one.mask, many.mask);
    assert_eq!(format!("{:?}", one.records), format!("{:?}", many.records));
    assert!(one.records.iter().filter(|r| r.is_removed()).count() > 150);
}

#[test]
fn a_duplicate_is_skipped_and_so_is_a_star_that_is_not_there() {
    let real = star(1, 100.2, 100.7, 16.0);
    let again = star(2, 100.8, 100.5, 16.3);
    let ghost = star(3, 40.0, 200.0, 18.0);
    let done = subtract(&sky(&[real], 1e9), &[ghost, again, real], &params());
    assert_eq!(done.records[0].flags, CatalogueFlags::REMOVED_BEFORE);
    assert_eq!(done.records[1].flags, CatalogueFlags::DUPLICATE);
    assert!(done.records[2].is_removed());
}

#[test]
fn sources_that_are_no_stars_stay() {
    let stars = [
        CatalogueStar { prob: 0.1, ..star(1, 60.0, 60.0, 16.0) },
        CatalogueStar { sharp: 0.9, ..star(2, 160.0, 60.0, 16.0) },
        CatalogueStar { prob: 0.9, sharp: 0.0, ..star(3, 60.0, 160.0, 16.0) },
        star(4, 160.0, 160.0, 23.0),
        star(5, f64::NAN, 10.0, 16.0),
        star(6, 900.0, 10.0, 16.0),
    ];
    let done = subtract(&sky(&stars[..4], 1e9), &stars, &params());
    let flags: Vec<i64> = done.records.iter().map(|r| r.flags).collect();
    use CatalogueFlags as F;
    assert_eq!(flags, [F::PROBABILITY, F::SHARPNESS, 0, F::FAINT, F::OUTSIDE, F::OUTSIDE]);
    assert_eq!(done.records.iter().filter(|r| r.is_removed()).count(), 1);
}

#[test]
fn a_saturated_star_loses_its_segment_and_its_hole() {
    let stars = [star(1, 100.0, 100.0, 11.0), star(2, 200.0, 200.0, 18.5)];
    let image = sky(&stars, 5000.0);
    assert!(image.pixels[[100, 100]] < -1000.0);
    let done = subtract(&image, &stars, &params());
    assert_eq!(done.records[0].treatment, Treatment::Saturated);
    assert_eq!(done.records[1].treatment, Treatment::Whole);
    assert_eq!(done.pixels.iter().filter(|&&v| v < -100.0).count(), 0);
    assert!(done.pixels[[100, 100]] == 0.0 && done.pixels[[100, 107]] == 0.0);
}

#[test]
fn foreground_stars_leave_both_images_and_others_only_the_residual() {
    let near = CatalogueStar { parallax: 1.5, parallax_error: 0.05, ..star(1, 70.2, 70.1, 15.5) };
    let unsure = CatalogueStar { parallax: 1.5, parallax_error: 0.5, ..star(2, 180.2, 180.1, 15.5) };
    let stars = [unsure, near];
    let done = subtract(&sky(&stars, 1e9), &stars, &params());
    assert!(rms_near(&done.foreground_pixels, 70.2, 70.1, 5.0) < 1.3);
    assert!(rms_near(&done.foreground_pixels, 180.2, 180.1, 5.0) > 20.0);
    assert!(rms_near(&done.pixels, 180.2, 180.1, 5.0) < 1.3);
    assert_eq!(done.records[1].flags, CatalogueFlags::FOREGROUND);
}

#[test]
fn masked_and_missing_pixels_are_left_out_and_an_empty_catalogue_changes_nothing() {
    let stars = [star(1, 100.0, 100.0, 15.0), star(2, 30.0, 30.0, 15.0)];
    let mut image = sky(&stars, 1e9);
    let mut mask = Array2::zeros((SIZE, SIZE));
    image.pixels[[100, 101]] = f32::NAN;
    mask[[101, 100]] = MaskBits::BAD;
    image.pixels[[101, 100]] = 9e9;
    image.pixels.slice_mut(ndarray::s![20..41, 20..41]).fill(f32::NAN);
    image.mask = Some(mask);
    let done = subtract(&image, &stars, &params());
    assert!(done.records[0].is_removed() && !done.records[1].is_removed());
    assert!(done.pixels[[100, 101]].is_nan());
    let ring = rms_near(&done.pixels.mapv(|v| if v.is_nan() || v > 1e8 { 0.0 } else { v }), 100.0, 100.0, 6.0);
    assert!(ring < 1.3, "{ring}");
    let none = subtract(&image, &[], &params());
    assert!(none.records.is_empty());
    assert!(none.pixels.iter().zip(&image.pixels).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn a_missing_integration_time_is_an_error_that_says_what_to_do() {
    let mut image = sky(&[], 1e9);
    image.meta.cards.clear();
    let error = harness(image, &[]).run().expect_err("no core level");
    assert_eq!(error.class, ErrorClass::Config);
    assert!(error.to_string().contains("TOTEXP"), "{error}");
}

#[test]
fn rows_out_of_order_and_even_cut_outs_are_refused() {
    let mut stage = params();
    stage.classes.swap(0, 1);
    stage.classes[2].cutout_px = 50;
    stage.saturated[0].deblend_contrast = f64::NAN;
    let mut problems = Problems::new();
    stage.check(&mut problems);
    assert_eq!(problems.list().len(), 3, "{problems:?}");
}

determinism_test!(subtract_catalogue_is_deterministic, harness(sky(&crowd(), 2e4), &crowd()));
golden_test!(
    subtract_catalogue_is_frozen,
    harness(sky(&crowd()[..60], 2e4), &crowd()[..60]),
    version: 4,
    digest: "b4c35fd647d6"
);

#[test]
fn shifted_rows_take_stars_that_are_fainter_by_the_shift() {
    let deep = SubtractCatalogue { class_shift_mag: 5.0, ..params() }.shifted();
    for mag in [8.0, 10.5, 11.0, 13.5, 16.5, 21.5, 22.0] {
        assert_eq!(deep.row_of(mag + 5.0).map(|r| r.0), params().row_of(mag).map(|r| r.0), "{mag}");
    }
    assert_eq!((deep.saturated[1].max_mag, deep.foreground_cutout_max_mag), (22.0, 18.0));
    assert_eq!(params().shifted(), params());
}
