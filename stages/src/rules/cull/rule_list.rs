//! A list of rules as a parameter: checked before the run, applied to a table.

use std::sync::Arc;

use arrow::array::StringArray;
use skyloom_data::Table;
use skyloom_data::facets::ColumnKind;
use skyloom_engine::{Place, Problems, StageError};

use super::algorithm::{Culled, Rule, cull, rule_values};
use crate::rules::expression::{Expression, ExpressionError};

impl Rule {
    /// Columns of text that a table of rejected rows has besides its own: name and description.
    pub const COLUMNS: [(&str, &str); 2] = [
        ("rule", "Name of the rule that removed the row"),
        ("rule_values", "Values of the columns that the rule names"),
    ];
}

/// Rules under the name of a parameter.
#[derive(Debug, Clone, Copy)]
pub struct RuleList<'a> {
    param: &'a str,
    rules: &'a [Rule],
}

/// A table divided by rules.
#[derive(Debug, Clone)]
pub struct Divided {
    /// Which rule removed which row.
    pub culled: Culled,
    /// Rows that no rule removed, in order.
    pub kept: Table,
    /// Rows that a rule removed, in order, with the columns [`Rule::COLUMNS`].
    pub rejected: Table,
}

impl<'a> RuleList<'a> {
    /// The rules in the parameter `param`.
    #[must_use]
    pub fn new(param: &'a str, rules: &'a [Rule]) -> Self {
        Self { param, rules }
    }

    /// Reports names that are empty or there twice, and conditions that do not parse.
    pub fn check(&self, problems: &mut Problems) {
        for (index, rule) in self.rules.iter().enumerate() {
            let place = || Place::Param(format!("{}.{index}.name", self.param));
            if rule.name.trim().is_empty() {
                problems.push("param-out-of-range", place(), format!("{:?}", rule.name), "a name");
            } else if let Some(first) = self.rules[..index].iter().position(|r| r.name == rule.name) {
                let found = format!("{:?}, which is also the name of {}.{first}", rule.name, self.param);
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

    /// Reports conditions that do not fit the columns. What [`RuleList::check`] reports is not reported again.
    pub fn check_columns(&self, columns: &[(String, ColumnKind)], problems: &mut Problems) {
        for (index, rule) in self.rules.iter().enumerate() {
            let sound = Expression::parse(&rule.remove_when).ok().filter(|e| e.problems(None).is_empty());
            let errors = sound.map(|e| e.problems(Some(columns))).unwrap_or_default();
            errors.iter().for_each(|e| self.report(index, e, problems));
        }
    }

    /// Applies the rules in order; a row is removed by the first that holds for it.
    ///
    /// # Errors
    /// When a rule does not parse or does not fit the table.
    pub fn apply(&self, table: &Table) -> Result<Divided, StageError> {
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
        let culled = cull(table, &rules).map_err(|(index, errors)| failed(index, &errors))?;
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (row, index) in culled.removed_by.iter().enumerate().filter_map(|(row, i)| Some((row, (*i)?))) {
            names.push(self.rules[index].name.clone());
            values.push(rule_values(table, &rules[index], row));
        }
        let is_kept: Vec<bool> = culled.removed_by.iter().map(Option::is_none).collect();
        let is_rejected: Vec<bool> = is_kept.iter().map(|kept| !kept).collect();
        let rejected = table.filter(&is_rejected).map_err(StageError::data)?;
        let rejected = with_rule_columns(&rejected, names, values)?;
        Ok(Divided { culled, kept: table.filter(&is_kept).map_err(StageError::data)?, rejected })
    }

    fn report(&self, index: usize, error: &ExpressionError, problems: &mut Problems) {
        let place = Place::Param(format!("{}.{index}.remove_when", self.param));
        let found = error.found_in(&self.rules[index].remove_when);
        let problem = problems.push(error.code, place, found, &error.expected);
        if let Some(help) = &error.help {
            problem.help(help.as_str());
        }
    }
}

/// The table with the columns [`Rule::COLUMNS`].
pub(crate) fn with_rule_columns(table: &Table, names: Vec<String>, values: Vec<String>) -> Result<Table, StageError> {
    let mut table = table.clone();
    for ((name, doc), array) in Rule::COLUMNS.into_iter().zip([StringArray::from(names), StringArray::from(values)]) {
        table = table.with_column(name, "", doc, Arc::new(array)).map_err(StageError::data)?;
    }
    Ok(table)
}
