//! The objects of tables: their contours and light centres.

use skyloom_data::{Isophotes, Table};
use skyloom_engine::StageError;

/// Contours and light centres of the rows of one table after another.
pub(super) struct Objects<'a> {
    isophotes: &'a Isophotes,
    pub(super) contours: Vec<&'a [[f64; 2]]>,
    pub(super) at: Vec<[f64; 2]>,
    /// Shape `(width, height)` of the image that the contours were drawn on.
    pub(super) frame: (usize, usize),
}

impl<'a> Objects<'a> {
    /// None yet.
    pub(super) fn new(isophotes: &'a Isophotes) -> Self {
        Self { isophotes, contours: Vec::new(), at: Vec::new(), frame: (isophotes.width, isophotes.height) }
    }

    /// Adds the rows of the table at a port.
    ///
    /// # Errors
    /// When a column is missing, or a row belongs to no contour.
    pub(super) fn extend(&mut self, port: &str, table: &Table) -> Result<(), StageError> {
        let ids = table.ints("id").map_err(StageError::config)?;
        self.contours.reserve(ids.len());
        for (row, id) in ids.into_iter().enumerate() {
            let contour = id.and_then(|id| usize::try_from(id).ok()).and_then(|id| self.isophotes.contours.get(id));
            let contour = contour.ok_or_else(|| {
                let id = id.map_or_else(|| "no id".to_owned(), |id| format!("id {id}"));
                let n = self.isophotes.contours.len();
                StageError::data(format!("row {row} of {port} has {id}; the isophote set has {n} contours"))
                    .with_help("wire the isophotes that the table was measured on")
            })?;
            self.contours.push(&contour.vertices);
        }
        let floats = |name: &str| table.floats(name).map_err(StageError::config);
        self.at.extend(floats("x_light")?.into_iter().zip(floats("y_light")?).map(|(x, y)| [x, y]));
        Ok(())
    }
}
