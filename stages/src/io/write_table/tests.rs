use std::sync::Arc;

use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray};
use skyloom_data::{Table, TableBuilder, parquet_io};
use skyloom_engine::Deliverable;
use skyloom_testkit::{Harness, determinism_test, golden_test};

use super::*;

const FORMATS: [TableFormat; 5] =
    [TableFormat::Parquet, TableFormat::Fits, TableFormat::Votable, TableFormat::Csv, TableFormat::Ecsv];

/// NaN, infinities, nulls, quotes, newlines, blanks at the ends, text that looks like something else.
fn table(with_unicode: bool) -> Table {
    let text = if with_unicode { "é ☃ 😀" } else { "plain" };
    let texts =
        vec![Some("a \"quoted\" word"), Some("two\nlines, one comma"), None, Some(" # no comment "), Some(text)];
    let x = vec![Some(1.5), Some(f64::NAN), None, Some(f64::INFINITY), Some(-1.0e-300)];
    let ids = vec![Some(0), None, Some(i64::MAX), Some(i64::MIN + 1), Some(-7)];
    TableBuilder::new()
        .array("id", "", "Index <of> the \"contour\" & more", Arc::new(Int64Array::from(ids)))
        .array("x", "px", "Column of the centre", Arc::new(Float64Array::from(x)))
        .float("sb_r", "mag/arcsec^2", "Surface brightness", vec![0.1, 0.2, 0.1 + 0.2, 1.0 / 3.0, 1e22])
        .float("flux_r", "nanomaggy", "", vec![1.0; 5])
        .array("is_atomic", "", "", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, None, Some(true)])))
        .array("sample", "", "Words", Arc::new(StringArray::from(texts)))
        .build()
        .unwrap()
}

fn harness(format: TableFormat, table: Table) -> Harness {
    Harness::new(WriteTable { format, gzip: false }).input("table", table)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_file_has_the_extension_of_its_format() {
    for (format, extension) in FORMATS.into_iter().zip(["parquet", "fits", "vot", "csv", "ecsv"]) {
        let file = harness(format, table(false)).run().unwrap().get::<Deliverable>("file");
        assert_eq!(skyloom_engine::Product::extension(&*file), extension);
        assert!(!file.bytes().unwrap().is_empty());
    }
}

#[test]
fn a_packed_file_unpacks_to_the_plain_one() {
    use std::io::Read as _;
    let stage = WriteTable { format: TableFormat::Csv, gzip: true };
    let file = Harness::new(stage).input("table", table(true)).run().unwrap().get::<Deliverable>("file");
    assert_eq!(skyloom_engine::Product::extension(&*file), "gz");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&file.bytes().unwrap()[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, table_bytes(&table(true), TableFormat::Csv).unwrap());
    // Bytes 4 to 7 are the time of packing: none.
    assert_eq!(file.bytes().unwrap()[4..8], [0; 4]);
}

#[test]
fn parquet_reads_back_equal_with_units_and_descriptions() {
    for table in [table(true), table(true).filter(&[false; 5]).unwrap()] {
        let dir = tempfile();
        std::fs::write(&dir, table_bytes(&table, TableFormat::Parquet).unwrap()).unwrap();
        let batch = parquet_io::read_batch(&dir).unwrap();
        std::fs::remove_file(&dir).unwrap();
        assert_eq!(format!("{:?}", batch.columns()), format!("{:?}", table.batch().columns()));
        assert_eq!(batch.schema().fields(), table.batch().schema().fields());
        assert!(batch.schema().metadata()["table_meta_yaml"].contains("unit: \"mag/arcsec**2\""));
    }
}

fn tempfile() -> std::path::PathBuf {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("skyloom-write-table-{}-{n}.parquet", std::process::id()))
}

#[test]
fn csv_quotes_what_must_be_quoted() {
    let lines = text(csv_bytes(&table(true)).unwrap());
    let expected = "id,x,sb_r,flux_r,is_atomic,sample\n\
        0,1.5,0.1,1.0,true,\"a \"\"quoted\"\" word\"\n\
        ,nan,0.2,1.0,false,\"two\nlines, one comma\"\n\
        9223372036854775807,,0.30000000000000004,1.0,,\n\
        -9223372036854775807,inf,0.3333333333333333,1.0,, # no comment \n\
        -7,-1e-300,1e22,1.0,true,é ☃ 😀\n";
    assert_eq!(lines, expected);
}

#[test]
fn ecsv_has_a_yaml_header_with_types_units_and_descriptions() {
    let lines = text(ecsv_bytes(&table(true)).unwrap());
    let expected = r##"# %ECSV 1.0
# ---
# datatype:
# - {name: "id", datatype: int64, description: "Index <of> the \"contour\" & more"}
# - {name: "x", unit: "pix", datatype: float64, description: "Column of the centre"}
# - {name: "sb_r", unit: "mag/arcsec**2", datatype: float64, description: "Surface brightness"}
# - {name: "flux_r", unit: "nanomaggy", datatype: float64}
# - {name: "is_atomic", datatype: bool}
# - {name: "sample", datatype: string, description: "Words"}
# schema: astropy-2.0
id x sb_r flux_r is_atomic sample
0 1.5 0.1 1.0 True "a ""quoted"" word"
"" nan 0.2 1.0 False "two
lines, one comma"
9223372036854775807 "" 0.30000000000000004 1.0 "" ""
-9223372036854775807 inf 0.3333333333333333 1.0 "" " # no comment "
-7 -1e-300 1e22 1.0 True "é ☃ 😀"
"##;
    assert_eq!(lines, expected);
    let table = TableBuilder::new().text("t", "", vec!["a\rb".to_owned()]).build().unwrap();
    let error = ecsv_bytes(&table).unwrap_err().to_string();
    assert!(error.contains("column \"t\", row 0"), "{error}");
}

#[test]
fn votable_names_types_and_units_and_escapes_markup() {
    let xml = text(votable_bytes(&table(true)).unwrap());
    for part in [
        "<VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">",
        "<TABLE nrows=\"5\">",
        "<FIELD name=\"id\" datatype=\"long\">",
        "<DESCRIPTION>Index &lt;of&gt; the",
        "<FIELD name=\"x\" datatype=\"double\" unit=\"pix\">",
        "<FIELD name=\"sb_r\" datatype=\"double\" unit=\"mag/arcsec**2\">",
        "nanomaggy",
        "<FIELD name=\"is_atomic\" datatype=\"boolean\"/>",
        "<FIELD name=\"sample\" datatype=\"unicodeChar\" arraysize=\"*\">",
        "<STREAM encoding=\"base64\">",
    ] {
        assert!(xml.contains(part), "{part} in {xml}");
    }
    assert!(text(votable_bytes(&table(false)).unwrap()).contains("datatype=\"char\" arraysize=\"*\""));
    let bad = TableBuilder::new().float("a\u{1}", "", "", vec![]).build().unwrap();
    assert!(votable_bytes(&bad).unwrap_err().to_string().contains("XML cannot hold"));
}

#[test]
fn tables_without_rows_and_without_columns_are_written() {
    for table in [table(false).filter(&[false; 5]).unwrap(), TableBuilder::new().build().unwrap()] {
        for format in FORMATS {
            // A binary table without columns is no FITS.
            if format != TableFormat::Fits || !table.column_names().is_empty() {
                table_bytes(&table, format).unwrap_or_else(|e| panic!("{format:?}: {e}"));
            }
        }
    }
}

/// Writes the files that `tests/reference/check_tables.py` compares with astropy's reading, and their contents as JSON.
///
/// Does nothing unless `SKYLOOM_TABLES` names a folder.
#[test]
fn files_for_the_astropy_check_are_written_on_request() {
    let Some(folder) = std::env::var_os("SKYLOOM_TABLES").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let full = table(true);
    let ascii = table(false);
    for (name, table) in [("empty", full.filter(&[false; 5]).unwrap()), ("unicode", full), ("ascii", ascii)] {
        for format in FORMATS {
            // FITS strings are ASCII.
            if name != "ascii" && format == TableFormat::Fits {
                continue;
            }
            let bytes = table_bytes(&table, format).unwrap();
            std::fs::write(folder.join(format!("{name}.{}", format.extension())), bytes).unwrap();
        }
        std::fs::write(folder.join(format!("{name}.json")), as_json(&table).to_string()).unwrap();
    }
}

fn as_json(table: &Table) -> serde_json::Value {
    use super::columns::{Cell, columns};
    let list = columns(table).unwrap().into_iter().map(|column| {
        let values: Vec<serde_json::Value> = (0..table.n_rows())
            .map(|row| match column.values.cell(row) {
                None => serde_json::Value::Null,
                Some(Cell::Float(v)) if !v.is_finite() => format!("{v}").into(),
                Some(Cell::Float(v)) => v.into(),
                Some(Cell::Int(v)) => v.into(),
                Some(Cell::Bool(v)) => v.into(),
                Some(Cell::Text(t)) => t.into(),
            })
            .collect();
        let kind = match column.values {
            super::columns::Values::Float(_) => "float",
            super::columns::Values::Int(_) => "int",
            super::columns::Values::Bool(_) => "bool",
            super::columns::Values::Text(_) => "text",
        };
        serde_json::json!({ "name": column.name, "kind": kind, "unit": column.unit, "description": column.description, "values": values })
    });
    serde_json::Value::Array(list.collect())
}

determinism_test!(parquet_is_deterministic, harness(TableFormat::Parquet, table(true)));
determinism_test!(votable_is_deterministic, harness(TableFormat::Votable, table(true)));
determinism_test!(csv_is_deterministic, harness(TableFormat::Csv, table(true)));
determinism_test!(ecsv_is_deterministic, harness(TableFormat::Ecsv, table(true)));
golden_test!(parquet_bytes_are_frozen, harness(TableFormat::Parquet, table(true)), version: 1, digest: "51ee5a5c2382");
golden_test!(votable_bytes_are_frozen, harness(TableFormat::Votable, table(true)), version: 1, digest: "ce81b1b9b37a");
golden_test!(csv_bytes_are_frozen, harness(TableFormat::Csv, table(true)), version: 1, digest: "922287af32cf");
golden_test!(ecsv_bytes_are_frozen, harness(TableFormat::Ecsv, table(true)), version: 1, digest: "d640c08b48e5");
