use skyloom_data::{Image, Table};
use skyloom_engine::{Deliverable, ErrorClass, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::super::render::PointSource;
use super::*;

/// A small field with a bit of everything: the default densities would leave it empty.
fn small() -> Field {
    Field {
        clusters_per_mpx: 250.0,
        complexes_per_mpx: 100.0,
        association_stars: 20,
        complex_px: 12.0,
        galaxies_per_mpx: 300.0,
        blends_per_mpx: 300.0,
        member_faint: 21.0,
        cluster_bright: 12.0,
        ..Field::new(3, 96, 80)
    }
}

fn field(size: usize) -> Field {
    Field { seed: 5, width_px: size, height_px: size, ..Field::new(5, 1, 1) }
}

fn psf_of(field: &Field) -> FieldPsf {
    let noise = field.noise(&field.bands[0]);
    FieldPsf::new(field, 1.0, noise.sigma(noise.sky, 100.0))
}

#[test]
fn the_noise_model_has_the_published_numbers_of_a_deep_tile() {
    // 1863 integrations of 5 s, of which a pixel sees a third: 20 electrons of read noise, gain 4.2, sky 13.0 mag/arcsec^2.
    let field = field(16);
    let noise = field.noise(&field.bands[0]);
    let n = 9315.0 / 5.0 / 3.0;
    assert!((noise.sky - 5.0 * 1e4 * 0.339_f64.powi(2)).abs() < 1e-9);
    assert!((noise.gain_total - 4.2 * n).abs() < 1e-9);
    let expected = (noise.sky / (4.2 * n) + (20.0_f64 / 4.2).powi(2) / n).sqrt();
    assert!((noise.sigma(noise.sky, 100.0) - expected).abs() < 1e-12);
    assert!((noise.sigma(noise.sky, 25.0) / expected - 2.0).abs() < 1e-12);
}

#[test]
fn star_counts_follow_the_table() {
    // 1024 x 1024 px are 0.0093 deg^2. Poisson scatter: four standard deviations.
    let field = Field { clusters_per_mpx: 0.0, complexes_per_mpx: 0.0, blends_per_mpx: 0.0, ..field(1024) };
    let truth = make_truth(&field);
    assert!(truth.clusters.is_empty() && truth.complexes.is_empty());
    for range in &field.star_counts {
        let n =
            truth.stars.iter().filter(|s| s.kind == StarKind::Field && s.mag >= range.bright && s.mag < range.faint);
        let (n, expected) = (n.count() as f64, range.per_deg2 * field.square_degrees());
        assert!((n - expected).abs() < 4.0 * expected.sqrt() + 1.0, "{range:?}: {n}, expected {expected}");
    }
    let near: Vec<f32> = truth.stars.iter().filter(|s| s.kind == StarKind::Foreground).map(|s| s.parallax).collect();
    assert!(near.iter().all(|p| *p > 0.3 && *p < 4.0), "{near:?}");
}

#[test]
fn the_image_of_a_star_holds_its_flux_and_has_the_local_width() {
    let field = Field { wing_limit: 1e-6, ..field(200) };
    let psf = psf_of(&field);
    // Faint: not broadened. The wings of a Moffat of exponent 2.5 beyond r hold (r / gamma)^-3 of its half of the light.
    let star = PointSource { x: 100.3, y: 99.6, flux: 100.0 };
    let (mut sum, mut peak) = (0.0, 0.0_f64);
    let profile = crate::psf::Profile::new(skyloom_data::PsfModel::Compound, &psf.params(&star));
    for y in 0..200 {
        for x in 0..200 {
            sum += profile.value(f64::from(x), f64::from(y));
        }
    }
    for step in 0..100 {
        peak = peak.max(profile.value(star.x + 0.01 * f64::from(step), star.y));
    }
    assert!((sum / 100.0 - 1.0).abs() < 1e-3, "{sum}");
    let (x, y) = profile.fwhm();
    let expected = psf.fwhm(star.x, star.y);
    // 0.1 %: the star is not without any brightness.
    assert!(((x * y).sqrt() / expected - 1.0).abs() < 2e-3, "{x} {y} {expected}");
    assert!((peak / (100.0 * psf.peak(expected)) - 1.0).abs() < 2e-3);
    let bright = PointSource { flux: 4e5, ..star };
    let profile = crate::psf::Profile::new(skyloom_data::PsfModel::Compound, &psf.params(&bright));
    let (x, y) = profile.fwhm();
    assert!((x * y).sqrt() > 1.05 * expected, "bright stars are wider");
}

#[test]
fn the_width_stays_in_its_range_and_uses_it() {
    let field = field(500);
    let psf = psf_of(&field);
    let widths: Vec<f64> = (0..50)
        .flat_map(|i| (0..50).map(move |j| (i, j)))
        .map(|(i, j)| psf.fwhm(f64::from(i) * 10.2, f64::from(j) * 10.2))
        .collect();
    let (low, high) = widths.iter().fold((9.0_f64, 0.0_f64), |(a, b), w| (a.min(*w), b.max(*w)));
    assert!((2.4..2.45).contains(&low) && (3.1..=3.2).contains(&high), "{low} {high}");
}

#[test]
fn clusters_add_up_to_about_their_magnitude_and_radius() {
    let field = Field {
        clusters_per_mpx: 60.0,
        cluster_bright: 12.0,
        cluster_faint: 14.0,
        complexes_per_mpx: 0.0,
        ..field(700)
    };
    let truth = make_truth(&field);
    assert!(truth.clusters.len() > 15, "{}", truth.clusters.len());
    let table = cluster_table(&field, &truth, None).unwrap();
    let (mag, r, r_true) =
        (table.floats("mag").unwrap(), table.floats("rh_emp_px").unwrap(), table.floats("rh_px").unwrap());
    // Members are drawn, not scaled: half a magnitude either way, and radii where one bright star decides.
    assert!(mag.iter().all(|m| *m > 11.3 && *m < 14.7), "{mag:?}");
    let mut ratios: Vec<f64> = r.iter().zip(&r_true).map(|(a, b)| a / b).collect();
    ratios.sort_by(f64::total_cmp);
    assert!((ratios[ratios.len() / 2] - 1.0).abs() < 0.15, "{ratios:?}");
    for cluster in &truth.clusters {
        let stars = &truth.stars[cluster.first_star..cluster.first_star + cluster.n_stars];
        assert!(stars.iter().all(|s| s.kind == StarKind::Member));
    }
}

#[test]
fn the_catalogue_misses_faint_and_crowded_stars() {
    let field = field(700);
    let truth = make_truth(&field);
    let psf = psf_of(&field);
    let crowding = measure_crowding(&field, &truth.stars, &psf);
    let (entries, is_in) = make_catalogue(&field, &truth, &crowding, &psf);
    let part = |wanted: &dyn Fn(usize) -> bool| {
        let of: Vec<usize> = (0..truth.stars.len()).filter(|i| wanted(*i)).collect();
        of.iter().filter(|i| is_in[**i]).count() as f64 / of.len() as f64
    };
    let field_star = |i: usize, low: f64, high: f64| {
        let s = &truth.stars[i];
        s.kind == StarKind::Field
            && s.mag >= low
            && s.mag < high
            && s.x > 0.0
            && s.y > 0.0
            && s.x < 699.0
            && s.y < 699.0
    };
    let crowded = |i: usize| crowding[i].others > 1.5 * crowding[i].peak;
    assert!(part(&|i| field_star(i, 16.0, 19.0) && !crowded(i)) > 0.97);
    assert!(part(&|i| field_star(i, 19.0, 21.0) && crowded(i)) < 0.1);
    assert!(part(&|i| field_star(i, 21.5, 22.0)) < 0.5);
    assert_eq!(part(&|i| field_star(i, 22.1, 24.0)), 0.0);
    // Point-like stars, extended galaxies, few doubtful bright entries.
    let bright: Vec<&Entry> = entries.iter().filter(|e| e.mags[0] < 18.0 && e.errors[0] < 0.02).collect();
    let sure = bright.iter().filter(|e| e.prob > 0.33 && e.sharp < 0.5).count();
    assert!(sure as f64 > 0.85 * bright.len() as f64, "{sure} of {}", bright.len());
    let table = catalogue_table(&field, &entries, None).unwrap();
    assert_eq!(
        table.column_names(),
        ["id", "ra", "dec", "x", "y", "Ks", "eKs", "J", "eJ", "Y", "eY", "sharp", "prob", "parallax", "parallax_error"]
    );
}

#[test]
fn bands_of_one_field_share_truth_and_catalogue_but_not_noise() {
    let run = |band: &str| Harness::new(Field { band: band.to_owned(), ..small() }).run().unwrap();
    let (ks, j) = (run("Ks"), run("J"));
    for port in ["catalogue", "clusters", "stars", "galaxies", "blends"] {
        assert_eq!(*ks.get::<Table>(port), *j.get::<Table>(port), "{port}");
    }
    assert_eq!(ks.get::<Deliverable>("summary").bytes().unwrap(), j.get::<Deliverable>("summary").bytes().unwrap());
    assert_eq!(ks.get::<Image>("confidence").pixels, j.get::<Image>("confidence").pixels);
    assert_ne!(ks.get::<Image>("image").pixels, j.get::<Image>("image").pixels);
    let image = ks.get::<Image>("image");
    assert_eq!((image.meta.zero_point, image.meta.exposure_s), (Some(23.0), Some(5.0)));
    assert!(image.wcs.is_some() && image.pixels.iter().all(|v| v.is_finite() && *v >= 0.0));
    assert!(!ks.get::<Table>("clusters").floats("mag").unwrap().is_empty());
}

#[test]
fn the_background_has_the_noise_of_the_model() {
    let quiet = Field {
        star_counts: vec![],
        foreground_per_deg2: 0.0,
        clusters_per_mpx: 0.0,
        complexes_per_mpx: 0.0,
        galaxies_per_mpx: 0.0,
        blends_per_mpx: 0.0,
        nebulosity: 0.0,
        gradient: 0.0,
        ..field(160)
    };
    let truth = make_truth(&quiet);
    let (image, confidence, n_saturated) = make_pixels(&quiet, &truth, 0, 64, || true);
    let noise = quiet.noise(&quiet.bands[0]);
    let z: Vec<f64> = image
        .iter()
        .zip(&confidence)
        .filter(|(_, c)| **c > 0.0)
        .map(|(v, c)| (f64::from(*v) - noise.sky) / noise.sigma(noise.sky, f64::from(*c)))
        .collect();
    let n = z.len() as f64;
    let mean = z.iter().fold(0.0, |a, b| a + b) / n;
    let variance = z.iter().map(|v| v * v).fold(0.0, |a, b| a + b) / n;
    // Standard errors 0.006 and 0.009; pixels are f32 of 5746, rounded to 0.0005.
    assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    assert_eq!(n_saturated, 0);
    for (v, c) in image.iter().zip(&confidence) {
        assert_eq!(*v == 0.0, *c == 0.0, "dead pixels, and only they, are 0");
    }
}

#[test]
fn saturated_pixels_are_zero_and_counted() {
    let mut truth = make_truth(&Field { star_counts: vec![], ..field(64) });
    truth.stars =
        vec![Star { x: 30.0, y: 31.0, mag: 9.0, colour: 0.6, kind: StarKind::Field, cluster: -1, parallax: 0.02 }];
    truth.galaxies.clear();
    let (image, _, n) = make_pixels(&field(64), &truth, 0, 7, || true);
    assert_eq!(image[[31, 30]], 0.0);
    assert!(n > 5 && image[[31, 40]] > 5780.0, "{n}");
}

#[test]
fn tiny_and_empty_fields_work() {
    for (width, height) in [(1, 1), (3, 200), (17, 1)] {
        let outcome = Harness::new(Field::new(1, width, height)).run().unwrap();
        assert_eq!(outcome.get::<Image>("image").pixels.dim(), (height, width));
    }
    let bare = Field { star_counts: vec![], foreground_per_deg2: 0.0, ..Field::new(1, 8, 8) };
    assert_eq!(Harness::new(bare).run().unwrap().get::<Table>("blends").n_rows(), 0);
}

#[test]
fn bad_parameters_are_found_before_running() {
    let mut problems = Problems::new();
    let mut bands = Field::new(1, 9, 9).bands;
    bands[1].name = "Ks".to_owned();
    bands[2].gain = f64::NAN;
    let bad = Field {
        width_px: 0,
        fwhm_max_px: 1.5,
        cluster_faint: f64::NAN,
        member_faint: 16.0,
        band: "H".to_owned(),
        bands,
        ..Field::new(1, 9, 9)
    };
    bad.check(&mut problems);
    let names: Vec<String> = problems.list().iter().map(|p| format!("{:?}", p.place)).collect();
    assert!(problems.list().len() >= 6, "{names:?}");
    let error = Harness::new(Field { band: "H".to_owned(), ..Field::new(1, 9, 9) }).run().unwrap_err();
    assert_eq!(error.class, ErrorClass::Config);
}

#[test]
fn a_pulled_token_stops_the_field() {
    let token = skyloom_engine::CancelToken::new();
    token.cancel();
    let error = Harness::new(small()).cancel(token).run().unwrap_err();
    assert_eq!(error.class, ErrorClass::Cancelled);
}

determinism_test!(field_is_deterministic, Harness::new(small()));
golden_test!(field_is_frozen, Harness::new(small()), version: 4, digest: "bac903c466a8");
