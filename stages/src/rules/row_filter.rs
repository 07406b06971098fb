//! A condition as a parameter of a stage: which rows of a table count.

use skyloom_data::Table;
use skyloom_data::facets::ColumnKind;
use skyloom_engine::{Place, Problems, StageError};

use super::expression::{Expression, ExpressionError};

/// A parameter with a condition; without one every row counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowFilter<'a> {
    param: &'a str,
    condition: Option<&'a str>,
}

impl<'a> RowFilter<'a> {
    pub(crate) fn new(param: &'a str, condition: Option<&'a str>) -> Self {
        Self { param, condition }
    }

    fn report(&self, text: &str, errors: &[ExpressionError], problems: &mut Problems) {
        for error in errors {
            let place = Place::Param(self.param.to_owned());
            let problem = problems.push(error.code, place, error.found_in(text), &error.expected);
            if let Some(help) = &error.help {
                problem.help(help.as_str());
            }
        }
    }

    /// Reports what is wrong with the condition for every table.
    pub(crate) fn check(&self, problems: &mut Problems) {
        let Some(text) = self.condition else { return };
        match Expression::parse(text) {
            Ok(expression) => self.report(text, &expression.problems(None), problems),
            Err(error) => self.report(text, &[error], problems),
        }
    }

    /// Reports what is wrong with it for a table with these columns, without what [`RowFilter::check`] reports.
    pub(crate) fn infer(&self, columns: &[(String, ColumnKind)], problems: &mut Problems) {
        let Some(text) = self.condition else { return };
        if let Some(expression) = Expression::parse(text).ok().filter(|e| e.problems(None).is_empty()) {
            self.report(text, &expression.problems(Some(columns)), problems);
        }
    }

    /// The rows that count, in order.
    pub(crate) fn apply(&self, table: &Table) -> Result<Table, StageError> {
        let Some(text) = self.condition else { return Ok(table.clone()) };
        let failed = |errors: &[ExpressionError]| {
            let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
            StageError::config(format!("{} {text:?}: {}", self.param, list.join("; ")))
        };
        let expression = Expression::parse(text).map_err(|e| failed(&[e]))?;
        let holds = expression.evaluate(table).map_err(|e| failed(&e))?;
        table.filter(&holds).map_err(StageError::data)
    }
}
