use ndarray::Array2;
use skyloom_data::{ImageMeta, Mask, MaskBits};
use skyloom_engine::Product as _;
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn image() -> Image {
    let mut image = Image::from_pixels(Array2::from_shape_fn((5, 7), |(y, x)| (x * 10 + y) as f32 / 8.0));
    image.pixels[[1, 1]] = f32::NAN;
    image.mask = Some(Mask::from_shape_fn((5, 7), |(y, x)| if (y, x) == (1, 1) { MaskBits::NO_DATA } else { 0 }));
    image.meta = ImageMeta { band: Some("r".into()), zero_point: Some(22.5), ..ImageMeta::default() };
    image
}

fn harness() -> Harness {
    Harness::new(WriteImage::default()).input("image", image())
}

determinism_test!(writing_is_deterministic, harness());
golden_test!(writing_gives_the_frozen_bytes, harness(), version: 1, digest: "5d8f72ad4b4a");

#[test]
fn the_file_reads_back_as_the_image() {
    let outcome = harness().run().expect("it runs");
    let file = outcome.get::<Deliverable>("file");
    assert_eq!(file.extension(), "fits");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("image.fits");
    file.encode(&path).expect("it can be written");
    let back = fits::read_product(&path).expect("it reads");
    assert_eq!((&back.mask, &back.meta), (&image().mask, &image().meta));
    assert!(back.pixels[[1, 1]].is_nan());
    assert_eq!(back.pixels[[4, 6]], image().pixels[[4, 6]]);
}

#[test]
fn the_mask_is_left_out_when_asked() {
    let outcome = Harness::new(WriteImage { include_mask: false, ..WriteImage::default() })
        .input("image", image())
        .run()
        .expect("it runs");
    let bytes = outcome.get::<Deliverable>("file");
    assert_eq!(bytes.bytes().expect("a vector takes all").len(), 2 * 2880);
}

#[test]
fn the_pixels_go_into_an_extension_when_it_has_a_name() {
    let stage = WriteImage { extension: Some("IMAGE".into()), ..WriteImage::default() };
    let outcome = Harness::new(stage).input("image", image()).run().expect("it runs");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("image.fits.fz");
    outcome.get::<Deliverable>("file").encode(&path).expect("it can be written");
    let reader = crate::io::read_image::ReadImage::new(path.display().to_string().as_str());
    let back = Harness::new(reader).run().expect("it reads").get::<Image>("image");
    assert_eq!(back.pixels[[4, 6]], image().pixels[[4, 6]]);
    assert_eq!((&back.meta.band, back.meta.zero_point), (&image().meta.band, Some(22.5)));
    let mut problems = Problems::new();
    for name in ["", "MASK", "\u{e4}"] {
        WriteImage { extension: Some(name.into()), ..WriteImage::default() }.check(&mut problems);
    }
    assert_eq!(problems.list().len(), 3);
}

#[test]
fn an_image_that_fits_cannot_express_is_an_error() {
    let mut broken = image();
    broken.meta.zero_point = Some(f64::NAN);
    let error = Harness::new(WriteImage::default()).input("image", broken).run().expect_err("NaN in a header");
    assert!(error.message.contains("MAGZPT"), "{error}");
}
