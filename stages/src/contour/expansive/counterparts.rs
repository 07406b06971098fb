//! Which conservative roots belong to which expansive isophotes.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::{BoxIndex, polygon, polygons_meet};

/// When an expansive isophote contains a conservative root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Their polygons intersect: they cross, touch, or one lies in the other.
    #[default]
    Intersect,
    /// The expansive polygon holds the root's light centre.
    LightCentre,
}

/// An isophote as far as counterparts need it.
#[derive(Debug, Clone, Copy)]
pub struct Outline<'a> {
    /// Vertices `[x, y]`.
    pub vertices: &'a [[f64; 2]],
    /// Light centre `[x, y]`.
    pub light_centre: [f64; 2],
}

/// Who belongs to whom, as indices into the lists of outlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterparts {
    /// Per expansive isophote, the conservative roots that it contains, rising.
    pub contained: Vec<Vec<usize>>,
    /// Per conservative root, its expansive counterpart: of those that contain it the one that holds its light centre, else the
    /// largest.
    pub of_root: Vec<Option<usize>>,
}

/// Finds the conservative roots in each expansive isophote. `None` when `go_on`, asked once per expansive isophote, says no.
pub fn find_counterparts(
    roots: &[Outline<'_>],
    expansive: &[Outline<'_>],
    relation: Relation,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Option<Counterparts> {
    let index = BoxIndex::new(roots.iter().map(|r| match relation {
        Relation::Intersect => polygon::bounds(r.vertices),
        Relation::LightCentre => polygon::bounds(&[r.light_centre]),
    }));
    let holds = |e: &Outline<'_>, root: usize| {
        let [x, y] = roots[root].light_centre;
        polygon::contains(e.vertices, x, y)
    };
    let contained: Vec<Vec<usize>> = expansive
        .par_iter()
        .map(|e| {
            let near = polygon::bounds(e.vertices).map_or_else(Vec::new, |bounds| index.reaching(bounds));
            let is_contained = |&root: &usize| match relation {
                Relation::Intersect => polygons_meet(e.vertices, roots[root].vertices),
                Relation::LightCentre => holds(e, root),
            };
            go_on().then(|| near.into_iter().filter(is_contained).collect())
        })
        .collect::<Option<_>>()?;
    let areas: Vec<f64> = expansive.iter().map(|e| polygon::signed_area(e.vertices).abs()).collect();
    let mut of_root: Vec<Option<usize>> = vec![None; roots.len()];
    for (e, list) in contained.iter().enumerate() {
        for &root in list {
            let rank = |e: usize| (holds(&expansive[e], root), areas[e]);
            let is_better = of_root[root].is_none_or(|best| {
                let (a, b) = (rank(e), rank(best));
                a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).is_gt()
            });
            if is_better {
                of_root[root] = Some(e);
            }
        }
    }
    Some(Counterparts { contained, of_root })
}
