//! What the manual (`skyloom stages show`) needs of a stage.

use skyloom_engine::{Registry, StageInfo, parameters, undocumented_parameters};

/// What is wrong with the description of a registered kind, one line each: its name, its summary, its ports, its parameters and
/// its example.
#[must_use]
pub fn manual_problems(registry: &Registry, kind: &str) -> Vec<String> {
    let Some(info) = registry.find(kind) else {
        return vec![format!(
            "{kind} is not registered: `register_stage!(.., kind: {kind:?}, ..)` must stand beside the stage"
        )];
    };
    let mut problems = Vec::new();
    let parts: Vec<&str> = kind.split('.').collect();
    if parts.len() != 2 || !parts.iter().all(|part| is_word(part)) {
        problems.push(format!("the kind is {kind:?}, expected family.verb in lower case"));
    }
    check_summary(info, &mut problems);
    check_parameters(info, &mut problems);
    check_example(registry, info, &mut problems);
    problems
}

/// Lower case letters, digits and underscores, a letter first.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The first line stands beside the kind in a list.
fn check_summary(info: &StageInfo, problems: &mut Vec<String>) {
    let summary = info.summary();
    let is_sentence = summary.ends_with('.')
        && summary.starts_with(|c: char| c.is_uppercase())
        && !summary.trim_end_matches('.').contains(". ");
    if !is_sentence {
        problems.push(format!("the first line of its documentation is no sentence of its own: {summary:?}"));
    }
    if info.doc.lines().nth(1).is_some_and(|line| !line.trim().is_empty()) {
        problems.push("no empty line below the first sentence of its documentation".to_owned());
    }
}

fn check_parameters(info: &StageInfo, problems: &mut Vec<String>) {
    problems
        .extend(undocumented_parameters(info).into_iter().map(|name| format!("parameter {name}: no documentation")));
    for parameter in parameters(info) {
        let mut report = |text: String| problems.push(format!("parameter {}: {text}", parameter.name));
        let doc = parameter.doc.trim();
        if !doc.is_empty() && !doc.ends_with(['.', ')', '`']) {
            report(format!("the documentation is no sentence: {doc:?}"));
        }
        let is_bare = |doc: &str| doc.trim().is_empty();
        let bare: Vec<&str> = parameter.choices.iter().filter(|c| is_bare(&c.doc)).map(|c| c.name.as_str()).collect();
        if !bare.is_empty() {
            report(format!("choices without documentation: {}", bare.join(", ")));
        }
        if !is_word(&parameter.name) {
            report("expected a lower case word".to_owned());
        }
        if parameter.required == parameter.default.is_some() {
            report(format!("required {}, default {:?}: expected one of them", parameter.required, parameter.default));
        }
    }
}

fn check_example(registry: &Registry, info: &StageInfo, problems: &mut Vec<String>) {
    let signature = match registry.example_signature(&info.kind) {
        Ok(signature) => signature,
        Err(error) => return problems.push(format!("the example {} does not build: {error}", info.example)),
    };
    let inputs = signature.inputs.iter().map(|port| ("input", &port.name, &port.doc));
    let outputs = signature.outputs.iter().map(|port| ("output", &port.name, &port.doc));
    for (direction, name, doc) in inputs.chain(outputs) {
        if doc.trim().is_empty() {
            problems.push(format!("{direction} {name} has no documentation"));
        }
        if !is_word(name) {
            problems.push(format!("{direction} {name:?}: expected a lower case word"));
        }
    }
    if signature.inputs.is_empty() && signature.outputs.is_empty() {
        problems.push("no ports".to_owned());
    }
}
