//! Graphs and overlays of surveys whose files are not at hand, on synthetic files in their documented layouts.
#![allow(missing_docs)]

use std::path::Path;

use skyloom_data::{Image, Table, fits, parquet_io};
use skyloom_testkit::surveys::{CoaddPair, DecamExposure, PairFiles, Source, tract_wcs};
use skyloom_tests::{Place, graph};

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn pair(place: &Place) -> (CoaddPair, PairFiles) {
    let pair = CoaddPair::new(1);
    let files = pair.write(&place.path("")).expect("the files can be written");
    (pair, files)
}

fn table(path: &Path) -> Table {
    Table::from_batch(parquet_io::read_batch(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// Conservative roots within 1.5 arcsec of a source of the tract: their part and magnitude.
fn roots_near(table: &Table, source: &Source) -> Vec<(Option<i64>, f64)> {
    let (ra, dec) = tract_wcs().pixel_to_icrs(source.x, source.y).expect("on the sky");
    let column = |name: &str| table.floats(name).expect("a column");
    let (ras, decs, mags) = (column("ra"), column("dec"), column("mag_i"));
    let (parents, samples) = (table.ints("parent_id").expect("ids"), table.texts("sample").expect("samples"));
    let parts = if table.has_column("part") { table.ints("part").expect("parts") } else { vec![None; ras.len()] };
    (0..ras.len())
        .filter(|&i| parents[i].is_none() && samples[i] == "conservative")
        .filter(|&i| {
            let (da, dd) = ((ras[i] - ra) * libm::cos(dec.to_radians()), decs[i] - dec);
            libm::hypot(da, dd) * 3600.0 < 1.5
        })
        .map(|i| (parts[i], mags[i]))
        .collect()
}

#[test]
fn the_graph_for_lsst_differs_from_the_published_one_by_readers_and_values_alone() {
    let graphs = ["vmc.ron", "lsst.ron"].map(|name| shown(&graph(name)));
    let ended = place().run(&["diff", &graphs[0], &graphs[1], "--json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let diff: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let texts = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().expect("a list").iter().map(|v| v.as_str().expect("text").to_owned()).collect()
    };
    let mut readers = Vec::new();
    for node in diff["nodes"].as_array().expect("a list") {
        let name = node["node"].as_str().expect("a name");
        for change in texts(&node["changes"]) {
            match change.strip_prefix("kind ") {
                // A node that is new has no kind before, a node that is gone none after: neither is a reader in another's place.
                Some(kind) => readers.push(format!("{name}: {kind}")),
                None => assert!(change.starts_with("params."), "{name}: {change}"),
            }
        }
    }
    let expected = ["ks", "j", "y"].map(|name| format!("{name}: was io.read_image, is io.read_exposure"));
    assert_eq!(readers, expected);
    assert_eq!(texts(&diff["outputs"]), Vec::<String>::new());
    let same = place().run(&["diff", &graphs[0], &graphs[0]]).ok();
    assert_eq!(same.stdout, "the same graph\n");
}

#[test]
fn a_cluster_in_the_overlap_of_two_patches_appears_once_when_they_are_joined() {
    let place = place();
    let (sky, files) = pair(&place);
    let (lsst, join) = (shown(&graph("lsst.ron")), shown(&graph("join.ron")));
    let catalogue = format!("catalogue={}", files.catalogue.display());
    for (number, exposure) in files.exposures.iter().enumerate() {
        let ks = format!("ks={}", exposure.display());
        let out = format!("patch-{number}");
        let _ = place.run(&["run", &lsst, "--set", &ks, "--set", &catalogue, "--out", &out]).ok();
        let found = table(&place.path(&out).join("candidates.parquet"));
        let near = roots_near(&found, &sky.clusters[0]);
        assert_eq!(near.len(), 1, "patch {number}: {near:?}");
        assert!((near[0].1 - sky.clusters[0].mag).abs() < 0.5, "patch {number}: {near:?}");
        assert_eq!(
            roots_near(&found, &sky.clusters[1]).len(),
            1 - number,
            "the other cluster is in the first patch alone"
        );
    }
    let patches = "patches=[\"patch-0\", \"patch-1\"]";
    let _ = place.run(&["run", &join, "--set", patches, "--out", "joined"]).ok();
    let joined = table(&place.path("joined").join("candidates.parquet"));
    for cluster in &sky.clusters {
        assert_eq!(roots_near(&joined, cluster).len(), 1, "{cluster:?}");
    }
    // Joining the joined parts in the other order keeps the same objects, but for numbers of parts.
    let reversed = "patches=[\"patch-1\", \"patch-0\"]";
    let _ = place.run(&["run", &join, "--set", reversed, "--out", "reversed"]).ok();
    assert_eq!(table(&place.path("reversed").join("candidates.parquet")).n_rows(), joined.n_rows());
}

/// What suits `vmc.ron` to plain images of the pair.
const TILES: &str = r#"(
    params: {"band": "i", "core_counts": 300.0, "class_shift_mag": 5.5, "mag_limit": 22.0},
    nodes: {
        "flat": (params: (stats: exact)),
        "narrow": (params: (stats: exact)),
        "found": (params: (fwhm_px: 3.8)),
        "isolated": (
            params: (faint_min_mag: 20.0, faint_max_mag: 23.5, bright_min_mag: 14.5, bright_max_mag: 21.0, max_sharp: 0.5),
        ),
    },
)"#;

#[test]
fn tiles_of_any_survey_that_overlap_can_be_joined() {
    let place = place();
    let sky = CoaddPair::new(1);
    let (vmc, join) = (shown(&graph("vmc.ron")), shown(&graph("join.ron")));
    std::fs::write(place.path("tiles.ron"), TILES).expect("written");
    for number in 0..2 {
        let patch = sky.patch(number);
        let mut tile = Image::from_pixels(patch.pixels);
        tile.wcs = Some(patch.wcs.cutout(patch.origin.0 as f64, patch.origin.1 as f64));
        (tile.meta.zero_point, tile.meta.exposure_s) = (Some(31.4), Some(1.0));
        fits::write_product(&tile, &place.path(&format!("tile-{number}.fits"))).expect("written");
        let (ks, out) = (format!("ks=tile-{number}.fits"), format!("tile-{number}"));
        let _ = place.run(&["run", &vmc, "--overlay", "tiles.ron", "--set", &ks, "--out", &out]).ok();
        let near = roots_near(&table(&place.path(&out).join("candidates.parquet")), &sky.clusters[0]);
        assert_eq!(near.len(), 1, "tile {number}: {near:?}");
    }
    let tiles = "patches=[\"tile-0\", \"tile-1\"]";
    let _ = place.run(&["run", &join, "--set", tiles, "--out", "joined"]).ok();
    let joined = table(&place.path("joined").join("candidates.parquet"));
    for cluster in &sky.clusters {
        assert_eq!(roots_near(&joined, cluster).len(), 1, "{cluster:?}");
    }
}

#[test]
fn overlays_of_surveys_without_files_fit_every_graph() {
    let place = place();
    let (sky, files) = pair(&place);
    let patch = sky.patch(0);
    let decam = DecamExposure {
        detector: "S29".to_owned(),
        quality: patch.mask.mapv(|_| 0),
        weight: patch.variance.mapv(|v| if v > 0.0 { 1.0 / v } else { 0.0 }),
        pixels: patch.pixels,
        wcs: tract_wcs(),
        zero_point: 30.0,
        version: "V5.4".to_owned(),
    };
    let decam = decam.write(&place.path(""), "c4d").expect("the files can be written");
    let lsst = vec![format!("ks={}", files.exposures[0].display()), format!("catalogue={}", files.catalogue.display())];
    let decam = vec![
        format!("ks={}", decam[0].display()),
        format!("ks_quality={}", decam[1].display()),
        format!("ks_weight={}", decam[2].display()),
        "hdu=\"S29\"".to_owned(),
    ];
    for name in ["vmc.ron", "clusters.ron", "recovery.ron", "recovery-clusters.ron"] {
        for (survey, settings) in [("lsst.ron", &lsst), ("decam.ron", &decam)] {
            let (graph, survey) = (shown(&graph(name)), shown(&graph("surveys").join(survey)));
            let mut args = vec!["check", &graph, "--overlay", &survey];
            args.extend(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
            let _ = place.run(&args).ok();
        }
    }
}
