//! `rules.cull`: the adapter.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use skyloom_data::Table;
use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Place, Problems, Signature, Stage, StageError, register_stage,
};

use super::algorithm::{Rule, attrition, attrition_columns, cull, rule_values};
use crate::rules::expression::{Expression, ExpressionError};

/// Removes the rows of a table for which a rule holds, and keeps a list of them with the rule and its values.
///
/// Rules are applied in order; a row is removed by the first one that holds. Kept and rejected rows keep their order.
/// `rejected` has all columns of the input, then `rule` (the name), `rule_number` (its place in the list, from 1) and
/// `rule_values` (the values that the rule saw). `attrition` says how many rows each rule left and removed; the metric
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
        Out::new("rejected", "Rows that a rule removed, in order, with columns rule, rule_number and rule_values.");
    /// What each rule left.
    pub const ATTRITION: Out<Table> =
        Out::new("attrition", "One row for the input and one per rule: step, rule, n_left, n_removed, fraction.");

    /// Columns that `rejected` adds.
    const ADDED: [(&str, ColumnKind, &str); 3] = [
        ("rule", ColumnKind::Text, "Name of the rule that removed the row"),
        ("rule_number", ColumnKind::Int, "Place of the rule in the list, from 1"),
        ("rule_values", ColumnKind::Text, "Values of the columns that the rule names"),
    ];

    fn place(index: usize) -> Place {
        Place::Param(format!("rules.{index}.remove_when"))
    }

    fn report(&self, index: usize, error: &ExpressionError, problems: &mut Problems) {
        let found = error.found_in(&self.rules[index].remove_when);
        let problem = problems.push(error.code, Self::place(index), found, &error.expected);
        if let Some(help) = &error.help {
            problem.help(help.as_str());
        }
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
        for (index, rule) in self.rules.iter().enumerate() {
            let place = || Place::Param(format!("rules.{index}.name"));
            if rule.name.trim().is_empty() {
                problems.push("param-out-of-range", place(), format!("{:?}", rule.name), "a name");
            } else if let Some(first) = self.rules[..index].iter().position(|r| r.name == rule.name) {
                let found = format!("{:?}, which is also the name of rules.{first}", rule.name);
                problems.push("duplicate-rule", place(), found, "a name of its own for each rule");
            }
            match Expression::parse(&rule.remove_when) {
                Ok(expression) => {
                    expression.problems(None).iter().for_each(|e| self.report(index, e, problems));
                }
                Err(error) => self.report(index, &error, problems),
            }
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let facet = TableFacet::from_facet(&inputs.get(Self::TABLE.name));
        if let Some(columns) = &facet.columns {
            for (index, rule) in self.rules.iter().enumerate() {
                // What check() reports already is not reported again.
                let sound = Expression::parse(&rule.remove_when).ok().filter(|e| e.problems(None).is_empty());
                let errors = sound.map(|e| e.problems(Some(columns))).unwrap_or_default();
                errors.iter().for_each(|e| self.report(index, e, problems));
            }
            for (name, _, _) in Self::ADDED {
                if columns.iter().any(|(known, _)| known == name) {
                    problems.input(Self::TABLE.name, format!("a column {name:?}"), "a table without it").help(
                        "rules.cull adds this column to the rejected rows; is this the rejected table of another cull?",
                    );
                }
            }
        }
        let rejected = facet.columns.clone().map(|mut columns| {
            columns.extend(Self::ADDED.map(|(name, kind, _)| (name.to_owned(), kind)));
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
        let failed = |index: usize, errors: &[ExpressionError]| {
            let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let rule = &self.rules[index];
            StageError::config(format!("rule {:?} ({}): {}", rule.name, rule.remove_when, list.join("; ")))
        };
        let rules = self
            .rules
            .iter()
            .enumerate()
            .map(|(index, rule)| Expression::parse(&rule.remove_when).map_err(|e| failed(index, &[e])))
            .collect::<Result<Vec<_>, _>>()?;
        let culled = cull(&table, &rules).map_err(|(index, errors)| failed(index, &errors))?;

        cx.metric("n_rows", table.n_rows() as f64);
        for (rule, left) in self.rules.iter().zip(&culled.left) {
            cx.metric(&format!("left.{}", rule.name), *left as f64);
        }
        let (mut names, mut numbers, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (row, index) in culled.removed_by.iter().enumerate().filter_map(|(row, i)| Some((row, (*i)?))) {
            names.push(self.rules[index].name.as_str());
            numbers.push(index as i64 + 1);
            values.push(rule_values(&table, &rules[index], row));
        }
        let is_kept: Vec<bool> = culled.removed_by.iter().map(Option::is_none).collect();
        let is_rejected: Vec<bool> = is_kept.iter().map(|kept| !kept).collect();
        let mut rejected = table.filter(&is_rejected).map_err(StageError::data)?;
        let added: [ArrayRef; 3] = [
            Arc::new(StringArray::from(names)),
            Arc::new(Int64Array::from(numbers)),
            Arc::new(StringArray::from(values)),
        ];
        for ((name, _, doc), array) in Self::ADDED.into_iter().zip(added) {
            rejected = rejected.with_column(name, "", doc, array).map_err(StageError::data)?;
        }
        let names: Vec<&str> = self.rules.iter().map(|r| r.name.as_str()).collect();
        cx.set(&Self::ATTRITION, attrition(table.n_rows(), &names, &culled.left).map_err(StageError::data)?);
        cx.set(&Self::KEPT, table.filter(&is_kept).map_err(StageError::data)?);
        cx.set(&Self::REJECTED, rejected);
        Ok(())
    }
}

register_stage!(Cull, kind: "rules.cull", example: r#"(rules: [
    (name: "too small", remove_when: "r_light < fwhm_local"),
    (name: "remnant", remove_when: "median_pixel < 0.1 and r_geo < 13", doc: "Miller et al. 2024, rule 2"),
])"#);
