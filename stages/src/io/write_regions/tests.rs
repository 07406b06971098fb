use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::{Isophote, Isophotes, Table, TableBuilder};
use skyloom_engine::{Deliverable, ErrorClass, Facets, FacetsOut, Problems, Product, Stage};
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

fn isophotes() -> Isophotes {
    let contour = |vertices: &[[f64; 2]]| Isophote { level_sigma: 3.0, parent: None, vertices: vertices.to_vec() };
    Isophotes {
        width: 40,
        height: 30,
        contours: vec![
            contour(&[[1.0, 1.0], [2.0, 1.0], [1.5, 2.0], [1.0, 1.0]]),
            // Clockwise: GeoJSON turns it round.
            contour(&[[5.1, 5.0], [5.0, 7.25], [8.0, 5.0], [5.1, 5.0]]),
            contour(&[[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
        ],
    }
}

fn table(ids: Vec<Option<i64>>) -> Table {
    let n = ids.len();
    TableBuilder::new()
        .optional_int("id", "", "", ids)
        .float("mag_r", "mag", "", (0..n).map(|i| if i == 0 { f64::NAN } else { 17.3 }).collect())
        .bool("is_atomic", "", vec![true; n])
        .text("sample", "", vec!["a {\"b\"}\nc".to_owned(); n])
        .build()
        .unwrap()
}

fn harness(format: RegionFormat, label: &str, table: Table) -> Harness {
    let stage = WriteRegions { format, label: label.to_owned(), colour: "cyan".to_owned() };
    Harness::new(stage).input("table", table).input("isophotes", isophotes())
}

fn text(harness: &Harness) -> String {
    let file = harness.run().unwrap().get::<Deliverable>("file");
    String::from_utf8(file.bytes().unwrap().to_vec()).unwrap()
}

#[test]
fn ds9_polygons_count_pixels_from_one_and_do_not_repeat_the_first_vertex() {
    let harness = harness(RegionFormat::Ds9, "id", table(vec![Some(1), Some(0)]));
    assert_eq!(harness.run().unwrap().get::<Deliverable>("file").extension(), "reg");
    let text = text(&harness);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "# Region file format: DS9 version 4.1");
    assert!(lines[2].starts_with("global color=cyan "));
    assert_eq!(lines[3], "image");
    assert_eq!(lines[4], "polygon(6.1,6,6,8.25,9,6) # text={1}");
    assert_eq!(lines[5], "polygon(2,2,3,2,2.5,3) # text={0}");
    assert_eq!(lines.len(), 6);
}

#[test]
fn a_label_cannot_break_out_of_its_braces() {
    let text = text(&harness(RegionFormat::Ds9, "sample", table(vec![Some(0)])));
    assert!(text.ends_with("# text={a (\"b\") c}\n"), "{text}");
}

#[test]
fn geojson_has_a_closed_counter_clockwise_ring_and_every_column() {
    let harness = harness(RegionFormat::Geojson, "id", table(vec![Some(1), Some(0)]));
    let value: serde_json::Value = serde_json::from_str(&text(&harness)).unwrap();
    assert_eq!(value["type"], "FeatureCollection");
    assert_eq!((value["image"]["width"].as_u64(), value["image"]["height"].as_u64()), (Some(40), Some(30)));
    let first = &value["features"][0];
    assert_eq!(first["id"], 1);
    assert_eq!(first["geometry"]["type"], "Polygon");
    let ring = serde_json::json!([[[5.1, 5.0], [8.0, 5.0], [5.0, 7.25], [5.1, 5.0]]]);
    assert_eq!(first["geometry"]["coordinates"], ring);
    let properties = serde_json::json!({ "id": 1, "mag_r": null, "is_atomic": true, "sample": "a {\"b\"}\nc" });
    assert_eq!(first["properties"], properties);
    assert_eq!(value["features"][1]["properties"]["mag_r"], 17.3);
}

#[test]
fn a_table_without_rows_gives_a_valid_file_without_regions() {
    let geojson = text(&harness(RegionFormat::Geojson, "id", table(vec![])));
    let value: serde_json::Value = serde_json::from_str(&geojson).unwrap();
    assert_eq!(value["features"], serde_json::json!([]));
    assert_eq!(text(&harness(RegionFormat::Ds9, "id", table(vec![]))).lines().count(), 4);
}

#[test]
fn an_id_that_names_no_closed_contour_is_a_data_error() {
    for (id, part) in [
        (None, "the id is null"),
        (Some(9), "id 9 names no contour, there are 3"),
        (Some(-1), "id -1"),
        (Some(2), "no closed line"),
    ] {
        for format in [RegionFormat::Ds9, RegionFormat::Geojson] {
            let error = harness(format, "id", table(vec![Some(0), id])).run().unwrap_err();
            assert_eq!(error.class, ErrorClass::Data);
            assert!(error.message.contains("row 1") && error.message.contains(part), "{error}");
        }
    }
}

#[test]
fn missing_columns_and_bad_colours_are_found_before_running() {
    let infer = |label: &str, columns: Vec<(String, ColumnKind)>| {
        let mut inputs = Facets::new();
        inputs.add("table", "cull.table", TableFacet { columns: Some(columns) }.to_facet());
        let mut problems = Problems::new();
        let stage = WriteRegions { format: RegionFormat::Ds9, label: label.into(), colour: "green".into() };
        stage.infer(&inputs, &mut FacetsOut::new(), &mut problems);
        problems.into_list()
    };
    let id = ("id".to_owned(), ColumnKind::Int);
    assert!(infer("id", vec![id.clone()]).is_empty());
    assert_eq!(infer("id", vec![("x".into(), ColumnKind::Float)])[0].code, "bad-input");
    assert_eq!(infer("id", vec![("id".into(), ColumnKind::Text)])[0].code, "bad-input");
    let problems = infer("mag", vec![id, ("mag_r".into(), ColumnKind::Float)]);
    assert_eq!((problems.len(), problems[0].code), (1, "unknown-column"));
    assert_eq!(problems[0].help.as_deref(), Some("did you mean \"mag_r\"?"));

    for (colour, n) in [("green", 0), ("#ff00FF", 0), ("", 1), ("#ff", 1), ("red width=9", 1)] {
        let mut problems = Problems::new();
        WriteRegions { format: RegionFormat::Ds9, label: "id".into(), colour: colour.into() }.check(&mut problems);
        assert_eq!(problems.list().len(), n, "{colour}");
    }
    let error = harness(RegionFormat::Ds9, "nothing", table(vec![Some(0)])).run().unwrap_err();
    assert!(error.message.contains("\"nothing\""), "{error}");
}

determinism_test!(ds9_is_deterministic, harness(RegionFormat::Ds9, "id", table(vec![Some(1), Some(0)])));
determinism_test!(geojson_is_deterministic, harness(RegionFormat::Geojson, "id", table(vec![Some(1), Some(0)])));
golden_test!(ds9_bytes_are_frozen, harness(RegionFormat::Ds9, "id", table(vec![Some(1), Some(0)])), version: 1, digest: "011d17c43b80");
golden_test!(geojson_bytes_are_frozen, harness(RegionFormat::Geojson, "id", table(vec![Some(1), Some(0)])), version: 1, digest: "978cca7b33c4");
