//! `tables.stack`: the adapter of [`Table::stack`].

use skyloom_data::Table;
use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_engine::{Context, Demand, Facets, FacetsOut, Many, Out, Problems, Signature, Stage, StageError};

/// Puts tables under each other, in the order of their wires.
///
/// The result has every column that any of them has; rows of a table without it are null there. With one table wired the result is
/// that table: a graph offers a choice in this way, when all but one of the nodes that could give a list are switched off by `when`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stack {}

impl Stack {
    /// The tables.
    pub const TABLES: Many<Table> = Many::new("tables", "tables to put under each other");
    /// The result.
    pub const TABLE: Out<Table> = Out::new("table", "all rows");
}

/// The columns of all tables at the port `tables`, in the order of their first appearance; `None` when those of one are not known.
/// Reports columns of two types.
pub(super) fn stacked_columns(inputs: &Facets, problems: &mut Problems) -> Option<Vec<(String, ColumnKind)>> {
    let mut columns: Option<Vec<(String, ColumnKind)>> = Some(Vec::new());
    for (_, facet) in inputs.all("tables") {
        let Some(more) = TableFacet::from_facet(facet).columns else {
            columns = None;
            continue;
        };
        let Some(known) = &mut columns else { continue };
        for (name, kind) in more {
            match known.iter().find(|(n, _)| *n == name) {
                None => known.push((name, kind)),
                Some((_, first)) if *first != kind => {
                    let found = format!("column {name:?} with {} and {}", first.name(), kind.name());
                    problems.input("tables", found, "the same type in all tables");
                }
                Some(_) => {}
            }
        }
    }
    columns
}

#[typetag::serde(name = "tables.stack")]
impl Stage for Stack {
    fn signature(&self) -> Signature {
        Signature::new().many(&Self::TABLES).output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let columns = stacked_columns(inputs, problems);
        outputs.set("table", TableFacet { columns }.to_facet());
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // A million stars with twenty columns, in and out.
        Demand { peak_bytes: 384 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let tables = cx.many(&Self::TABLES)?;
        let refs: Vec<&Table> = tables.iter().map(|t| &**t).collect();
        if refs.is_empty() {
            return Err(StageError::config("no table is wired").with_help("wire at least one table to tables"));
        }
        let table = Table::stack(&refs).map_err(StageError::data)?;
        cx.metric("n_rows", table.n_rows() as f64);
        cx.set(&Self::TABLE, table);
        Ok(())
    }
}

skyloom_engine::register_stage!(Stack, kind: "tables.stack", example: "()");

#[cfg(test)]
mod tests {
    use skyloom_data::TableBuilder;
    use skyloom_testkit::{Harness, determinism_test, golden_test};

    use super::*;

    fn table(id: i64, name: &str) -> Table {
        TableBuilder::new().int("id", "", "", vec![id]).float(name, "px", "", vec![id as f64]).build().unwrap()
    }

    fn harness() -> Harness {
        Harness::new(Stack {}).input("tables", table(1, "x")).input("tables", table(2, "y"))
    }

    #[test]
    fn rows_are_stacked_in_order_and_missing_columns_are_null() {
        let all = harness().run().unwrap().get::<Table>("table");
        assert_eq!(all.column_names(), ["id", "x", "y"]);
        assert_eq!(all.ints("id").unwrap(), [Some(1), Some(2)]);
        assert!(all.floats("x").unwrap()[1].is_nan());
        let one = Harness::new(Stack {}).input("tables", table(7, "x")).run().unwrap().get::<Table>("table");
        assert_eq!(*one, table(7, "x"));
    }

    #[test]
    fn no_table_and_columns_of_two_types_are_errors() {
        assert!(Harness::new(Stack {}).run().is_err());
        let text = TableBuilder::new().text("id", "", vec!["a".to_owned()]).build().unwrap();
        let two = Harness::new(Stack {}).input("tables", table(1, "x")).input("tables", text).run();
        assert!(two.unwrap_err().message.contains("id"));
    }

    determinism_test!(stack_is_deterministic, harness());
    golden_test!(stack_is_frozen, harness(), version: 1, digest: "23307b4b62cb");
}
