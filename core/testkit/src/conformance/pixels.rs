//! NaN and masked pixels: defined results, and nothing of them elsewhere.

use skyloom_data::Image;
use skyloom_engine::Digest;

use super::samples::{
    UNUSABLE, all_masked, as_image, as_table, damaged, is_damaged, masked, with_images, with_nan, with_null,
    with_tables,
};
use super::{Conformance, Sample};
use crate::harness::Outcome;

/// What a pixel becomes, from its value.
type Replace = fn(f32) -> f32;

/// See [`Check::NotANumber`](super::Check::NotANumber).
pub fn check_not_a_number(suite: &Conformance, problems: &mut Vec<String>) {
    if has_images(&suite.samples) {
        let samples = with_images(&suite.samples, |image| damaged(image, |_| f32::NAN));
        let outcome = suite.run_variant(&samples, "some pixels NaN", problems);
        if let (Some(outcome), Ok(reference)) = (outcome, suite.run(&suite.samples)) {
            no_spread(suite, &reference, &outcome, problems);
        }
        let nothing = with_images(&suite.samples, |image| image.with_pixels(image.pixels.mapv(|_| f32::NAN)));
        suite.run_variant(&nothing, "all pixels NaN", problems);
    }
    if suite.samples.iter().any(|sample| as_table(&*sample.product).is_some()) {
        suite.run_variant(&with_tables(&suite.samples, with_nan), "NaN in every third row", problems);
        suite.run_variant(&with_tables(&suite.samples, with_null), "null in every third row", problems);
    }
}

/// See [`Check::Masked`](super::Check::Masked).
pub fn check_masked(suite: &Conformance, problems: &mut Vec<String>) {
    if !has_images(&suite.samples) {
        return;
    }
    suite.run_variant(&with_images(&suite.samples, all_masked), "all pixels masked", problems);
    let samples = with_images(&suite.samples, masked);
    let Some(reference) = suite.run_variant(&samples, "some pixels masked", problems) else { return };
    let values: [(&str, Replace); 3] = [("NaN", |_| f32::NAN), ("1e9", |_| 1e9), ("the negative value", |v| -v)];
    for (name, value) in values {
        let changed = with_images(&samples, |image| damaged(image, value));
        let what = format!("{name} in masked pixels");
        if let Some(outcome) = suite.run_variant(&changed, &what, problems) {
            same_elsewhere(suite, &reference, &outcome, &what, problems);
        }
    }
}

fn has_images(samples: &[Sample]) -> bool {
    samples.iter().any(|sample| as_image(&*sample.product).is_some())
}

/// Pairs of images at the same output port that have the shape of an input image: pixel stands on pixel.
fn image_pairs<'a>(
    suite: &Conformance,
    reference: &'a Outcome,
    outcome: &'a Outcome,
) -> Vec<(&'a str, &'a Image, &'a Image)> {
    let shapes: Vec<_> =
        suite.samples.iter().filter_map(|s| as_image(&*s.product)).map(|image| image.pixels.dim()).collect();
    let pair = |(port, product): (&'a String, &'a std::sync::Arc<dyn skyloom_engine::Product>)| {
        let (before, after) = (as_image(&**product)?, as_image(&**outcome.outputs.get(port)?)?);
        let is_aligned = before.pixels.dim() == after.pixels.dim() && shapes.contains(&before.pixels.dim());
        is_aligned.then_some((port.as_str(), before, after))
    };
    reference.outputs.iter().filter_map(pair).collect()
}

/// A pixel that is good in every input and had a value keeps one, or a mask bit says that it has none.
fn no_spread(suite: &Conformance, reference: &Outcome, outcome: &Outcome, problems: &mut Vec<String>) {
    for (port, before, after) in image_pairs(suite, reference, outcome) {
        let shape = before.pixels.dim();
        let is_lost = |at: (usize, usize)| {
            let says_why = after.mask.as_ref().is_some_and(|mask| mask[at] & UNUSABLE != 0);
            !is_damaged(shape, at) && before.pixels[at].is_finite() && !after.pixels[at].is_finite() && !says_why
        };
        let lost: Vec<_> = before.pixels.indexed_iter().map(|(at, _)| at).filter(|at| is_lost(*at)).collect();
        if let Some((y, x)) = lost.first() {
            problems.push(format!(
                "NaN spreads: output {port:?} lost {} good pixels, the first at column {x}, row {y}",
                lost.len()
            ));
        }
    }
}

/// Good pixels of images, and whole tables, do not change.
fn same_elsewhere(suite: &Conformance, before: &Outcome, after: &Outcome, what: &str, problems: &mut Vec<String>) {
    for (port, old, new) in image_pairs(suite, before, after) {
        let shape = old.pixels.dim();
        let differs =
            |at: (usize, usize)| !is_damaged(shape, at) && old.pixels[at].to_bits() != new.pixels[at].to_bits();
        let changed: Vec<_> = old.pixels.indexed_iter().map(|(at, _)| at).filter(|at| differs(*at)).collect();
        if let Some((y, x)) = changed.first() {
            problems.push(format!(
                "{what} changes {} other pixels of output {port:?}, the first at column {x}, row {y}",
                changed.len()
            ));
        }
    }
    let tables = |outcome: &Outcome| -> Vec<(String, Digest)> {
        let digests = outcome.digests().unwrap_or_default();
        let is_table = |port: &str| outcome.outputs.get(port).is_some_and(|product| as_table(&**product).is_some());
        digests.into_iter().filter(|(port, _)| is_table(port)).collect()
    };
    for ((port, old), (_, new)) in tables(before).into_iter().zip(tables(after)) {
        if old != new {
            problems.push(format!("{what} changes the table at output {port:?}"));
        }
    }
}
