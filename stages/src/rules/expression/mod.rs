//! The language of rules: one condition per rule, over the columns of a table.
//!
//! ```text
//! r_light < 2 * fwhm_local
//! median_pixel < 0.1 and r_geo < 13
//! mag_r > 16 and not is_nan(mag_residual)
//! sample == "conservative" or abs(dec) >= 30
//! ```
//!
//! From loose to tight: `or`, `and`, `not`, the comparisons `< <= > >= == !=`, `+ -`, `* /`, unary `-`. Besides these
//! there are parentheses, numbers, strings in single or double quotes (`\\`, `\"`, `\'`, `\n`, `\t`), `true`, `false`,
//! and the functions `abs(v)`, `min(v, ..)`, `max(v, ..)`, `sqrt(v)`, `log10(v)`, `is_nan(v)`. Nothing else.
//!
//! - Arithmetic is IEEE: `1 / 0` is infinite, `sqrt(-1)` is NaN, and NaN goes through every operation, `min` and `max` too.
//! - **A comparison with NaN is false**, also `!=`: a rule never removes an object for a value that was not measured.
//!   `is_nan` asks for it explicitly. (`not (a < b)` is therefore true when `a` is NaN.)
//! - A null number counts as NaN, a null truth value as false, and a null string equals no string and differs from none.
//! - Integers are compared and computed as 64-bit floats: exact up to 2^53.

mod ast;
mod check;
mod error;
mod evaluate;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

pub use ast::Expression;
pub use error::ExpressionError;
pub use evaluate::column_kinds;
pub use parser::MAX_DEPTH;
