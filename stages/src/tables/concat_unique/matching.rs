//! Which objects of different tables are the same one, and which copy stays.

use std::cmp::Ordering;

/// One object of one table, for the comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Number of its table.
    pub table: usize,
    /// Its place: pixels and 0, or a unit vector. Not finite: it is like no other.
    pub place: [f64; 3],
    /// What two copies of an object have in common besides; equal words are equal.
    pub kind: String,
    /// The copy with the greatest rank stays; of equal ones that of the first table.
    pub rank: f64,
}

/// Pairs of objects of different tables and equal kind that are at most `radius` apart, each with the smaller index first.
///
/// Sorted by distance, equal distances by index.
#[must_use]
pub fn near_pairs(objects: &[Object], radius: f64) -> Vec<(usize, usize)> {
    // Cells a little larger than the radius: what is near lies in the same cell or in one beside it.
    let size = (radius * 1.000_001).max(1e-9);
    let cell = |place: [f64; 3]| place.map(|v| (v / size).floor());
    let mut cells: Vec<([f64; 3], usize)> = objects
        .iter()
        .enumerate()
        .filter(|(_, o)| o.place.iter().all(|v| v.is_finite()))
        .map(|(i, o)| (cell(o.place), i))
        .collect();
    let order = |a: &[f64; 3], b: &[f64; 3]| -> Ordering {
        a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    };
    // Zero and minus zero are one cell.
    cells.iter_mut().for_each(|(cell, _)| *cell = cell.map(|v| v + 0.0));
    cells.sort_by(|(a, i), (b, j)| order(a, b).then(i.cmp(j)));

    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (at, i) in &cells {
        for step in 0..27_u8 {
            let beside = [step / 9, step / 3 % 3, step % 3].map(|s| f64::from(s) - 1.0);
            let wanted = [0, 1, 2].map(|k| at[k] + beside[k] + 0.0);
            let start = cells.partition_point(|(cell, _)| order(cell, &wanted).is_lt());
            for (_, j) in cells[start..].iter().take_while(|(cell, _)| order(cell, &wanted).is_eq()) {
                let (a, b) = (&objects[*i], &objects[*j]);
                if i < j && a.table != b.table && a.kind == b.kind {
                    let d = [0, 1, 2].map(|k| a.place[k] - b.place[k]);
                    let distance = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt();
                    if distance <= radius {
                        pairs.push((distance, *i, *j));
                    }
                }
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    pairs.into_iter().map(|(_, i, j)| (i, j)).collect()
}

/// Which objects stay. The nearest pairs are joined first, and no two objects of one table become one: neighbours in a crowd stay
/// apart.
#[must_use]
pub fn choose(objects: &[Object], pairs: &[(usize, usize)]) -> Vec<bool> {
    let mut group: Vec<usize> = (0..objects.len()).collect();
    let mut members: Vec<Vec<usize>> = (0..objects.len()).map(|i| vec![i]).collect();
    for &(i, j) in pairs {
        let (a, b) = (group[i], group[j]);
        let share_table = members[a].iter().any(|&m| members[b].iter().any(|&n| objects[m].table == objects[n].table));
        if a == b || share_table {
            continue;
        }
        let moved = std::mem::take(&mut members[b]);
        moved.iter().for_each(|&m| group[m] = a);
        members[a].extend(moved);
    }
    let mut stays = vec![false; objects.len()];
    for list in members {
        let better = |&a: &usize, &b: &usize| {
            let (x, y) = (&objects[a], &objects[b]);
            let rank = |o: &Object| if o.rank.is_nan() { f64::NEG_INFINITY } else { o.rank };
            rank(x).total_cmp(&rank(y)).then(y.table.cmp(&x.table)).then(b.cmp(&a))
        };
        if let Some(best) = list.into_iter().max_by(better) {
            stays[best] = true;
        }
    }
    stays
}
