use std::io::Write;
use std::path::{Path, PathBuf};

use skyloom_data::facets::TableFacet;
use skyloom_data::{CardValue, Header, Image, Table, TableBuilder, Wcs};
use skyloom_engine::{Facets, FacetsOut, InputPath, Place, Problems, Stage, StageProblem};
use skyloom_testkit::{Harness, Outcome, determinism_test, golden_test};
use tempfile::TempDir;

use super::*;
use crate::io::write_table::{TableFormat, table_bytes};

const FORMATS: [(TableFormat, &str); 5] = [
    (TableFormat::Fits, "fits"),
    (TableFormat::Parquet, "parquet"),
    (TableFormat::Votable, "vot"),
    (TableFormat::Csv, "csv"),
    (TableFormat::Ecsv, "ecsv"),
];

/// The columns of a VISTA catalogue; the third row has no position.
fn survey() -> Table {
    TableBuilder::new()
        .int("id", "", "", vec![7, 3, 9, -1])
        .float("ra", "deg", "", vec![84.0, 84.01, f64::NAN, 84.02])
        .float("dec", "deg", "", vec![-69.0, -69.01, f64::NAN, -69.02])
        .float("x", "px", "", vec![10.0, 20.5, f64::NAN, 40.25])
        .float("y", "px", "", vec![11.0, 21.5, 31.0, 41.25])
        .float("Ks", "mag", "", vec![14.5, 15.25, 16.0, f64::NAN])
        .float("eKs", "mag", "", vec![0.01, 0.02, 0.03, 0.04])
        .float("J", "mag", "", vec![15.5, 16.25, 17.0, 18.0])
        .float("eJ", "mag", "", vec![0.05, 0.06, 0.07, 0.08])
        .float("sharp", "", "", vec![0.0, 0.1, 0.2, 0.3])
        .float("prob", "", "", vec![1.0, 0.9, 0.8, 0.25])
        .float("parallax", "mas", "", vec![0.5, f64::NAN, 0.0, f64::NAN])
        .float("parallax_error", "mas", "", vec![0.25, f64::NAN, 0.125, f64::NAN])
        .text("name", "", ["a", "b", "c", "d"].map(str::to_owned).to_vec())
        .build()
        .unwrap()
}

struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self { _folder: folder, path }
    }

    fn of(table: &Table, format: TableFormat, extension: &str) -> Self {
        Self::new(&format!("stars.{extension}"), &table_bytes(table, format).unwrap())
    }

    fn csv(text: &str) -> Self {
        Self::new("stars.csv", text.as_bytes())
    }

    fn stage(&self) -> ReadCatalogue {
        ReadCatalogue { band: Some("Ks".to_owned()), ..ReadCatalogue::new(InputPath(self.path.clone())) }
    }
}

fn fixed(name: &str) -> ReadCatalogue {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/fits").join(name);
    ReadCatalogue { is_mag_required: false, ..ReadCatalogue::new(InputPath(path)) }
}

fn run(stage: &ReadCatalogue) -> Outcome {
    Harness::new(stage.clone()).run().unwrap()
}

fn table(stage: &ReadCatalogue) -> Table {
    (*run(stage).get::<Table>("table")).clone()
}

fn choice(column: &str) -> Option<ColumnChoice> {
    Some(ColumnChoice::Name(column.to_owned()))
}

fn with_unit(column: &str, unit: &str) -> Option<ColumnChoice> {
    ron::Options::default()
        .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
        .from_str(&format!("(column: {column:?}, unit: {unit:?})"))
        .unwrap()
}

fn mapped(stage: ReadCatalogue, columns: &[(&str, Option<ColumnChoice>)]) -> ReadCatalogue {
    ReadCatalogue { columns: columns.iter().map(|(n, c)| ((*n).to_owned(), c.clone())).collect(), ..stage }
}

fn problems(stage: &ReadCatalogue) -> Vec<StageProblem> {
    infer(stage, &Facets::new()).1
}

fn infer(stage: &ReadCatalogue, inputs: &Facets) -> (FacetsOut, Vec<StageProblem>) {
    let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
    stage.check(&mut problems);
    stage.infer(inputs, &mut outputs, &mut problems);
    (outputs, problems.into_list())
}

fn param(name: &str) -> Place {
    Place::Param(name.to_owned())
}

/// 1 arcsec per pixel about ra 84, dec -69 at pixel (100, 200).
fn image() -> Image {
    let mut header = Header::new();
    let cards: [(&str, CardValue); 8] = [
        ("CTYPE1", CardValue::Text("RA---TAN".into())),
        ("CTYPE2", CardValue::Text("DEC--TAN".into())),
        ("CRVAL1", CardValue::Float(84.0)),
        ("CRVAL2", CardValue::Float(-69.0)),
        ("CRPIX1", CardValue::Float(101.0)),
        ("CRPIX2", CardValue::Float(201.0)),
        ("CDELT1", CardValue::Float(-1.0 / 3600.0)),
        ("CDELT2", CardValue::Float(1.0 / 3600.0)),
    ];
    for (key, value) in cards {
        header.set(key, value);
    }
    let mut image = Image::from_pixels(ndarray::Array2::zeros((300, 300)));
    image.wcs = Wcs::from_header(&header).unwrap();
    image.meta.band = Some("Ks".to_owned());
    image
}

#[test]
fn every_format_gives_the_same_catalogue_gzipped_or_not() {
    let expected = table(&File::of(&survey(), TableFormat::Fits, "fits").stage());
    assert_eq!(
        expected.column_names(),
        [
            "id",
            "x",
            "y",
            "ra",
            "dec",
            "mag",
            "mag_err",
            "prob",
            "sharp",
            "parallax",
            "parallax_error",
            "mag_J",
            "mag_err_J"
        ]
    );
    assert_eq!(expected.ints("id").unwrap(), [Some(7), Some(3), Some(-1)]);
    assert_eq!(expected.floats("x").unwrap(), [10.0, 20.5, 40.25]);
    assert_eq!(expected.floats("mag").unwrap()[..2], [14.5, 15.25]);
    assert_eq!(expected.floats("mag_J").unwrap(), [15.5, 16.25, 18.0]);
    assert!(expected.floats("parallax").unwrap()[1].is_nan());
    let text = |t: &Table| format!("{:?} {:?}", t.batch().columns(), t.batch().schema());
    for (format, extension) in FORMATS {
        let bytes = table_bytes(&survey(), format).unwrap();
        let plain = File::new(&format!("stars.{extension}"), &bytes);
        let outcome = run(&plain.stage());
        let found = outcome.get::<Table>("table");
        assert_eq!(text(&found), text(&expected), "{extension}");
        assert_eq!(outcome.warnings, ["1 of 4 rows have no finite position and are dropped"]);
        // The columns are known before the run.
        let (outputs, problems) = infer(&plain.stage(), &Facets::new());
        assert!(problems.is_empty(), "{extension}: {problems:?}");
        let names: Vec<String> =
            TableFacet::from_facet(&outputs.get("table")).columns.unwrap().into_iter().map(|c| c.0).collect();
        assert_eq!(names, found.column_names(), "{extension}");
        if format != TableFormat::Parquet {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(&bytes).unwrap();
            let packed = File::new(&format!("stars.{extension}.gz"), &gz.finish().unwrap());
            assert_eq!(text(&table(&packed.stage())), text(&expected), "{extension}.gz");
        }
    }
}

#[test]
fn written_columns_replace_defaults_carry_units_and_can_be_left_out() {
    let text =
        "RA,DE,flux,dflux,Kmag,kind,rad\n1.5,-0.5,1000.0,10.0,12.5,star,2.0\n1.6,-0.5,-3.0,10.0,13.5,blend,3.0\n";
    let file = File::csv(text);
    let columns = [
        ("ra", with_unit("RA", "rad")),
        ("dec", with_unit("DE", "rad")),
        ("mag", with_unit("flux", "nJy")),
        ("mag_err", with_unit("dflux", "nJy")),
        ("mag_K", with_unit("Kmag", "mmag")),
        ("kind", choice("kind")),
        ("radius_arcsec", with_unit("rad", "arcmin")),
    ];
    let stage = mapped(file.stage(), &columns);
    let mut columns = stage.columns.clone();
    columns.insert("x".into(), choice("Kmag"));
    columns.insert("y".into(), choice("rad"));
    let found = table(&ReadCatalogue { columns, pixel_origin: 1, ..stage });
    assert_eq!(found.floats("x").unwrap(), [11.5, 12.5]);
    assert_eq!(found.floats("y").unwrap(), [1.0, 2.0]);
    assert!((found.floats("ra").unwrap()[0] - 1.5_f64.to_degrees()).abs() < 1e-12);
    let (mag, error) = (found.floats("mag").unwrap(), found.floats("mag_err").unwrap());
    assert!((mag[0] - (31.4 - 7.5)).abs() < 1e-12 && mag[1].is_nan());
    assert!((error[0] - 0.010_857_362).abs() < 1e-8 && error[1].is_nan());
    assert_eq!(found.floats("mag_K").unwrap(), [0.0125, 0.0135]);
    assert_eq!(found.texts("kind").unwrap(), ["star", "blend"]);
    assert_eq!(found.floats("radius_arcsec").unwrap(), [120.0, 180.0]);
    // Rows stand for missing identifiers.
    assert_eq!(found.ints("id").unwrap(), [Some(0), Some(1)]);

    let file = File::of(&survey(), TableFormat::Csv, "csv");
    let names = table(&mapped(file.stage(), &[("prob", None), ("ra", None), ("dec", None)])).column_names();
    assert!(!names.contains(&"prob".to_owned()) && !names.contains(&"ra".to_owned()), "{names:?}");
}

#[test]
fn nanomaggies_and_counts_take_their_zero_point() {
    let file = File::csv("x,y,f\n1,2,100.0\n");
    let of = |unit: &str, zero_point| {
        let stage = mapped(file.stage(), &[("mag", with_unit("f", unit))]);
        ReadCatalogue { flux_zero_point: zero_point, ..stage }
    };
    assert_eq!(table(&of("nanomaggy", None)).floats("mag").unwrap(), [17.5]);
    assert_eq!(table(&of("count", Some(25.0))).floats("mag").unwrap(), [20.0]);
    let list = problems(&of("count", None));
    assert_eq!((list.len(), list[0].code, &list[0].place), (1, "missing-param", &param("columns.mag")));
}

#[test]
fn sky_becomes_pixels_by_the_image_and_pixels_become_sky() {
    let file = File::csv("id,ra,dec,Ks\n5,84.0,-69.0,15\n6,264.0,69.0,15\n7,84.0,-68.99,15\n8,05h36m00s,-69.0,15\n");
    let file_text = File::csv("id,ra,dec,Ks\n5,05:36:00,-69:00:00,15\n6,05 36 00,-68 59 24,16\n");
    let outcome =
        Harness::new(mapped(file_text.stage(), &[("ra", with_unit("ra", "hms")), ("dec", with_unit("dec", "dms"))]))
            .input("image", image())
            .run()
            .unwrap();
    let found = outcome.get::<Table>("table");
    for (value, expected) in found.floats("y").unwrap().iter().zip([200.0, 236.0]) {
        assert!((value - expected).abs() < 1e-6, "{value}");
    }
    // A mixed column is text, and text is no degrees.
    assert_eq!(problems(&file.stage()).len(), 1);

    let file = File::csv("id,ra,dec,Ks\n5,84.0,-69.0,15\n6,264.0,69.0,15\n7,84.0,-68.98,15\n8,84.0,-68.95,16\n");
    let stage = ReadCatalogue { band: None, ..file.stage() };
    let outcome = Harness::new(stage.clone()).input("image", image()).run().unwrap();
    let found = outcome.get::<Table>("table");
    assert_eq!(found.ints("id").unwrap(), [Some(5), Some(7), Some(8)]);
    assert!((found.floats("x").unwrap()[0] - 100.0).abs() < 1e-9);
    assert!((found.floats("y").unwrap()[1] - 272.0).abs() < 1e-4);
    let near = ReadCatalogue { margin_px: Some(10.0), ..stage.clone() };
    let outcome = Harness::new(near).input("image", image()).run().unwrap();
    assert_eq!(outcome.get::<Table>("table").ints("id").unwrap(), [Some(5), Some(7)]);
    // Without an image it is said before the run, and again in the run.
    let list = problems(&file.stage());
    assert_eq!((list.len(), list[0].code, &list[0].place), (1, "missing-input", &Place::Input("image".into())));
    assert!(Harness::new(file.stage()).run().unwrap_err().message.contains("no x, y"));
    // And the reverse.
    let file = File::csv("x,y,Ks\n100,200,15\n");
    let outcome = Harness::new(file.stage()).input("image", image()).run().unwrap();
    let found = outcome.get::<Table>("table");
    assert!(
        (found.floats("ra").unwrap()[0] - 84.0).abs() < 1e-9 && (found.floats("dec").unwrap()[0] + 69.0).abs() < 1e-9
    );
}

#[test]
fn missing_columns_are_reported_with_the_nearest_name_before_the_run() {
    let file = File::of(&survey(), TableFormat::Votable, "vot");
    let list = problems(&mapped(file.stage(), &[("mag", choice("Kz")), ("prob", choice("probb"))]));
    let found: Vec<_> = list.iter().map(|p| (p.code, p.place.clone())).collect();
    assert_eq!(found, [("unknown-column", param("columns.mag")), ("unknown-column", param("columns.prob"))]);
    assert!(list[0].help.as_deref().unwrap().starts_with("did you mean \"Ks\"? the file has id, ra, dec"));
    let list = problems(&ReadCatalogue { band: Some("H".into()), ..file.stage() });
    assert_eq!((list.len(), list[0].code, &list[0].place), (1, "missing-column", &param("band")));
    let list = problems(&mapped(file.stage(), &[("x", None), ("ra", None)]));
    assert_eq!((list.len(), list[0].code, &list[0].place), (1, "missing-column", &param("columns")));
    // `name` holds text, and nobody knows the furlong.
    let list = problems(&mapped(file.stage(), &[("prob", choice("name")), ("ra", with_unit("ra", "furlong"))]));
    let codes: Vec<_> = list.iter().map(|p| p.code).collect();
    assert_eq!(codes, ["bad-column-type", "bad-unit"]);
    let list = problems(&mapped(file.stage(), &[("id", choice("name")), ("", choice("x")), ("a b", choice(""))]));
    assert!(list.len() >= 3, "{list:?}");
}

#[test]
fn files_that_are_no_catalogue_say_so() {
    let cases: [(&str, &[u8], &str); 7] = [
        ("a.csv", b"", "empty-file"),
        ("a.html", b"<!DOCTYPE html><html></html>", "unknown-format"),
        ("a.bin", b"\x00\x01\x02", "unknown-format"),
        ("a.fits", b"SIMPLE  =                    T", "truncated-fits"),
        ("a.parquet", b"PAR1abcdefghijkl", "malformed-table"),
        ("a.vot", b"<?xml version='1.0'?><VOTABLE><RESOURCE>", "malformed-table"),
        ("a.csv", b"x,y,Ks\n1,2\n", "malformed-table"),
    ];
    for (name, bytes, code) in cases {
        let list = problems(&File::new(name, bytes).stage());
        assert_eq!((list.len(), list[0].code), (1, code), "{name}: {list:?}");
    }
    let missing = ReadCatalogue::new(InputPath("/nonexistent/stars.csv".into()));
    assert_eq!(problems(&missing)[0].code, "missing-file");
    assert!(Harness::new(missing).run().is_err());
}

#[test]
fn rows_of_tabledata_and_binary_are_read_with_entities_nulls_and_arrays() {
    let fields = "<FIELD name='x' datatype='float' unit='pix'/><FIELD ID='y' datatype='double'/>\
                  <FIELD name='n' datatype='short'><VALUES null='-99'/></FIELD><FIELD name='v' datatype='double' arraysize='2'/>\
                  <FIELD name='s' datatype='char' arraysize='4*'/><FIELD name='Ks' datatype='float'/>";
    let document = |data: &str| {
        let text = format!(
            "<?xml version='1.0'?>\n<VOTABLE version='1.4'><RESOURCE><TABLE>{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>"
        );
        File::new("t.xml", text.as_bytes())
    };
    let columns = [("n", choice("n")), ("s", choice("s"))];
    let rows = "<TABLEDATA><TR><TD>1.5</TD><TD> 2 </TD><TD>-99</TD><TD>1 2</TD><TD>a&lt;b</TD><TD>15</TD></TR>\
                <TR><TD>2.5</TD><TD>3</TD><TD>0x10</TD><TD/><TD><![CDATA[c&d]]></TD><TD/></TR></TABLEDATA>";
    let mut bytes = Vec::new();
    for (x, y, n, s, mag) in [(1.5_f32, 2.0_f64, -99_i16, "a<b", 15.0_f32), (2.5, 3.0, 16, "c&d", f32::NAN)] {
        bytes.extend(x.to_be_bytes());
        bytes.extend(y.to_be_bytes());
        bytes.extend(n.to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend((s.len() as u32).to_be_bytes());
        bytes.extend(s.as_bytes());
        bytes.extend(mag.to_be_bytes());
    }
    let stream = |bytes: &[u8]| {
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        format!("<BINARY><STREAM encoding='base64'>\n{}\n{}</STREAM></BINARY>", &text[..20], &text[20..])
    };
    let mut found = Vec::new();
    for data in [rows.to_owned(), stream(&bytes)] {
        let file = document(&data);
        let table = table(&mapped(file.stage(), &columns));
        assert_eq!(table.ints("n").unwrap(), [None, Some(16)]);
        assert_eq!(table.texts("s").unwrap(), ["a<b", "c&d"]);
        assert_eq!(table.floats("x").unwrap(), [1.5, 2.5]);
        assert_eq!(table.floats("y").unwrap(), [2.0, 3.0]);
        assert!(table.floats("mag").unwrap()[1].is_nan());
        found.push(format!("{:?}", table.batch().columns()));
        assert_eq!(problems(&mapped(file.stage(), &[("v", choice("v"))]))[0].code, "bad-column-type");
    }
    assert_eq!(found[0], found[1]);
    // A stream that ends early and a row of too few cells are errors.
    for data in [stream(&bytes[..bytes.len() - 1]), "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>".to_owned()] {
        assert!(Harness::new(document(&data).stage()).run().is_err());
    }
}

#[test]
fn separators_comments_missing_values_and_empty_tables_are_understood() {
    for text in [
        "# a comment\nid;x;y;Ks;eKs\n1;1.0;2.0;;\n2;3.0;4.0;null;0.1\n",
        "\u{feff}id\tx\ty\tKs\teKs\n1\t1.0\t2.0\t--\t\n2\t3.0\t4.0\tN/A\t0.1\n",
        "id|x|y|Ks|eKs\r\n1|1.0|2.0||\r\n# between\r\n2|3.0|4.0|nan|0.1\r\n",
    ] {
        let found = table(&File::csv(text).stage());
        assert_eq!(found.ints("id").unwrap(), [Some(1), Some(2)]);
        assert_eq!(found.floats("y").unwrap(), [2.0, 4.0]);
        assert!(found.floats("mag").unwrap().iter().all(|v| v.is_nan()));
        assert_eq!(found.floats("mag_err").unwrap()[1], 0.1);
    }
    for (format, extension) in FORMATS {
        let empty = survey().filter(&[false; 4]).unwrap();
        let file = File::of(&empty, format, extension);
        let stage = if format == TableFormat::Csv {
            // Without rows CSV has no types.
            mapped(file.stage(), &[("id", None)])
        } else {
            file.stage()
        };
        assert_eq!(table(&stage).n_rows(), 0, "{extension}");
    }
}

#[test]
fn a_table_with_other_columns_is_read_where_only_positions_matter() {
    let file = File::csv("name,ra,dec,x,y,r\nNGC 1,84.0,-69.0,1,2,5\n");
    let stage = ReadCatalogue {
        is_mag_required: false,
        band: None,
        ..mapped(file.stage(), &[("radius_px", choice("r")), ("name", choice("name"))])
    };
    let found = table(&stage);
    assert_eq!(found.column_names(), ["id", "x", "y", "ra", "dec", "name", "radius_px"]);
}

#[test]
fn the_mapping_is_written_in_a_graph_as_the_manual_says() {
    let text = r#"(path: InputPath("a.fits"), band: "Ks", columns: {"x": "X_IMAGE", "ra": (column: "RA", unit: "rad"), "prob": None}, pixel_origin: 1)"#;
    let stage: ReadCatalogue = ron::Options::default()
        .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
        .from_str(text)
        .unwrap();
    assert_eq!(stage.columns["x"], choice("X_IMAGE"));
    assert_eq!(stage.columns["ra"], with_unit("RA", "rad"));
    assert_eq!(stage.columns["prob"], None);
    let mut problems = Problems::new();
    ReadCatalogue {
        pixel_origin: 2,
        margin_px: Some(-1.0),
        flux_zero_point: Some(f64::NAN),
        band: Some(String::new()),
        ..stage
    }
    .check(&mut problems);
    assert_eq!(problems.list().len(), 4);
}

/// Rows as in an object table of Rubin: degrees, pixels of the tract, nanojansky, extendedness; no unit anywhere.
fn objects() -> Table {
    TableBuilder::new()
        .int("objectId", "", "", vec![11, 12, 13, 14])
        .float("coord_ra", "", "", vec![84.0, 84.01, 84.02, 84.03])
        .float("coord_dec", "", "", vec![-69.0, -69.01, -69.02, -69.03])
        .float("x", "", "", vec![512.5, 520.0, 530.0, 540.0])
        .float("y", "", "", vec![1201.0, 1202.0, 1203.0, 1204.0])
        .bool("detect_isPrimary", "", vec![true, true, false, true])
        .float("refExtendedness", "", "", vec![0.0, 1.0, 0.0, f64::NAN])
        .float("i_psfFlux", "", "", vec![3_630.780_547_701_013, 1000.0, 1000.0, -5.0])
        .float("i_psfFluxErr", "", "", vec![36.307_805_477_010_13, 10.0, 10.0, 10.0])
        .build()
        .unwrap()
}

#[test]
fn an_object_table_of_rubin_becomes_a_star_catalogue_in_the_pixels_of_a_patch() {
    let file = File::of(&objects(), TableFormat::Parquet, "parquet");
    let columns = [
        ("id", choice("objectId")),
        ("ra", with_unit("coord_ra", "deg")),
        ("dec", with_unit("coord_dec", "deg")),
        ("mag", with_unit("i_psfFlux", "nJy")),
        ("mag_err", with_unit("i_psfFluxErr", "nJy")),
        ("prob", with_unit("refExtendedness", "extendedness")),
        ("sharp", choice("refExtendedness")),
        ("is_primary", choice("detect_isPrimary")),
    ];
    let stage = ReadCatalogue {
        pixel_frame: PixelFrame::Parent,
        condition: Some("is_primary and not (sharp > 0.5)".to_owned()),
        ..mapped(file.stage(), &columns)
    };
    let mut patch = image();
    patch.meta.cards = [("LTV1", -500.0), ("LTV2", -1200.0)]
        .map(|(key, v)| skyloom_data::Card { key: key.into(), value: CardValue::Float(v), comment: String::new() })
        .to_vec();
    let outcome = Harness::new(stage.clone()).input("image", patch).run().unwrap();
    let stars = outcome.get::<Table>("table");
    assert_eq!(stars.ints("id").unwrap(), [Some(11), Some(14)]);
    assert_eq!((stars.floats("x").unwrap(), stars.floats("y").unwrap()), (vec![12.5, 40.0], vec![1.0, 4.0]));
    let (mag, error) = (stars.floats("mag").unwrap(), stars.floats("mag_err").unwrap());
    assert!((mag[0] - 22.5).abs() < 1e-9 && mag[1].is_nan(), "{mag:?}");
    assert!((error[0] - 0.010_857_362).abs() < 1e-8 && error[1].is_nan(), "{error:?}");
    assert_eq!(stars.floats("prob").unwrap()[0], 1.0);
    assert!(stars.floats("prob").unwrap()[1].is_nan(), "not measured is not known");
    assert_eq!(outcome.metrics.last(), Some(&("n_kept".to_owned(), 2.0)));

    // Without an image nobody knows where the patch begins; a condition over a column that is not there is found early.
    assert_eq!(problems(&stage).into_iter().map(|p| p.code).collect::<Vec<_>>(), ["missing-input"]);
    let wrong =
        ReadCatalogue { pixel_frame: PixelFrame::Image, condition: Some("detect_isPrimary".to_owned()), ..stage };
    assert_eq!(problems(&wrong).len(), 1);
}

fn frozen() -> ReadCatalogue {
    // -inf and null are no positions: two of the four rows stay.
    let columns =
        [("x", choice("d")), ("y", choice("i")), ("id", choice("k")), ("mag_r", choice("e")), ("label", choice("s"))];
    mapped(fixed("table.fits"), &columns)
}

determinism_test!(reading_a_catalogue_is_deterministic, Harness::new(frozen()));
golden_test!(reading_a_catalogue_gives_the_frozen_table, Harness::new(frozen()), version: 1, digest: "47f450d41206");
