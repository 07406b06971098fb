use ndarray::Array2;
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, ImageMeta, Mask, MaskBits, PsfCell, PsfField, PsfModel, Table, TableBuilder};
use skyloom_engine::{ErrorClass, Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::super::draws::{Domain, Draws};
use super::super::profile::ClusterShape;
use super::super::render::PointSource;
use super::*;

fn image(width: usize, height: usize) -> Image {
    let meta = ImageMeta { zero_point: Some(25.0), exposure_s: Some(2.0), ..ImageMeta::default() };
    Image { meta, ..Image::from_pixels(Array2::zeros((height, width))) }
}

fn stage() -> Inject {
    Inject {
        edge_px: 30.0,
        separation_px: 20.0,
        fwhm_px: Some(2.7),
        member_depth: 5.0,
        n_stars: 3,
        ..Inject::new(4, 4, 15.0, 18.0)
    }
}

/// One cluster in the middle of an image of 400 px.
fn single(light: Light) -> Inject {
    Inject {
        light,
        edge_px: 199.0,
        ellipticity: 0.0,
        radius_min_px: 8.0,
        radius_max_px: 8.0,
        shapes: vec![ClusterShape::Plummer],
        ..Inject { fwhm_px: Some(2.0), ..Inject::new(1, 1, 15.0, 15.0) }
    }
}

fn sum_within(pixels: &Array2<f32>, x: f64, y: f64, radius: f64) -> f64 {
    let near = |px: usize, py: usize| (px as f64 - x).powi(2) + (py as f64 - y).powi(2) <= radius * radius;
    pixels.indexed_iter().filter(|((py, px), _)| near(*px, *py)).map(|(_, v)| f64::from(*v)).fold(0.0, |a, b| a + b)
}

#[test]
fn a_cluster_has_its_flux_and_half_of_it_within_its_radius() {
    // 2 s at 10^(0.4 10) per second. A blur of sigma 0.85 moves the half-light radius of 8 px by 1 %; the stars of one cluster
    // scatter about the profile, smooth light does not.
    for (light, tolerance) in [(Light::Smooth, 0.02), (Light::Stars, 0.15)] {
        let outcome = Harness::new(single(light)).input("image", image(400, 400)).run().unwrap();
        let planted = outcome.get::<Image>("image");
        let truth = outcome.get::<Table>("truth");
        let (x, y) = (truth.floats("x").unwrap()[0], truth.floats("y").unwrap()[0]);
        let total = sum_within(&planted.pixels, x, y, 1e3);
        // The profile ends at 30 scale radii, 240 px: 0.1 % lies outside the frame.
        assert!((total / 20_000.0 - 1.0).abs() < 3e-3, "{light:?}: {total}");
        let half = sum_within(&planted.pixels, x, y, 8.0) / total;
        assert!((half - 0.5).abs() < tolerance, "{light:?}: {half}");
        assert!((truth.floats("flux").unwrap()[0] - 20_000.0).abs() < 1e-6);
    }
}

#[test]
fn smooth_light_has_no_lumps() {
    let outcome = Harness::new(single(Light::Smooth)).input("image", image(400, 400)).run().unwrap();
    let planted = outcome.get::<Image>("image");
    // On a ring at two half-light radii the light of a round cluster is the same all around, within the rounding to pixels.
    let truth = outcome.get::<Table>("truth");
    let (x, y) = (truth.floats("x").unwrap()[0], truth.floats("y").unwrap()[0]);
    let plummer = |r2: f64| (1.0 + r2 / 64.0_f64).powi(-2);
    let ratios: Vec<f64> = planted
        .pixels
        .indexed_iter()
        .map(|((py, px), v)| ((px as f64 - x).powi(2) + (py as f64 - y).powi(2), f64::from(*v)))
        .filter(|(r2, _)| (15.5..16.5).contains(&r2.sqrt()))
        .map(|(r2, v)| v / plummer(r2))
        .collect();
    let mean = ratios.iter().fold(0.0, |a, b| a + b) / ratios.len() as f64;
    assert!(ratios.len() > 60 && ratios.iter().all(|r| (r / mean - 1.0).abs() < 0.1), "{mean}: {ratios:?}");
}

#[test]
fn a_grid_goes_round_and_a_seed_moves_places() {
    let grid = Inject { n_stars: 0, mag_steps: 2, radius_steps: 2, n_clusters: 4, ..stage() };
    let table =
        |inject: Inject| Harness::new(inject).input("image", image(300, 260)).run().unwrap().get::<Table>("truth");
    let truth = table(grid.clone());
    assert_eq!(truth.floats("mag").unwrap(), [15.0, 18.0, 15.0, 18.0]);
    let radii = truth.floats("r_half").unwrap();
    assert!(radii.iter().zip([3.0, 3.0, 12.0, 12.0]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-9), "{radii:?}");
    assert_ne!(truth.floats("x").unwrap(), table(Inject { seed: 5, ..grid }).floats("x").unwrap());
}

#[test]
fn objects_keep_away_from_edges_masked_pixels_and_each_other() {
    let mut input = image(200, 160);
    let mut mask = Mask::zeros((160, 200));
    mask.slice_mut(ndarray::s![.., 100..]).fill(MaskBits::BAD);
    input.mask = Some(mask);
    input.pixels[[40, 40]] = f32::NAN;
    let ground = Ground { image: &input, edge_px: 20.0, clearance_px: 6.0, separation_px: 15.0 };
    let places = place_objects(&ground, (0..12).map(|i| Draws::new(9, Domain::Injected, 1, i)));
    let found: Vec<(f64, f64)> = places.into_iter().flatten().collect();
    assert!(found.len() > 6, "{found:?}");
    for (i, a) in found.iter().enumerate() {
        assert!(a.0 >= 20.0 && a.0 < 94.0 && a.1 >= 20.0 && a.1 <= 139.0, "{a:?}");
        assert!(libm::hypot(a.0 - 40.0, a.1 - 40.0) > 6.0);
        assert!(found[..i].iter().all(|b| libm::hypot(a.0 - b.0, a.1 - b.1) >= 15.0));
    }
}

#[test]
fn what_finds_no_place_is_left_out_with_a_warning() {
    let crowd = Inject { separation_px: 500.0, n_stars: 0, ..stage() };
    let outcome = Harness::new(crowd).input("image", image(120, 100)).run().unwrap();
    assert_eq!(outcome.get::<Table>("truth").n_rows(), 1);
    assert!(outcome.warnings.iter().any(|w| w.contains("3 objects found no place")), "{:?}", outcome.warnings);
    let mut blind = image(120, 100);
    blind.pixels.fill(f32::NAN);
    let outcome = Harness::new(stage()).input("image", blind).run().unwrap();
    assert_eq!(outcome.get::<Table>("truth").n_rows(), 0);
    assert!(outcome.get::<Image>("image").pixels.iter().all(|v| v.is_nan()));
}

#[test]
fn masked_pixels_and_pixels_without_value_stay() {
    let mut input = image(401, 401);
    let mut mask = Mask::zeros((401, 401));
    mask[[204, 200]] = MaskBits::SATURATED;
    input.mask = Some(mask);
    input.pixels[[196, 200]] = f32::NAN;
    let inject = Inject { edge_px: 200.0, clearance_px: 1.0, ..single(Light::Smooth) };
    let outcome = Harness::new(inject).input("image", input).run().unwrap();
    let planted = outcome.get::<Image>("image");
    assert!(
        planted.pixels[[196, 200]].is_nan() && planted.pixels[[204, 200]] == 0.0 && planted.pixels[[200, 200]] > 0.0
    );
}

#[test]
fn photon_noise_has_the_variance_of_the_light() {
    let sources = [PointSource { x: 32.0, y: 32.0, flux: 1e6 }];
    let (mut clean, mut noisy) = (image(64, 64), image(64, 64));
    let psf = InjectionPsf::Gaussian(12.0);
    let added = add_light(&mut clean, &sources, &psf, None, 16, || true);
    add_light(&mut noisy, &sources, &psf, Some((4.0, 1)), 16, || true);
    assert!((added / 1e6 - 1.0).abs() < 1e-3);
    let z2: Vec<f64> = clean
        .pixels
        .iter()
        .zip(&noisy.pixels)
        .filter(|(c, _)| **c > 50.0)
        .map(|(c, n)| f64::from(n - c).powi(2) / (f64::from(*c) / 4.0))
        .collect();
    let mean = z2.iter().fold(0.0, |a, b| a + b) / z2.len() as f64;
    // About 500 pixels: the variance is known to 6 %.
    assert!(z2.len() > 300 && (mean - 1.0).abs() < 0.25, "{} {mean}", z2.len());
}

#[test]
fn a_psf_field_takes_the_place_of_the_width() {
    let cell =
        PsfCell { n_stars: 9, median: vec![3.0, 2.0, 0.4, 3.0], scatter: vec![0.0; 4], fwhm: 2.5, is_borrowed: false };
    let field = PsfField { model: PsfModel::Moffat, width: 120, height: 100, n_x: 1, n_y: 1, cells: vec![cell] };
    let star = Inject { n_clusters: 0, n_stars: 1, fwhm_px: None, ..stage() };
    let run = |field: PsfField| Harness::new(star.clone()).input("image", image(120, 100)).input("psf", field).run();
    let outcome = run(field.clone()).unwrap();
    let flux = outcome.get::<Table>("truth").floats("flux").unwrap()[0];
    // Wings beyond 1e-5 of the peak: (1e5^(1/3) )^-2 of a Moffat of exponent 3 is 5e-4.
    let sum = sum_within(&outcome.get::<Image>("image").pixels, 0.0, 0.0, 1e4);
    assert!((sum / flux - 1.0).abs() < 2e-3, "{sum} {flux}");
    let mut flat = field;
    flat.cells[0].median[3] = 0.9;
    assert_eq!(run(flat).unwrap_err().class, ErrorClass::Data);
}

#[test]
fn bright_stars_join_the_list_with_empty_unknowns() {
    let list = TableBuilder::new()
        .int("id", "", "", vec![7, 3])
        .float("x", "px", "", vec![1.0, 2.0])
        .float("y", "px", "", vec![1.0, 2.0])
        .float("Ks", "mag", "magnitude", vec![14.0, 15.0])
        .float("prob", "", "", vec![0.9, 0.8])
        .build()
        .unwrap();
    let inject = Inject { catalogue_limit: Some(19.5), mag_column: "Ks".into(), ..stage() };
    let outcome = Harness::new(inject.clone()).input("image", image(300, 260)).input("stars", list).run().unwrap();
    let (longer, truth) = (outcome.get::<Table>("stars"), outcome.get::<Table>("truth"));
    let n: i64 = truth.ints("n_catalogued").unwrap().into_iter().flatten().sum();
    assert!(n >= 3, "all single stars are bright enough: {n}");
    assert_eq!(longer.n_rows() as i64, 2 + n);
    assert_eq!(longer.ints("id").unwrap()[..3], [Some(7), Some(3), Some(8)]);
    assert!(longer.floats("Ks").unwrap().iter().all(|m| *m < 19.5));
    assert!(longer.floats("prob").unwrap()[2..].iter().all(|p| (0.0..=1.0).contains(p)));
    let alone = Harness::new(inject).input("image", image(300, 260)).run().unwrap();
    assert_eq!(alone.get::<Table>("stars").n_rows() as i64, n);
}

/// A list with this crowding limit, of a quiet sky.
fn listed(stars: &[PointSource], flux_limit: f64, crowding_limit: f64) -> Vec<Entry> {
    let seeing = Seeing { flux_limit, crowding_limit, sky_sigma: 1e-4, gain: None };
    list_stars(stars, seeing, |_, _| 2.5, |i| entry_draws(1, 0, i))
}

#[test]
fn a_crowd_hides_its_stars_from_the_list() {
    // A star of 2 on a pile of 50 faint ones, which together are brighter; the same star alone.
    let mut stars = vec![PointSource { x: 20.0, y: 20.0, flux: 2.0 }, PointSource { x: 80.0, y: 20.0, flux: 2.0 }];
    stars.extend((0..50).map(|i| PointSource { x: 20.0 + 0.01 * f64::from(i), y: 20.5, flux: 0.1 }));
    let numbers = |limit: f64| listed(&stars, 0.5, limit).iter().map(|e| e.star).collect::<Vec<_>>();
    assert_eq!((numbers(1e6), numbers(0.3)), (vec![0, 1], vec![1]));
    assert!(listed(&stars, 2.5, 1e6).is_empty(), "all are fainter than the limit");
}

#[test]
fn members_among_many_of_their_like_have_low_probabilities() {
    // Nine equal stars 3 px apart, and one alone.
    let mut stars: Vec<PointSource> = (0..9)
        .map(|i| PointSource { x: 140.0 + 3.0 * f64::from(i % 3), y: 20.0 + 3.0 * f64::from(i / 3), flux: 1.0 })
        .collect();
    stars.push(PointSource { x: 20.0, y: 20.0, flux: 1.0 });
    let list = listed(&stars, 0.5, 1e6);
    assert_eq!(list.len(), 10);
    assert!(list.iter().all(|e| if e.star == 9 { e.prob > 0.7 } else { e.prob < 0.6 }), "{list:?}");
    assert!(list.iter().all(|e| (e.source.x - stars[e.star].x).abs() < 0.5 && e.error < 0.1));
}

#[test]
fn the_sky_is_measured_between_neighbours() {
    let mut noisy = image(300, 200);
    let mut draws = Draws::new(5, Domain::Noise, 0, 0);
    noisy.pixels.indexed_iter_mut().for_each(|((y, _), v)| *v = (y as f64 + 2.0 * draws.normal()) as f32);
    assert!((sky_sigma(&noisy) - 2.0).abs() < 0.05);
    assert_eq!(sky_sigma(&image(1, 1)), 0.0);
}

#[test]
fn a_missing_psf_and_bad_numbers_are_found_before_running() {
    let bare = Inject { fwhm_px: None, ..stage() };
    let mut inputs = Facets::new();
    let facet = ImageFacet { width: Some(50), height: Some(400), ..ImageFacet::default() };
    inputs.add("image", "frame.image", facet.to_facet());
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    bare.infer(&inputs, &mut outputs, &mut problems);
    assert_eq!(problems.list().len(), 2, "no PSF, and an edge that covers the columns");
    let mut problems = Problems::new();
    let bad = f64::NAN;
    Inject { mag_faint: bad, gain: Some(0.0), shapes: vec![], n_clusters: 0, n_stars: 0, king_c: bad, ..stage() }
        .check(&mut problems);
    assert_eq!(problems.list().len(), 5);
    let blind = Image::from_pixels(Array2::zeros((200, 200)));
    let error = Harness::new(stage()).input("image", blind).run().unwrap_err();
    assert!(error.class == ErrorClass::Data && error.message.contains("no zero point") && error.help.is_some());
    assert_eq!(Harness::new(bare).input("image", image(100, 100)).run().unwrap_err().class, ErrorClass::Config);
}

fn full() -> Harness {
    let inject =
        Inject { gain: Some(3.0), catalogue_limit: Some(20.0), moffat_alpha: Some(2.5), edge_px: 20.0, ..stage() };
    Harness::new(inject).input("image", image(96, 80))
}

determinism_test!(inject_is_deterministic, full());
golden_test!(inject_is_frozen, full(), version: 4, digest: "45a90ce4d7f8");
