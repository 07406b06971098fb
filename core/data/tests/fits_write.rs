//! Writing FITS files: round trips, equal bytes, and what FITS cannot express.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{BooleanArray, StringArray};
use ndarray::Array2;
use skyloom_data::fits::{
    ReadOptions, bintable_bytes, image_to_fits_bytes, read_bintable, read_image, read_product, write_bintable,
    write_product,
};
use skyloom_data::{Card, CardValue, Image, ImageMeta, Mask, MaskBits, Table, TableBuilder};

fn round_trip(image: &Image) -> (Image, Vec<u8>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("image.fits");
    write_product(image, &path).expect("it can be written");
    let bytes = std::fs::read(&path).expect("it is there");
    assert_eq!(bytes.len() % 2880, 0);
    assert_eq!(image_to_fits_bytes(image, true).expect("it can be written"), bytes);
    (read_product(&path).expect("it can be read"), bytes)
}

fn card(key: &str, value: CardValue) -> Card {
    Card { key: key.into(), value, comment: String::new() }
}

fn full_image() -> Image {
    let mut pixels = Array2::from_shape_fn((31, 17), |(y, x)| (x as f32 - 8.0) * 1.1_f32 / (y as f32 + 0.3));
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MIN_POSITIVE / 8.0, f32::MAX, f32::from_bits(1)];
    for (x, v) in odd.into_iter().enumerate() {
        pixels[[3, x]] = v;
    }
    let mask = Mask::from_shape_fn((31, 17), |(y, x)| if (x + y) % 5 == 0 { (x * 4001 + y) as u16 } else { 0 });
    Image {
        pixels,
        mask: Some(mask),
        wcs: None,
        meta: ImageMeta {
            unit: Some("nanomaggy".into()),
            band: Some("Ks".into()),
            exposure_s: Some(0.1),
            zero_point: Some(-22.500000000000004),
            cards: vec![
                card("DATE-OBS", CardValue::Text("1998-09-19".into())),
                card("ESO DET DIT", CardValue::Float(1e-300)),
                card("AIRMASS", CardValue::Int(i64::MIN)),
                card("GUIDING", CardValue::Bool(true)),
                card("NOVALUE", CardValue::Undefined),
                card("STORY", CardValue::Text("it's a long one; ".repeat(20).trim_end().into())),
                card("EMPTY", CardValue::Text(String::new())),
            ],
        },
    }
}

/// Equality with NaN equal to NaN.
fn assert_same(a: &Image, b: &Image) {
    assert_eq!(a.pixels.dim(), b.pixels.dim());
    for (a, b) in a.pixels.iter().zip(&b.pixels) {
        assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "{a} {b}");
    }
    assert_eq!((&a.mask, &a.wcs, &a.meta), (&b.mask, &b.wcs, &b.meta));
}

#[test]
fn an_image_comes_back_bit_for_bit_with_mask_and_facts() {
    let image = full_image();
    let (back, bytes) = round_trip(&image);
    assert_same(&image, &back);
    assert_eq!(round_trip(&back).1, bytes, "what was read is written as the same bytes");
}

#[test]
fn images_of_every_small_shape_come_back() {
    for shape in [(1, 1), (1, 720), (720, 1), (7, 103), (0, 0), (0, 5), (5, 0)] {
        let image = Image::from_pixels(Array2::from_elem(shape, 1.5));
        assert_same(&round_trip(&image).0, &image);
    }
    let all_nan = Image::from_pixels(Array2::from_elem((3, 3), f32::NAN));
    assert_same(&round_trip(&all_nan).0, &all_nan);
}

#[test]
fn every_nan_is_written_as_the_same_bits() {
    let with = |bits: u32| Image::from_pixels(Array2::from_elem((2, 2), f32::from_bits(bits)));
    let bytes = |image: &Image| image_to_fits_bytes(image, true).expect("it can be written");
    assert_eq!(bytes(&with(0x7fc0_0000)), bytes(&with(0xffc0_0001)));
}

#[test]
fn the_mask_can_be_left_out_and_nothing_tells_the_time() {
    let image = full_image();
    let with = image_to_fits_bytes(&image, true).expect("it can be written");
    let without = image_to_fits_bytes(&image, false).expect("it can be written");
    assert!(without.len() < with.len());
    for bytes in [&with, &without] {
        let text = String::from_utf8_lossy(bytes);
        for word in ["CHECKSUM", "DATASUM", "DATE    =", "EXTEND  =                    F"] {
            assert!(!text.contains(word), "{word}");
        }
    }
    assert!(String::from_utf8_lossy(&with).contains("HIERARCH MP_CLIPPED = "));
}

#[test]
fn what_fits_cannot_express_is_an_error() {
    let broken = |change: fn(&mut Image)| {
        let mut image = full_image();
        change(&mut image);
        image_to_fits_bytes(&image, true).expect_err("this cannot be written").to_string()
    };
    assert!(broken(|i| i.meta.exposure_s = Some(f64::NAN)).contains("EXPTIME"));
    assert!(broken(|i| i.meta.unit = Some("µJy".into())).contains("BUNIT"));
    assert!(broken(|i| i.meta.cards.push(card("NAXIS", CardValue::Int(3)))).contains("NAXIS"));
    assert!(broken(|i| i.mask = Some(Mask::zeros((1, 1)))).contains("(1, 1)"));
    assert!(broken(|i| i.meta.cards.push(card("lower case", CardValue::Int(3)))).contains("lower case"));
}

#[test]
fn an_unwritable_folder_and_a_foreign_file_are_errors() {
    assert!(write_product(&full_image(), Path::new("/dev/null/below/image.fits")).is_err());
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("table.fits");
    write_bintable(&table(), &path).expect("it can be written");
    assert!(read_product(&path).is_err());
    std::fs::write(&path, b"").expect("it can be written");
    assert!(read_product(&path).is_err());
}

fn table() -> Table {
    TableBuilder::new()
        .int("id", "", "a number", vec![1, -2, i64::MAX])
        .optional_int("parent_id", "", "with nulls, and the lowest number taken", vec![None, Some(i64::MIN), Some(3)])
        .float("x", "px", "column", vec![0.1, f64::NAN, -f64::INFINITY])
        .float(
            "sb_r",
            "mag/arcsec^2",
            "surface brightness; it's a long description ".repeat(4).trim_end(),
            vec![-0.0, 5e-324, f64::MAX],
        )
        .bool("is_atomic", "truth", vec![true, false, true])
        .array("maybe", "", "truth or not", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])))
        .text("sample", "words", vec!["faint".into(), String::new(), "a longer one".into()])
        .array("rule", "", "words or not", Arc::new(StringArray::from(vec![Some("r > 3"), None, Some("")])))
        .build()
        .expect("columns of one length")
}

fn table_round_trip(table: &Table) -> Table {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("table.fits");
    write_bintable(table, &path).expect("it can be written");
    let bytes = std::fs::read(&path).expect("it is there");
    assert_eq!(bytes.len() % 2880, 0);
    assert_eq!(bintable_bytes(table).expect("it can be written"), bytes);
    let read = read_bintable(&path, None).expect("it can be read");
    assert!(read.skipped.is_empty());
    read.table
}

#[test]
fn a_table_comes_back_with_nulls_units_and_descriptions() {
    let (table, back) = (table(), table_round_trip(&table()));
    assert_eq!(back.column_names(), table.column_names());
    assert_eq!(back.ints("parent_id").expect("ints"), [None, Some(i64::MIN), Some(3)]);
    for name in ["x", "sb_r"] {
        let bits = |t: &Table| t.floats(name).expect("floats").into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&table));
    }
    for name in ["id", "is_atomic", "maybe", "sample", "rule"] {
        assert_eq!(back.batch().column_by_name(name), table.batch().column_by_name(name), "{name}");
    }
    let about = |t: &Table, i: usize, key: &str| t.batch().schema().field(i).metadata().get(key).cloned();
    for i in 0..table.column_names().len() {
        assert_eq!(about(&back, i, "description"), about(&table, i, "description"));
    }
    assert_eq!(about(&back, 2, "unit").as_deref(), Some("pixel"), "the word of the standard");
    assert_eq!(about(&back, 3, "unit").as_deref(), Some("mag/arcsec^2"));
}

#[test]
fn a_unit_that_fits_does_not_know_moves_into_the_description_and_comes_back() {
    let table = TableBuilder::new()
        .float("flux", "nanomaggy", "Flux inside the contour", vec![1.0])
        .float("mag", "mag", "[x] looks like a unit", vec![2.0])
        .float("share", "", "[x] as well", vec![2.0])
        .build()
        .expect("fine");
    let text = String::from_utf8_lossy(&bintable_bytes(&table).expect("it can be written")).into_owned();
    assert!(text.contains("TCOMM1  = '[nanomaggy] Flux inside the contour'"), "{text}");
    assert!(!text.contains("TUNIT1"), "{text}");
    assert_eq!(table_round_trip(&table), table);
}

#[test]
fn tables_without_rows_or_columns_are_valid() {
    let no_rows = TableBuilder::new().float("x", "px", "", vec![]).text("name", "", vec![]).build().expect("fine");
    let back = table_round_trip(&no_rows);
    assert_eq!((back.n_rows(), back.column_names()), (0, vec!["x".to_owned(), "name".to_owned()]));
    let nothing = TableBuilder::new().build().expect("fine");
    assert_eq!(table_round_trip(&nothing).n_rows(), 0);
}

#[test]
fn characters_outside_ascii_are_escaped_in_tables() {
    let table = TableBuilder::new().text("wörter", "ä", vec!["é".into()]).build().expect("fine");
    let back = table_round_trip(&table);
    assert_eq!(back.column_names(), ["w\\u{f6}rter"]);
}

#[test]
fn mask_names_fit_the_bits() {
    // The layout's promise to other programs: MP_ cards count bits from 0.
    let bytes = image_to_fits_bytes(&full_image(), true).expect("it can be written");
    let text = String::from_utf8_lossy(&bytes);
    for (name, value) in MaskBits::NAMES {
        let at = text.find(&format!("MP_{name}")).unwrap_or_else(|| panic!("{name}"));
        let number: u32 =
            text[at..at + 60].split(['=', '/']).nth(1).expect("a value").trim().parse().expect("a number");
        assert_eq!(1_u16 << number, value, "{name}");
    }
}

#[test]
fn the_card_of_the_interpolated_bit_is_there_where_a_pixel_has_it() {
    // Files of images without the bit keep the bytes that they had before there was one.
    let with = |bits: u16| Image { mask: Some(Mask::from_elem((31, 17), bits)), ..full_image() };
    let all = MaskBits::NAMES.iter().fold(0, |all, (_, bit)| all | bit);
    for (bits, is_there) in [(all & !MaskBits::INTERPOLATED, false), (MaskBits::INTERPOLATED, true), (all, true)] {
        let bytes = image_to_fits_bytes(&with(bits), true).expect("it can be written");
        assert_eq!(String::from_utf8_lossy(&bytes).contains("MP_INTRP"), is_there, "{bits}");
        let (back, _) = round_trip(&with(bits));
        assert_eq!(back.mask, with(bits).mask);
    }
}

#[test]
fn world_coordinates_survive_the_file() {
    let frame = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/frame-r-002583-2-0136.fits.gz");
    let image = read_image(&frame, &ReadOptions::default()).expect("it reads").image;
    let (back, bytes) = round_trip(&image);
    assert_same(&image, &back);
    assert_eq!(round_trip(&back).1, bytes);
}

#[test]
fn an_image_is_streamed_as_it_is_written() {
    let image = full_image();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.fits");
    write_product(&image, &path).expect("it can be written");
    let mut streamed = Vec::new();
    assert!(skyloom_engine::Product::encode_to(&image, &mut streamed).expect("it can be streamed"));
    assert_eq!(streamed, std::fs::read(&path).expect("it is there"));
    // Columns first in memory, rows first in the file.
    let turned = Image { pixels: image.pixels.t().as_standard_layout().to_owned().reversed_axes(), ..image };
    let mut again = Vec::new();
    assert!(skyloom_engine::Product::encode_to(&turned, &mut again).expect("it can be streamed"));
    assert_eq!(streamed, again);
}
