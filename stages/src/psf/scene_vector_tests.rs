//! The PSF of the simulated scene of the notes (`scene.fits`), end to end with the settings of note 01.

use ndarray::Array2;
use skyloom_data::{Image, MaskBits, PsfField, PsfSet, Table, TableBuilder};
use skyloom_testkit::{Harness, floats, vector_json, vector_path};

use super::{BuildField, FitBright, FitFaint, SelectIsolated};
use crate::background::mesh::MeshBackground;
use crate::background::nebuliser::Nebulise;
use crate::io::read_image::ReadImage;

/// Background-subtracted image, noise map, catalogue and truth of the scene.
fn scene() -> (Image, Image, Table, serde_json::Value) {
    let truth = vector_json("scene_truth.json");
    let read = Harness::new(ReadImage::new(vector_path("scene.fits").to_string_lossy().as_ref()))
        .run()
        .expect("the scene is there");
    let mut image = Image::clone(&read.get::<Image>("image"));
    let mut mask = Array2::zeros(image.pixels.dim());
    for pixel in truth["bad_pixels_yx"].as_array().expect("a list") {
        let at = floats(pixel);
        mask[[at[0] as usize, at[1] as usize]] = MaskBits::BAD;
    }
    mask.column_mut(truth["bad_column"].as_u64().expect("a column") as usize).fill(MaskBits::BAD);
    image.mask = Some(mask);
    let flat = Harness::new(Nebulise::new(90, 30)).input("image", image).run().expect("runs");
    let flat = Image::clone(&flat.get::<Image>("image"));
    let mesh = MeshBackground { mask_sigma: Some(2.0), ..MeshBackground::default() };
    let sky = Harness::new(mesh).input("image", flat).run().expect("runs");
    let stars: Vec<Vec<f64>> = truth["stars"].as_array().expect("a list").iter().map(floats).collect();
    let column = |k: usize| stars.iter().map(|s| s[k]).collect::<Vec<_>>();
    let catalogue = TableBuilder::new()
        .float("x", "px", "", column(0))
        .float("y", "px", "", column(1))
        .float("mag", "mag", "", column(2))
        .float("prob", "", "", vec![1.0; stars.len()])
        .float("sharp", "", "", vec![0.0; stars.len()])
        .build()
        .expect("columns of one length");
    (Image::clone(&sky.get::<Image>("image")), Image::clone(&sky.get::<Image>("noise")), catalogue, truth)
}

#[test]
fn the_psf_of_the_scene_is_that_of_the_vectors() {
    let (image, noise, catalogue, truth) = scene();
    let select = |stage: SelectIsolated| {
        let harness = Harness::new(stage).input("image", image.clone()).input("noise", noise.clone());
        harness.input("stars", catalogue.clone()).run().expect("runs")
    };
    // The field is crowded: note 01 finds no isolated star in cut-outs of 31 px, about 12 of the 58 faint ones in 17 px, and
    // no bright one.
    let wide = select(SelectIsolated::default());
    assert_eq!(wide.get::<Table>("faint").n_rows(), 0);
    assert!(wide.warnings[0].contains("make faint_stamp_px smaller"), "{:?}", wide.warnings);
    let close = select(SelectIsolated { faint_stamp_px: 17, ..SelectIsolated::default() });
    let metric = |name: &str| close.metrics.iter().find(|m| m.0 == name).expect("a metric").1;
    // The scene has 60; the cut-outs of two cross the edge.
    let inside = metric("faint_in_range") - metric("faint_rejected_edge");
    let (faint, bright) = (close.get::<Table>("faint"), close.get::<Table>("bright"));
    assert_eq!((inside, bright.n_rows()), (58.0, 0));
    assert!((10..=14).contains(&faint.n_rows()), "{} isolated stars", faint.n_rows());

    let fits = Harness::new(FitFaint { stamp_px: 17, ..FitFaint::default() })
        .input("image", image.clone())
        .input("noise", noise.clone())
        .input("stars", Table::clone(&faint))
        .run()
        .expect("runs")
        .get::<Table>("table");
    let field = |bright: Option<Table>| {
        let mut harness = Harness::new(BuildField { min_cell_stars: 5, ..BuildField::default() })
            .input("image", image.clone())
            .input("faint", Table::clone(&fits));
        if let Some(table) = bright {
            harness = harness.input("bright", table);
        }
        harness.run().expect("enough stars")
    };
    let first = field(None);
    let wings = Harness::new(FitBright { core_counts: Some(143.3), ..FitBright::default() })
        .input("image", image.clone())
        .input("noise", noise.clone())
        .input("stars", Table::clone(&bright))
        .input("set", PsfSet::clone(&first.get::<PsfSet>("set")))
        .run()
        .expect("an empty list is fine");
    let both = field(Some(Table::clone(&wings.get::<Table>("table"))));
    let (set, psf) = (both.get::<PsfSet>("set"), both.get::<PsfField>("psf"));
    assert!(set.bright_moffat.cells[0].is_borrowed && !psf.cells[0].is_borrowed);
    // Major axis 2.9 px at the centre, changing by 15 % towards the corners; mean FWHM = major * sqrt(axis ratio).
    let expected = 2.9 * truth["axis_ratio"].as_f64().expect("a number").sqrt();
    assert!((psf.cells[0].fwhm / expected - 1.0).abs() < 0.05, "{} px, expected {expected}", psf.cells[0].fwhm);
    assert!(set.faint_compound.cells[0].median.iter().all(|v| v.is_finite()));
}
