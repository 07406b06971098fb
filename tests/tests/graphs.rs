//! Shipped graphs: their own tests, and what they find in real frames.
//!
//! Frames that are not part of the project lie in the folder that the environment variable `SKYLOOM_DATA` names; tests on them
//! say that they were skipped where it is not set or a frame is missing.
#![allow(missing_docs)]

use std::path::PathBuf;

use skyloom_tests::{Place, graph, repository};

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"))
}

/// Files of the data folder as paths; `None`, with a message, where one is missing.
fn frames(test: &str, names: &[&str]) -> Option<Vec<String>> {
    let Some(folder) = std::env::var_os("SKYLOOM_DATA").map(PathBuf::from) else {
        eprintln!("{test}: skipped, SKYLOOM_DATA names no folder with frames");
        return None;
    };
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    if let Some(missing) = paths.iter().find(|path| !path.is_file()) {
        eprintln!("{test}: skipped, {} is missing", missing.display());
        return None;
    }
    Some(paths.iter().map(|path| path.display().to_string()).collect())
}

/// Runs a graph with a survey's overlay and settings, and expects a number of candidates that match a condition.
fn expect_candidates(name: &str, survey: &str, settings: &[String], expected: &[(&str, &str)]) {
    let place = place();
    let checks: Vec<String> = expected
        .iter()
        .enumerate()
        .map(|(i, (condition, number))| {
            format!(
                "\"check_{i}\": (kind: \"expect.rows\", params: (where: {condition:?}, {number}), \
                 inputs: {{\"table\": \"candidates.table\"}}),"
            )
        })
        .collect();
    let check = place.write("check.ron", &format!("(nodes: {{ {} }})", checks.concat()));
    let (graph, survey) = (graph(name), graph("surveys").join(survey));
    let paths = [graph, survey, check].map(|path| path.display().to_string());
    let mut args = vec!["run", &paths[0], "--overlay", &paths[1], "--overlay", &paths[2], "--out", "out"];
    args.extend(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
    let _ = place.run(&args).ok();
}

const ROOT: &str = "is_nan(parent_id) and sample == \"conservative\"";

#[test]
fn the_published_method_passes_its_own_tests() {
    let vmc = graph("vmc.ron").display().to_string();
    let ended = place().run(&["test", &vmc]).ok();
    assert!(ended.stdout.contains("1 passed, 0 failed"), "{}", ended.stdout);
}

#[test]
fn every_survey_fits_every_graph() {
    let frame = repository().join("examples/data/frame-r-002583-2-0136.fits.gz");
    let ks = format!("ks={}", frame.display());
    for name in ["vmc.ron", "clusters.ron", "recovery.ron"] {
        for survey in ["sdss.ron", "video.ron", "supercosmos.ron", "vmc.ron"] {
            let (graph, survey) =
                (graph(name).display().to_string(), graph("surveys").join(survey).display().to_string());
            let _ = place().run(&["check", &graph, "--overlay", &survey, "--set", &ks]).ok();
        }
    }
}

/// Settings for M2 in r, g, i with the pixel mask of r.
fn m2() -> Option<Vec<String>> {
    let names = [
        "m2-sdss/frame-r-002583-2-0136.fits.gz",
        "m2-sdss/frame-g-002583-2-0136.fits.gz",
        "m2-sdss/frame-i-002583-2-0136.fits.gz",
        "m2-sdss/fpM-002583-r2-0136.fit",
    ];
    let paths = frames("M2", &names)?;
    Some(["ks", "j", "y", "fpm"].iter().zip(&paths).map(|(key, path)| format!("{key}={path}")).collect())
}

#[test]
fn the_published_method_finds_m2_in_three_bands() {
    let Some(settings) = m2() else { return };
    let m2 = "sqrt((x_light - 212.5) * (x_light - 212.5) + (y_light - 923.9) * (y_light - 923.9)) < 13";
    let root = format!(
        "is_nan(parent_id) and sample == \"expansive\" and {m2} and r_geo > 30 and mag_g > mag_r and mag_r > mag_i and mag_g - mag_i < 2"
    );
    expect_candidates("vmc.ron", "sdss.ron", &settings, &[(&root, "min: 1, max: 1")]);
}

#[test]
fn joint_removal_keeps_m2_whole_and_measures_it_in_three_bands() {
    let Some(settings) = m2() else { return };
    let near = "sqrt((x_light - 212.5) * (x_light - 212.5) + (y_light - 923.9) * (y_light - 923.9))";
    // A plain sum over its polygon, above the sky of the far corner, gives 6.68 mag in r.
    let root = format!(
        "{ROOT} and {near} < 10 and r_geo > 300 and abs(mag_r - 6.69) < 0.05 and abs(mag_g - 7.03) < 0.05 and abs(mag_i - 6.41) < 0.05"
    );
    let inside = format!("{ROOT} and {near} < 300");
    let expected = [(root.as_str(), "min: 1, max: 1"), (inside.as_str(), "max: 1"), (ROOT, "max: 6")];
    expect_candidates("clusters.ron", "sdss.ron", &settings, &expected);
}

#[test]
fn a_sparse_field_a_crowded_plate_and_an_infrared_frame_hold_next_to_nothing() {
    // At most 2 per megapixel, or 3 in an infrared frame: none of these fields has a cluster.
    for (name, survey, most) in [
        ("s82-sparse-sdss/frame-r-000094-1-0012.fits.gz", "sdss.ron", 6),
        ("galactic-plane-supercosmos/2246_sr_modified.fits", "supercosmos.ron", 1),
        ("vircam-video-h/image_1.fits", "video.ron", 3),
        ("vircam-video-h/image_2.fits", "video.ron", 3),
    ] {
        if let Some(paths) = frames(name, &[name]) {
            let ks = [format!("ks={}", paths[0])];
            for graph in ["vmc.ron", "clusters.ron"] {
                expect_candidates(graph, survey, &ks, &[(ROOT, &format!("max: {most}"))]);
            }
        }
    }
}
