//! Reading FITS files: every kind of pixel against astropy, and every kind of damage.

use std::path::{Path, PathBuf};

use skyloom_data::fits::{
    FactOptions, FitsError, FitsErrorKind, FitsImageReader, HduChoice, ReadOptions, image_facts, read_bintable,
    read_header, read_image,
};
use skyloom_data::{CardValue, MaskBits};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/fits").join(name)
}

fn expected() -> serde_json::Map<String, serde_json::Value> {
    let text = std::fs::read_to_string(fixture("expected.json")).expect("expected.json is there");
    match serde_json::from_str(&text).expect("it is JSON") {
        serde_json::Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn error_of(path: &Path, hdu: Option<HduChoice>) -> FitsError {
    FitsImageReader::open(path, hdu.as_ref()).expect_err("this cannot be read")
}

/// Bits of a float, with one pattern for all NaN.
fn bits(v: f32) -> u64 {
    u64::from(if v.is_nan() { f32::NAN.to_bits() } else { v.to_bits() })
}

#[test]
fn every_kind_of_image_has_the_pixels_that_astropy_reads() {
    let mut n_pixels = 0;
    for (name, cases) in expected() {
        for case in cases.as_array().expect("a list") {
            let hdu = case["hdu"].as_u64().map(|i| HduChoice::Index(i as usize));
            let want: Vec<u64> =
                case["bits"].as_array().expect("a list").iter().map(|v| v.as_u64().expect("bits")).collect();
            let mut reader = FitsImageReader::open(&fixture(&name), hdu.as_ref()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(reader.header().hdu as u64, case["found"].as_u64().expect("an index"), "{name}");
            assert_eq!(reader.width() as u64, case["width"].as_u64().expect("a width"), "{name}");
            assert_eq!(reader.height() as u64, case["height"].as_u64().expect("a height"), "{name}");
            let all: Vec<u64> = reader.read_all(None, &|_| true).expect("it reads").into_iter().map(bits).collect();
            assert_eq!(all, want, "{name} {hdu:?}");
            n_pixels += all.len();
        }
    }
    assert!(n_pixels > 30_000, "{n_pixels}");
}

#[test]
fn pixels_do_not_depend_on_bands_or_threads() {
    for name in
        ["rice_float_dither1.fits.fz", "rice_float_tiles.fits.fz", "rice_float_dither1.fits.fz.gz", "float64.fits"]
    {
        let whole: Vec<u64> = {
            let mut reader = FitsImageReader::open(&fixture(name), None).expect("it opens");
            reader.read_all(None, &|_| true).expect("it reads").into_iter().map(bits).collect()
        };
        for threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            for rows in [1, 2, 7, 64] {
                let mut reader = FitsImageReader::open(&fixture(name), None).expect("it opens");
                let pixels = pool.install(|| reader.read_all(Some(rows), &|_| true)).expect("it reads");
                assert_eq!(pixels.into_iter().map(bits).collect::<Vec<_>>(), whole, "{name} {threads} {rows}");
            }
        }
        // Rows in any order, twice.
        let mut reader = FitsImageReader::open(&fixture(name), None).expect("it opens");
        let width = reader.width();
        for y in [3, 1, 8, 1] {
            let mut row = vec![0.0; width];
            reader.read_rows(y, 1, &mut row).expect("it reads");
            assert_eq!(row.into_iter().map(bits).collect::<Vec<_>>(), whole[y * width..(y + 1) * width], "{name}");
        }
        assert!(reader.read_rows(reader.height(), 1, &mut vec![0.0; width]).is_err());
        assert!(reader.read_rows(0, 2, &mut vec![0.0; width]).is_err());
    }
}

#[test]
fn an_hdu_is_found_by_index_or_name_in_any_case() {
    let path = fixture("extensions.fits");
    for (choice, index) in
        [(HduChoice::Index(5), 5), (HduChoice::Name("SECOND".into()), 5), (HduChoice::Name("sci".into()), 4)]
    {
        assert_eq!(read_header(&path, Some(&choice)).expect("it is there").hdu, index);
    }
    let packed = fixture("extensions.fits.gz");
    let header = read_header(&packed, Some(&HduChoice::Name("second".into()))).expect("it is there");
    assert_eq!((header.hdu, header.width, header.height), (5, 13, 9));
}

#[test]
fn extensions_inherit_facts_from_the_primary_header_and_numbers_in_quotes_count() {
    let options = FactOptions {
        band_keys: vec!["BAND".into(), "FILTER".into()],
        exposure_keys: vec!["EXPTIME".into()],
        zero_point_keys: vec!["MAGZPT".into()],
        keep_cards: vec!["date-obs".into(), "OBJECT".into()],
        ..FactOptions::default()
    };
    let header = read_header(&fixture("extensions.fits"), None).expect("it reads");
    let (meta, warnings) = image_facts(&header, &options);
    assert_eq!(meta.band.as_deref(), Some("Ks"));
    assert_eq!(meta.exposure_s, Some(53.907456));
    assert_eq!(meta.zero_point, Some(25.5));
    assert_eq!(meta.cards.len(), 1);
    assert_eq!(meta.cards[0].value, CardValue::Text("1998-09-19".into()));
    assert_eq!(warnings, ["not in the header, so not kept: OBJECT"]);

    let header = read_header(&fixture("extensions.fits"), Some(&HduChoice::Index(5))).expect("it reads");
    assert_eq!(image_facts(&header, &options).0.exposure_s, Some(7.5), "the extension's own value wins");

    let given = FactOptions { exposure_s: Some(1.0), band: Some("r".into()), ..options };
    let meta = image_facts(&header, &given).0;
    assert_eq!((meta.exposure_s, meta.band.as_deref()), (Some(1.0), Some("r")));
}

#[test]
fn the_header_of_a_compressed_image_is_that_of_the_unpacked_one() {
    let header = read_header(&fixture("rice_float_dither1.fits.fz"), None).expect("it reads");
    assert!(header.is_compressed);
    assert_eq!(header.header.int("BITPIX"), Some(-32));
    assert_eq!(header.header.int("NAXIS1"), Some(47));
    assert_eq!(header.header.text("FILTER"), Some("J"));
    for key in ["ZIMAGE", "ZNAXIS1", "ZTILE1", "TTYPE1", "TFIELDS", "ZCMPTYPE", "XTENSION"] {
        assert!(header.header.get(key).is_none(), "{key}");
    }
}

#[test]
fn pixels_without_a_value_are_nan_and_marked() {
    let loaded = read_image(&fixture("float32.fits"), &ReadOptions::default()).expect("it reads");
    let mask = loaded.image.mask.as_ref().expect("some pixel is masked");
    assert_eq!((loaded.n_no_data, loaded.n_infinite), (3, 2));
    for x in 0..3 {
        assert!(loaded.image.pixels[[0, x]].is_nan());
        assert_eq!(mask[[0, x]], MaskBits::NO_DATA);
    }
    assert_eq!(mask.iter().filter(|&&m| m != 0).count(), 3);
    let n = loaded.image.pixels.len();
    let expected = [
        format!("1 of {n} pixels have no value (NaN or BLANK) and are masked"),
        format!("2 of {n} pixels are infinite and are masked as pixels without a value"),
    ];
    assert_eq!(loaded.warnings, expected);

    let options = ReadOptions { saturation: Some(3e38), ..ReadOptions::default() };
    let loaded = read_image(&fixture("float32.fits"), &options).expect("it reads");
    assert_eq!((loaded.n_saturated, loaded.image.mask.expect("masked")[[0, 5]]), (1, MaskBits::SATURATED));

    let none = read_image(&fixture("one_pixel.fits"), &ReadOptions::default()).expect("it reads");
    assert_eq!((none.image.mask, none.image.pixels[[0, 0]]), (None, 4.25));

    let empty = read_image(&fixture("all_nan.fits"), &ReadOptions::default()).expect("it reads");
    assert_eq!(empty.warnings, ["none of the 12 pixels has a value"]);
}

#[test]
fn zeros_and_zero_confidence_are_bad_when_asked() {
    let options = ReadOptions { mask_zero: true, ..ReadOptions::default() };
    let loaded = read_image(&fixture("rice_float_dither2.fits.fz"), &options).expect("it reads");
    assert_eq!((loaded.n_bad, loaded.n_no_data), (10, 8));
    assert_eq!(loaded.image.mask.expect("masked")[[20, 25]], MaskBits::BAD);

    for band_rows in [None, Some(1), Some(3)] {
        let options = ReadOptions {
            confidence: Some(fixture("rice_float_dither2.fits.fz")),
            band_rows,
            ..ReadOptions::default()
        };
        let loaded = read_image(&fixture("rice_int16.fits.fz"), &options).expect("it reads");
        assert_eq!(loaded.n_bad, 18, "10 zeros and 8 NaN in the confidence map");
    }
    let options = ReadOptions { confidence: Some(fixture("one_pixel.fits")), ..ReadOptions::default() };
    let error = read_image(&fixture("float32.fits"), &options).expect_err("the shapes differ");
    assert_eq!(error.kind, FitsErrorKind::ShapeMismatch);
    assert!(error.to_string().contains("1 x 1") && error.to_string().contains("13 x 9"), "{error}");
}

#[test]
fn what_is_no_image_is_named() {
    let extensions = fixture("extensions.fits");
    let error = error_of(&fixture("cube.fits"), None);
    assert_eq!(error.kind, FitsErrorKind::NotTwoDimensional);
    assert!(error.found.contains("3-D") && error.found.contains("5 x 4 x 3"), "{error}");
    let error = error_of(&extensions, Some(HduChoice::Name("cube".into())));
    assert_eq!(error.kind, FitsErrorKind::NotTwoDimensional);
    let error = error_of(&extensions, Some(HduChoice::Index(0)));
    assert_eq!(error.kind, FitsErrorKind::NoImage);
    let error = error_of(&extensions, Some(HduChoice::Name("stars".into())));
    assert_eq!(error.kind, FitsErrorKind::NoImage);
    let error = error_of(&extensions, Some(HduChoice::Name("Scy".into())));
    assert_eq!(error.kind, FitsErrorKind::UnknownHdu);
    assert!(error.expected.contains("\"SCI\"") && error.expected.contains("\"SECOND\""), "{error}");
    let error = error_of(&extensions, Some(HduChoice::Index(6)));
    assert_eq!(error.kind, FitsErrorKind::UnknownHdu);
    let error = error_of(&fixture("table_only.fits"), None);
    assert_eq!(error.kind, FitsErrorKind::NoImage);
    assert!(error.found.contains("table of 2 rows"), "{error}");
}

#[test]
fn what_is_no_fits_file_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("it can be written");
        path
    };
    assert_eq!(error_of(&dir.path().join("none.fits"), None).kind, FitsErrorKind::Missing);
    assert_eq!(error_of(dir.path(), None).kind, FitsErrorKind::NotAFile);
    assert_eq!(error_of(&file("empty.fits", b""), None).kind, FitsErrorKind::Empty);
    let error = error_of(&file("text.fits", b"hello\n"), None);
    assert_eq!(error.kind, FitsErrorKind::NotFits);
    assert!(error.found.contains("hello\\n"), "{error}");
    let error = error_of(&file("page.fits", b"<!DOCTYPE html><html>"), None);
    assert!(error.help.expect("help").contains("web page"));
    let error = error_of(&file("packed.fits.bz2", b"BZh91AY&SY"), None);
    assert!(error.help.expect("help").contains("bunzip2"));
    // A path below a plain file.
    let below = file("plain", b"x").join("image.fits");
    assert_eq!(error_of(&below, None).kind, FitsErrorKind::Unreadable);
    // A header that begins well and never ends.
    assert_eq!(error_of(&file("start.fits", b"SIMPLE  =                    T"), None).kind, FitsErrorKind::Truncated);
    let mut endless = format!("{:<80}", "SIMPLE  =                    T").into_bytes();
    endless.resize(2880, b' ');
    assert_eq!(error_of(&file("endless.fits", &endless), None).kind, FitsErrorKind::Truncated);
}

#[test]
fn a_header_that_makes_no_sense_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let whole = std::fs::read(fixture("float32.fits")).expect("it reads");
    let path = dir.path().join("bad.fits");
    for (from, to) in [
        ("BITPIX  =                  -32", "BITPIX  =                   13"),
        ("BITPIX  =                  -32", "BITPIX  =                 'no'"),
        ("NAXIS   =                    2", "NAXIS   =                   -2"),
        ("NAXIS   =                    2", "NAXIS   =                 2000"),
        ("NAXIS1  =                   13", "NAXIS1  =                  -13"),
        ("NAXIS1  =                   13", "NAXIS1  =  9223372036854775807"),
        ("NAXIS1  =                   13", "NOAXIS  =                   13"),
        ("NAXIS1  =                   13", "NAXIS1  =             10000000"),
    ] {
        let text = String::from_utf8_lossy(&whole[..2880]).replacen(from, to, 1);
        let mut bytes = text.into_bytes();
        bytes.extend(&whole[2880..]);
        std::fs::write(&path, &bytes).expect("it can be written");
        let error = error_of(&path, None);
        assert!(matches!(error.kind, FitsErrorKind::Malformed | FitsErrorKind::Truncated), "{to}: {error}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in [
        "float32.fits",
        "extensions.fits",
        "rice_float_dither1.fits.fz",
        "extensions.fits.gz",
        "rice_float_dither1.fits.fz.gz",
    ] {
        let whole = std::fs::read(fixture(name)).expect("it reads");
        let path = dir.path().join(name);
        for len in (0..whole.len()).step_by(97).chain(whole.len().saturating_sub(12)..whole.len()) {
            std::fs::write(&path, &whole[..len]).expect("it can be written");
            // At the end of an HDU a plain file is complete: nothing in it tells of the others.
            if !name.ends_with(".gz") && len % 2880 == 0 {
                continue;
            }
            let error = error_of(&path, None);
            let kinds = [FitsErrorKind::Truncated, FitsErrorKind::Empty, FitsErrorKind::NotFits];
            assert!(kinds.contains(&error.kind), "{name} cut at {len}: {error}");
            assert!(error.kind != FitsErrorKind::NotFits || len < 80, "{name} cut at {len}: {error}");
        }
    }
}

#[test]
fn one_flipped_byte_in_a_gzip_file_is_noticed() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("flipped.fits.gz");
    let whole = std::fs::read(fixture("extensions.fits.gz")).expect("it reads");
    // Behind the gzip header of ten bytes, whose time stamp is of no interest.
    for at in (10..whole.len()).step_by(53) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).expect("it can be written");
        error_of(&path, None);
    }
}

#[test]
fn damaged_tiles_never_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("flipped.fits.fz");
    let whole = std::fs::read(fixture("rice_float_dither1.fits.fz")).expect("it reads");
    for at in (2880..whole.len()).step_by(211) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).expect("it can be written");
        if let Ok(mut reader) = FitsImageReader::open(&path, None) {
            let _ = reader.read_all(None, &|_| true);
        }
    }
}

#[test]
fn reading_stops_when_asked() {
    for name in ["float32.fits", "rice_int16.fits.fz"] {
        let mut reader = FitsImageReader::open(&fixture(name), None).expect("it opens");
        assert_eq!(reader.read_all(Some(1), &|_| false).expect_err("stopped").kind, FitsErrorKind::Cancelled);
    }
}

#[test]
fn a_long_path_with_blanks_and_brackets_is_read_like_any_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut folder = dir.path().to_path_buf();
    for _ in 0..6 {
        folder.push("x".repeat(200));
    }
    std::fs::create_dir_all(&folder).expect("a deep folder");
    for path in [dir.path().join(" a file[1](2) 'é'.fits.fz"), folder.join("deep.fits.fz")] {
        std::fs::copy(fixture("rice_int16.fits.fz"), &path).expect("it can be copied");
        let mut reader = FitsImageReader::open(&path, None).expect("it opens");
        let mut original = FitsImageReader::open(&fixture("rice_int16.fits.fz"), None).expect("it opens");
        assert_eq!(reader.read_all(None, &|_| true), original.read_all(None, &|_| true));
    }
}

#[test]
fn a_binary_table_of_many_types_is_read() {
    let read = read_bintable(&fixture("table.fits"), None).expect("it reads");
    let table = &read.table;
    assert_eq!(read.skipped, ["v (3E)"]);
    assert_eq!(table.column_names(), ["d", "e", "k", "j", "u", "i", "b", "l", "s"]);
    let d = table.floats("d").expect("floats");
    assert!(d[0] == 1.5 && d[1].is_nan() && d[2] == f64::NEG_INFINITY && d[3] == 1e-300);
    assert_eq!(table.floats("e").expect("floats")[3], -3.25);
    assert_eq!(table.ints("k").expect("ints"), [Some(1), None, Some(1 << 62), Some(i64::MIN)]);
    assert_eq!(table.ints("u").expect("ints"), [Some(0), Some(1), Some(4_294_967_295), Some(7)]);
    assert_eq!(table.ints("b").expect("ints"), [Some(1), Some(2), Some(255), Some(0)]);
    let batch = table.batch();
    let strings = batch.column_by_name("s").expect("it is there");
    let strings = strings.as_any().downcast_ref::<arrow::array::StringArray>().expect("strings");
    assert_eq!((strings.value(0), strings.value(3)), ("one", "six666"));
    assert_eq!(batch.schema().field(0).metadata().get("unit").map(String::as_str), Some("pixel"));
    assert!(read_bintable(&fixture("float32.fits"), None).is_err());
}

#[test]
fn the_frame_that_is_shipped_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/frame-r-002583-2-0136.fits.gz");
    let loaded = read_image(&path, &ReadOptions::default()).expect("it reads");
    assert_eq!((loaded.header.width, loaded.header.height, loaded.header.hdu), (2048, 1489, 0));
    assert_eq!((loaded.n_no_data, loaded.image.mask), (0, None));
    assert_eq!(loaded.header.header.text("BUNIT"), Some("nanomaggy"));
    assert_eq!(loaded.header.header.float("EXPTIME"), Some(53.907456));
}
