//! The graph with every value filled in.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::ReportedValue;
use crate::graph::{Graph, Keep, Origin, ResolvedValue};

/// A value with its origin as text.
#[must_use]
pub fn reported(value: &ResolvedValue) -> ReportedValue {
    let origin = match &value.origin {
        Origin::File { path, line, column } => format!("{}:{line}:{column}", path.display()),
        Origin::CommandLine => "--set".to_owned(),
        Origin::Default => "default".to_owned(),
    };
    ReportedValue { value: value.value.clone(), origin }
}

/// Values with their origins as text.
pub fn reported_all<'a>(
    values: impl IntoIterator<Item = (&'a String, &'a ResolvedValue)>,
) -> IndexMap<String, ReportedValue> {
    values.into_iter().map(|(name, value)| (name.clone(), reported(value))).collect()
}

/// RON text of the graph after expansion: no parameters, references, conditions or bases are left.
///
/// Defaults are left out, since they are part of the stage's version.
#[must_use]
pub fn resolved_graph(graph: &Graph) -> String {
    let mut text = String::from("(\n");
    let _ = writeln!(text, "    name: {:?},", graph.name());
    let _ = writeln!(text, "    doc: {:?},", graph.doc());
    if !graph.plugins().is_empty() {
        // Absolute: the text is loaded from wherever the report lies.
        let paths: Vec<String> = graph.plugins().iter().map(|path| format!("{:?}", path.to_string_lossy())).collect();
        let _ = writeln!(text, "    plugins: [{}],", paths.join(", "));
    }
    text.push_str("    nodes: {\n");
    for node in graph.nodes() {
        let _ = writeln!(text, "        {:?}: (kind: {:?},", node.name, node.kind);
        text.push_str("            params: (");
        for (name, value) in node.params.iter().filter(|(_, v)| v.origin != Origin::Default) {
            let _ = write!(text, "{name}: {}, ", escape_references(&value.value));
        }
        text.push_str("),\n            inputs: {");
        for port in &node.signature.inputs {
            let wires: Vec<String> = node
                .inputs
                .iter()
                .filter(|w| w.port == port.name)
                .map(|w| format!("{:?}", format!("{}.{}", graph.nodes()[w.node].name, w.output)))
                .collect();
            match (wires.as_slice(), port.arity) {
                ([], _) => {}
                (many, crate::port::Arity::Many) => {
                    let _ = write!(text, "{:?}: [{}], ", port.name, many.join(", "));
                }
                ([one, ..], _) => {
                    let _ = write!(text, "{:?}: {one}, ", port.name);
                }
            }
        }
        text.push('}');
        match node.keep {
            Keep::Auto => {}
            Keep::Always => text.push_str(", keep: always"),
            Keep::Never => text.push_str(", keep: never"),
        }
        if let Some(label) = &node.label {
            let _ = write!(text, ", label: {label:?}");
        }
        if let Some(threads) = node.threads {
            let _ = write!(text, ", threads: {threads}");
        }
        text.push_str("),\n");
    }
    text.push_str("    },\n    outputs: {\n");
    for (file, product) in graph.outputs() {
        let _ = writeln!(text, "        {file:?}: {:?},", format!("{}.{}", product.node, product.port));
    }
    text.push_str("    },\n)\n");
    text
}

/// Braces in resolved values are text; in a graph file they must be doubled.
fn escape_references(ron: &str) -> String {
    let mut out = String::with_capacity(ron.len());
    let mut in_string = false;
    let mut is_escaped = false;
    for c in ron.chars() {
        if in_string && (c == '{' || c == '}') {
            out.push(c);
        }
        out.push(c);
        match c {
            '"' if !is_escaped => in_string = !in_string,
            _ => {}
        }
        is_escaped = in_string && c == '\\' && !is_escaped;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape_references;

    #[test]
    fn braces_are_doubled_inside_strings_only() {
        assert_eq!(escape_references(r#"{"a{b}\"}": 1}"#), r#"{"a{{b}}\"}}": 1}"#);
    }
}
