//! The peaks inside one segment that several levels tell apart.
//!
//! Seen from below: the components of the lowest level are markers; going up, a marker that holds two or more components
//! of a level is replaced by them. The final markers are therefore the lowest components of those branches of the tree
//! of components that do not divide again. Here the tree is grown from above, with pixels joining in order of their
//! values: one pass, whatever the number of levels.

use super::labels::Connectivity;

/// "None" in lists of indices.
const NONE: u32 = u32::MAX;

/// The pixels of one segment, in raster order, and how they touch.
#[derive(Debug, Default)]
pub(super) struct SegmentPixels {
    /// Values; what is not finite is negative infinity.
    pub(super) values: Vec<f64>,
    /// Position of each pixel in `slots`.
    positions: Vec<usize>,
    /// Index of the pixel at each position of the bounding box with a border of one pixel.
    slots: Vec<u32>,
    /// Steps between neighbours in `slots`.
    steps: Vec<isize>,
}

impl SegmentPixels {
    /// Takes over the pixels `label` inside the box `x0..x1`, `y0..y1`.
    pub(super) fn load(
        &mut self,
        [x0, x1, y0, y1]: [usize; 4],
        connectivity: Connectivity,
        value: impl Fn(usize, usize) -> Option<f64>,
    ) {
        let width = x1 - x0 + 2;
        self.values.clear();
        self.positions.clear();
        self.slots.clear();
        self.slots.resize(width * (y1 - y0 + 2), NONE);
        for y in y0..y1 {
            for x in x0..x1 {
                if let Some(v) = value(x, y) {
                    let position = (y - y0 + 1) * width + (x - x0 + 1);
                    self.slots[position] = self.values.len() as u32;
                    self.positions.push(position);
                    self.values.push(if v.is_finite() { v } else { f64::NEG_INFINITY });
                }
            }
        }
        self.steps.clear();
        self.steps.extend(connectivity.steps().iter().map(|&[dx, dy]| dy * width as isize + dx));
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The neighbours of pixel `i` inside the segment.
    pub(super) fn neighbours(&self, i: u32) -> impl Iterator<Item = u32> + '_ {
        let position = self.positions[i as usize];
        // The border makes every step stay inside `slots`.
        self.steps.iter().map(move |&step| self.slots[position.wrapping_add_signed(step)]).filter(|&j| j != NONE)
    }
}

/// A component of some level with at least `n_pixels` pixels: the part `head..=tail` of a list of pixels.
#[derive(Debug, Clone, Copy)]
struct Node {
    head: u32,
    tail: u32,
    /// Whether its branch did not divide above it.
    is_leaf: bool,
    /// The next node in the same growing component.
    next: u32,
}

/// Work space of [`MarkerFinder::find`], kept from segment to segment.
#[derive(Debug, Default)]
pub(super) struct MarkerFinder {
    order: Vec<u32>,
    /// Union-find forest; `NONE` for pixels that did not join yet.
    parent: Vec<u32>,
    size: Vec<u32>,
    /// Pixels of a component are a linked list: after a merge the two lists follow each other, so what was a component
    /// once stays one piece of the list.
    next: Vec<u32>,
    head: Vec<u32>,
    tail: Vec<u32>,
    first_node: Vec<u32>,
    /// Level at which a component was last settled.
    settled: Vec<u32>,
    nodes: Vec<Node>,
    found: Vec<(u32, u32, u32)>,
}

impl MarkerFinder {
    /// Writes the number of its marker (from 1, in raster order of the markers' first pixels) to every pixel of `marker_of`, 0
    /// between them, and returns the number of markers. `levels` rise.
    pub(super) fn find(
        &mut self,
        pixels: &SegmentPixels,
        levels: &[f64],
        n_pixels: usize,
        marker_of: &mut Vec<u32>,
    ) -> u32 {
        let n = pixels.len();
        self.reset(n);
        let values = &pixels.values;
        self.order.sort_unstable_by(|&a, &b| values[b as usize].total_cmp(&values[a as usize]).then(a.cmp(&b)));
        let mut joined = 0;
        for (k, &level) in levels.iter().enumerate().rev() {
            let start = joined;
            while joined < n && values[self.order[joined] as usize] > level {
                self.join(pixels, self.order[joined]);
                joined += 1;
            }
            for i in start..joined {
                let root = self.root(self.order[i]);
                if self.settled[root as usize] != k as u32 && self.size[root as usize] as usize >= n_pixels {
                    self.settled[root as usize] = k as u32;
                    self.settle(root);
                }
            }
        }
        // What is left at the lowest level are branches of their own.
        for i in 0..joined {
            let root = self.root(self.order[i]) as usize;
            let node = self.first_node[root];
            if node != NONE && self.nodes[node as usize].is_leaf {
                self.emit(node);
                self.first_node[root] = NONE;
            }
        }
        self.found.sort_unstable();
        marker_of.clear();
        marker_of.resize(n, 0);
        for (number, &(_, head, tail)) in (1..).zip(&self.found) {
            let mut i = head;
            while i != NONE {
                marker_of[i as usize] = number;
                i = if i == tail { NONE } else { self.next[i as usize] };
            }
        }
        self.found.len() as u32
    }

    fn reset(&mut self, n: usize) {
        self.order.clear();
        self.order.extend(0..n as u32);
        let columns = [&mut self.parent, &mut self.size, &mut self.next, &mut self.head, &mut self.tail];
        for column in columns.into_iter().chain([&mut self.first_node, &mut self.settled]) {
            column.clear();
            column.resize(n, NONE);
        }
        self.nodes.clear();
        self.found.clear();
    }

    fn root(&mut self, i: u32) -> u32 {
        let mut i = i as usize;
        while self.parent[i] as usize != i {
            self.parent[i] = self.parent[self.parent[i] as usize];
            i = self.parent[i] as usize;
        }
        i as u32
    }

    /// Adds a pixel, and merges the components that it connects.
    fn join(&mut self, pixels: &SegmentPixels, i: u32) {
        let at = i as usize;
        (self.parent[at], self.size[at], self.head[at], self.tail[at]) = (i, 1, i, i);
        for j in pixels.neighbours(i) {
            if self.parent[j as usize] == NONE {
                continue;
            }
            let (a, b) = (self.root(i), self.root(j));
            if a == b {
                continue;
            }
            let (a, b) = if self.size[a as usize] >= self.size[b as usize] { (a, b) } else { (b, a) };
            let (ua, ub) = (a as usize, b as usize);
            self.parent[ub] = a;
            self.size[ua] += self.size[ub];
            self.settled[ua] = NONE;
            self.next[self.tail[ua] as usize] = self.head[ub];
            self.tail[ua] = self.tail[ub];
            // Lists of nodes are short: at most the branches that meet at one level.
            let mut last = self.first_node[ub];
            if last != NONE {
                while self.nodes[last as usize].next != NONE {
                    last = self.nodes[last as usize].next;
                }
                self.nodes[last as usize].next = self.first_node[ua];
                self.first_node[ua] = self.first_node[ub];
            }
        }
    }

    /// Makes a component the node of the level that was just completed.
    fn settle(&mut self, root: u32) {
        let at = root as usize;
        let (head, tail) = (self.head[at], self.tail[at]);
        let first = self.first_node[at];
        if first != NONE && self.nodes[first as usize].next == NONE {
            let node = &mut self.nodes[first as usize];
            (node.head, node.tail) = (head, tail);
            return;
        }
        let mut child = first;
        while child != NONE {
            if self.nodes[child as usize].is_leaf {
                self.emit(child);
            }
            child = self.nodes[child as usize].next;
        }
        self.first_node[at] = self.nodes.len() as u32;
        self.nodes.push(Node { head, tail, is_leaf: first == NONE, next: NONE });
    }

    /// Makes a node a marker.
    fn emit(&mut self, node: u32) {
        let Node { head, tail, .. } = self.nodes[node as usize];
        let (mut i, mut least) = (head, head);
        while i != tail {
            i = self.next[i as usize];
            least = least.min(i);
        }
        self.found.push((least, head, tail));
    }
}
