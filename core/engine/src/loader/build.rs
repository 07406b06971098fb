//! From an instance to its stage: references, schema, the stage's own deserialiser, the stage's own check.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use indexmap::IndexMap;

use super::check_params::{Checked, Given, check_params, describe_value};
use super::document::join;
use super::finding::Findings;
use super::graph_params::GraphParams;
use super::instance::{Instance, InstanceScope, element_text};
use super::reference::resolve;
use super::scan::scan;
use super::source::{Place, Sources};
use super::tree::{Kind, Tree};
use super::write_params::{Fragment, Written, write_params};
use crate::graph::{Origin, ResolvedValue};
use crate::nearest::nearest;
use crate::port::Signature;
use crate::problem::{Place as StagePlace, Problems, StageProblem};
use crate::registry::{Registry, SchemaView, StageInfo, ron_options};
use crate::stage::Stage;

/// What could be made of an instance.
#[derive(Debug, Default)]
pub(crate) struct Built {
    /// The stage; absent when its parameters do not allow one.
    pub(crate) stage: Option<Arc<dyn Stage>>,
    /// The ports; also known for some nodes that have no stage.
    pub(crate) signature: Option<Signature>,
    /// Parameters as given, by name, all references replaced.
    pub(crate) given: IndexMap<String, Given>,
    /// Parameters as resolved, defaults included.
    pub(crate) params: Vec<(String, ResolvedValue)>,
    pub(crate) provider: String,
    pub(crate) findings: Findings,
}

/// Builds the stage of an instance and reports what is wrong with its parameters.
pub(crate) fn build(instance: &Instance<'_>, params: &GraphParams, registry: &Registry, sources: &Sources) -> Built {
    let mut built = Built::default();
    let subject = instance.subject.as_str();
    let broken = resolve_params(instance, params, sources, &mut built);
    let Some(kind) = &instance.entry.kind else { return built };
    let Some(info) = registry.find(&kind.name) else {
        let kinds = registry.stages().map(|info| info.kind.as_str());
        built
            .findings
            .report(
                "unknown-kind",
                kind.place,
                join(subject, "kind"),
                format!("unknown kind {:?}", kind.name),
                "a kind that `stages list` shows",
            )
            .suggest(nearest(&kind.name, kinds));
        return built;
    };
    built.provider.clone_from(&info.provider);
    if instance.entry.is_broken {
        return built;
    }
    let whole = instance.entry.params_place.unwrap_or(instance.entry.place);
    let schema = SchemaView::root(&info.schema);
    let subject_params = join(subject, "params");
    let mut checked =
        check_params(&mut built.given, &broken, schema, whole, &subject_params, sources, &mut built.findings);
    checked.unusable.extend(broken);
    let job = Job { info, registry, sources, subject: &subject_params, whole };
    let stage = job.parse(&built.given, &mut checked, &mut built.findings);
    match stage {
        Parsed::Complete(stage) => {
            let stage: Arc<dyn Stage> = Arc::from(stage);
            check_stage(&*stage, &checked, &built.given, whole, subject, sources, &mut built.findings);
            built.signature = guarded(|| stage.signature(), whole, subject, &mut built.findings);
            built.params = list_params(&*stage, &built.given, sources);
            built.stage = Some(stage);
        }
        Parsed::AsIf(stage) => {
            // Ports may depend on parameters; where they do not for these two, the faulty ones hardly matter.
            let signature = catch_unwind(AssertUnwindSafe(|| stage.signature())).ok();
            built.signature = signature.filter(|s| registry.example_signature(&info.kind).is_ok_and(|e| e == s));
        }
        Parsed::Nothing => {}
    }
    built
}

/// Replaces references in all parameters; returns the names of those that could not be.
fn resolve_params(instance: &Instance<'_>, params: &GraphParams, sources: &Sources, built: &mut Built) -> Vec<String> {
    let scope = InstanceScope { element: &instance.element, params };
    let words: Vec<String> = instance.element.iter().filter_map(|(_, tree)| element_text(tree, sources)).collect();
    let element = words.join(",");
    let for_element = instance.entry.of_element.iter().filter(|(of, ..)| !words.is_empty() && *of == element);
    let entries = instance.entry.params.iter().chain(for_element.map(|(_, name, entry)| (name, entry)));
    let mut broken = Vec::new();
    let mut given = IndexMap::with_capacity(instance.entry.params.len());
    for (name, entry) in entries {
        let value = if entry.value.has_braces {
            let path = format!("{}.params.{name}", instance.subject);
            resolve(&entry.value, &scope, &path, sources, &mut built.findings)
        } else {
            Some(entry.value.clone())
        };
        match value {
            Some(value) => {
                given.insert(name.clone(), Given { place: entry.place, value });
            }
            None => broken.push(name.clone()),
        }
    }
    built.given = given;
    broken
}

enum Parsed {
    /// The stage as written, perhaps with values that it will not run with.
    Complete(Box<dyn Stage>),
    /// A stage with values of the example in place of faulty ones: good for its ports alone.
    AsIf(Box<dyn Stage>),
    Nothing,
}

struct Job<'a> {
    info: &'a StageInfo,
    registry: &'a Registry,
    sources: &'a Sources,
    subject: &'a str,
    whole: Place,
}

impl Job<'_> {
    /// Lets the stage read its parameters. What it refuses is reported, put aside, and the rest is tried again.
    fn parse(&self, given: &IndexMap<String, Given>, checked: &mut Checked, findings: &mut Findings) -> Parsed {
        let mut example: Option<IndexMap<String, String>> = None;
        loop {
            let is_complete = checked.unusable.is_empty() && checked.missing.is_empty();
            if !is_complete && example.is_none() {
                example = Some(example_fields(&self.info.example));
            }
            let text = self.write(given, checked, example.as_ref(), false);
            let error = match self.registry.build(&self.info.kind, &text.text) {
                Ok(stage) if is_complete => return Parsed::Complete(stage),
                Ok(stage) => return Parsed::AsIf(stage),
                Err(error) => error,
            };
            let text = self.write(given, checked, example.as_ref(), true);
            let located = error.offset.and_then(|offset| text.locate(offset));
            let Some((path, place)) = located else {
                // Not one value but their sum: said once, and only when nothing else explains it.
                if is_complete && checked.problems.is_empty() {
                    let expected = "parameters that the stage can read";
                    findings.report("bad-parameters", self.whole, self.subject, error.message, expected);
                    checked.problems.push(String::new());
                }
                return Parsed::Nothing;
            };
            let name = path.split('.').next().unwrap_or(path).to_owned();
            if !checked.problems.iter().any(|known| overlaps(known, &name)) {
                self.report(path, place, given.get(&name), &error.message, findings);
                checked.problems.push(path.to_owned());
            }
            checked.unusable.push(name);
        }
    }

    fn write(
        &self,
        given: &IndexMap<String, Given>,
        checked: &Checked,
        example: Option<&IndexMap<String, String>>,
        marks: bool,
    ) -> Written {
        let is_usable = |name: &str| !checked.unusable.iter().any(|bad| bad == name);
        let values = given
            .iter()
            .filter(|(name, _)| is_usable(name))
            .map(|(name, given)| (name.as_str(), Fragment::Value(&given.value)));
        let is_needed = |name: &String| checked.missing.contains(name) || checked.unusable.contains(name);
        let substitutes = example
            .into_iter()
            .flatten()
            .filter(|(name, _)| is_needed(name))
            .map(|(name, text)| (name.as_str(), Fragment::Example(text)));
        write_params(values.chain(substitutes), self.sources, marks)
    }

    fn report(&self, path: &str, place: Place, given: Option<&Given>, message: &str, findings: &mut Findings) {
        let tree = given.and_then(|given| locate(&given.value, path.split('.').skip(1)).0);
        let found = tree.map_or_else(|| "this".to_owned(), |tree| describe_value(tree, self.sources));
        let view = path.split('.').try_fold(SchemaView::root(&self.info.schema), |view, name| {
            let view = view.resolved();
            view.property(name).or_else(|| view.item(name.parse().ok()?)).or_else(|| view.map_value())
        });
        // A type of the stage's own says best what it wants.
        let is_plain = message.starts_with("Expected ");
        let expected = match view {
            Some(view) if is_plain && !view.types().is_empty() => view.type_text(),
            _ => message.strip_prefix("Expected ").unwrap_or(message).to_owned(),
        };
        findings.report("wrong-type", place, join(self.subject, path), found, expected);
    }
}

/// The fields of an example node as text.
fn example_fields(example: &str) -> IndexMap<String, String> {
    let Ok(scanned) = scan(example, 0, 0..example.len()) else { return IndexMap::new() };
    let fields = scanned.tree.fields().unwrap_or_default();
    fields.into_iter().map(|(name, _, value)| (name.to_owned(), example[value.place.range()].to_owned())).collect()
}

/// Whether two problems are about the same thing: one path is the other or leads to it.
fn overlaps(one: &str, other: &str) -> bool {
    let leads = |a: &str, b: &str| b.strip_prefix(a).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    leads(one, other) || leads(other, one)
}

fn check_stage(
    stage: &dyn Stage,
    checked: &Checked,
    given: &IndexMap<String, Given>,
    whole: Place,
    subject: &str,
    sources: &Sources,
    findings: &mut Findings,
) {
    let mut problems = Problems::new();
    guarded(|| stage.check(&mut problems), whole, subject, findings);
    for problem in problems.into_list() {
        let is_known = match &problem.place {
            StagePlace::Param(path) => checked.problems.iter().any(|known| overlaps(known, path)),
            StagePlace::Input(_) => false,
            // The sum of faulty values is a consequence of them.
            StagePlace::Node => !checked.problems.is_empty(),
        };
        if !is_known {
            report_problem(problem, given, &IndexMap::new(), whole, subject, sources, findings);
        }
    }
}

/// Reports what a stage found, at the value or input that it names.
pub(crate) fn report_problem(
    problem: StageProblem,
    given: &IndexMap<String, Given>,
    inputs: &IndexMap<&str, Place>,
    whole: Place,
    subject: &str,
    sources: &Sources,
    findings: &mut Findings,
) {
    let (place, subject, via) = match &problem.place {
        StagePlace::Param(path) => {
            let path = path.replace(['['], ".").replace(']', "");
            let subject = join(&join(subject, "params"), &path);
            let mut names = path.split('.');
            match names.next().and_then(|name| given.get(name)) {
                Some(given) => {
                    let (tree, place) = locate(&given.value, names);
                    let tree = tree.unwrap_or(&given.value);
                    let via = tree.via.as_ref().filter(|_| tree.origin != tree.place);
                    let via = via.map(|name| format!(" (the value of {{{name}}}, {})", sources.describe(tree.origin)));
                    (place, subject, via)
                }
                None => (whole, subject, None),
            }
        }
        StagePlace::Input(port) => {
            (inputs.get(port.as_str()).copied().unwrap_or(whole), join(&join(subject, "inputs"), port), None)
        }
        StagePlace::Node => (whole, subject.to_owned(), None),
    };
    let found = problem.found + via.as_deref().unwrap_or_default();
    findings.report(problem.code, place, subject, found, problem.expected).help = problem.help;
}

/// Follows a path into a value as far as it goes: the value there, if all of it could be followed, and the last place.
pub(crate) fn locate<'t, 'p>(tree: &'t Tree, path: impl Iterator<Item = &'p str>) -> (Option<&'t Tree>, Place) {
    let mut at = tree;
    for name in path {
        // `Some(..)` is not a step of the path.
        while let Kind::Tuple { name: Some(_), items } = &at.kind
            && let [inner] = items.as_slice()
            && name.parse::<usize>().is_err()
        {
            at = inner;
        }
        let next = match &at.kind {
            Kind::List(items) | Kind::Tuple { items, .. } => name.parse().ok().and_then(|i: usize| items.get(i)),
            _ => at.fields().and_then(|f| f.into_iter().find(|(field, ..)| *field == name)).map(|(_, _, value)| value),
        };
        match next {
            Some(next) => at = next,
            None => return (None, at.place),
        }
    }
    (Some(at), at.place)
}

/// All parameters of a stage as text: the values that it really has, defaults included.
fn list_params(stage: &dyn Stage, given: &IndexMap<String, Given>, sources: &Sources) -> Vec<(String, ResolvedValue)> {
    let origin = |name: &str| match given.get(name) {
        Some(given) => sources.origin(given.value.origin),
        None => Origin::Default,
    };
    let text = ron_options().to_string(stage).unwrap_or_default();
    let scanned = scan(&text, 0, 0..text.len()).ok();
    let fields = scanned.as_ref().and_then(|s| s.tree.fields()).unwrap_or_default();
    let params = fields.into_iter().find(|(name, ..)| *name == "params").and_then(|(_, _, tree)| tree.fields());
    match params {
        Some(params) => params
            .into_iter()
            .map(|(name, _, value)| {
                let value = text[value.place.range()].to_owned();
                (name.to_owned(), ResolvedValue { value, origin: origin(name) })
            })
            .collect(),
        // A stage that does not write itself as a struct: its parameters as given.
        None => given
            .iter()
            .map(|(name, given)| {
                let value = given.value.to_ron(sources);
                (name.clone(), ResolvedValue { value, origin: origin(name) })
            })
            .collect(),
    }
}

/// Calls a stage; a panic is a problem of the stage, not the end of the load.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T, place: Place, subject: &str, findings: &mut Findings) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .map(|m| (*m).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            let finding =
                findings.report("stage-panic", place, subject, format!("a panic of the stage: {message}"), "an answer");
            finding.help("this is a bug of the stage; its crate is named by `stages show`");
            None
        }
    }
}
