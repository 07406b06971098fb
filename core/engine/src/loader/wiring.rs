//! Ports and types: who reads which product of whom, and which nodes fall with a node that is switched off.

use super::build::Built;
use super::finding::Findings;
use super::instance::Instance;
use super::source::Place;
use super::wanted::{Lookup, WantedPort, WantedProduct};
use crate::nearest::nearest;
use crate::port::{Arity, InputPort, Signature};

/// One product that arrives at a port of an instance.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    pub(crate) port: String,
    pub(crate) producer: usize,
    pub(crate) output: String,
    pub(crate) place: Place,
}

/// Which instances exist: not switched off, and every required input has a product that exists.
pub(crate) fn presence(instances: &[Instance<'_>], built: &[Built], wanted: &[Vec<WantedPort>]) -> Vec<bool> {
    let mut present: Vec<bool> = instances.iter().map(|i| !i.is_off).collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); instances.len()];
    for (reader, ports) in wanted.iter().enumerate() {
        for producer in ports.iter().flat_map(|p| &p.products).flat_map(|p| &p.instances) {
            readers[*producer].push(reader);
        }
    }
    // Everything is looked at once (a list may be empty), then again whenever something it reads has fallen.
    let mut open: Vec<usize> = (0..instances.len()).rev().collect();
    while let Some(reader) = open.pop() {
        if present[reader] && falls(&built[reader], &wanted[reader], &present) {
            present[reader] = false;
        } else if present[reader] {
            continue;
        }
        open.extend(readers[reader].iter().copied().filter(|&r| present[r]));
    }
    present
}

fn falls(built: &Built, ports: &[WantedPort], present: &[bool]) -> bool {
    ports.iter().any(|port| {
        let arity = built.signature.as_ref().and_then(|s| s.find_input(&port.port)).map(|p| p.arity);
        // A node whose ports are not known falls too: its problems may come from what is switched off.
        let is_required = arity.is_none_or(|arity| arity == Arity::One);
        let any_left = port.products.iter().flat_map(|p| &p.instances).any(|&i| present[i]);
        is_required && !port.is_broken && !port.products.is_empty() && !any_left
    })
}

/// Checks the wiring of one instance; the feeds come in signature order and, per port, in the order of the file.
pub(crate) fn wire(
    index: usize,
    ports: &[WantedPort],
    present: &[bool],
    lookup: &Lookup<'_, '_>,
    findings: &mut Findings,
) -> Vec<Feed> {
    let instance = &lookup.expanded.instances[index];
    let Some(signature) = &lookup.built[index].signature else { return Vec::new() };
    let mut feeds: Vec<(usize, Feed)> = Vec::new();
    let mut meant = Vec::new();
    for wanted in ports {
        let subject = || input_subject(instance, &wanted.port);
        let Some(at) = signature.inputs.iter().position(|port| port.name == wanted.port) else {
            meant.extend(unknown_port(wanted, ports, signature, &subject, findings));
            continue;
        };
        let port = &signature.inputs[at];
        if port.arity != Arity::Many {
            too_many(wanted, port, lookup, &subject, findings);
        }
        for product in &wanted.products {
            for &producer in product.instances.iter().filter(|&&i| present[i]) {
                if output_fits(product, producer, port, lookup, &subject, findings) {
                    let (port, output) = (port.name.clone(), product.output.clone());
                    feeds.push((at, Feed { port, producer, output, place: product.place }));
                }
            }
        }
    }
    for port in signature.inputs.iter().filter(|p| p.arity == Arity::One) {
        let is_named = ports.iter().any(|w| w.port == port.name && (w.is_broken || !w.products.is_empty()));
        if !is_named && !instance.entry.has_broken_inputs && !meant.contains(&port.name) {
            missing(index, port, lookup, instance, findings);
        }
    }
    // Stable: within a port the order of the file stays.
    feeds.sort_by_key(|(port, _)| *port);
    feeds.into_iter().map(|(_, feed)| feed).collect()
}

fn input_subject(instance: &Instance<'_>, port: &str) -> String {
    format!("{}.inputs.{port}", instance.subject)
}

/// Returns the port that was probably meant: that it is missing is then no news.
fn unknown_port(
    wanted: &WantedPort,
    ports: &[WantedPort],
    signature: &Signature,
    subject: &dyn Fn() -> String,
    findings: &mut Findings,
) -> Option<String> {
    let names: Vec<&str> = signature.inputs.iter().map(|p| p.name.as_str()).collect();
    let unused = names.iter().copied().filter(|name| !ports.iter().any(|p| p.port == *name));
    let near = nearest(&wanted.port, unused);
    let expected = if names.is_empty() {
        "no inputs: this kind has none".to_owned()
    } else {
        format!("one of {}", names.join(", "))
    };
    findings
        .report("unknown-port", wanted.place, subject(), format!("unknown input port {:?}", wanted.port), expected)
        .suggest(near);
    near.map(str::to_owned)
}

fn too_many(
    wanted: &WantedPort,
    port: &InputPort,
    lookup: &Lookup<'_, '_>,
    subject: &dyn Fn() -> String,
    findings: &mut Findings,
) {
    let count: usize = wanted.products.iter().map(|p| p.instances.len()).sum();
    if count < 2 {
        return;
    }
    let expanded = wanted.products.iter().find(|p| p.instances.len() > 1);
    let place = expanded.or(wanted.products.get(1)).map_or(wanted.place, |p| p.place);
    let found = match expanded {
        Some(product) => format!("{:?}, which is {} products", product.name, product.instances.len()),
        None => format!("{count} products"),
    };
    let expected = format!("one product of type {}", port.product.name);
    let finding = findings.report("too-many-products", place, subject(), found, expected);
    if let Some(product) = expanded
        && let Some(&first) = product.instances.first()
    {
        finding.help(format!("name one: \"{}.{}\"", lookup.expanded.instances[first].name, product.output));
    }
}

fn output_fits(
    product: &WantedProduct,
    producer: usize,
    port: &InputPort,
    lookup: &Lookup<'_, '_>,
    subject: &dyn Fn() -> String,
    findings: &mut Findings,
) -> bool {
    // A producer without ports has a problem of its own; its readers have none, and their input counts as wired.
    let Some(signature) = &lookup.built[producer].signature else { return true };
    let Some(output) = find_output(product, signature, subject, findings) else { return false };
    let fits = output == port.product.name;
    if !fits {
        let found = format!("{:?}, which is of type {output}", product.name);
        let expected = format!("a product of type {}", port.product.name);
        let others: Vec<&str> =
            signature.outputs.iter().filter(|o| o.product == port.product).map(|o| o.name.as_str()).collect();
        let finding = findings.report("type-mismatch", product.place, subject(), found, expected);
        if let [only] = others.as_slice() {
            let node = &lookup.expanded.instances[producer].name;
            finding.help(format!("{node} gives that type at \"{node}.{only}\""));
        }
    }
    fits
}

/// The type of a product; a port that its node does not have is reported.
pub(crate) fn find_output<'s>(
    product: &WantedProduct,
    signature: &'s Signature,
    subject: &dyn Fn() -> String,
    findings: &mut Findings,
) -> Option<&'s str> {
    if let Some(output) = signature.find_output(&product.output) {
        return Some(output.product.name);
    }
    let names: Vec<&str> = signature.outputs.iter().map(|o| o.name.as_str()).collect();
    let expected = if names.is_empty() {
        "no product: this node gives none".to_owned()
    } else {
        format!("one of {}", names.join(", "))
    };
    let node = product.name.strip_suffix(&product.output).unwrap_or_default().trim_end_matches('.');
    let found = format!("{:?}: {node} has no output {:?}", product.name, product.output);
    findings.report("unknown-port", product.place, subject(), found, expected).suggest(nearest(&product.output, names));
    None
}

fn missing(index: usize, port: &InputPort, lookup: &Lookup<'_, '_>, instance: &Instance<'_>, findings: &mut Findings) {
    let expected = format!("a product of type {} at input {:?}", port.product.name, port.name);
    let path = input_subject(instance, &port.name);
    let candidates = lookup.products_of_type(port.product.name, index);
    let finding = findings.report("missing-input", instance.entry.place, path, "nothing", expected);
    if !candidates.is_empty() {
        finding.help(format!("products of that type: {}", candidates.join(", ")));
    }
}
