//! Behaviour of the faint fits on made stars.

use ndarray::Array2;
use skyloom_data::{Image, MaskBits, PsfModel, Table};
use skyloom_engine::{CancelToken, ErrorClass, Facets, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;
use crate::psf::fitted_star::FitFlags;
use crate::psf::made_sky::{SHAPE, add_stars, grid_sky, star_table};
use crate::psf::model::{Profile, params_from_shape};
use crate::psf::{StarPosition, Weighting};

fn harness(stage: FitFaint, image: Image, noise: Image, stars: Table) -> Harness {
    Harness::new(stage).input("image", image).input("noise", noise).input("stars", stars)
}

/// One star without noise on a cut-out of 41 px.
fn perfect(model: PsfModel, shape: &[f64], peak: f64) -> (Image, Image) {
    let mut image = Image::from_pixels(Array2::zeros((41, 41)));
    add_stars(&mut image, model, shape, &[(20.3, 19.8, peak)], 40);
    (image, Image::from_pixels(Array2::ones((41, 41))))
}

const AT: StarPosition = StarPosition { id: 7, x: 20.0, y: 20.0 };

#[test]
fn the_outline_of_a_star_is_its_ellipse() {
    let shape = [2.6, 1.9, 0.5, 3.0];
    let (image, _) = perfect(PsfModel::Moffat, &shape, 1000.0);
    let found = outline(image.pixels.mapv(f64::from).view(), 25.0, 20.0, 20.0).expect("a contour of 25");
    // A Moffat falls from 1000 to 25 where 1 + (u/gamma)^2 = 40^(1/3).
    let k = (libm::cbrt(40.0) - 1.0).sqrt();
    assert!((found.centre[0] - 20.3).abs() < 0.05 && (found.centre[1] - 19.8).abs() < 0.05, "{found:?}");
    // Linear interpolation between pixels moves a contour by some hundredths of a pixel.
    assert!((found.a - 2.6 * k).abs() < 0.1 && (found.b - 1.9 * k).abs() < 0.1, "{found:?}, {k}");
    assert!((found.pa_deg.to_radians() - 0.5).abs() < 0.02, "{found:?}");
    for (level, x) in [(2000.0, 20.0), (25.0, 5.0)] {
        assert_eq!(outline(image.pixels.mapv(f64::from).view(), level, x, 20.0), None);
    }
}

#[test]
fn the_start_of_a_gaussian_star_is_already_the_star() {
    let (image, _) = perfect(PsfModel::Gaussian, &[2.2, 1.6, -0.7], 1000.0);
    let values = image.pixels.mapv(f64::from);
    let ellipse = outline(values.view(), 25.0, 20.0, 20.0).expect("a contour of 25");
    let start = gaussian_start(values.view(), &ellipse, 40.0).expect("a start");
    // The interpolant of a Gaussian of 1.6 px is good to a per cent.
    for (value, truth) in start.iter().zip([1000.0, 20.3, 19.8, 2.2, 1.6, -0.7]) {
        let off = if truth == -0.7 { crate::psf::model::fold_angle(value - truth) } else { value - truth };
        assert!(off.abs() < 0.02 * truth.abs().max(1.0), "{start:?}");
    }
}

#[test]
fn a_perfect_star_gives_all_eleven_parameters() {
    let (image, noise) = perfect(PsfModel::Compound, &SHAPE, 1000.0);
    let found = fit_faint_star(&image, &noise, AT, &FitFaint::default());
    assert_eq!(found.flags, 0);
    assert_eq!((found.star, found.n_pixels, found.fits.len()), (AT, 31 * 31, 3));
    let compound = found.fit(PsfModel::Compound).expect("a compound fit");
    let truth = params_from_shape(PsfModel::Compound, &SHAPE, 1000.0 / 1.5, 20.3, 19.8);
    // The pixels are rounded to f32: relative 6e-8, which the correlated parameters amplify.
    for (value, expected) in compound.params.iter().zip(&truth) {
        assert!((value - expected).abs() < 2e-2 * expected.abs().max(0.1), "{:?}\n{truth:?}", compound.params);
    }
    let moffat = found.fit(PsfModel::Moffat).expect("a Moffat fit");
    assert!(compound.chi2 < 1e-3 * moffat.chi2 && moffat.chi2 < found.fits[0].chi2);
}

#[test]
fn fits_of_noisy_stars_scatter_about_the_truth() {
    let (image, noise, stars) = grid_sky(240, 240, 40, 300.0);
    for weighting in [Weighting::Uniform, Weighting::Noise] {
        let stage = FitFaint { weighting, ..FitFaint::default() };
        let outcome = harness(stage, image.clone(), noise.clone(), star_table(&stars, 16.0)).run().expect("runs");
        let table = outcome.get::<Table>("table");
        assert_eq!(table.n_rows(), 36);
        assert_eq!(table.ints("id").expect("a column")[35], Some(135));
        assert!(
            table
                .ints("flags")
                .expect("a column")
                .iter()
                .all(|f| f.is_some_and(|f| f & FitFlags::spoils(PsfModel::Moffat) == 0))
        );
        let column = |name: &str| table.floats(name).expect("a column");
        for (found, star) in column("moffat_x").iter().zip(&stars).chain(column("compound_x").iter().zip(&stars)) {
            assert!((found - star.0).abs() < 0.05, "a peak of 300 sigma is centred to better than 0.01 px");
        }
        let truth =
            Profile::new(PsfModel::Compound, &params_from_shape(PsfModel::Compound, &SHAPE, 1.0, 0.0, 0.0)).mean_fwhm();
        let fwhm = crate::psf::median(&column("moffat_fwhm"));
        // A Moffat is not the true shape.
        assert!((fwhm - truth).abs() < 0.06, "{fwhm} {truth}");
        let fwhm = crate::psf::median(&column("compound_fwhm"));
        assert!((fwhm - truth).abs() < 0.02, "{fwhm} {truth}");
    }
}

#[test]
fn stars_that_cannot_be_fitted_are_rows_with_flags() {
    let (mut image, noise, mut stars) = grid_sky(160, 160, 80, 300.0);
    image.pixels[[40, 40]] = f32::NAN;
    let mut mask = Array2::zeros((160, 160));
    mask.slice_mut(ndarray::s![80.., ..80]).fill(MaskBits::BAD);
    image.mask = Some(mask);
    stars[3] = (80.0, 100.0, 0.0);
    stars.extend([(f64::NAN, 5.0, 0.0), (-3.0, 5.0, 0.0), (1e300, 5.0, 0.0)]);
    let outcome = harness(FitFaint::default(), image, noise, star_table(&stars, 16.0)).run().expect("runs");
    let table = outcome.get::<Table>("table");
    let flags: Vec<i64> = table.ints("flags").expect("a column").into_iter().flatten().collect();
    let later = FitFlags::TOO_FEW_PIXELS;
    // Star 0 has a hole and is fitted around it, star 2 has only masked pixels, star 3 is not there.
    assert_eq!(flags, [0, 0, later, FitFlags::NO_OUTLINE, later, later, later]);
    let x = table.floats("moffat_x").expect("a column");
    assert!(x[3].is_nan() && x[1].is_finite());
    assert_eq!(table.ints("n_pixels").expect("a column")[..2], [Some(31 * 31 - 1), Some(31 * 31)]);
}

#[test]
fn a_star_at_the_edge_is_fitted_on_the_pixels_that_are_there() {
    let mut image = Image::from_pixels(Array2::zeros((40, 40)));
    add_stars(&mut image, PsfModel::Compound, &SHAPE, &[(7.3, 20.2, 500.0)], 40);
    let noise = Image::from_pixels(Array2::ones((40, 40)));
    let found = fit_faint_star(&image, &noise, StarPosition { id: 1, x: 7.0, y: 20.0 }, &FitFaint::default());
    assert_eq!((found.flags, found.n_pixels), (0, 31 * 23));
    assert!((found.fits[1].params[1] - 7.3).abs() < 0.01);
}

#[test]
fn odd_inputs_give_flags_or_a_data_error_and_no_panic() {
    let nan = Image::from_pixels(Array2::from_elem((50, 60), f32::NAN));
    let zero = Image::from_pixels(Array2::zeros((50, 60)));
    let one = Image::from_pixels(Array2::ones((1, 1)));
    let some = || star_table(&[(30.0, 30.0, 1.0), (0.0, 0.0, 1.0)], 15.0);
    for (image, noise) in [(nan.clone(), zero.clone()), (zero.clone(), nan), (one.clone(), one.clone())] {
        let error = harness(FitFaint::default(), image, noise, some()).run().expect_err("nothing to fit");
        assert_eq!(error.class, ErrorClass::Data);
        assert!(error.message.starts_with("2 of 2 stars have no usable Moffat fit"), "{error}");
    }
    let none = harness(FitFaint::default(), zero.clone(), zero.clone(), star_table(&[], 15.0)).run().expect("runs");
    assert_eq!(none.get::<Table>("table").n_rows(), 0);
    let error = harness(FitFaint::default(), zero, one, some()).run().expect_err("another shape");
    assert!(error.message.contains("1 x 1 px"), "{error}");
}

#[test]
fn bad_parameters_are_all_reported() {
    let stage = FitFaint {
        stamp_px: 20,
        contour_sigma: f64::INFINITY,
        min_pixels: 5,
        tolerance: f64::NAN,
        max_iterations: 0,
        max_failed_fraction: -1.0,
        ..FitFaint::default()
    };
    let mut problems = Problems::new();
    stage.check(&mut problems);
    assert_eq!(problems.list().len(), 6);
    let mut none = Problems::new();
    FitFaint::default().check(&mut none);
    assert!(none.is_empty());
}

#[test]
fn announced_columns_are_the_columns() {
    let mut outputs = skyloom_engine::FacetsOut::new();
    FitFaint::default().infer(&Facets::new(), &mut outputs, &mut Problems::new());
    let columns = skyloom_data::facets::TableFacet::from_facet(&outputs.get("table")).columns.expect("known");
    let names: Vec<String> = columns.into_iter().map(|c| c.0).collect();
    assert_eq!(small().run().expect("runs").get::<Table>("table").column_names(), names);
}

#[test]
fn a_cancelled_fit_stops() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(small().cancel(token).run().expect_err("cancelled").class, ErrorClass::Cancelled);
}

fn small() -> Harness {
    let (image, noise, stars) = grid_sky(120, 120, 40, 300.0);
    harness(FitFaint { stamp_px: 21, ..FitFaint::default() }, image, noise, star_table(&stars, 16.0))
}

determinism_test!(fit_faint_is_deterministic, small());
golden_test!(fit_faint_is_frozen, small(), version: 4, digest: "70d855721707");
