//! `io.read_table`: a table as it is in a file.

use serde::{Deserialize, Serialize};
use skyloom_data::Table;
use skyloom_data::facets::TableFacet;
use skyloom_data::fits::HduChoice;
use skyloom_engine::{
    Context, Demand, DigestBuilder, Facets, FacetsOut, InputPath, Out, Place, Problems, Signature, Stage, StageError,
    register_stage,
};

use super::read_catalogue::{CatalogueError, CatalogueFormat, FileHeader, detect, read_columns, read_header};

/// Reads a table as it is: all rows and columns, under the names and in the units of the file.
///
/// For tables that this program wrote, and others that have the columns that are needed; star lists of surveys are read with
/// `io.read_catalogue`. Columns of arrays are left out, with a warning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadTable {
    /// The file: FITS, Parquet, VOTable, CSV or ECSV, gzipped or not.
    pub path: InputPath,
    /// Format of the file. Left out, its content decides.
    #[serde(default)]
    pub format: Option<CatalogueFormat>,
    /// HDU of the table in a FITS file: its position or its EXTNAME. Left out, the first binary table.
    #[serde(default)]
    pub hdu: Option<HduChoice>,
}

impl ReadTable {
    /// The table.
    pub const TABLE: Out<Table> = Out::new("table", "the table");

    fn header(&self) -> Result<(CatalogueFormat, FileHeader), CatalogueError> {
        let format = match self.format {
            Some(format) => format,
            None => detect(self.path.as_path())?,
        };
        Ok((format, read_header(self.path.as_path(), format, self.hdu.as_ref())?))
    }
}

#[typetag::serde(name = "io.read_table")]
impl Stage for ReadTable {
    fn signature(&self) -> Signature {
        Signature::new().output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn infer(&self, _: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        match self.header() {
            Ok((_, header)) => {
                let columns = header.columns.into_iter().filter_map(|c| Some((c.name, c.kind?))).collect();
                outputs.set(Self::TABLE.name, TableFacet { columns: Some(columns) }.to_facet());
            }
            Err(error) => {
                let found = format!("{} ({})", error.found, self.path.as_path().display());
                let problem = problems.push(error.code, Place::Param("path".to_owned()), found, &error.expected);
                if let Some(help) = error.help {
                    problem.help(help);
                }
            }
        }
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // A file that cannot be read has been reported by `infer`.
        let Ok((_, header)) = self.header() else { return Demand::default() };
        let row = header.columns.len() as u64 * 8;
        let rows = header.n_rows.map_or(header.memory_bytes, |n| n.saturating_mul(row));
        Demand {
            peak_bytes: header.memory_bytes.saturating_add(rows.saturating_mul(2)).saturating_add(8 << 20),
            threads: 4,
        }
    }

    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        digest.file("path", self.path.as_path()).map_err(|e| {
            let error = CatalogueError::from(skyloom_data::fits::FitsError::from_read(self.path.as_path(), &e));
            error.into()
        })
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (format, header) = self.header()?;
        let (known, other): (Vec<_>, Vec<_>) = header.columns.iter().partition(|c| c.kind.is_some());
        let names: Vec<&str> = known.iter().map(|c| c.name.as_str()).collect();
        let table = cx.pool().install(|| read_columns(self.path.as_path(), format, self.hdu.as_ref(), &names))?;
        if !other.is_empty() {
            let names: Vec<&str> = other.iter().map(|c| c.name.as_str()).collect();
            cx.warn(format!("columns that hold more than one value per row are left out: {}", names.join(", ")));
        }
        cx.metric("n_rows", table.n_rows() as f64);
        cx.set(&Self::TABLE, table);
        Ok(())
    }
}

register_stage!(ReadTable, kind: "io.read_table", example: "(path: \"candidates.parquet\")");

#[cfg(test)]
mod tests {
    use skyloom_data::TableBuilder;
    use skyloom_testkit::{Harness, determinism_test, golden_test};

    use super::*;
    use crate::io::write_table::{TableFormat, table_bytes};

    fn table() -> Table {
        TableBuilder::new()
            .int("id", "", "", vec![3, 4])
            .float("r_geo", "px", "radius", vec![2.5, f64::NAN])
            .bool("is_atomic", "", vec![true, false])
            .text("sample", "", vec!["wide".to_owned(), String::new()])
            .optional_int("parent_id", "", "", vec![None, Some(3)])
            .build()
            .unwrap()
    }

    fn stage() -> ReadTable {
        // The harness keeps no folder alive: the file lies in one that stays for the test.
        let path = tempfile::tempdir().unwrap().keep().join("t.parquet");
        std::fs::write(&path, table_bytes(&table(), TableFormat::Parquet).unwrap()).unwrap();
        ReadTable { path: InputPath(path), format: None, hdu: None }
    }

    #[test]
    fn what_was_written_is_read_with_types_and_nulls() {
        let read = Harness::new(stage()).run().unwrap().get::<Table>("table");
        assert_eq!(read.column_names(), table().column_names());
        assert_eq!(read.ints("parent_id").unwrap(), [None, Some(3)]);
        assert_eq!(
            (read.bools("is_atomic").unwrap(), read.texts("sample").unwrap()[0].as_str()),
            (vec![true, false], "wide")
        );
        assert!(read.floats("r_geo").unwrap()[1].is_nan());
        let mut outputs = FacetsOut::new();
        stage().infer(&Facets::new(), &mut outputs, &mut Problems::new());
        let columns = TableFacet::from_facet(&outputs.get("table")).columns.unwrap();
        assert_eq!(columns.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), table().column_names());
    }

    #[test]
    fn a_file_that_is_missing_or_no_table_is_found_before_the_run() {
        let codes = |path: &str| {
            let mut problems = Problems::new();
            let stage = ReadTable { path: path.into(), format: None, hdu: None };
            stage.infer(&Facets::new(), &mut FacetsOut::new(), &mut problems);
            problems.into_list().into_iter().map(|p| p.code).collect::<Vec<_>>()
        };
        assert_eq!(codes("nowhere.parquet"), ["missing-file"]);
        assert_eq!(codes(env!("CARGO_MANIFEST_DIR")), ["not-a-file"]);
    }

    determinism_test!(reading_a_table_is_deterministic, Harness::new(stage()));
    golden_test!(reading_a_table_is_frozen, Harness::new(stage()), version: 1, digest: "62c711c09d00");
}
