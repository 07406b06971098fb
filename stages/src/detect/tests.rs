use ndarray::Array2;
use skyloom_data::{Image, MaskBits, Table};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, floats, golden_test, vector_csv, vector_json};

use super::*;

fn parameters(fwhm_px: f64) -> DaoFind {
    DaoFind {
        fwhm_px,
        ratio: 1.0,
        theta_deg: 0.0,
        sharpness: [0.2, 1.0],
        roundness: [-1.0, 1.0],
        min_separation_px: 0.0,
    }
}

fn find(image: &Array2<f64>, parameters: &DaoFind, threshold: f64) -> Vec<Detection> {
    let (height, width) = image.dim();
    let fill = |y: usize, row: &mut [f64]| row.iter_mut().zip(image.row(y)).for_each(|(out, &v)| *out = v);
    find_stars(width, height, parameters, Threshold::Scalar(threshold), 16, &fill, &|_| true).unwrap()
}

fn crowded() -> Array2<f64> {
    let rows = vector_csv("crowded.csv");
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x] - 200.0)
}

/// Stars of FWHM 3 on a grid with a slope of brightness.
fn stars(width: usize, height: usize) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(y, x)| {
        let mut sum = 0.0;
        for j in 0..6 {
            for i in 0..8 {
                let (x0, y0) = (8.3 + 13.0 * f64::from(i), 7.6 + 14.2 * f64::from(j));
                let r2 = libm::pow(x as f64 - x0, 2.0) + libm::pow(y as f64 - y0, 2.0);
                sum += f64::from(20 + 30 * i + 7 * j) * libm::exp(-r2 / 3.2);
            }
        }
        sum as f32
    })
}

fn harness() -> Harness {
    let mut image = Image::from_pixels(stars(115, 95));
    image.meta.zero_point = Some(22.5);
    image.pixels[[50, 50]] = f32::NAN;
    let mut mask = Array2::zeros((95, 115));
    mask[[20, 20]] = MaskBits::BAD;
    image.mask = Some(mask);
    let noise = image.with_pixels(Array2::from_elem((95, 115), 2.0));
    let stage = DetectStars { min_separation_px: Some(9.5), ..DetectStars::new(3.0) };
    Harness::new(stage).input("image", image).input("noise", noise)
}

#[test]
fn stars_equal_the_reference_vector_with_a_separation() {
    let image = crowded();
    let truth = vector_json("crowded.json");
    for case in truth["dao"].as_array().unwrap() {
        let fwhm = case["fwhm"].as_f64().unwrap();
        // The file was made with a separation of 2.5 FWHM.
        let with_separation = DaoFind { min_separation_px: 2.5 * fwhm, ..parameters(fwhm) };
        let mut found = find(&image, &with_separation, case["threshold"].as_f64().unwrap());
        let rows = case["rows"].as_array().unwrap();
        assert_eq!(found.len(), rows.len());
        for row in rows {
            let row = floats(row);
            let i = found
                .iter()
                .position(|s| libm::hypot(s.x - row[0], s.y - row[1]) < 0.5)
                .unwrap_or_else(|| panic!("no star at {}, {}", row[0], row[1]));
            let s = found.swap_remove(i);
            assert!((s.x - row[0]).abs() < 1e-4 && (s.y - row[1]).abs() < 1e-4, "{s:?} is not {row:?}");
            // Shapes hold eight printed digits, fluxes are integers.
            for (value, expected) in [(s.sharpness, row[2]), (s.roundness1, row[3]), (s.roundness2, row[4])] {
                assert!((value - expected).abs() < 1e-6, "{s:?} is not {row:?}");
            }
            assert_eq!((s.peak, s.flux), (row[5], row[6]));
            assert!((-2.5 * libm::log10(s.flux) - row[7]).abs() < 1e-6);
        }
    }
}

#[test]
fn stars_without_separation_have_the_sums_that_the_vector_note_gives() {
    // From note 05, not in the file: number, sums of x and y, and one star.
    let image = crowded();
    let found = find(&image, &parameters(4.0), 60.0);
    let sum = |f: fn(&Detection) -> f64, list: &[Detection]| list.iter().map(f).fold(0.0, |a, b| a + b);
    assert_eq!(found.len(), 24);
    assert!((sum(|s| s.x, &found) - 744.163240).abs() < 24e-4);
    assert!((sum(|s| s.y, &found) - 659.483130).abs() < 24e-4);
    let first = found[0];
    assert!((first.x - 40.555570).abs() < 1e-4 && (first.y - 6.829615).abs() < 1e-4);
    for (value, expected) in [(first.sharpness, 0.626683), (first.roundness1, 0.007899), (first.roundness2, -0.182569)]
    {
        assert!((value - expected).abs() < 1e-6, "{first:?}");
    }
    let found = find(&image, &parameters(3.5), 120.0);
    assert_eq!(found.len(), 19);
    assert!((sum(|s| s.x, &found) - 613.513862).abs() < 19e-4);
    assert!((sum(|s| s.y, &found) - 543.366995).abs() < 19e-4);
}

#[test]
fn a_nan_pixel_spoils_no_neighbour() {
    let mut image = crowded();
    let whole = find(&image, &parameters(4.0), 60.0);
    image[[40, 8]] = f64::NAN;
    let found = find(&image, &parameters(4.0), 60.0);
    assert!(
        found.iter().all(|s| [s.x, s.y, s.flux, s.sharpness, s.roundness1, s.roundness2].iter().all(|v| v.is_finite()))
    );
    let is_far = |s: &&Detection| libm::hypot(s.x - 8.0, s.y - 40.0) > 8.0;
    assert_eq!(found.iter().filter(is_far).collect::<Vec<_>>(), whole.iter().filter(is_far).collect::<Vec<_>>());
}

#[test]
fn masked_pixels_are_no_peaks_but_saturated_ones_are() {
    let image = |bit: u16| {
        let mut image = Image::from_pixels(stars(115, 95));
        let mut mask = Array2::zeros((95, 115));
        mask.slice_mut(ndarray::s![6..10, 6..11]).fill(bit);
        image.mask = Some(mask);
        image
    };
    let n = |bit: u16| {
        let stage = DetectStars { threshold_sigma: None, threshold: Some(5.0), ..DetectStars::new(3.0) };
        Harness::new(stage).input("image", image(bit)).run().unwrap().get::<Table>("stars").n_rows()
    };
    let all = n(0);
    assert!(all >= 48);
    assert_eq!(n(MaskBits::BAD), all - 1);
    assert_eq!(n(MaskBits::SATURATED), all);
}

#[test]
fn equal_maxima_give_one_star() {
    let mut image = Array2::zeros((20, 20));
    image[[10, 10]] = 100.0;
    image[[10, 11]] = 100.0;
    let wide = DaoFind { sharpness: [-9.0, 9.0], roundness: [-9.0, 9.0], ..parameters(3.0) };
    assert_eq!(find(&image, &wide, 10.0).len(), 1);
}

#[test]
fn an_elongated_kernel_finds_elongated_stars_better() {
    let angle = 0.5_f64;
    let image = Array2::from_shape_fn((41, 41), |(y, x)| {
        let (dx, dy) = (x as f64 - 20.2, y as f64 - 19.7);
        let (u, v) = (dx * libm::cos(angle) + dy * libm::sin(angle), dy * libm::cos(angle) - dx * libm::sin(angle));
        100.0 * libm::exp(-0.5 * (u * u / 4.0 + v * v / 1.0))
    });
    let fitting =
        DaoFind { fwhm_px: 2.0 * 2.354_820_045, ratio: 0.5, theta_deg: angle.to_degrees(), ..parameters(1.0) };
    let found = find(&image, &fitting, 20.0);
    assert_eq!(found.len(), 1);
    // The fits along x and y ignore the tilt: good to a fifth of a pixel. A round kernel calls the star elongated.
    assert!((found[0].x - 20.2).abs() < 0.2 && (found[0].y - 19.7).abs() < 0.2, "{found:?}");
    let round = find(&image, &DaoFind { ratio: 1.0, ..fitting }, 20.0);
    assert!(found[0].roundness2.abs() < 0.05 && round[0].roundness2.abs() > 0.2, "{found:?} {round:?}");
}

#[test]
fn images_without_stars_give_tables_without_rows() {
    for pixels in [
        Array2::zeros((1, 1)),
        Array2::zeros((1, 40)),
        Array2::zeros((40, 1)),
        Array2::zeros((0, 0)),
        Array2::from_elem((9, 9), f32::NAN),
        Array2::from_elem((9, 9), -7.0),
    ] {
        let noise = Image::from_pixels(Array2::ones(pixels.dim()));
        let harness =
            Harness::new(DetectStars::new(3.0)).input("image", Image::from_pixels(pixels)).input("noise", noise);
        assert_eq!(harness.run().unwrap().get::<Table>("stars").n_rows(), 0);
    }
}

#[test]
fn pixels_without_noise_hold_no_stars() {
    let image = Image::from_pixels(stars(115, 95));
    for sigma in [0.0, f32::NAN, -1.0] {
        let noise = image.with_pixels(Array2::from_elem((95, 115), sigma));
        let harness = Harness::new(DetectStars::new(3.0)).input("image", image.clone()).input("noise", noise);
        assert_eq!(harness.run().unwrap().get::<Table>("stars").n_rows(), 0);
    }
}

#[test]
fn magnitudes_need_a_zero_point() {
    let table = harness().run().unwrap().get::<Table>("stars");
    let (flux, mag) = (table.floats("flux").unwrap(), table.floats("mag").unwrap());
    assert!((mag[0] - (22.5 - 2.5 * libm::log10(flux[0]))).abs() < 1e-12);
}

#[test]
fn the_threshold_is_given_once_and_fits_the_inputs() {
    let count = |stage: &DetectStars| {
        let mut problems = Problems::new();
        stage.check(&mut problems);
        stage.infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
        problems.into_list().len()
    };
    let good = DetectStars::new(3.0);
    assert_eq!(count(&good), 1, "no noise map");
    assert_eq!(count(&DetectStars { threshold_sigma: None, threshold: Some(9.0), ..good.clone() }), 0);
    assert_eq!(count(&DetectStars { threshold_sigma: None, ..good.clone() }), 1);
    assert_eq!(count(&DetectStars { threshold: Some(9.0), ..good.clone() }), 2);
    let bad = DetectStars {
        fwhm_px: f64::NAN,
        ratio: 0.0,
        theta_deg: f64::INFINITY,
        sharpness: [1.0, 0.2],
        roundness: [f64::NAN, 1.0],
        min_separation_px: Some(-1.0),
        threshold_sigma: None,
        threshold: Some(0.0),
    };
    assert_eq!(count(&bad), 7);
}

determinism_test!(detection_is_deterministic, harness());
golden_test!(detection_keeps_its_result, harness(), version: 1, digest: "7b08f0d378a6");
