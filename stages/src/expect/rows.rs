//! `expect.rows`: fails unless so many rows of a table satisfy a condition.

use skyloom_data::Table;
use skyloom_data::facets::TableFacet;
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Place, Problems, Signature, Stage, StageError, register_stage,
};

use crate::rules::expression::{Expression, ExpressionError};

/// Fails unless the number of rows for which a condition holds lies between two bounds; for the tests of a graph.
///
/// The matching rows are passed on, so that one expectation can look at the result of another.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Condition over the table's columns, in the language of `rules.cull`; `"true"` counts all rows.
    #[serde(rename = "where")]
    pub condition: String,
    /// Fewest matching rows; without it, any small number will do.
    #[serde(default)]
    pub min: Option<u64>,
    /// Most matching rows; without it, any large number will do.
    #[serde(default)]
    pub max: Option<u64>,
    /// What the expectation means, in front of the message when it is not met: `"the planted cluster is found"`.
    #[serde(default)]
    pub message: Option<String>,
}

impl Rows {
    /// The table to look at.
    pub const TABLE: In<Table> = In::new("table", "Table whose rows are counted.");
    /// The matching rows.
    pub const MATCHING: Out<Table> = Out::new("table", "Rows for which the condition holds, in order.");

    fn report(&self, error: &ExpressionError, problems: &mut Problems) {
        let place = Place::Param("where".to_owned());
        let problem = problems.push(error.code, place, error.found_in(&self.condition), &error.expected);
        if let Some(help) = &error.help {
            problem.help(help.as_str());
        }
    }

    /// The bounds in words: `1..2 rows`, `at least 1 row`.
    fn expected(&self) -> String {
        let rows = |n: u64| if n == 1 { "row" } else { "rows" };
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => format!("{min} {}", rows(min)),
            (Some(min), Some(max)) => format!("{min}..{max} rows"),
            (Some(min), None) => format!("at least {min} {}", rows(min)),
            (None, Some(max)) => format!("at most {max} {}", rows(max)),
            (None, None) => "any number of rows".to_owned(),
        }
    }
}

#[typetag::serde(name = "expect.rows")]
impl Stage for Rows {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::TABLE).output(&Self::MATCHING)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        match (self.min, self.max) {
            (None, None) => {
                problems.push("missing-param", Place::Node, "neither min nor max".to_owned(), "at least one of them");
            }
            (Some(min), Some(max)) if min > max => {
                problems.param("min", min, &format!("at most max, which is {max}"));
            }
            _ => {}
        }
        match Expression::parse(&self.condition) {
            Ok(expression) => expression.problems(None).iter().for_each(|e| self.report(e, problems)),
            Err(error) => self.report(&error, problems),
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let facet = TableFacet::from_facet(&inputs.get(Self::TABLE.name));
        if let Some(columns) = &facet.columns {
            // What check() reports already is not reported again.
            let sound = Expression::parse(&self.condition).ok().filter(|e| e.problems(None).is_empty());
            let errors = sound.map(|e| e.problems(Some(columns))).unwrap_or_default();
            errors.iter().for_each(|e| self.report(e, problems));
        }
        outputs.set(Self::MATCHING.name, facet.to_facet());
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // As rules.cull: a catalogue and its part.
        Demand { peak_bytes: 64 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::TABLE)?;
        let failed = |list: &[ExpressionError]| {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            StageError::config(format!("where {:?}: {}", self.condition, list.join("; ")))
        };
        let expression = Expression::parse(&self.condition).map_err(|e| failed(&[e]))?;
        let holds = expression.evaluate(&table).map_err(|e| failed(&e))?;
        let matching = table.filter(&holds).map_err(StageError::data)?;
        let n = matching.n_rows() as u64;
        cx.metric("n_matching", n as f64);
        if self.min.is_some_and(|min| n < min) || self.max.is_some_and(|max| n > max) {
            let prefix = self.message.as_ref().map(|m| format!("{m}: ")).unwrap_or_default();
            return Err(StageError::data(format!(
                "{prefix}expected {} where {}, found {n} of {}",
                self.expected(),
                self.condition,
                table.n_rows()
            )));
        }
        cx.set(&Self::MATCHING, matching);
        Ok(())
    }
}

register_stage!(Rows, kind: "expect.rows", example: r#"(
    where: "abs(x_light - 1650) < 5 and abs(y_light - 250) < 5",
    min: 1,
    message: "the planted cluster is found",
)"#);

#[cfg(test)]
mod tests {
    use skyloom_data::TableBuilder;
    use skyloom_engine::ErrorClass;
    use skyloom_testkit::{Harness, determinism_test, golden_test};

    use super::*;

    fn stage(condition: &str, min: Option<u64>, max: Option<u64>) -> Rows {
        Rows { condition: condition.to_owned(), min, max, message: None }
    }

    fn table() -> Table {
        TableBuilder::new().float("x", "px", "Column", vec![1.0, 2.0, f64::NAN, 4.0]).build().unwrap()
    }

    #[test]
    fn matching_rows_are_passed_on_when_their_number_is_right() {
        for (min, max) in [(Some(1), Some(2)), (Some(2), None), (None, Some(2)), (Some(2), Some(2))] {
            let outcome = Harness::new(stage("x < 3", min, max)).input("table", table()).run().unwrap();
            assert_eq!(outcome.get::<Table>("table").floats("x").unwrap(), [1.0, 2.0]);
        }
    }

    #[test]
    fn a_wrong_number_is_a_data_error_that_says_what_was_expected_and_found() {
        for (min, max, expected) in [
            (Some(1), Some(2), "expected 1..2 rows where x > 9, found 0 of 4"),
            (Some(1), None, "expected at least 1 row where x > 9, found 0 of 4"),
            (Some(3), Some(3), "expected 3 rows where x > 9, found 0 of 4"),
        ] {
            let error = Harness::new(stage("x > 9", min, max)).input("table", table()).run().unwrap_err();
            assert_eq!((error.class, error.message.as_str()), (ErrorClass::Data, expected));
        }
        let with_message = Rows { message: Some("nothing is left".into()), ..stage("true", None, Some(0)) };
        let error = Harness::new(with_message).input("table", table()).run().unwrap_err();
        assert_eq!(error.message, "nothing is left: expected at most 0 rows where true, found 4 of 4");
    }

    #[test]
    fn an_empty_table_has_no_matching_rows() {
        let empty = table().filter(&[false; 4]).unwrap();
        assert!(Harness::new(stage("x > 0", None, Some(0))).input("table", empty).run().is_ok());
    }

    #[test]
    fn mistakes_are_found_before_running() {
        let mut problems = Problems::new();
        stage("x <", Some(3), Some(2)).check(&mut problems);
        stage("x < 3", None, None).check(&mut problems);
        let codes: Vec<_> = problems.list().iter().map(|p| p.code).collect();
        assert_eq!(codes, ["param-out-of-range", "expression-syntax", "missing-param"]);

        let mut inputs = Facets::new();
        let columns = Some(vec![("x".to_owned(), skyloom_data::facets::ColumnKind::Float)]);
        inputs.add("table", "a.table", TableFacet { columns }.to_facet());
        let (mut outputs, mut problems) = (FacetsOut::new(), Problems::new());
        stage("xx < 3", Some(1), None).infer(&inputs, &mut outputs, &mut problems);
        assert_eq!(problems.list()[0].code, "unknown-column");
        assert_eq!(problems.list()[0].help.as_deref(), Some("did you mean \"x\"?"));
        assert_eq!(outputs.get("table"), inputs.get("table"));
    }

    #[test]
    fn the_parameter_is_called_where_in_a_graph_file() {
        let value = serde_json::to_value(stage("x < 3", Some(1), None)).unwrap();
        assert_eq!(value["where"], "x < 3");
    }

    determinism_test!(rows_is_deterministic, Harness::new(stage("x < 3", Some(1), None)).input("table", table()));
    golden_test!(rows_result_is_frozen, Harness::new(stage("x < 3", Some(1), None)).input("table", table()), version: 1, digest: "d30e3f7a9539");
}
