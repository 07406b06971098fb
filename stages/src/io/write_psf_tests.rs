//! Behaviour of the PSF file.

use skyloom_data::fits::read_bintable;
use skyloom_data::{PsfCell, PsfField, PsfModel, PsfSet};
use skyloom_engine::{Deliverable, ErrorClass};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn field(model: PsfModel) -> PsfField {
    let n = model.shape_names().len();
    let cell = |i: usize| PsfCell {
        n_stars: 10 + i,
        median: (0..n).map(|k| (k + i) as f64 + 0.5).collect(),
        scatter: vec![0.25; n],
        fwhm: 2.5 + 0.1 * i as f64,
        is_borrowed: i == 3,
    };
    PsfField { model, width: 300, height: 200, n_x: 3, n_y: 2, cells: (0..6).map(cell).collect() }
}

fn set() -> PsfSet {
    PsfSet {
        faint_moffat: field(PsfModel::Moffat),
        faint_compound: field(PsfModel::Compound),
        bright_moffat: field(PsfModel::Moffat),
        bright_compound: field(PsfModel::Compound),
    }
}

fn harness() -> Harness {
    Harness::new(WritePsf {}).input("set", set())
}

#[test]
fn the_file_has_a_table_per_model_and_a_map() {
    let outcome = harness().run().expect("runs");
    let bytes = outcome.get::<Deliverable>("file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("psf.fits");
    std::fs::write(&path, bytes.bytes().expect("in memory")).expect("written");
    let choose = |name: &str| skyloom_data::fits::HduChoice::Name(name.to_owned());
    for (name, columns) in [("FAINT_MOFFAT", 7 + 8), ("BRIGHT_COMPOUND", 7 + 16)] {
        let table = read_bintable(&path, Some(&choose(name))).expect("a table").table;
        assert_eq!((table.n_rows(), table.column_names().len()), (6, columns), "{name}");
        assert_eq!(table.floats("x").expect("x"), [49.5, 149.5, 249.5, 49.5, 149.5, 249.5]);
        assert_eq!(table.ints("iy").expect("iy")[3], Some(1));
        assert_eq!(table.floats("alpha_median").expect("alpha")[1], 4.5);
        assert!(table.bools("is_borrowed").expect("a column")[3]);
    }
    let map = skyloom_data::fits::FitsImageReader::open(&path, Some(&choose("FWHM"))).expect("an image");
    assert_eq!((map.header().width, map.header().height), (3, 2));
}

#[test]
fn a_field_that_is_not_whole_is_refused() {
    let mut broken = set();
    broken.bright_moffat.cells.pop();
    let error = Harness::new(WritePsf {}).input("set", broken).run().expect_err("a cell is missing");
    assert_eq!(error.class, ErrorClass::Data);
    assert!(error.message.contains("5 cells"), "{error}");
}

determinism_test!(write_psf_is_deterministic, harness());
golden_test!(write_psf_is_frozen, harness(), version: 1, digest: "1c60de3e7b98");
