//! `rules.cull`: the adapter.

use std::sync::Arc;

use arrow::array::Int64Array;
use skyloom_data::Table;
use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::algorithm::{Rule, attrition, attrition_columns};
use super::rule_list::RuleList;

/// Removes the rows of a table for which a rule holds, and keeps a list of them with the rule and its values.
///
/// Rules are applied in order; a row is removed by the first one that holds. Kept and rejected rows keep their order.
/// `rejected` has all columns of the input, then `rule` (the name), `rule_values` (the values that the rule saw) and
/// `rule_number` (its place in the list, from 1). `attrition` says how many rows each rule left and removed; the metric
/// `left.<rule>` is the same number. Without rules everything is kept.
///
/// Miller et al. 2024, section 7.3, disposes of false candidates in this way.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cull {
    /// The rules, in the order in which they are applied.
    pub rules: Vec<Rule>,
}

impl Cull {
    /// The table to cull.
    pub const TABLE: In<Table> = In::new("table", "Table whose rows are judged.");
    /// The rows that no rule removed.
    pub const KEPT: Out<Table> = Out::new("table", "Rows that no rule removed, in order.");
    /// The rows that a rule removed.
    pub const REJECTED: Out<Table> =
        Out::new("rejected", "Rows that a rule removed, in order, with columns rule, rule_values and rule_number.");
    /// What each rule left.
    pub const ATTRITION: Out<Table> =
        Out::new("attrition", "One row for the input and one per rule: step, rule, n_left, n_removed, fraction.");

    /// Column of the rejected rows: the place of the rule in the list, from 1.
    const NUMBER: &str = "rule_number";

    fn rules(&self) -> RuleList<'_> {
        RuleList::new("rules", &self.rules)
    }
}

#[typetag::serde(name = "rules.cull")]
impl Stage for Cull {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::TABLE).output(&Self::KEPT).output(&Self::REJECTED).output(&Self::ATTRITION)
    }

    fn version(&self) -> u32 {
        2
    }

    fn check(&self, problems: &mut Problems) {
        self.rules().check(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let facet = TableFacet::from_facet(&inputs.get(Self::TABLE.name));
        if let Some(columns) = &facet.columns {
            self.rules().check_columns(columns, problems);
            for name in Rule::COLUMNS.map(|(name, _)| name).into_iter().chain([Self::NUMBER]) {
                if columns.iter().any(|(known, _)| known == name) {
                    problems.input(Self::TABLE.name, format!("a column {name:?}"), "a table without it").help(
                        "rules.cull adds this column to the rejected rows; is this the rejected table of another cull?",
                    );
                }
            }
        }
        let rejected = facet.columns.clone().map(|mut columns| {
            columns.extend(Rule::COLUMNS.map(|(name, _)| (name.to_owned(), ColumnKind::Text)));
            columns.push((Self::NUMBER.to_owned(), ColumnKind::Int));
            columns
        });
        outputs.set(Self::KEPT.name, facet.to_facet());
        outputs.set(Self::REJECTED.name, TableFacet { columns: rejected }.to_facet());
        outputs.set(Self::ATTRITION.name, TableFacet { columns: Some(attrition_columns()) }.to_facet());
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // The number of rows is not known before; catalogues are small beside images: 100,000 rows of 50 columns,
        // in, kept and rejected.
        Demand { peak_bytes: 128 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let table = cx.input(&Self::TABLE)?;
        let divided = self.rules().apply(&table)?;
        cx.metric("n_rows", table.n_rows() as f64);
        for (rule, left) in self.rules.iter().zip(&divided.culled.left) {
            cx.metric(&format!("left.{}", rule.name), *left as f64);
        }
        let numbers: Vec<i64> = divided.culled.removed_by.iter().flatten().map(|i| *i as i64 + 1).collect();
        let names: Vec<&str> = self.rules.iter().map(|r| r.name.as_str()).collect();
        let attrition = attrition(table.n_rows(), &names, &divided.culled.left).map_err(StageError::data)?;
        let doc = "Place of the rule in the list, from 1";
        let rejected = divided.rejected.with_column(Self::NUMBER, "", doc, Arc::new(Int64Array::from(numbers)));
        cx.set(&Self::ATTRITION, attrition);
        cx.set(&Self::KEPT, divided.kept);
        cx.set(&Self::REJECTED, rejected.map_err(StageError::data)?);
        Ok(())
    }
}

register_stage!(Cull, kind: "rules.cull", example: r#"(rules: [
    (name: "too small", remove_when: "r_light < fwhm_local"),
    (name: "remnant", remove_when: "median_pixel < 0.1 and r_geo < 13", doc: "Miller et al. 2024, rule 2"),
])"#);
