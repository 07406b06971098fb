//! Outlines against regions, and what is left of the matches after each rule.

use rayon::prelude::*;

use crate::evaluate::meets::{Region, boxes_touch};
use crate::measure::polygon;

/// What meets what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matches {
    /// For each region the outlines that it meets, in order.
    pub of_region: Vec<Vec<usize>>,
    /// For each outline whether any region meets it.
    pub is_matched: Vec<bool>,
}

/// Compares every region with every outline whose boxes touch.
#[must_use]
pub fn match_regions(regions: &[Region<'_>], outlines: &[&[[f64; 2]]]) -> Matches {
    let boxes: Vec<Option<[f64; 4]>> = outlines.par_iter().map(|o| polygon::bounds(o)).collect();
    let of_region: Vec<Vec<usize>> = regions
        .par_iter()
        .map(|region| {
            let Some(bounds) = region.bounds() else { return Vec::new() };
            let is_near = |i: &usize| boxes[*i].is_some_and(|b| boxes_touch(&bounds, &b));
            (0..outlines.len()).filter(is_near).filter(|&i| region.meets(outlines[i])).collect()
        })
        .collect();
    let mut is_matched = vec![false; outlines.len()];
    for &i in of_region.iter().flatten() {
        is_matched[i] = true;
    }
    Matches { of_region, is_matched }
}

/// Counts after one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Candidates that are left.
    pub n_candidates: usize,
    /// Of these, those that meet an object of the reference.
    pub n_matched: usize,
    /// Objects that a candidate that is left meets.
    pub n_recovered: usize,
}

/// Counts at step 0 (before any rule) to `n_rules`. `removed_at` is the number of the rule that removed a candidate, from 1;
/// 0 for one that was kept. Objects that do not count are not recovered.
#[must_use]
pub fn steps(matches: &Matches, removed_at: &[usize], counts: &[bool], n_rules: usize) -> Vec<Step> {
    let is_left = |candidate: usize, step: usize| removed_at[candidate] == 0 || removed_at[candidate] > step;
    (0..=n_rules)
        .map(|step| {
            let left = (0..removed_at.len()).filter(|&c| is_left(c, step));
            let (mut n_candidates, mut n_matched) = (0, 0);
            for c in left {
                n_candidates += 1;
                n_matched += usize::from(matches.is_matched[c]);
            }
            let is_recovered = |list: &&Vec<usize>| list.iter().any(|&c| is_left(c, step));
            let counted = matches.of_region.iter().zip(counts).filter(|(_, counts)| **counts).map(|(list, _)| list);
            Step { n_candidates, n_matched, n_recovered: counted.filter(is_recovered).count() }
        })
        .collect()
}

/// The last step at which each object is still recovered; `None` for one that no candidate meets.
#[must_use]
pub fn last_steps(matches: &Matches, removed_at: &[usize], n_rules: usize) -> Vec<Option<usize>> {
    let last = |c: &usize| if removed_at[*c] == 0 { n_rules } else { removed_at[*c] - 1 };
    matches.of_region.iter().map(|list| list.iter().map(last).max()).collect()
}
