//! Inputs with next to nothing in them.

use super::Conformance;
use super::samples::{as_image, as_table, corner, with_images, with_tables, without_rows};

/// See [`Check::Small`](super::Check::Small).
pub fn check(suite: &Conformance, problems: &mut Vec<String>) {
    let has_tables = suite.samples.iter().any(|sample| as_table(&*sample.product).is_some());
    let has_images = suite.samples.iter().any(|sample| as_image(&*sample.product).is_some());
    if has_tables {
        let samples = with_tables(&suite.samples, without_rows);
        written(suite, &samples, "a table without rows", problems);
    }
    if has_images {
        let whole = usize::MAX;
        for (height, width, what) in [(1, 1, "an image of 1 x 1"), (1, whole, "one row"), (whole, 1, "one column")] {
            let samples = with_images(&suite.samples, |image| corner(image, height, width));
            written(suite, &samples, what, problems);
        }
        // Not every format can hold an image of no pixels: that it does not panic is enough.
        let samples = with_images(&suite.samples, |image| corner(image, 0, 0));
        suite.run_variant(&samples, "an image of no pixels", problems);
    }
    if has_tables && has_images {
        let tiny = with_images(&with_tables(&suite.samples, without_rows), |image| corner(image, 1, 1));
        written(suite, &tiny, "an image of 1 x 1 and a table without rows", problems);
    }
}

/// What comes out can also be written.
fn written(suite: &Conformance, samples: &[super::Sample], what: &str, problems: &mut Vec<String>) {
    if let Some(outcome) = suite.run_variant(samples, what, problems)
        && let Err(error) = outcome.digests()
    {
        problems.push(format!("{what}: a product cannot be encoded: {error}"));
    }
}
