//! One row of the star catalogue.

use skyloom_data::{Table, TableError};

/// What PSF and star stages need to know of a star. Values that are not known are NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatalogueStar {
    /// The catalogue's own number.
    pub id: i64,
    /// Column, zero-based, pixel centre at integers.
    pub x: f64,
    /// Row.
    pub y: f64,
    /// Magnitude in the detection band.
    pub mag: f64,
    /// Probability of being a star.
    pub prob: f64,
    /// Sharpness; 0 is point-like.
    pub sharp: f64,
    /// Parallax in mas.
    pub parallax: f64,
    /// Its error.
    pub parallax_error: f64,
}

impl CatalogueStar {
    /// A star of which nothing but place and brightness is known.
    #[must_use]
    pub fn new(id: i64, x: f64, y: f64, mag: f64) -> Self {
        let unknown = f64::NAN;
        Self { id, x, y, mag, prob: unknown, sharp: unknown, parallax: unknown, parallax_error: unknown }
    }

    /// The stars of a table with the columns `x`, `y`, `mag` and, where they are there, `id`, `prob`, `sharp`, `parallax`,
    /// `parallax_error`. Without `id` the row number counts.
    ///
    /// # Errors
    /// When a required column is missing, or a column does not hold numbers.
    pub fn from_table(table: &Table) -> Result<Vec<Self>, TableError> {
        let n = table.n_rows();
        let optional = |name: &str| if table.has_column(name) { table.floats(name) } else { Ok(vec![f64::NAN; n]) };
        let (x, y, mag) = (table.floats("x")?, table.floats("y")?, table.floats("mag")?);
        let (prob, sharp) = (optional("prob")?, optional("sharp")?);
        let (parallax, parallax_error) = (optional("parallax")?, optional("parallax_error")?);
        let ids = if table.has_column("id") { table.ints("id")? } else { vec![None; n] };
        Ok((0..n)
            .map(|i| Self {
                id: ids[i].unwrap_or(i as i64),
                x: x[i],
                y: y[i],
                mag: mag[i],
                prob: prob[i],
                sharp: sharp[i],
                parallax: parallax[i],
                parallax_error: parallax_error[i],
            })
            .collect())
    }
}
