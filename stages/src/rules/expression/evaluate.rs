//! The value of an expression for every row of a table.

use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use skyloom_data::Table;
use skyloom_data::facets::ColumnKind;

use super::ast::{Binary, Expression, Function, Node, What};
use super::error::ExpressionError;

/// One value per row, or one for all rows.
enum Values<'a> {
    Numbers(Vec<f64>),
    Number(f64),
    Truths(Vec<bool>),
    Truth(bool),
    Texts(&'a StringArray),
    Text(&'a str),
}

impl Expression {
    /// Whether the condition holds, for each row in order.
    ///
    /// # Errors
    /// What [`Expression::problems`] says of this table's columns.
    pub fn evaluate(&self, table: &Table) -> Result<Vec<bool>, Vec<ExpressionError>> {
        let problems = self.problems(Some(&column_kinds(table)));
        if !problems.is_empty() {
            return Err(problems);
        }
        let n = table.n_rows();
        match (Evaluator { table, n }).values(&self.root).map_err(|e| vec![e])? {
            Values::Truths(list) => Ok(list),
            Values::Truth(one) => Ok(vec![one; n]),
            _ => Err(vec![not_checked(&self.root)]),
        }
    }
}

/// The columns of a table as facets know them; columns of other Arrow types are left out, as if they were not there.
pub fn column_kinds(table: &Table) -> Vec<(String, ColumnKind)> {
    use arrow::datatypes::DataType;
    let schema = table.batch().schema();
    let kind = |data_type: &DataType| match data_type {
        DataType::Float64 => Some(ColumnKind::Float),
        DataType::Int64 => Some(ColumnKind::Int),
        DataType::Boolean => Some(ColumnKind::Bool),
        DataType::Utf8 => Some(ColumnKind::Text),
        _ => None,
    };
    schema.fields().iter().filter_map(|f| Some((f.name().clone(), kind(f.data_type())?))).collect()
}

struct Evaluator<'a> {
    table: &'a Table,
    n: usize,
}

impl<'a> Evaluator<'a> {
    fn values(&self, node: &'a Node) -> Result<Values<'a>, ExpressionError> {
        Ok(match &node.what {
            What::Number(v) => Values::Number(*v),
            What::Text(t) => Values::Text(t),
            What::Truth(v) => Values::Truth(*v),
            What::Column(name) => self.column(name, node)?,
            What::Minus(a) => match self.values(a)? {
                Values::Number(v) => Values::Number(-v),
                other => Values::Numbers(self.numbers(other, a)?.into_iter().map(|v| -v).collect()),
            },
            What::Not(a) => Values::Truths(self.truths(self.values(a)?, a)?.into_iter().map(|v| !v).collect()),
            What::Binary(operator, a, b) => self.binary(*operator, a, b)?,
            What::Call(function, arguments) => self.call(*function, arguments)?,
        })
    }

    fn column(&self, name: &str, node: &Node) -> Result<Values<'a>, ExpressionError> {
        let array = self.table.batch().column_by_name(name).ok_or_else(|| not_checked(node))?.as_any();
        if let Some(a) = array.downcast_ref::<Float64Array>() {
            Ok(Values::Numbers(a.iter().map(|v| v.unwrap_or(f64::NAN)).collect()))
        } else if let Some(a) = array.downcast_ref::<Int64Array>() {
            Ok(Values::Numbers(a.iter().map(|v| v.map_or(f64::NAN, |v| v as f64)).collect()))
        } else if let Some(a) = array.downcast_ref::<BooleanArray>() {
            Ok(Values::Truths(a.iter().map(|v| v.unwrap_or(false)).collect()))
        } else if let Some(a) = array.downcast_ref::<StringArray>() {
            Ok(Values::Texts(a))
        } else {
            Err(not_checked(node))
        }
    }

    fn numbers(&self, values: Values<'_>, node: &Node) -> Result<Vec<f64>, ExpressionError> {
        match values {
            Values::Numbers(list) => Ok(list),
            Values::Number(one) => Ok(vec![one; self.n]),
            _ => Err(not_checked(node)),
        }
    }

    fn truths(&self, values: Values<'_>, node: &Node) -> Result<Vec<bool>, ExpressionError> {
        match values {
            Values::Truths(list) => Ok(list),
            Values::Truth(one) => Ok(vec![one; self.n]),
            _ => Err(not_checked(node)),
        }
    }

    fn binary(&self, operator: Binary, a: &'a Node, b: &'a Node) -> Result<Values<'a>, ExpressionError> {
        let (left, right) = (self.values(a)?, self.values(b)?);
        if operator.is_comparison() {
            return self.compare(operator, (left, a), (right, b)).map(Values::Truths);
        }
        if matches!(operator, Binary::And | Binary::Or) {
            let (left, right) = (self.truths(left, a)?, self.truths(right, b)?);
            let pairs = left.into_iter().zip(right);
            return Ok(Values::Truths(match operator {
                Binary::And => pairs.map(|(l, r)| l && r).collect(),
                _ => pairs.map(|(l, r)| l || r).collect(),
            }));
        }
        let arithmetic = |l: f64, r: f64| match operator {
            Binary::Add => l + r,
            Binary::Subtract => l - r,
            Binary::Multiply => l * r,
            _ => l / r,
        };
        if let (Values::Number(l), Values::Number(r)) = (&left, &right) {
            return Ok(Values::Number(arithmetic(*l, *r)));
        }
        let (left, right) = (self.numbers(left, a)?, self.numbers(right, b)?);
        Ok(Values::Numbers(left.into_iter().zip(right).map(|(l, r)| arithmetic(l, r)).collect()))
    }

    fn compare(
        &self,
        operator: Binary,
        (left, a): (Values<'_>, &Node),
        (right, b): (Values<'_>, &Node),
    ) -> Result<Vec<bool>, ExpressionError> {
        if matches!(left, Values::Texts(_) | Values::Text(_)) {
            let row = |values: &Values<'_>, node: &Node, i: usize| match values {
                Values::Texts(t) => Ok(t.is_valid(i).then(|| t.value(i).to_owned())),
                Values::Text(t) => Ok(Some((*t).to_owned())),
                _ => Err(not_checked(node)),
            };
            return (0..self.n)
                .map(|i| {
                    Ok(match (row(&left, a, i)?, row(&right, b, i)?) {
                        (Some(l), Some(r)) => (l == r) == (operator == Binary::Equal),
                        // Null is to text what NaN is to numbers: every comparison is false.
                        _ => false,
                    })
                })
                .collect();
        }
        if matches!(left, Values::Truths(_) | Values::Truth(_)) {
            let (left, right) = (self.truths(left, a)?, self.truths(right, b)?);
            return Ok(left.into_iter().zip(right).map(|(l, r)| (l == r) == (operator == Binary::Equal)).collect());
        }
        let (left, right) = (self.numbers(left, a)?, self.numbers(right, b)?);
        let holds = |l: f64, r: f64| match operator {
            Binary::Less => l < r,
            Binary::LessEqual => l <= r,
            Binary::Greater => l > r,
            Binary::GreaterEqual => l >= r,
            Binary::Equal => l == r,
            // IEEE calls NaN different from everything; here no comparison with NaN is true.
            _ => l != r && !l.is_nan() && !r.is_nan(),
        };
        Ok(left.into_iter().zip(right).map(|(l, r)| holds(l, r)).collect())
    }

    fn call(&self, function: Function, arguments: &'a [Node]) -> Result<Values<'a>, ExpressionError> {
        let mut columns =
            arguments.iter().map(|a| self.numbers(self.values(a)?, a)).collect::<Result<Vec<_>, ExpressionError>>()?;
        let mut result = columns.swap_remove(0);
        let one = match function {
            Function::Abs => f64::abs,
            Function::Sqrt => f64::sqrt,
            Function::Log10 => libm::log10,
            Function::IsNan => return Ok(Values::Truths(result.into_iter().map(f64::is_nan).collect())),
            Function::Min | Function::Max => {
                // Not f64::min: that drops NaN, and a value that was not measured would pass unseen.
                let pick = |l: f64, r: f64| {
                    if l.is_nan() || r.is_nan() {
                        f64::NAN
                    } else if (function == Function::Min) == (r < l) {
                        r
                    } else {
                        l
                    }
                };
                for column in columns {
                    result.iter_mut().zip(column).for_each(|(l, r)| *l = pick(*l, r));
                }
                return Ok(Values::Numbers(result));
            }
        };
        Ok(Values::Numbers(result.into_iter().map(one).collect()))
    }
}

/// Evaluation met what the type check should have refused.
fn not_checked(node: &Node) -> ExpressionError {
    ExpressionError::of_type(node.at.clone(), "a value of another type", "what the type check allows; this is a bug")
}
