//! `--set KEY=VALUE`: values of the command line, which win over every file.

use std::path::Path;
use std::sync::Arc;

use super::document::Entry;
use super::finding::Findings;
use super::merge::Merged;
use super::source::{Place, Sources};
use super::syntax::parse_setting;
use crate::nearest::nearest;

/// Applies the settings in order. A key is a graph parameter, `node.parameter`, or `node[element].parameter` for one
/// element of an expanded node. Unknown parameters of a node are found later, like those of a file.
pub(crate) fn apply_settings(
    sets: &[(String, String)],
    working_dir: &Path,
    merged: &mut Merged,
    sources: &mut Sources,
    findings: &mut Findings,
) {
    for (key, value) in sets {
        let text = format!("{key}={value}");
        let whole = text.len();
        let file = sources.add("--set".into(), working_dir.to_path_buf(), Arc::from(text), true);
        let place = Place::new(file, 0..key.len());
        let entry = Entry { place, value: parse_setting(sources, file, key.len() + 1..whole) };
        if let Some(known) = merged.params.get_mut(key) {
            *known = entry;
            continue;
        }
        let (node, element, param) = split_key(key);
        match (merged.nodes.get_mut(node), param) {
            (Some(node), Some(param)) => match element {
                Some(element) => node.of_element.push((element.to_owned(), param.to_owned(), entry)),
                None => {
                    node.params.insert(param.to_owned(), entry);
                }
            },
            (known, _) => {
                let expected = "a parameter of the graph, or node.parameter";
                let help = if known.is_some() {
                    Some(format!("add the parameter: --set {key}.PARAMETER={value}"))
                } else {
                    suggestion(key, node, param, merged)
                };
                let finding = findings.report("unknown-setting", place, "--set", format!("{key:?}"), expected);
                finding.help = help;
            }
        }
    }
}

fn suggestion(key: &str, node: &str, param: Option<&str>, merged: &Merged) -> Option<String> {
    let nearest_node = nearest(node, merged.nodes.keys().map(String::as_str));
    let name = match (param, nearest_node) {
        (Some(param), Some(node)) => format!("{node}.{param}"),
        _ => nearest(key, merged.params.keys().map(String::as_str))?.to_owned(),
    };
    Some(format!("did you mean {name:?}?"))
}

/// Splits `node[element].parameter`.
fn split_key(key: &str) -> (&str, Option<&str>, Option<&str>) {
    if let Some((node, rest)) = key.split_once('[')
        && let Some((element, param)) = rest.split_once("].")
    {
        return (node, Some(element), Some(param));
    }
    match key.split_once('.') {
        Some((node, param)) => (node, None, Some(param)),
        None => (key, None, None),
    }
}
