use ndarray::{Array2, array};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, Isophote, Isophotes, Table, TableBuilder};
use skyloom_engine::{Deliverable, Facets, FacetsOut, Problems, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::layout::{Layout, ticks};
use super::*;

fn stage() -> Overview {
    Overview { title: String::new(), width_px: 600, label: "id".to_owned() }
}

/// Repeatable noise of unit scatter with one bright round source.
fn field(width: usize, height: usize) -> Image {
    let mut state = 1_u64;
    Image::from_pixels(Array2::from_shape_fn((height, width), |(y, x)| {
        let mut sum = 0.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 40) as f64 / (1_u64 << 24) as f64;
        }
        let r2 = (x as f64 - 0.3 * width as f64).powi(2) + (y as f64 - 0.2 * height as f64).powi(2);
        (100.0 + (sum - 6.0) + 200.0 / (1.0 + r2 / 20.0).powi(2)) as f32
    }))
}

fn square(x: f64, y: f64, half: f64) -> Isophote {
    let vertices = vec![
        [x - half, y - half],
        [x + half, y - half],
        [x + half, y + half],
        [x - half, y + half],
        [x - half, y - half],
    ];
    Isophote { level_sigma: 3.0, parent: None, vertices }
}

fn isophotes() -> Isophotes {
    Isophotes { width: 90, height: 60, contours: vec![square(27.0, 12.0, 9.0), square(70.0, 40.0, 1.0)] }
}

fn table(ids: Vec<i64>) -> Table {
    TableBuilder::new().int("id", "", "", ids).build().unwrap()
}

fn harness() -> Harness {
    let stage = Overview { title: "A made field".to_owned(), ..stage() };
    let residual = field(90, 60);
    Harness::new(stage)
        .input("image", field(90, 60))
        .input("residual", residual)
        .input("table", table(vec![0, 1]))
        .input("isophotes", isophotes())
}

fn picture(harness: &Harness) -> image::RgbImage {
    let file = harness.run().unwrap().get::<Deliverable>("file");
    assert_eq!(skyloom_engine::Product::extension(&*file), "png");
    image::load_from_memory(&file.bytes().unwrap()).unwrap().to_rgb8()
}

#[test]
fn the_picture_is_at_most_as_wide_as_asked_for_any_shape_of_image() {
    for (width, height) in [(90, 60), (2048, 1489), (3, 900), (900, 3), (1, 1)] {
        for width_px in [600, 1800] {
            let layout = Layout::new(width, height, width_px, true, 4);
            assert!(layout.size.0 <= width_px && layout.size.1 <= 2 * width_px, "{width} x {height}: {layout:?}");
            assert_eq!(layout.panel.0, width.div_ceil(layout.block) * layout.magnify);
            assert!(layout.block == 1 || layout.magnify == 1);
        }
    }
    let picture = picture(&harness());
    assert!(picture.width() <= 600 && picture.height() > 100);
}

#[test]
fn row_zero_is_at_the_bottom_of_a_panel() {
    let layout = Layout::new(90, 60, 600, true, 4);
    let (x, low) = layout.place(0, 0.0, 0.0);
    let (_, high) = layout.place(0, 0.0, 59.0);
    assert!(high < low && x > layout.lefts[0] as f64);
    // The source of the field is in the lower left: that quarter of the first panel is brighter.
    let picture = picture(&harness());
    let mean = |upper: bool| {
        let rows = if upper { 0..layout.panel.1 / 2 } else { layout.panel.1 / 2..layout.panel.1 };
        let mut sum = 0_u64;
        for row in rows {
            for column in 0..layout.panel.0 / 2 {
                let pixel = picture.get_pixel((layout.lefts[0] + column) as u32, (layout.top + row) as u32);
                sum += u64::from(pixel.0[1]);
            }
        }
        sum
    };
    assert!(mean(false) > mean(true));
}

#[test]
fn isophotes_are_drawn_over_the_third_panel_only() {
    let orange = |p: &image::Rgb<u8>| p.0 == super::colours::OUTLINE;
    let with = picture(&harness());
    let layout = Layout::new(90, 60, 600, true, 4);
    let columns: Vec<u32> = with.enumerate_pixels().filter(|(_, _, p)| orange(p)).map(|(x, _, _)| x).collect();
    assert!(columns.len() > 50);
    assert!(columns.iter().all(|&x| x as usize >= layout.lefts[2]), "left of the third panel");
    let without = Harness::new(stage()).input("image", field(90, 60)).input("residual", field(90, 60));
    assert_eq!(picture(&without).pixels().filter(|p| orange(p)).count(), 0);
}

#[test]
fn empty_tables_single_pixels_constants_and_nan_images_give_pictures() {
    let nan = |w, h| Image::from_pixels(Array2::from_elem((h, w), f32::NAN));
    let flat = |w, h, v| Image::from_pixels(Array2::from_elem((h, w), v));
    for (image, residual) in [
        (nan(40, 30), nan(40, 30)),
        (flat(1, 1, 3.0), flat(1, 1, 0.0)),
        (nan(1, 1), nan(1, 1)),
        (flat(40, 30, 0.0), flat(40, 30, 0.0)),
        (flat(3, 700, f32::INFINITY), flat(3, 700, f32::MAX)),
    ] {
        let harness = Harness::new(stage())
            .input("image", image)
            .input("residual", residual)
            .input("table", table(vec![]))
            .input("isophotes", isophotes());
        assert!(picture(&harness).width() <= 600);
    }
}

#[test]
fn block_means_leave_out_what_is_not_finite_and_cut_the_last_blocks() {
    let pixels = array![[1.0_f32, 3.0, f32::NAN], [5.0, 7.0, f32::NAN], [f32::INFINITY, 2.0, 9.0]];
    let means = block_means(&pixels, 2);
    assert_eq!(means.dim(), (2, 2));
    assert_eq!((means[[0, 0]], means[[1, 0]], means[[1, 1]]), (4.0, 2.0, 9.0));
    assert!(means[[0, 1]].is_nan());
    assert_eq!(block_means(&pixels, 1)[[2, 1]], 2.0);
}

#[test]
fn the_stretch_rises_from_black_to_white() {
    let stretch = Stretch { sky: 10.0, sigma: 2.0, white_sigma: 100.0 };
    assert!(stretch.brightness(6.0).abs() < 1e-12);
    assert!((stretch.brightness(210.0) - 1.0).abs() < 1e-12);
    let list: Vec<f64> = (0..50).map(|i| stretch.brightness(6.0 + f64::from(i) * 4.0)).collect();
    assert!(list.windows(2).all(|w| w[0] < w[1]));
    assert!(stretch.brightness(f64::NAN).is_nan());
}

#[test]
fn ticks_are_few_round_numbers() {
    assert_eq!(ticks(2048, 6), [0, 500, 1000, 1500, 2000]);
    assert_eq!(ticks(1489, 6), [0, 500, 1000]);
    assert_eq!(ticks(60, 6), [0, 10, 20, 30, 40, 50]);
    assert_eq!(ticks(1, 6), [0]);
    assert_eq!(ticks(100, 1), [0]);
    assert_eq!(ticks(100, 0), [0]);
    for size in [2, 7, 13, 99, 101, 12_800, 60_000] {
        assert!((2..=6).contains(&ticks(size, 6).len()), "{size}: {:?}", ticks(size, 6));
    }
}

#[test]
fn wrong_wiring_is_found_before_running() {
    let facet = |w, h| ImageFacet { width: Some(w), height: Some(h), ..ImageFacet::default() }.to_facet();
    let mut inputs = Facets::new();
    inputs.add("image", "flat.image", facet(10, 20));
    inputs.add("residual", "sub.image", facet(10, 21));
    let columns = Some(vec![("ident".to_owned(), ColumnKind::Int)]);
    inputs.add("table", "cull.table", TableFacet { columns }.to_facet());
    let mut problems = Problems::new();
    let stage = Overview { width_px: 10, label: "ident2".to_owned(), ..stage() };
    stage.check(&mut problems);
    stage.infer(&inputs, &mut FacetsOut::new(), &mut problems);
    let codes: Vec<_> = problems.list().iter().map(|p| p.code).collect();
    assert_eq!(codes, ["param-out-of-range", "bad-input", "bad-input", "unknown-column", "unknown-column"]);

    let sizes = Harness::new(self::stage()).input("image", field(9, 9)).input("residual", field(9, 8));
    assert!(sizes.run().unwrap_err().message.contains("9 x 9 pixels, the residual 9 x 8"));
    let no_isophotes = Harness::new(self::stage())
        .input("image", field(9, 9))
        .input("residual", field(9, 9))
        .input("table", table(vec![]));
    assert!(no_isophotes.run().unwrap_err().message.contains("without isophotes"));
}

determinism_test!(overview_is_deterministic, harness());
golden_test!(overview_bytes_are_frozen, harness(), version: 1, digest: "145f189f7d7a");
