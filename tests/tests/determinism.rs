//! The whole pipeline gives the same bytes whatever the number of threads and the height of the bands.
#![allow(missing_docs)]

use std::path::Path;

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use skyloom_data::{CardValue, Header, Image, Wcs, fits};
use skyloom_tests::{Place, files, graph};

const WIDTH: usize = 300;
const HEIGHT: usize = 260;
const CLUSTER: (f64, f64) = (150.0, 130.0);

/// Noise, 60 stars, a cluster in the middle, a bad pixel: something to do for every node of the graph.
fn frame() -> Image {
    let mut random = ChaCha8Rng::seed_from_u64(20_241_022);
    let mut between = move |low: f64, high: f64| low + (high - low) * random.random::<f64>();
    // The sum of 12 is as good as normal here and needs no library.
    let mut pixels =
        Array2::from_shape_fn((HEIGHT, WIDTH), |_| 0.03 * ((0..12).map(|_| between(0.0, 1.0)).sum::<f64>() - 6.0));
    let mut add = |x0: f64, y0: f64, flux: f64, scale: f64, power: i32| {
        let norm = flux * f64::from(power - 1) / (std::f64::consts::PI * scale * scale);
        for ((y, x), pixel) in pixels.indexed_iter_mut() {
            let r2 = (x as f64 - x0).powi(2) + (y as f64 - y0).powi(2);
            *pixel += norm * (1.0 + r2 / (scale * scale)).powi(-power);
        }
    };
    for _ in 0..60 {
        let flux = libm::exp10(between(0.5, 2.2));
        add(between(5.0, 295.0), between(5.0, 255.0), flux, 2.0, 3);
    }
    add(CLUSTER.0, CLUSTER.1, libm::exp10(0.4 * (22.5 - 14.5)), 8.0, 2);
    pixels[[40, 50]] = f64::NAN;

    let mut header = Header::new();
    for (key, value) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")] {
        header.set(key, CardValue::Text(value.into()));
    }
    let numbers = [
        ("CRVAL1", 80.0),
        ("CRVAL2", -69.0),
        ("CRPIX1", 150.5),
        ("CRPIX2", 130.5),
        ("CD1_1", -1.1e-4),
        ("CD1_2", 0.0),
        ("CD2_1", 0.0),
        ("CD2_2", 1.1e-4),
    ];
    for (key, value) in numbers {
        header.set(key, CardValue::Float(value));
    }
    let mut image = Image::from_pixels(pixels.mapv(|v| v as f32));
    image.wcs = Wcs::from_header(&header).expect("the header is sound");
    image.meta.unit = Some("nanomaggy".into());
    image
}

/// Delivered files, and the digests of all products by node.
type Made = (Vec<(String, Vec<u8>)>, Vec<(String, Value)>);

/// What a run in an empty cache made: the delivered files, and each node's output digests.
fn run(frame: &Path, limits: &[&str]) -> Made {
    let place = Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"));
    let (graph, set) = (graph("quicklook.ron").display().to_string(), format!("frame={}", frame.display()));
    let mut args = vec!["run", &graph, "--out", "out", "--set", &set];
    args.extend(limits);
    let _ = place.run(&args).ok();
    let report = place.report("out");
    let digests = report["nodes"].as_array().expect("nodes is a list").iter().map(|node| {
        assert_eq!(node["verdict"], "ran", "{node}");
        assert!(node["outputs"].as_object().is_some_and(|o| !o.is_empty()), "{node}");
        (node["name"].as_str().expect("a name").to_owned(), node["outputs"].clone())
    });
    (files(&place.path("out")), digests.collect())
}

#[test]
fn threads_and_bands_change_no_byte_of_any_product() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().join("frame.fits");
    std::fs::write(&path, fits::image_to_fits_bytes(&frame(), true).expect("FITS holds it"))
        .expect("it can be written");

    let (files, digests) = run(&path, &["--threads", "1"]);
    assert_eq!((files.len(), digests.len()), (7, 17));
    let shapes = files.iter().find(|(name, _)| name == "isophotes.geojson").expect("it is delivered");
    let shapes: Value = serde_json::from_slice(&shapes.1).expect("GeoJSON is JSON");
    let candidates = shapes["features"].as_array().expect("a list");
    let near = |feature: &&Value, key: &str, at: f64| {
        feature["properties"][key].as_f64().is_some_and(|v| (v - at).abs() < 4.0)
    };
    let cluster = candidates.iter().find(|f| near(f, "x_light", CLUSTER.0) && near(f, "y_light", CLUSTER.1));
    assert!(cluster.is_some(), "the cluster is not among {} candidates", candidates.len());

    for threads in ["1", "2", "7"] {
        for band_rows in [None, Some("7"), Some("64"), Some("1000")] {
            let mut limits = vec!["--threads", threads];
            limits.extend(band_rows.into_iter().flat_map(|rows| ["--band-rows", rows]));
            let (other_files, other_digests) = run(&path, &limits);
            assert_eq!(other_digests, digests, "{limits:?}");
            for (file, other) in files.iter().zip(&other_files) {
                assert!(file == other, "{} differs from {} with {limits:?}", file.0, other.0);
            }
            assert_eq!(other_files.len(), files.len(), "{limits:?}");
        }
    }
}
