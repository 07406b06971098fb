//! The conformance suite on an image stage and two table stages of ours, and on the stage that `skyloom new stage` writes.
#![allow(missing_docs)]

use skyloom_data::{Image, Mask, MaskBits, Table, TableBuilder};
use skyloom_stages::background::mesh::MeshBackground;
use skyloom_stages::stats::size_distribution::SizeDistribution;
use skyloom_stages::tables::Stack;
use skyloom_testkit::Conformance;
use skyloom_tests::sky;

#[path = "../../examples/own-stage/stage/src/lib.rs"]
pub mod own_stage;

skyloom_testkit::install_allocator!();

/// A part of the test sky, with a few saturated pixels.
fn frame() -> Image {
    let pixels = sky::frame(3).slice(ndarray::s![..120, ..150]).to_owned();
    let mut mask = Mask::zeros(pixels.dim());
    mask[[60, 70]] = MaskBits::SATURATED;
    Image { mask: Some(mask), ..Image::from_pixels(pixels) }
}

fn sizes(first: i64) -> Table {
    let ids: Vec<i64> = (first..first + 60).collect();
    let r_geo = ids.iter().map(|id| 2.0 + 90.0 / (1 + id) as f64).collect();
    let names = ids.iter().map(|id| format!("c{id}")).collect();
    let table = TableBuilder::new().int("id", "", "number", ids).float("r_geo", "px", "size", r_geo);
    table.text("name", "a name", names).build().expect("a table")
}

#[test]
fn background_mesh_keeps_the_promises_of_a_stage() {
    let stage = MeshBackground { box_px: 32, ..MeshBackground::default() };
    Conformance::new("background.mesh", stage).input("image", frame()).golden(2, "0f9c667376e3").check();
}

#[test]
fn tables_stack_keeps_the_promises_of_a_stage() {
    let suite = Conformance::new("tables.stack", Stack {}).input("tables", sizes(0)).input("tables", sizes(60));
    suite.golden(1, "9276e33bc564").check();
}

#[test]
fn stats_size_distribution_keeps_the_promises_of_a_stage() {
    let suite = Conformance::new("stats.size_distribution", SizeDistribution::default()).input("table", sizes(0));
    suite.golden(1, "77d734b14e28").check();
}

#[test]
fn the_example_keeps_the_promises_of_a_stage() {
    let stage = own_stage::Unsharp { sigma_px: 2.0, amount: 1.0 };
    let suite = Conformance::new("acme.unsharp", stage).of_crate(&own_stage::STAGE_CRATE).input("image", frame());
    suite.golden(1, "e99c4ea3ad97").check();
}
