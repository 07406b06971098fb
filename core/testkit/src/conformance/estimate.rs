//! Whether a stage needs no more memory than it says.

use skyloom_engine::memory;

use super::facets::input_facets;
use super::samples::{repeated, repeated_rows, with_images, with_tables};
use super::{Conformance, Sample};

/// Pixels a side, so that what depends on the pixels stands out of what every stage may need.
const SIDE: usize = 1024;
/// Rows, for the same reason.
const ROWS: usize = 20_000;

/// See [`Check::Estimate`](super::Check::Estimate).
pub fn check(suite: &Conformance, problems: &mut Vec<String>) {
    if !is_counted() {
        return problems.push(
            "memory is not counted: write skyloom_testkit::install_allocator!(); at the top of the test file"
                .to_owned(),
        );
    }
    let images = with_images(&suite.samples, |image| repeated(image, SIDE));
    let large = with_tables(&images, |table| repeated_rows(table, ROWS));
    // A copied row may be refused (two stars of one number): then the tables stay as they are, then the images too.
    let candidates = [(&large, "enlarged"), (&images, "enlarged images"), (&suite.samples, "the sample")];
    let Some((samples, what)) = candidates.into_iter().find(|(samples, _)| suite.run(samples).is_ok()) else { return };
    for threads in [1, 7] {
        measure(suite, samples, what, threads, problems);
    }
    measure(suite, &suite.samples, "the sample", 2, problems);
}

fn measure(suite: &Conformance, samples: &[Sample], what: &str, threads: usize, problems: &mut Vec<String>) {
    let estimated = suite.stage.estimate(&input_facets(samples)).peak_bytes;
    if let Ok((_, peak)) = suite.harness(samples).threads(threads).run_measured()
        && peak > estimated
    {
        problems.push(format!(
            "{what}, {threads} threads: {peak} bytes were needed, {estimated} were estimated; count the inputs and outputs too"
        ));
    }
}

fn is_counted() -> bool {
    let before = memory::allocated_bytes();
    let something = std::hint::black_box(vec![1_u8; 4096]);
    memory::allocated_bytes() > before && !something.is_empty()
}
