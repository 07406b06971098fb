//! Which rows go, by which rule, and why.

use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder, TableError};

use crate::rules::expression::{Expression, ExpressionError};

/// One disposal rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name, unique in the list: the `rule` column of the rejected table.
    pub name: String,
    /// Condition over the table's columns; a row for which it is true is removed, and later rules do not see it.
    ///
    /// Comparisons `< <= > >= == !=`, `and or not`, `+ - * /`, parentheses, numbers, quoted strings, `true`, `false`,
    /// and `abs min max sqrt log10 is_nan`. A comparison with NaN is false, so an unmeasured value removes nothing.
    pub remove_when: String,
    /// Why the rule is there, for people.
    #[serde(default)]
    pub doc: Option<String>,
}

/// What the rules did.
#[derive(Debug, Clone, PartialEq)]
pub struct Culled {
    /// For each row, the index of the rule that removed it; `None` for a row that was kept.
    pub removed_by: Vec<Option<usize>>,
    /// Rows left after each rule.
    pub left: Vec<usize>,
}

/// Applies rules in order to all rows of a table; a row is removed by the first rule that holds for it.
///
/// # Errors
/// The index of the first rule that does not fit the table, and what is wrong with it.
pub fn cull(table: &Table, rules: &[Expression]) -> Result<Culled, (usize, Vec<ExpressionError>)> {
    let mut removed_by = vec![None; table.n_rows()];
    let mut left = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let holds = rule.evaluate(table).map_err(|errors| (index, errors))?;
        for (removed, holds) in removed_by.iter_mut().zip(holds) {
            if holds && removed.is_none() {
                *removed = Some(index);
            }
        }
        left.push(removed_by.iter().filter(|r| r.is_none()).count());
    }
    Ok(Culled { removed_by, left })
}

/// Names and kinds of the columns of [`attrition`].
pub(super) fn attrition_columns() -> Vec<(String, ColumnKind)> {
    use ColumnKind::{Float, Int, Text};
    [("step", Int), ("rule", Text), ("n_left", Int), ("n_removed", Int), ("fraction", Float)]
        .map(|(name, kind)| (name.to_owned(), kind))
        .to_vec()
}

/// What each rule left, as a table: step 0 is the input, step `n` the rule with number `n`.
pub(super) fn attrition(n_rows: usize, names: &[&str], left: &[usize]) -> Result<Table, TableError> {
    let left: Vec<usize> = std::iter::once(n_rows).chain(left.iter().copied()).collect();
    let removed = (0..left.len()).map(|i| if i == 0 { 0 } else { (left[i - 1] - left[i]) as i64 }).collect();
    let rules = std::iter::once("input").chain(names.iter().copied()).map(str::to_owned).collect();
    let fraction = |n: &usize| if n_rows > 0 { *n as f64 / n_rows as f64 } else { f64::NAN };
    TableBuilder::new()
        .int("step", "", "number of the rule, 0 for the input", (0..left.len() as i64).collect())
        .text("rule", "name of the rule", rules)
        .int("n_left", "", "rows that are left after the rule", left.iter().map(|n| *n as i64).collect())
        .int("n_removed", "", "rows that the rule removed", removed)
        .float("fraction", "", "rows left, of those of the input", left.iter().map(fraction).collect())
        .build()
}

/// The values that a rule saw in one row: `median_pixel=0.05, r_geo=9.1`, in the order in which the rule names them.
///
/// Numbers are the shortest text that reads back to the same value; strings are quoted.
pub(super) fn rule_values(table: &Table, rule: &Expression, row: usize) -> String {
    let one = |name: &str| {
        let value = match table.batch().column_by_name(name) {
            Some(array) if array.is_null(row) => "null".to_owned(),
            Some(array) => {
                let any = array.as_any();
                if let Some(a) = any.downcast_ref::<Float64Array>() {
                    format!("{:?}", a.value(row))
                } else if let Some(a) = any.downcast_ref::<Int64Array>() {
                    a.value(row).to_string()
                } else if let Some(a) = any.downcast_ref::<BooleanArray>() {
                    a.value(row).to_string()
                } else if let Some(a) = any.downcast_ref::<StringArray>() {
                    format!("{:?}", a.value(row))
                } else {
                    "?".to_owned()
                }
            }
            None => "?".to_owned(),
        };
        format!("{name}={value}")
    };
    rule.columns().into_iter().map(one).collect::<Vec<_>>().join(", ")
}
