//! The files that a graph delivers.

use indexmap::IndexMap;

use super::document::Entry;
use super::finding::Findings;
use super::graph_params::GraphParams;
use super::reference::resolve;
use super::source::Place;
use super::tree::{Kind, Tree};
use super::wanted::Lookup;
use super::wiring::find_output;
use crate::nearest::nearest;

/// Name of the file that every run adds.
const RUN_REPORT: &str = "run.json";

/// A file and the product that it holds: index of the instance and port.
pub(crate) type Delivered = IndexMap<String, (usize, String)>;

/// Checks names and products. A file whose node is switched off falls with it.
pub(crate) fn check_outputs(
    outputs: &IndexMap<String, Entry>,
    params: &GraphParams,
    present: &[bool],
    lookup: &mut Lookup<'_, '_>,
    findings: &mut Findings,
) -> Delivered {
    let mut delivered = Delivered::new();
    let mut names: IndexMap<String, Place> = IndexMap::new();
    for (written, entry) in outputs {
        let subject = format!("outputs.{written}");
        let key = Tree::new(entry.place, Kind::Text { text: written.clone(), first: entry.place.file });
        let name = resolve(&key, params, &subject, lookup.sources, findings)
            .and_then(|tree| tree.as_text().map(str::to_owned))
            .filter(|name| is_plain(name, entry.place, &subject, findings));
        if let Some(first) = name.as_ref().and_then(|name| names.insert(name.clone(), entry.place)) {
            let expected = format!("each file once; first at {}", lookup.sources.describe(first));
            let found = format!("{:?} again", name.as_deref().unwrap_or_default());
            findings.report("duplicate-name", entry.place, &subject, found, expected);
        }
        let product = resolve(&entry.value, params, &subject, lookup.sources, findings)
            .and_then(|value| lookup.product(&value, &[], &|| subject.clone(), findings));
        let Some(product) = product else { continue };
        match product.instances.as_slice() {
            [] => {}
            [one] if !present[*one] => {}
            [one] => {
                // A node without ports has a problem of its own.
                let Some(signature) = &lookup.built[*one].signature else { continue };
                if find_output(&product, signature, &|| subject.clone(), findings).is_some()
                    && let Some(name) = name
                {
                    delivered.insert(name, (*one, product.output));
                }
            }
            many => {
                let found = format!("{:?}, which is {} products", product.name, many.len());
                let first = &lookup.expanded.instances[many[0]].name;
                findings
                    .report("too-many-products", product.place, &subject, found, "one product per file")
                    .help(format!("name one: \"{first}.{}\"", product.output));
            }
        }
    }
    delivered
}

fn is_plain(name: &str, place: Place, subject: &str, findings: &mut Findings) -> bool {
    let found = format!("{name:?}");
    if name.eq_ignore_ascii_case(RUN_REPORT) {
        findings.report("bad-output-name", place, subject, found, "another name: every run writes run.json itself");
        return false;
    }
    let is_plain = !name.is_empty()
        && !matches!(name, "." | "..")
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control);
    if !is_plain {
        let expected = "the plain name of a file in the output folder";
        let last = name.rsplit(['/', '\\']).next().filter(|last| !last.is_empty() && *last != "..");
        let finding = findings.report("bad-output-name", place, subject, found, expected);
        if let Some(last) = last.filter(|last| *last != name) {
            finding.help(format!("write {last:?} and choose the folder with --out"));
        }
    }
    is_plain
}

/// The test that was asked for, or a problem that names those that exist.
pub(crate) fn unknown_test(wanted: &str, known: &[&str], place: Place, findings: &mut Findings) {
    let expected = match known {
        [] => "a graph with tests; this one has none".to_owned(),
        known => format!("one of {}", known.join(", ")),
    };
    findings
        .report("unknown-test", place, "tests", format!("no test {wanted:?}"), expected)
        .suggest(nearest(wanted, known.iter().copied()));
}
