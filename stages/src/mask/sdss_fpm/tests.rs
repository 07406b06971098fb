use std::path::{Path, PathBuf};

use ndarray::Array2;
use skyloom_data::{Image, MaskBits};
use skyloom_engine::{ErrorClass, Facets, FacetsOut, InputPath, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn header(cards: &[(&str, &str)]) -> Vec<u8> {
    let mut text =
        cards.iter().map(|(key, value)| format!("{:<80}", format!("{key:<8}= {value:>20}"))).collect::<String>();
    text += &format!("{:<80}", "END");
    pad(text.into_bytes(), b' ')
}

fn pad(mut bytes: Vec<u8>, with: u8) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(2880), with);
    bytes
}

/// A binary table: its columns as name and format, its rows and its heap.
fn table(columns: &[(&str, &str)], row_bytes: usize, rows: &[u8], heap: &[u8]) -> Vec<u8> {
    let n = |value: usize| value.to_string();
    let mut cards: Vec<(String, String)> = [
        ("XTENSION", "'BINTABLE'".to_owned()),
        ("BITPIX", n(8)),
        ("NAXIS", n(2)),
        ("NAXIS1", n(row_bytes)),
        ("NAXIS2", n(rows.len() / row_bytes)),
        ("PCOUNT", n(heap.len())),
        ("GCOUNT", n(1)),
        ("TFIELDS", n(columns.len())),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    for (i, (name, form)) in columns.iter().enumerate() {
        cards.push((format!("TTYPE{}", i + 1), format!("'{name:<8}'")));
        cards.push((format!("TFORM{}", i + 1), format!("'{form:<8}'")));
    }
    let cards: Vec<(&str, &str)> = cards.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    [header(&cards), pad([rows, heap].concat(), 0)].concat()
}

/// A table of regions: offset of the origin, and runs of row, first and last column.
fn regions(list: &[(i32, i32, &[[i16; 3]])]) -> Vec<u8> {
    let (mut rows, mut heap) = (Vec::new(), Vec::new());
    for (row0, col0, runs) in list {
        let numbers = [runs.len() as i32, *row0, *col0, 6 * runs.len() as i32, heap.len() as i32];
        rows.extend(numbers.iter().flat_map(|v| v.to_be_bytes()));
        heap.extend(runs.iter().flatten().flat_map(|v| v.to_be_bytes()));
    }
    table(&[("nspan", "1J"), ("row0", "1J"), ("col0", "1J"), ("s", "1PB(0)")], 20, &rows, &heap)
}

/// A file with two saturated regions (one with an origin of its own) and one cosmic ray.
fn file(folder: &Path) -> PathBuf {
    let names = ["S_MASK_INTERP", "S_MASK_SATUR", "S_MASK_CR"];
    let mut rows = Vec::new();
    for (value, name) in [(0, names[0]), (1, names[1]), (9, names[2]), (10, "S_NMASK_TYPES")] {
        rows.extend(format!("{name:<31}").into_bytes());
        rows.extend(i32::to_be_bytes(value));
    }
    let names = table(&[("attributeName", "31A"), ("Value", "1J")], 35, &rows, &[]);
    let mut bytes = header(&[("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T")]);
    for hdu in 1..=10 {
        bytes.extend(match hdu {
            2 => regions(&[(0, 0, &[[3, 4, 6], [4, 5, 5]]), (10, 2, &[[-2, 0, 1]])]),
            10 => regions(&[(0, 0, &[[3, 6, 7]])]),
            _ => regions(&[]),
        });
    }
    bytes.extend(names);
    let path = folder.join("fpM.fit");
    std::fs::write(&path, bytes).expect("the file can be written");
    path
}

fn path(folder: &tempfile::TempDir) -> Option<InputPath> {
    Some(InputPath(file(folder.path())))
}

fn stage(path: Option<InputPath>) -> SdssFpm {
    SdssFpm { path, saturated: vec!["S_MASK_SATUR".into()], bad: vec!["S_MASK_CR".into()] }
}

fn image() -> Image {
    Image::from_pixels(Array2::from_elem((12, 9), 1.0))
}

/// The harness keeps no folder alive: the file lies in one that stays for the test.
fn harness() -> Harness {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(&folder.keep());
    Harness::new(stage(Some(InputPath(path)))).input("image", image())
}

#[test]
fn runs_of_pixels_are_marked_where_the_file_says() {
    let mut expected = Array2::<u16>::zeros((12, 9));
    for (y, x, bits) in [
        (3, 4, MaskBits::SATURATED),
        (3, 5, MaskBits::SATURATED),
        (3, 6, MaskBits::SATURATED | MaskBits::BAD),
        (3, 7, MaskBits::BAD),
        (4, 5, MaskBits::SATURATED),
        (8, 2, MaskBits::SATURATED),
        (8, 3, MaskBits::SATURATED),
    ] {
        expected[[y, x]] = bits;
    }
    let outcome = harness().run().expect("the stage runs");
    let masked = outcome.get::<Image>("image");
    assert_eq!(masked.mask, Some(expected));
    assert_eq!(masked.pixels, image().pixels);
    let metrics = [("n_saturated_regions", 2.0), ("n_saturated", 6.0), ("n_bad_regions", 1.0), ("n_bad", 2.0)];
    assert_eq!(outcome.metrics, metrics.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn bits_that_are_set_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut before = image();
    before.mask = Some(Array2::from_elem((12, 9), MaskBits::NO_DATA));
    let outcome = Harness::new(stage(path(&folder))).input("image", before).run().expect("the stage runs");
    let mask = outcome.get::<Image>("image").mask.clone().expect("a mask");
    assert!(mask.iter().all(|&bits| bits & MaskBits::NO_DATA != 0));
    assert_eq!(mask[[4, 5]], MaskBits::NO_DATA | MaskBits::SATURATED);
}

#[test]
fn without_a_file_the_image_passes_as_it_is() {
    let outcome = Harness::new(stage(None)).input("image", image()).run().expect("the stage runs");
    assert_eq!(*outcome.get::<Image>("image"), image());
}

#[test]
fn a_file_of_another_frame_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (height, width) in [(8, 9), (12, 6), (1, 1), (0, 0)] {
        let small = Image::from_pixels(Array2::zeros((height, width)));
        let error = Harness::new(stage(path(&folder))).input("image", small).run().expect_err("an error");
        assert_eq!(error.class, ErrorClass::Data, "{error:?}");
        assert!(error.message.contains("S_MASK_SATUR"), "{error:?}");
    }
}

#[test]
fn unknown_flags_and_other_files_are_found_before_anything_runs() {
    let problems_of = |stage: &SdssFpm| {
        let mut problems = Problems::new();
        stage.infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
        format!("{problems:?}")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut unknown = stage(path(&folder));
    unknown.saturated = vec!["S_MASK_SATURATED".into()];
    assert!(problems_of(&unknown).contains("S_MASK_SATUR,"));
    let text = folder.path().join("text.fit");
    std::fs::write(&text, "no FITS").expect("the file can be written");
    assert!(problems_of(&stage(Some(InputPath(text)))).contains("path"));
}

#[test]
fn a_heap_that_ends_too_early_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(folder.path());
    let mut bytes = std::fs::read(&path).expect("the file");
    // The number of bytes of the first array, behind the primary header, HDU 1 (header only) and the header of HDU 2.
    let at = 2880 + 2880 + 2880 + 12;
    assert_eq!(bytes[at..at + 4], 12_i32.to_be_bytes());
    bytes[at..at + 4].copy_from_slice(&120_i32.to_be_bytes());
    std::fs::write(&path, bytes).expect("the file can be written");
    let error = read_flag(&path, 2).expect_err("an error");
    assert!(error.found.contains("outside the heap"), "{error:?}");
}

determinism_test!(masks_are_deterministic, harness());
golden_test!(masks_keep_their_result, harness(), version: 1, digest: "2ddfbe1d6688");
