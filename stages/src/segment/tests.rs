use ndarray::{Array2, array};
use skyloom_data::{Image, MaskBits, Table};
use skyloom_engine::{Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, floats, golden_test, vector_csv, vector_json};

use super::*;

fn field() -> Array2<f32> {
    let rows = vector_csv("field_sub.csv");
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y][x] as f32)
}

fn number(case: &serde_json::Value, key: &str) -> f64 {
    case[key].as_f64().unwrap()
}

/// Unweighted mean position of a segment, which the vectors list.
fn mean_position(labels: &Labels, label: u32) -> [f64; 2] {
    let (mut n, mut sum) = (0.0, [0.0, 0.0]);
    for ((y, x), _) in labels.labels.indexed_iter().filter(|(_, l)| **l == label) {
        n += 1.0;
        sum = [sum[0] + x as f64, sum[1] + y as f64];
    }
    sum.map(|s| s / n)
}

#[test]
fn detection_equals_the_reference_vectors() {
    let image = field();
    for case in vector_json("segmentation.json")["detect"].as_array().unwrap() {
        let connectivity = if number(case, "connectivity") == 8.0 { Connectivity::Eight } else { Connectivity::Four };
        let n_pixels = number(case, "npixels") as usize;
        let threshold = number(case, "threshold") as f32;
        let found = detect_sources(image.view(), Threshold::Value(threshold), n_pixels, connectivity);
        assert_eq!(f64::from(found.n), number(case, "nlabels"));
        let map = Array2::from_elem(image.dim(), threshold);
        assert_eq!(detect_sources(image.view(), Threshold::Map(map.view()), n_pixels, connectivity), found);
        for (m, row) in measure_segments(image.view(), &found).iter().zip(case["segments"].as_array().unwrap()) {
            let row = floats(row);
            let box_of = [m.columns[0], m.columns[1], m.rows[0], m.rows[1]].map(|v| v as f64);
            assert_eq!((m.area as f64, box_of, m.flux), (row[1], [row[2], row[3], row[4], row[5]], row[6]));
            let mean = mean_position(&found, row[0] as u32);
            assert!((mean[0] - row[7]).abs() < 1e-5 && (mean[1] - row[8]).abs() < 1e-5, "{mean:?} is not {row:?}");
        }
    }
}

#[test]
fn deblending_equals_the_reference_vectors() {
    let image = field();
    for case in vector_json("segmentation.json")["deblend"].as_array().unwrap() {
        let threshold = Threshold::Value(number(case, "threshold") as f32);
        let segments =
            detect_sources(image.view(), threshold, number(case, "detect_npixels") as usize, Connectivity::Eight);
        let options = DeblendOptions {
            n_pixels: number(case, "npixels") as usize,
            n_levels: number(case, "nlevels") as usize,
            contrast: number(case, "contrast"),
            mode: match case["mode"].as_str().unwrap() {
                "exponential" => DeblendMode::Exponential,
                "linear" => DeblendMode::Linear,
                "sinh" => DeblendMode::Sinh,
                other => panic!("mode {other}"),
            },
            connectivity: Connectivity::Eight,
        };
        let divided = deblend_with(image.view(), &segments, &options, &|| true).unwrap();
        assert_eq!(f64::from(divided.labels.n), number(case, "nlabels"));
        assert_eq!(divided.parents.iter().map(|&p| f64::from(p)).collect::<Vec<_>>(), floats(&case["parent"]));
        let areas = divided.labels.areas();
        for (area, row) in areas.iter().zip(case["segments"].as_array().unwrap()) {
            let expected = floats(row)[1];
            // Ties of the flood are broken by age, so areas may differ a little between implementations.
            let tolerance = (0.01 * expected).max(3.0);
            assert!((*area as f64 - expected).abs() <= tolerance, "{area} px, {expected} in the reference");
        }
        let mut of_parent = vec![0; segments.n as usize];
        for (area, parent) in areas.iter().zip(&divided.parents) {
            of_parent[*parent as usize - 1] += area;
        }
        assert_eq!(of_parent, segments.areas());
        for (divided, whole) in divided.labels.labels.iter().zip(&segments.labels) {
            assert_eq!(divided.checked_sub(1).map_or(0, |at| of(&case["parent"], at)), *whole);
        }
    }
}

fn of(parents: &serde_json::Value, at: u32) -> u32 {
    parents[at as usize].as_u64().unwrap() as u32
}

#[test]
fn a_pixel_equal_to_the_threshold_and_a_nan_do_not_belong() {
    let image = array![[1.0_f32, 2.0, f32::NAN, 2.0]];
    let found = detect_sources(image.view(), Threshold::Value(1.0), 1, Connectivity::Eight);
    assert_eq!(found.labels, array![[0, 1, 0, 2]]);
    let map = array![[0.5_f32, f32::NAN, 0.0]];
    let found = detect_sources(image.view(), Threshold::Map(map.view()), 1, Connectivity::Eight);
    assert_eq!((found.labels, found.n), (array![[1, 0, 0, 0]], 1), "NaN, or outside the map");
}

#[test]
fn corners_connect_under_eight_neighbours_alone() {
    let image = array![[1.0_f32, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]];
    let find = |n, c| detect_sources(image.view(), Threshold::Value(0.5), n, c).labels;
    assert_eq!(find(1, Connectivity::Eight), array![[1, 0, 1], [0, 1, 0], [0, 0, 0], [2, 2, 0]]);
    assert_eq!(find(1, Connectivity::Four), array![[1, 0, 2], [0, 3, 0], [0, 0, 0], [4, 4, 0]]);
    assert_eq!(find(3, Connectivity::Eight), array![[1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 0]]);
    assert_eq!(find(2, Connectivity::Four), array![[0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 1, 0]]);
}

#[test]
fn images_without_pixels_or_light_have_no_segments() {
    for image in
        [Array2::zeros((0, 0)), Array2::zeros((0, 5)), Array2::zeros((1, 1)), Array2::from_elem((3, 4), f32::NAN)]
    {
        let found = detect_sources(image.view(), Threshold::Value(0.0), 1, Connectivity::Eight);
        assert_eq!((found.n, found.labels.dim()), (0, image.dim()));
        assert_eq!(deblend_sources(image.view(), &found, &DeblendOptions::default()), found);
        assert!(measure_segments(image.view(), &found).is_empty());
    }
}

fn pair() -> Array2<f32> {
    Array2::from_shape_fn((21, 31), |(y, x)| {
        let bump = |x0: f64, peak: f64| {
            peak * libm::exp(-(libm::pow(x as f64 - x0, 2.0) + libm::pow(y as f64 - 10.0, 2.0)) / 8.0)
        };
        (1.0 + bump(10.0, 100.0) + bump(19.0, 40.0)) as f32
    })
}

fn divide(image: &Array2<f32>, options: &DeblendOptions) -> Labels {
    let whole = Labels { labels: Array2::ones(image.dim()), n: 1 };
    deblend_sources(image.view(), &whole, options)
}

#[test]
fn two_peaks_part_at_the_saddle_and_share_every_pixel() {
    let found = divide(&pair(), &DeblendOptions::default());
    assert_eq!((found.n, found.at(10, 10), found.at(19, 10)), (2, 1, 2));
    assert!(found.labels.iter().all(|&l| l > 0));
    assert_eq!((found.at(14, 10), found.at(16, 10)), (1, 2));
}

#[test]
fn contrast_one_divides_nothing_and_between_the_shares_it_decides() {
    let image = pair();
    let n = |contrast| divide(&image, &DeblendOptions { contrast, ..DeblendOptions::default() }).n;
    assert_eq!((n(0.0), n(0.2), n(0.45), n(1.0)), (2, 2, 1, 1));
}

#[test]
fn constant_small_and_negative_segments_are_handled() {
    let options = DeblendOptions::default();
    assert_eq!(divide(&Array2::from_elem((9, 9), 3.0), &options).n, 1, "constant");
    let two = array![[9.0_f32, 1.0, 9.0]];
    assert_eq!(divide(&two, &options).n, 1, "fewer than twice n_pixels");
    assert_eq!(divide(&two, &DeblendOptions { n_pixels: 1, ..options }).n, 2);
    let below = pair().mapv(|v| v - 2.0);
    let whole = Labels { labels: Array2::ones(below.dim()), n: 1 };
    let divided = deblend_with(below.view(), &whole, &options, &|| true).unwrap();
    assert_eq!((divided.n_linear, divided.labels.n), (1, 2));
    let mut holed = pair();
    holed[[10, 12]] = f32::NAN;
    assert!(divide(&holed, &options).labels.iter().all(|&l| l > 0), "a pixel without value goes to a neighbour");
    assert_eq!(divide(&Array2::from_elem((9, 9), f32::NAN), &options).n, 1);
}

#[test]
fn a_segment_in_pieces_stays_whole() {
    let image = array![[9.0_f32, 1.0, 0.0, 0.0], [0.0, 0.0, 8.0, 1.0]];
    let segments = detect_sources(image.view(), Threshold::Value(0.5), 1, Connectivity::Eight);
    assert_eq!(segments.n, 1);
    let options =
        DeblendOptions { n_pixels: 1, contrast: 0.0, connectivity: Connectivity::Four, ..DeblendOptions::default() };
    // Two pieces that both hold a marker divide; a piece without one cannot be given to a source.
    assert_eq!(deblend_sources(image.view(), &segments, &options).n, 2);
    let image = array![[9.0_f32, 1.0, 9.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    let segments = detect_sources(image.view(), Threshold::Value(0.5), 1, Connectivity::Eight);
    let divided = deblend_with(image.view(), &segments, &options, &|| true).unwrap();
    assert_eq!((divided.labels, divided.n_in_pieces), (segments, 1));
}

#[test]
fn one_segment_is_taken_out_by_its_label() {
    let image = field();
    let found = detect_sources(image.view(), Threshold::Value(36.5), 10, Connectivity::Eight);
    let alone = found.only(16);
    assert_eq!((alone.n, alone.areas()[0]), (1, found.areas()[15]));
    assert_eq!(alone.mask(1), found.mask(16));
    assert_eq!((found.only(0).n, found.only(99).n), (0, 0));
    assert_eq!(found.at(5000, 2), 0);
}

#[test]
fn a_large_image_is_divided_as_a_small_one_is() {
    // Above the size at which segments are shared between threads.
    let small = field();
    let mut large = Array2::zeros((400, 400));
    large.slice_mut(ndarray::s![200..328, 100..228]).assign(&small);
    let of = |image: &Array2<f32>| {
        let segments = detect_sources(image.view(), Threshold::Value(36.5), 10, Connectivity::Eight);
        deblend_sources(image.view(), &segments, &DeblendOptions::default()).labels
    };
    assert_eq!(of(&large).slice(ndarray::s![200..328, 100..228]), of(&small));
}

fn detect_stage() -> Detect {
    Detect { threshold_sigma: Some(3.0), threshold: None, n_pixels: 10, connectivity: Connectivity::Eight }
}

fn deblend_stage() -> Deblend {
    Deblend {
        n_pixels: 10,
        n_levels: 32,
        contrast: 0.001,
        mode: DeblendMode::Exponential,
        connectivity: Connectivity::Eight,
    }
}

fn detect_harness() -> Harness {
    let image = Image::from_pixels(field());
    let noise = image.with_pixels(Array2::from_elem(image.pixels.dim(), 12.1));
    Harness::new(detect_stage()).input("image", image).input("noise", noise)
}

fn deblend_harness() -> Harness {
    let labels = detect_harness().run().unwrap().get::<Image>("labels");
    Harness::new(deblend_stage()).input("image", Image::from_pixels(field())).input("labels", (*labels).clone())
}

#[test]
fn the_stages_hand_labels_and_tables_on() {
    let outcome = deblend_harness().run().unwrap();
    let (labels, table) = (outcome.get::<Image>("labels"), outcome.get::<Table>("table"));
    let greatest = labels.pixels.iter().fold(0.0_f32, |a, &b| a.max(b));
    assert_eq!(greatest as usize, table.n_rows());
    let parents = table.ints("parent_id").unwrap();
    assert!(parents.len() > 28 && parents.windows(2).any(|w| w[0] == w[1]));
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    deblend_stage().infer(&Facets::new(), &mut outputs, &mut problems);
    let inferred = skyloom_data::facets::TableFacet::from_facet(&outputs.get("table")).columns.unwrap();
    assert_eq!(table.column_names(), inferred.iter().map(|c| c.0.clone()).collect::<Vec<_>>());
}

#[test]
fn bad_pixels_belong_to_no_segment_but_saturated_ones_do() {
    let n = |bit: u16| {
        let mut image = Image::from_pixels(pair());
        let mut mask = Array2::zeros((21, 31));
        mask.slice_mut(ndarray::s![.., 8..13]).fill(bit);
        image.mask = Some(mask);
        let stage = Detect { threshold_sigma: None, threshold: Some(20.0), ..detect_stage() };
        let table = Harness::new(stage).input("image", image).run().unwrap().get::<Table>("table");
        table.floats("peak").unwrap()
    };
    assert_eq!(n(MaskBits::SATURATED), n(0));
    assert!(n(MaskBits::BAD).iter().all(|&peak| peak < 60.0));
}

#[test]
fn labels_must_be_whole_numbers() {
    let image = Image::from_pixels(pair());
    for bad in [0.5, -1.0, f32::NAN, 2e9] {
        let labels = Image::from_pixels(Array2::from_elem((21, 31), bad));
        let error = Harness::new(deblend_stage()).input("image", image.clone()).input("labels", labels).run();
        assert!(error.unwrap_err().message.contains("whole numbers"));
    }
}

#[test]
fn parameters_are_checked() {
    let count = |stage: &dyn Stage| {
        let mut problems = Problems::new();
        stage.check(&mut problems);
        stage.infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
        problems.into_list().len()
    };
    assert_eq!(count(&detect_stage()), 1, "no noise map");
    assert_eq!(count(&Detect { threshold_sigma: None, threshold: Some(-2.0), ..detect_stage() }), 0);
    assert_eq!(count(&Detect { threshold_sigma: None, threshold: Some(f64::NAN), ..detect_stage() }), 1);
    assert_eq!(count(&Detect { threshold: Some(1.0), n_pixels: 0, ..detect_stage() }), 3);
    assert_eq!(count(&deblend_stage()), 0);
    assert_eq!(count(&Deblend { n_pixels: 0, n_levels: 0, contrast: f64::NAN, ..deblend_stage() }), 3);
}

determinism_test!(detection_is_deterministic, detect_harness());
golden_test!(detection_keeps_its_result, detect_harness(), version: 1, digest: "b64afcb41e94");
determinism_test!(deblending_is_deterministic, deblend_harness());
golden_test!(deblending_keeps_its_result, deblend_harness(), version: 1, digest: "d3532cd3b756");
