//! The tree of the isophotes that survive a cut: parents, roots, atomic isophotes.

use skyloom_data::Isophotes;

/// The place of a surviving isophote in the tree of the survivors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeNode {
    /// Index of the nearest ancestor that survived.
    pub parent: Option<usize>,
    /// Index of the lowest ancestor that survived; its own for a root.
    pub root: usize,
    /// Whether it is atomic.
    pub is_atomic: bool,
}

/// The tree that the isophotes with `is_kept` form among themselves; `None` for the others.
///
/// An isophote whose parent was cut away hangs on the nearest ancestor that was kept, or becomes a root. An isophote is
/// atomic when it contains at most one isophote at every higher level, and its parent (if any) contains two at some level:
/// one per chain, the lowest (Miller et al. 2024, section 7.4).
///
/// # Errors
/// When a parent does not come before its child: the isophotes are not ordered by level.
pub fn tree_of_survivors(isophotes: &Isophotes, is_kept: &[bool]) -> Result<Vec<Option<TreeNode>>, String> {
    let contours = &isophotes.contours;
    let kept = |i: usize| is_kept.get(i).copied().unwrap_or(false);
    let mut nodes: Vec<Option<TreeNode>> = Vec::with_capacity(contours.len());
    // Nearest kept isophote at or above each in the tree: the kept parent of its children.
    let mut anchor: Vec<Option<usize>> = Vec::with_capacity(contours.len());
    for (i, contour) in contours.iter().enumerate() {
        let parent = match contour.parent {
            Some(p) if p >= i || contours[p].level_sigma >= contour.level_sigma => {
                return Err(format!("isophote {i} has parent {p}, which is not of a lower level before it"));
            }
            parent => parent.and_then(|p| anchor[p]),
        };
        if kept(i) {
            let root = parent.and_then(|p| nodes[p]).map_or(i, |p: TreeNode| p.root);
            nodes.push(Some(TreeNode { parent, root, is_atomic: false }));
            anchor.push(Some(i));
        } else {
            nodes.push(None);
            anchor.push(parent);
        }
    }

    // Levels of everything inside an isophote, while none occurs twice; children come after their parents.
    let mut levels_inside: Vec<Option<Vec<u64>>> = vec![Some(Vec::new()); contours.len()];
    let mut is_chain = vec![false; contours.len()];
    for i in (0..contours.len()).rev() {
        let Some(node) = nodes[i] else { continue };
        let inside = levels_inside[i].take();
        is_chain[i] = inside.is_some();
        if let Some(parent) = node.parent {
            let own = contours[i].level_sigma.to_bits();
            let with_own = inside.map(|mut levels| {
                levels.push(own);
                levels
            });
            levels_inside[parent] = match (levels_inside[parent].take(), with_own) {
                (Some(a), Some(b)) => merge(a, b),
                _ => None,
            };
        }
    }
    for i in 0..contours.len() {
        let parent_is_chain = nodes[i].and_then(|n| n.parent).is_some_and(|p| is_chain[p]);
        if let Some(node) = &mut nodes[i] {
            node.is_atomic = is_chain[i] && !parent_is_chain;
        }
    }
    Ok(nodes)
}

/// Both lists together; `None` when a level is in both.
fn merge(a: Vec<u64>, b: Vec<u64>) -> Option<Vec<u64>> {
    let (mut long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    if short.iter().any(|level| long.contains(level)) {
        return None;
    }
    long.extend(short);
    Some(long)
}

#[cfg(test)]
mod tests {
    use skyloom_data::Isophote;

    use super::*;

    fn tree(nodes: &[(f64, Option<usize>)]) -> Isophotes {
        let contours =
            nodes.iter().map(|&(level_sigma, parent)| Isophote { level_sigma, parent, vertices: Vec::new() }).collect();
        Isophotes { width: 9, height: 9, contours }
    }

    fn atomic(isophotes: &Isophotes, is_kept: &[bool]) -> Vec<usize> {
        let nodes = tree_of_survivors(isophotes, is_kept).unwrap();
        (0..nodes.len()).filter(|&i| nodes[i].is_some_and(|n| n.is_atomic)).collect()
    }

    #[test]
    fn the_lowest_isophote_of_each_chain_is_atomic() {
        // A root that splits at level 10 into a chain of two and a leaf; a root of its own.
        let t = tree(&[(3.0, None), (3.0, None), (5.0, Some(0)), (10.0, Some(2)), (10.0, Some(2)), (15.0, Some(3))]);
        assert_eq!(atomic(&t, &[true; 6]), [1, 3, 4]);
    }

    #[test]
    fn two_isophotes_of_different_levels_do_not_split_a_chain() {
        let t = tree(&[(3.0, None), (10.0, Some(0)), (15.0, Some(0))]);
        assert_eq!(atomic(&t, &[true; 3]), [0]);
    }

    #[test]
    fn a_child_of_a_cut_isophote_hangs_on_the_nearest_kept_ancestor() {
        let t = tree(&[(3.0, None), (10.0, Some(0)), (15.0, Some(1)), (15.0, Some(1))]);
        let nodes = tree_of_survivors(&t, &[true, false, true, false]).unwrap();
        assert_eq!(nodes[2], Some(TreeNode { parent: Some(0), root: 0, is_atomic: false }));
        assert_eq!(nodes[1], None);
        let nodes = tree_of_survivors(&t, &[false, false, true, true]).unwrap();
        assert_eq!(nodes[3], Some(TreeNode { parent: None, root: 3, is_atomic: true }));
    }

    #[test]
    fn a_parent_after_its_child_is_an_error() {
        assert!(tree_of_survivors(&tree(&[(3.0, Some(1)), (3.0, None)]), &[true; 2]).is_err());
        assert!(tree_of_survivors(&tree(&[(3.0, Some(7))]), &[true]).is_err());
    }
}
