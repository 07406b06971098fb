//! Behaviour of the cells: medians, scatters, borrowing.

use ndarray::Array2;
use skyloom_data::{Image, PsfField, PsfModel, PsfSet, Table, TableBuilder};
use skyloom_engine::{ErrorClass, Facets, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;
use crate::psf::fitted_star::{FitFlags, FittedStar, ModelFit, fits_to_table};
use crate::psf::made_sky::{SHAPE, noise_at};
use crate::psf::{Params, StarPosition, params_from_shape};

/// Fits at `positions`, whose gamma_x is 2 + 0.01 k and whose angle is 89 + k degrees, folded.
fn fits(model: PsfModel, positions: &[(f64, f64)]) -> Vec<Params> {
    positions
        .iter()
        .enumerate()
        .map(|(k, &(x, y))| {
            let mut shape = SHAPE[..model.shape_names().len()].to_vec();
            shape[0] = 2.0 + 0.01 * k as f64;
            shape[1] = 1.5;
            shape[2] = crate::psf::model::fold_angle((89.0 + k as f64).to_radians());
            params_from_shape(model, &shape, 100.0, x, y)
        })
        .collect()
}

fn group(positions: &[(f64, f64)]) -> GroupFits {
    GroupFits { moffat: fits(PsfModel::Moffat, positions), compound: fits(PsfModel::Compound, positions) }
}

/// `n` positions in a cell of 100 px whose corner is given.
fn spread(n: usize, x0: f64, y0: f64) -> Vec<(f64, f64)> {
    (0..n).map(|k| (x0 + 7.0 + 2.0 * k as f64, y0 + 90.0 - 3.0 * k as f64)).collect()
}

fn options(scatter: Scatter) -> CellOptions {
    CellOptions { width: 250, height: 100, cell_px: 100.0, scatter, min_cell_stars: 10, min_stars: 5 }
}

#[test]
fn cells_hold_median_and_scatter_of_their_own_stars() {
    let set =
        build_psf_set(&group(&spread(11, 0.0, 0.0)), &GroupFits::default(), &options(Scatter::Robust)).expect("enough");
    let field = &set.faint_moffat;
    // 250 px in cells of at most 100 px.
    assert_eq!((field.n_x, field.n_y, field.width, field.height), (3, 1, 250, 100));
    let cell = &field.cells[0];
    assert_eq!((cell.n_stars, cell.is_borrowed), (11, false));
    assert!((cell.median[0] - 2.05).abs() < 1e-12 && (cell.scatter[0] - 1.482_602_2 * 0.03).abs() < 1e-8);
    // 89 to 99 degrees: the median is 94, which is -86.
    assert!((cell.median[2].to_degrees() + 86.0).abs() < 1e-9, "{}", cell.median[2].to_degrees());
    assert!((cell.scatter[2].to_degrees() - 1.482_602_2 * 3.0).abs() < 1e-6);
    let expected = 2.0 * (2.05_f64 * 1.5).sqrt() * (libm::cbrt(2.0) - 1.0).sqrt();
    assert!((cell.fwhm - expected).abs() < 1e-12);

    let set =
        build_psf_set(&group(&spread(11, 0.0, 0.0)), &GroupFits::default(), &options(Scatter::Std)).expect("enough");
    let cell = &set.faint_moffat.cells[0];
    // The variance of 0, 1, .. 10 is 10.
    assert!((cell.scatter[0] - 0.01 * 10.0_f64.sqrt()).abs() < 1e-12);
    assert!((cell.scatter[2].to_degrees() - 10.0_f64.sqrt()).abs() < 1e-9);
}

#[test]
fn cells_with_fewer_than_ten_stars_borrow_from_the_whole_image() {
    let mut positions = spread(12, 0.0, 0.0);
    positions.extend(spread(9, 170.0, 0.0));
    let set = build_psf_set(&group(&positions), &group(&positions), &options(Scatter::Robust)).expect("enough");
    for (_, field) in set.fields() {
        let [own, none, few] = &field.cells[..] else { panic!("three cells") };
        assert!(!own.is_borrowed && none.is_borrowed && few.is_borrowed);
        assert_eq!((own.n_stars, none.n_stars, few.n_stars), (12, 0, 9));
        assert_eq!((&none.median, &none.scatter, none.fwhm), (&few.median, &few.scatter, few.fwhm));
        // 21 stars from 2.0 to 2.2.
        assert!((none.median[0] - 2.1).abs() < 1e-12 && (own.median[0] - 2.055).abs() < 1e-12);
    }
}

#[test]
fn a_bright_group_that_is_too_small_takes_the_faint_values() {
    let mut positions = spread(12, 0.0, 0.0);
    positions.extend(spread(12, 170.0, 0.0));
    let few = group(&spread(4, 0.0, 0.0));
    let set = build_psf_set(&group(&positions), &few, &options(Scatter::Robust)).expect("enough");
    for (bright, faint) in [(&set.bright_moffat, &set.faint_moffat), (&set.bright_compound, &set.faint_compound)] {
        for (b, f) in bright.cells.iter().zip(&faint.cells) {
            assert_eq!((&b.median, &b.scatter, b.fwhm, b.is_borrowed), (&f.median, &f.scatter, f.fwhm, true));
        }
        assert_eq!(bright.cells[0].n_stars, 4);
    }
    let enough = group(&spread(5, 0.0, 0.0));
    let set = build_psf_set(&group(&positions), &enough, &options(Scatter::Robust)).expect("enough");
    assert_ne!(set.bright_moffat.cells[0].median, set.faint_moffat.cells[0].median);
}

/// A table of fits, one star of each kind of flag after the good ones.
fn table(n: usize) -> Table {
    let models = [PsfModel::Moffat, PsfModel::Compound];
    let star = |k: usize, flags: i64| {
        let (x, y) = (10.0 + 3.0 * k as f64, 20.0 + 50.0 * noise_at(k).abs());
        let fits = models
            .into_iter()
            .map(|model| {
                let mut shape = SHAPE[..model.shape_names().len()].to_vec();
                shape[0] = 2.3 + 0.1 * noise_at(k + 5) + if flags != 0 { 50.0 } else { 0.0 };
                ModelFit {
                    model,
                    params: params_from_shape(model, &shape, 100.0, x, y),
                    chi2: 1.0,
                    iterations: 5,
                    is_converged: true,
                }
            })
            .collect();
        FittedStar { star: StarPosition { id: k as i64, x, y }, n_pixels: 100, fits, flags }
    };
    let mut stars: Vec<FittedStar> = (0..n).map(|k| star(k, 0)).collect();
    let spoiled =
        [FitFlags::MOFFAT_FAILED | FitFlags::COMPOUND_FAILED, FitFlags::MOFFAT_AT_BOUND | FitFlags::COMPOUND_AT_BOUND];
    stars.extend(spoiled.into_iter().enumerate().map(|(k, flags)| star(n + k, flags)));
    stars.push(FittedStar::unfitted(StarPosition { id: 999, x: 1.0, y: 1.0 }, 0, FitFlags::NO_OUTLINE));
    fits_to_table(&stars, &models).expect("columns of one length")
}

fn harness(stage: BuildField, n: usize) -> Harness {
    let image = Image::from_pixels(Array2::zeros((200, 300)));
    Harness::new(stage).input("image", image).input("faint", table(n))
}

#[test]
fn the_stage_leaves_flagged_fits_out_and_gives_the_local_fwhm() {
    let outcome = harness(BuildField::default(), 30).run().expect("runs");
    let (set, psf) = (outcome.get::<PsfSet>("set"), outcome.get::<PsfField>("psf"));
    assert_eq!(*psf, set.faint_moffat);
    assert_eq!((psf.cells.len(), psf.cells[0].n_stars), (1, 30));
    assert!((psf.cells[0].median[0] - 2.3).abs() < 0.05);
    assert!(set.bright_moffat.cells[0].is_borrowed && !set.faint_compound.cells[0].is_borrowed);
    let both = harness(BuildField::default(), 30).input("bright", table(12)).run().expect("runs");
    assert_eq!(both.get::<PsfSet>("set").bright_compound.cells[0].n_stars, 12);
    assert!(!both.get::<PsfSet>("set").bright_moffat.cells[0].is_borrowed);
}

#[test]
fn too_few_stars_is_a_data_error_that_says_what_to_loosen() {
    let error = harness(BuildField::default(), 4).run().expect_err("four stars");
    assert_eq!(error.class, ErrorClass::Data);
    assert_eq!(error.message, "4 usable Moffat fits of faint stars, at least 5 are needed");
    assert!(error.help.expect("a help").contains("make faint_stamp_px smaller"));
    assert!(harness(BuildField { min_stars: 4, ..BuildField::default() }, 4).run().is_ok());
}

#[test]
fn an_image_of_one_pixel_has_one_cell() {
    let one = Image::from_pixels(Array2::ones((1, 1)));
    let outcome = Harness::new(BuildField::default()).input("image", one).input("faint", table(9)).run().expect("runs");
    let psf = outcome.get::<PsfField>("psf");
    assert_eq!((psf.n_x, psf.n_y, psf.cells[0].n_stars, psf.cells[0].is_borrowed), (1, 1, 9, true));
}

#[test]
fn another_table_is_a_config_error_that_is_found_before_running_where_columns_are_known() {
    let other = TableBuilder::new().float("x", "px", "", vec![1.0]).build().expect("one column");
    let image = Image::from_pixels(Array2::zeros((20, 30)));
    let error =
        Harness::new(BuildField::default()).input("image", image).input("faint", other).run().expect_err("no fits");
    assert_eq!(error.class, ErrorClass::Config);
    assert!(error.message.contains("\"faint\"") && error.help.is_some(), "{error}");
    let mut inputs = Facets::new();
    inputs.add("faint", "a.table", skyloom_data::facets::TableFacet { columns: Some(Vec::new()) }.to_facet());
    let mut problems = Problems::new();
    BuildField::default().infer(&inputs, &mut skyloom_engine::FacetsOut::new(), &mut problems);
    assert_eq!(problems.list().len(), 1);
    let size = skyloom_data::facets::ImageFacet { width: Some(60_000), height: Some(60_000), ..Default::default() };
    inputs = Facets::new();
    inputs.add("image", "a.image", size.to_facet());
    let mut problems = Problems::new();
    let fine = BuildField { cell_px: 2.0, ..BuildField::default() };
    fine.infer(&inputs, &mut skyloom_engine::FacetsOut::new(), &mut problems);
    assert_eq!(problems.list().len(), 1, "900 million cells");
}

#[test]
fn bad_parameters_are_all_reported() {
    let stage = BuildField { cell_px: f64::NAN, min_cell_stars: 0, min_stars: 0, ..BuildField::default() };
    let mut problems = Problems::new();
    stage.check(&mut problems);
    assert_eq!(problems.list().len(), 3);
    let mut none = Problems::new();
    BuildField::default().check(&mut none);
    assert!(none.is_empty());
}

fn small() -> Harness {
    let stage = BuildField { cell_px: 150.0, ..BuildField::default() };
    harness(stage, 30).input("bright", table(11))
}

determinism_test!(psf_field_is_deterministic, small());
golden_test!(psf_field_is_frozen, small(), version: 1, digest: "599305f16363");
