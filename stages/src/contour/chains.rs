//! Joining directed pieces end to end, in an order that depends on nothing but the pieces.
//!
//! Every crossing is the end of at most one piece and the start of at most one, because the high side is always on
//! the left. The maximal chains are therefore unique, in whatever portions the pieces arrive.

use super::marching::{Crossing, Segment};

/// Crossings in order. A closed chain does not repeat its first crossing.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) crossings: Vec<Crossing>,
    pub(super) is_closed: bool,
}

/// Joins the segments of a band.
pub(super) fn join_segments(segments: &[Segment]) -> Vec<Chain> {
    let mut chains = Vec::new();
    walk(
        segments.len(),
        |i| (segments[i].from.edge, segments[i].to.edge),
        |path, is_closed| {
            let mut crossings: Vec<Crossing> = Vec::with_capacity(path.len() + 1);
            crossings.extend(path.iter().map(|&i| segments[i].from));
            if let (false, Some(&last)) = (is_closed, path.last()) {
                crossings.push(segments[last].to);
            }
            chains.push(Chain { crossings, is_closed });
        },
    );
    chains
}

/// Joins the open chains of all bands: what is still open afterwards ends at the image's edge or at a pixel without value.
pub(super) fn join_chains(open: &[Chain]) -> Vec<Chain> {
    let ends = |i: usize| {
        let crossings = &open[i].crossings;
        (crossings[0].edge, crossings[crossings.len() - 1].edge)
    };
    let mut chains = Vec::new();
    walk(open.len(), ends, |path, is_closed| {
        let length = path.iter().map(|&i| open[i].crossings.len()).sum();
        let mut crossings = Vec::with_capacity(length);
        for &i in path {
            // The last crossing of a piece is the first of the next one.
            crossings.pop();
            crossings.extend_from_slice(&open[i].crossings);
        }
        if is_closed {
            crossings.pop();
        }
        chains.push(Chain { crossings, is_closed });
    });
    chains
}

/// Calls `found` with the pieces of each maximal chain, in order, and whether it is closed.
fn walk(n: usize, ends: impl Fn(usize) -> (u64, u64), mut found: impl FnMut(&[usize], bool)) {
    let mut starts: Vec<(u64, usize)> = (0..n).map(|i| (ends(i).0, i)).collect();
    starts.sort_unstable();
    let next: Vec<Option<usize>> = (0..n)
        .map(|i| {
            let end = ends(i).1;
            starts.binary_search_by_key(&end, |s| s.0).ok().map(|k| starts[k].1)
        })
        .collect();
    let mut has_previous = vec![false; n];
    for &successor in next.iter().flatten() {
        has_previous[successor] = true;
    }
    let mut is_done = vec![false; n];
    let mut path = Vec::new();
    // Open chains first, from their first piece; what is left then are loops, and any piece may start them.
    for only_open in [true, false] {
        for &(_, first) in &starts {
            if is_done[first] || (only_open && has_previous[first]) {
                continue;
            }
            path.clear();
            let mut current = Some(first);
            while let Some(i) = current.filter(|&i| !is_done[i]) {
                is_done[i] = true;
                path.push(i);
                current = next[i];
            }
            found(&path, !only_open);
        }
    }
}
