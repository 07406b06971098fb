//! A layered drawing: rows by longest path, order within a row by the mean place of the inputs.

use std::fmt::Write as _;

use super::{Drawn, colours};

const WIDTH: f64 = 170.0;
const HEIGHT: f64 = 44.0;
const GAP_X: f64 = 24.0;
const GAP_Y: f64 = 46.0;
const MARGIN: f64 = 20.0;
/// Sweeps that move nodes below their inputs and above their readers; more change nothing on graphs of this size.
const SWEEPS: usize = 8;

/// The drawing as SVG text.
pub fn draw(title: &str, nodes: &[Drawn]) -> String {
    let rows = rows(nodes);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let full = columns as f64 * (WIDTH + GAP_X) - GAP_X;
    let mut place = vec![(0.0, 0.0); nodes.len()];
    for (r, row) in rows.iter().enumerate() {
        let own = row.len() as f64 * (WIDTH + GAP_X) - GAP_X;
        for (c, &node) in row.iter().enumerate() {
            place[node] =
                (MARGIN + (full - own) / 2.0 + c as f64 * (WIDTH + GAP_X), MARGIN + r as f64 * (HEIGHT + GAP_Y));
        }
    }
    let (width, height) = (full.max(WIDTH) + 2.0 * MARGIN, rows.len() as f64 * (HEIGHT + GAP_Y) - GAP_Y + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escape(title)
    );
    for (i, node) in nodes.iter().enumerate() {
        for (from, port) in &node.inputs {
            let (x0, y0) = (place[*from].0 + WIDTH / 2.0, place[*from].1 + HEIGHT);
            let (x1, y1) = (place[i].0 + WIDTH / 2.0, place[i].1);
            let bend = GAP_Y.min((y1 - y0) / 2.0);
            let _ = writeln!(
                svg,
                "<path d=\"M{x0} {y0} C{x0} {} {x1} {} {x1} {y1}\" fill=\"none\" stroke=\"#888\"><title>{} to {}.{}</title></path>",
                y0 + bend,
                y1 - bend,
                escape(&nodes[*from].name),
                escape(&node.name),
                escape(port)
            );
        }
    }
    for (node, (x, y)) in nodes.iter().zip(&place) {
        let (fill, line) = colours(node);
        let _ = writeln!(
            svg,
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"{fill}\" stroke=\"{line}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#444\">{}</text></g>",
            if node.runs { "runs" } else { "reused" },
            x + WIDTH / 2.0,
            y + 18.0,
            escape(&node.name),
            x + WIDTH / 2.0,
            y + 34.0,
            escape(&node.kind)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Nodes per row. Nodes arrive in topological order.
fn rows(nodes: &[Drawn]) -> Vec<Vec<usize>> {
    let mut depth = vec![0_usize; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        depth[i] = node.inputs.iter().map(|(from, _)| depth[*from] + 1).max().unwrap_or(0);
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); depth.iter().max().map_or(0, |d| d + 1)];
    for (i, &d) in depth.iter().enumerate() {
        rows[d].push(i);
    }
    let mut readers = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        for (from, _) in &node.inputs {
            readers[*from].push(i);
        }
    }
    let mut at = vec![0.0; nodes.len()];
    for sweep in 0..SWEEPS {
        for row in &rows {
            for (place, &node) in row.iter().enumerate() {
                at[node] = (place as f64 + 0.5) / row.len() as f64;
            }
        }
        for row in &mut rows {
            let mean = |node: usize| {
                let near: Vec<f64> = if sweep % 2 == 0 {
                    nodes[node].inputs.iter().map(|(from, _)| at[*from]).collect()
                } else {
                    readers[node].iter().map(|&r| at[r]).collect()
                };
                if near.is_empty() { at[node] } else { near.iter().fold(0.0, |a, b| a + b) / near.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = row.iter().map(|&n| (mean(n), n)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *row = keyed.into_iter().map(|(_, n)| n).collect();
        }
    }
    rows
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
