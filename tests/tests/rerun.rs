//! What runs and what is reused on the real frame, as lists.
#![allow(missing_docs)]

use std::path::Path;

use skyloom_tests::{Place, files, graph, repository, with_verdict};

const ALL: [&str; 17] = [
    "frame",
    "flat",
    "sky",
    "stars",
    "psf",
    "residual",
    "trace",
    "shapes",
    "mags",
    "cull",
    "write_candidates",
    "write_candidates_fits",
    "write_rejected",
    "write_regions",
    "write_geojson",
    "write_residual",
    "overview",
];

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"))
}

fn quicklook() -> String {
    graph("quicklook.ron").display().to_string()
}

/// Names of the nodes that a plan would run.
fn planned(place: &Place, args: &[&str]) -> Vec<String> {
    let ended = place.run(args).ok();
    let plan: serde_json::Value = serde_json::from_str(&ended.stdout).expect("the plan is JSON");
    let nodes = plan["nodes"].as_array().expect("a list");
    nodes.iter().filter(|n| n["verdict"] == "run").map(|n| n["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn only_what_changed_runs_on_the_real_frame_and_every_reason_is_given() {
    let place = place();
    let graph = quicklook();
    let run = ["run", &graph, "--out", "out"];

    // First run: everything.
    let _ = place.run(&run).ok();
    assert_eq!(with_verdict(&place.report("out"), "ran"), ALL);
    let delivered = files(&place.path("out"));
    let names: Vec<&str> = delivered.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "candidates.fits",
            "candidates.parquet",
            "isophotes.geojson",
            "isophotes.reg",
            "overview.png",
            "rejected.parquet",
            "residual.fits"
        ]
    );

    // Same command again: nothing.
    let _ = place.run(&run).ok();
    assert_eq!(with_verdict(&place.report("out"), "reused"), ALL);

    // A rule's threshold: the rules and what follows.
    let changed = ["run", &graph, "--out", "out", "--set", "mag_limit=14"];
    let _ = place.run(&changed).ok();
    let after_rules = [
        "cull",
        "write_candidates",
        "write_candidates_fits",
        "write_rejected",
        "write_regions",
        "write_geojson",
        "overview",
    ];
    let report = place.report("out");
    assert_eq!(with_verdict(&report, "ran"), after_rules);
    let why = place.run(&["why", "cull"]).ok().stdout;
    assert!(why.contains(r#"was "mag_r > 16.0 and"#) && why.contains(r#"is "mag_r > 14 and"#), "{why}");

    // The nebuliser's box: the plan says beforehand what the run does, and why gives old and new value.
    let _ = place.run(&run).ok();
    let plan = planned(&place, &["plan", &graph, "--out", "out", "--set", "median_px=60", "--json"]);
    let _ = place.run(&["run", &graph, "--out", "out", "--set", "median_px=60"]).ok();
    assert_eq!(plan, with_verdict(&place.report("out"), "ran"));
    assert_eq!(plan, ALL[1..]);
    let why = place.run(&["why", "flat"]).ok().stdout;
    assert!(why.contains("params.median_px was 90, is 60"), "{why}");
    let why = place.run(&["why", "stars"]).ok().stdout;
    assert!(why.contains("sky ran because") && why.contains("params.median_px was 90, is 60"), "{why}");

    // Every cached intermediate image is deleted; the files in the output folder stay: still nothing.
    let _ = place.run(&run).ok();
    let n = remove(&place.path("cache/v1/artefacts"), "fits");
    assert!(n >= 5, "{n} images were in the cache");
    let _ = place.run(&run).ok();
    assert_eq!(with_verdict(&place.report("out"), "reused"), ALL);

    // A new output folder: nothing that can be copied runs again. The images are gone, so the residual's file needs them.
    let _ = place.run(&["run", &graph, "--out", "other", "--force", "frame"]).ok();
    assert_eq!(files(&place.path("other")), delivered);
    std::fs::remove_dir_all(place.path("other")).expect("the folder can be removed");
    let _ = place.run(&["run", &graph, "--out", "other"]).ok();
    assert_eq!(with_verdict(&place.report("other"), "reused"), ALL);
    assert_eq!(files(&place.path("other")), delivered);

    // The report repeats the run.
    let report = place.path("other/run.json").display().to_string();
    let _ = place.run(&["run", &report, "--out", "again"]).ok();
    assert_eq!(with_verdict(&place.report("again"), "reused"), ALL);
    assert_eq!(files(&place.path("again")), delivered);
}

#[test]
fn a_cosmetic_header_edit_stops_at_the_reader() {
    let place = place();
    let fixture = repository().join("tests/fixtures/frame/small.fits");
    let frame = place.path("frame.fits");
    std::fs::copy(&fixture, &frame).expect("the fixture can be copied");
    let graph = quicklook();
    let path = format!("frame={}", frame.display());
    let run = ["run", &graph, "--out", "out", "--set", &path];
    let _ = place.run(&run).ok();
    let mut bytes = std::fs::read(&frame).expect("the frame can be read");
    let at = bytes.windows(20).position(|w| w == b"HISTORY made for the").expect("the fixture has a HISTORY card");
    bytes[at + 8..at + 12].copy_from_slice(b"MADE");
    std::fs::write(&frame, bytes).expect("the frame can be written");
    let _ = place.run(&run).ok();
    let report = place.report("out");
    assert_eq!(with_verdict(&report, "ran"), ["frame"]);
    assert_eq!(with_verdict(&report, "reused"), ALL[1..]);
    let why = place.run(&["why", "frame"]).ok().stdout;
    assert!(why.contains("file path: its content changed"), "{why}");
}

/// Removes all files with this extension below a folder; returns how many.
fn remove(folder: &Path, extension: &str) -> usize {
    let mut n = 0;
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            n += remove(&path, extension);
        } else if path.extension().is_some_and(|e| e == extension) {
            std::fs::remove_file(&path).expect("the file can be removed");
            n += 1;
        }
    }
    n
}
