//! One-dimensional filters along the columns or rows of an image.
//!
//! Lines are handled in blocks: columns because neighbouring columns share cache lines, rows because the filters then
//! work on whole vectors.

use ndarray::{ArrayView2, ArrayViewMut2, Axis, Zip};
use rayon::prelude::*;

use crate::background::Watch;

use super::algorithm::NebuliseError;
use super::line_block::{LINES, LineBlock};
use super::running_median::RunningMedian;

/// What a filter computes in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowStatistic {
    Median,
    Mean,
}

/// The flag of pixels that were bad from the start.
pub(super) const FLAG_BAD: u8 = 1;
/// The flag of pixels that are clipped at the moment.
pub(super) const FLAG_CLIPPED: u8 = 2;

/// A one-dimensional filter, ready to be applied to any number of lines.
#[derive(Debug)]
pub(super) struct LineFilter {
    /// Window as given: lines with fewer good pixels stay as they are.
    given: usize,
    /// The window as used, odd.
    pub(super) window: usize,
    pub(super) statistic: WindowStatistic,
    pub(super) exact_gaps: bool,
    pub(super) median: Option<RunningMedian>,
}

impl LineFilter {
    /// A filter for lines of at most `longest` pixels.
    pub(super) fn new(given: usize, statistic: WindowStatistic, exact_gaps: bool, longest: usize) -> Self {
        let window = given | 1;
        // A window that no line can fill is never used; planning it would only cost time.
        let median = (statistic == WindowStatistic::Median && given <= longest).then(|| RunningMedian::new(window));
        Self { given, window, statistic, exact_gaps, median }
    }

    pub(super) fn half(&self) -> usize {
        self.window / 2
    }

    /// Fewer good pixels than the window, or than ten: the good values stay as they are.
    pub(super) fn leaves_alone(&self, n_good: usize) -> bool {
        n_good < self.given || n_good < 10
    }
}

/// Filters `image` along one axis in place: `Axis(0)` along the columns, `Axis(1)` along the rows.
///
/// Values are read from `source` when there is one. Pixels with one of the `skip` flags, or without a finite value,
/// are left out and filled afterwards.
///
/// # Errors
/// When `watch` asks to stop.
pub(super) fn filter_lines(
    filter: &LineFilter,
    source: Option<ArrayView2<'_, f32>>,
    image: &mut ndarray::Array2<f32>,
    flags: &ndarray::Array2<u8>,
    skip: u8,
    axis: Axis,
    watch: Watch<'_>,
) -> Result<(), NebuliseError> {
    let across = Axis(1 - axis.index());
    let n = image.len_of(axis);
    let flags: Vec<_> = flags.axis_chunks_iter(across, LINES).collect();
    let source = source.as_ref().map(|s| s.as_standard_layout());
    let sources: Option<Vec<_>> = source.as_ref().map(|s| s.axis_chunks_iter(across, LINES).collect());
    let blocks: Vec<ArrayViewMut2<'_, f32>> = image.axis_chunks_iter_mut(across, LINES).collect();
    blocks.into_par_iter().enumerate().try_for_each_init(
        || LineBlock::new(filter, n),
        |lines, (i, mut block)| {
            let n_lines = block.len_of(across);
            let from = sources.as_ref().map(|s| s[i].view());
            lines.filter(filter, from, &flags[i], skip, &mut block, axis);
            if watch(n_lines as u64) { Ok(()) } else { Err(NebuliseError::Stopped) }
        },
    )
}

/// The flags at the start: [`FLAG_BAD`] where `bad`.
pub(super) fn initial_flags(bad: ArrayView2<'_, bool>) -> ndarray::Array2<u8> {
    Zip::from(bad).par_map_collect(|&b| if b { FLAG_BAD } else { 0 })
}
