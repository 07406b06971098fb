//! Compares the parameters of a node with the schema of its kind, and reports everything that differs.
//!
//! The stage's own deserialiser stops at its first problem; this pass does not. What it cannot judge (types with a
//! deserialiser of their own) it leaves to the stage.

use indexmap::IndexMap;

use super::document::join;
use super::finding::Findings;
use super::source::{Place, Sources};
use super::tree::{Field, Kind, Tree};
use crate::nearest::nearest;
use crate::registry::SchemaView;

/// What the schema says of the parameters that were given.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Paths (`rules.2.when`) with a reported problem.
    pub(crate) problems: Vec<String>,
    /// Parameters that cannot be given to the stage.
    pub(crate) unusable: Vec<String>,
    /// Required parameters that are not there.
    pub(crate) missing: Vec<String>,
}

/// The value of a parameter and the place of its name.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) place: Place,
    pub(crate) value: Tree,
}

/// Checks all parameters of a node. Unknown ones are reported and removed; paths become absolute; words of the command
/// line become strings where the schema wants strings.
pub(crate) fn check_params(
    given: &mut IndexMap<String, Given>,
    broken: &[String],
    schema: SchemaView<'_>,
    whole: Place,
    subject: &str,
    sources: &Sources,
    findings: &mut Findings,
) -> Checked {
    let mut checker = Checker { sources, findings, subject, checked: Checked::default(), allows_nan: false };
    if schema.properties().is_none() && !(schema.is_struct() || schema.types() == ["null"] || is_unit(schema)) {
        // A stage that is no struct: only its own deserialiser can judge.
        return checker.checked;
    }
    let names: Vec<(String, Place)> = given.iter().map(|(name, g)| (name.clone(), g.place)).collect();
    let suggested = checker.unknown_names(&names, schema, "");
    given.retain(|name, _| schema.property(name).is_some());
    for (name, given) in given.iter_mut() {
        let Some(view) = schema.property(name) else { continue };
        if !checker.value(&mut given.value, view, name) {
            checker.checked.unusable.push(name.clone());
        }
    }
    for name in schema.required() {
        if given.contains_key(name) || broken.iter().any(|b| b == name) {
            continue;
        }
        checker.checked.missing.push(name.to_owned());
        // A misspelt name is one mistake, not two.
        if !suggested.iter().any(|s| s == name) {
            checker.missing(name, schema, whole, "");
        }
    }
    checker.checked
}

fn is_unit(schema: SchemaView<'_>) -> bool {
    schema.own("type").is_some_and(|t| t == "null")
}

struct Checker<'a> {
    sources: &'a Sources,
    findings: &'a mut Findings,
    subject: &'a str,
    checked: Checked,
    /// Whether the parameter at hand, or a value around the one at hand, may hold NaN.
    allows_nan: bool,
}

impl Checker<'_> {
    fn report(&mut self, code: &str, place: Place, path: &str, found: String, expected: String, near: Option<&str>) {
        self.checked.problems.push(path.to_owned());
        self.findings.report(code, place, join(self.subject, path), found, expected).suggest(near);
    }

    /// Reports names that the struct does not have; returns the names that were probably meant.
    fn unknown_names(&mut self, names: &[(String, Place)], schema: SchemaView<'_>, path: &str) -> Vec<String> {
        let known: Vec<&str> = schema.properties().into_iter().flat_map(|p| p.keys()).map(String::as_str).collect();
        let mut suggested = Vec::new();
        for (name, place) in names {
            if known.contains(&name.as_str()) {
                continue;
            }
            let unused = known.iter().copied().filter(|k| !names.iter().any(|(n, _)| n == k));
            // A name that is still free is the likelier one.
            let near = nearest(name, unused).or_else(|| nearest(name, known.iter().copied()));
            suggested.extend(near.map(str::to_owned));
            let expected = match known.as_slice() {
                [] => "no parameters".to_owned(),
                known => format!("one of {}", known.join(", ")),
            };
            let found = format!("unknown parameter {name:?}");
            self.report("unknown-parameter", *place, &join(path, name), found, expected, near);
        }
        suggested
    }

    fn missing(&mut self, name: &str, schema: SchemaView<'_>, place: Place, path: &str) {
        let expected = schema.property(name).map_or_else(String::new, described);
        let expected = format!("{name}: {expected}");
        self.report("missing-parameter", place, &join(path, name), "nothing".to_owned(), expected, None);
    }

    /// Checks a value; `false` when the stage cannot read it.
    fn value(&mut self, tree: &mut Tree, view: SchemaView<'_>, path: &str) -> bool {
        let outside = self.allows_nan;
        self.allows_nan |= view.keyword("x-allow-nan").is_some_and(|v| v == true);
        let is_usable = self.value_inside(tree, view, path);
        self.allows_nan = outside;
        is_usable
    }

    fn value_inside(&mut self, tree: &mut Tree, view: SchemaView<'_>, path: &str) -> bool {
        if tree.is_word("None", self.sources) && view.is_optional() {
            return true;
        }
        if let Kind::Tuple { name: Some(name), items } = &mut tree.kind
            && self.sources.text(*name) == "Some"
            && view.is_optional()
            && let [inner] = items.as_mut_slice()
        {
            return self.value(inner, view, path);
        }
        let range = view.range();
        let outer = view;
        let view = view.resolved();
        self.coerce_setting(tree, view);
        let types = view.types();
        if !view.variants().is_empty() {
            return self.choice(tree, view, path);
        }
        let is_boolean = tree.is_word("true", self.sources) || tree.is_word("false", self.sources);
        match &mut tree.kind {
            Kind::Number | Kind::Word if types.iter().any(|t| matches!(*t, "number" | "integer")) => {
                let is_integer = !types.contains(&"number");
                self.number(tree, outer, range, is_integer, types.contains(&"boolean"), path)
            }
            Kind::Word if types == ["boolean"] && !is_boolean => self.wrong_type(tree, outer, path),
            Kind::Word if types == ["string"] => {
                let help = if tree.is_word("None", self.sources) {
                    "it must have a value: set it in the file, in an overlay or with --set".to_owned()
                } else {
                    format!("write it in quotes: {:?}", tree.token(self.sources))
                };
                self.wrong_type(tree, outer, path);
                if let Some(finding) = self.findings.list.last_mut() {
                    finding.help(help);
                }
                false
            }
            Kind::Word | Kind::Number if types == ["string"] || types == ["array"] => {
                self.wrong_type(tree, outer, path)
            }
            Kind::Number if types == ["boolean"] => self.wrong_type(tree, outer, path),
            Kind::Text { .. } | Kind::List(_) | Kind::Map(_) | Kind::Struct { .. }
                if !types.is_empty() && types.iter().all(|t| matches!(*t, "number" | "integer" | "boolean")) =>
            {
                self.wrong_type(tree, outer, path)
            }
            Kind::Text { .. } if types == ["array"] || types == ["object"] => self.wrong_type(tree, outer, path),
            Kind::Text { text, first } => {
                if view.is_input_path() {
                    let path = self.sources.folder(*first).join(&*text);
                    // Lossless: both parts are UTF-8 unless the working folder is not.
                    *text = path.to_string_lossy().into_owned();
                }
                self.length(tree, outer, path, "minLength", "maxLength", "characters")
            }
            Kind::List(_) | Kind::Tuple { name: None, .. } => {
                if types == ["string"] {
                    return self.wrong_type(tree, outer, path);
                }
                let mut is_usable = true;
                if let Kind::List(items) | Kind::Tuple { items, .. } = &mut tree.kind {
                    for (i, item) in items.iter_mut().enumerate() {
                        if let Some(view) = view.item(i) {
                            is_usable &= self.value(item, view, &join(path, &i.to_string()));
                        } else {
                            is_usable &= self.untyped(item, &join(path, &i.to_string()));
                        }
                    }
                }
                self.length(tree, outer, path, "minItems", "maxItems", "elements") && is_usable
            }
            Kind::Struct { .. } | Kind::Unit if view.is_struct() && view.properties().is_some() => {
                if matches!(tree.kind, Kind::Unit) {
                    tree.kind = Kind::Struct { name: None, fields: Vec::new() };
                }
                let place = tree.place;
                let Kind::Struct { fields, .. } = &mut tree.kind else { return true };
                self.fields(fields, view, place, path)
            }
            Kind::Map(pairs) => {
                let mut is_usable = true;
                for (key, value) in pairs {
                    let name = key.as_text().map_or_else(|| key.to_ron(self.sources), str::to_owned);
                    is_usable &= match view.map_value() {
                        Some(view) => self.value(value, view, &join(path, &name)),
                        None => self.untyped(value, &join(path, &name)),
                    };
                }
                is_usable
            }
            _ => self.untyped(tree, path),
        }
    }

    fn fields(&mut self, fields: &mut Vec<Field>, view: SchemaView<'_>, place: Place, path: &str) -> bool {
        let names: Vec<(String, Place)> = fields.iter().map(|f| (f.name.clone(), f.place)).collect();
        let suggested = self.unknown_names(&names, view, path);
        let mut is_usable = true;
        let mut seen = indexmap::IndexSet::new();
        // A field that stands twice was reported with the other names; the first counts.
        fields.retain(|f| view.property(&f.name).is_some() && seen.insert(f.name.clone()));
        for field in fields.iter_mut() {
            if let Some(view) = view.property(&field.name) {
                is_usable &= self.value(&mut field.value, view, &join(path, &field.name));
            }
        }
        for name in view.required() {
            if !fields.iter().any(|f| f.name == name) {
                is_usable = false;
                if !suggested.iter().any(|s| s == name) {
                    self.missing(name, view, place, path);
                }
            }
        }
        is_usable
    }

    /// A value that the schema says nothing about: only NaN is looked for.
    fn untyped(&mut self, tree: &Tree, path: &str) -> bool {
        match &tree.kind {
            Kind::Word if !self.allows_nan && is_not_finite(tree.token(self.sources)) => {
                self.not_finite(tree, "a finite number".to_owned(), path);
                true
            }
            Kind::List(items) | Kind::Tuple { items, .. } => {
                items.iter().enumerate().all(|(i, item)| self.untyped(item, &join(path, &i.to_string())))
            }
            Kind::Struct { fields, .. } => fields.iter().all(|f| self.untyped(&f.value, &join(path, &f.name))),
            _ => true,
        }
    }

    /// On the command line quotes do not matter: a word is a string where the schema wants one, and a quoted word is a
    /// variant where it wants that.
    fn coerce_setting(&mut self, tree: &mut Tree, view: SchemaView<'_>) {
        if !self.sources.is_command_line(tree.origin.file) {
            return;
        }
        let has_variants = !view.variants().is_empty();
        let token = tree.token(self.sources);
        match &tree.kind {
            Kind::Word if !has_variants && view.types() == ["string"] => {
                tree.kind = Kind::Text { text: token.to_owned(), first: tree.origin.file };
            }
            Kind::Text { text, .. } if has_variants && token.len() == text.len() + 2 => {
                tree.origin.start += 1;
                tree.origin.end -= 1;
                tree.kind = Kind::Word;
            }
            _ => {}
        }
    }

    fn choice(&mut self, tree: &mut Tree, view: SchemaView<'_>, path: &str) -> bool {
        let variants = view.variants();
        let name = match &tree.kind {
            Kind::Word => tree.token(self.sources).to_owned(),
            Kind::Struct { name: Some(name), .. } | Kind::Tuple { name: Some(name), .. } => {
                self.sources.text(*name).to_owned()
            }
            Kind::Text { text, .. } if variants.iter().any(|v| v.name == text) => {
                let help = format!("write it without quotes: {text}");
                self.wrong_type(tree, view, path);
                if let Some(finding) = self.findings.list.last_mut() {
                    finding.help(help);
                }
                return false;
            }
            _ => return self.wrong_type(tree, view, path),
        };
        if !variants.iter().any(|v| v.name == name) {
            let names: Vec<&str> = variants.iter().map(|v| v.name).collect();
            let near = nearest(&name, names.iter().copied());
            let found = self.describe(tree);
            let expected = format!("one of {}", names.join(", "));
            self.report("unknown-choice", tree.place, path, found, expected, near);
            return false;
        }
        let Some(payload) = view.variant_payload(&name) else { return true };
        let place = tree.place;
        match &mut tree.kind {
            Kind::Struct { fields, .. } if payload.resolved().properties().is_some() => {
                self.fields(fields, payload.resolved(), place, path)
            }
            Kind::Tuple { items, .. } => match items.as_mut_slice() {
                [one] => self.value(one, payload, path),
                items => items.iter_mut().enumerate().all(|(i, item)| match payload.resolved().item(i) {
                    Some(view) => self.value(item, view, &join(path, &i.to_string())),
                    None => true,
                }),
            },
            _ => true,
        }
    }

    fn number(
        &mut self,
        tree: &mut Tree,
        view: SchemaView<'_>,
        range: crate::registry::Range,
        is_integer: bool,
        allows_bool: bool,
        path: &str,
    ) -> bool {
        let token = tree.token(self.sources);
        if matches!(tree.kind, Kind::Word) {
            if is_not_finite(token) && !is_integer {
                if !self.allows_nan {
                    self.not_finite(tree, described(view), path);
                }
                return true;
            }
            return (allows_bool && matches!(token, "true" | "false")) || self.wrong_type(tree, view, path);
        }
        let Some(value) = number_value(token) else { return true };
        let is_narrow = view.text("format") == Some("float");
        // What overflows becomes infinite when it is read.
        if !is_integer && !self.allows_nan && (value.is_infinite() || (is_narrow && (value as f32).is_infinite())) {
            self.not_finite(tree, described(view), path);
            return true;
        }
        if is_integer && token.contains(['.', 'e', 'E']) && !token.starts_with("0x") {
            return self.wrong_type(tree, view, path);
        }
        if !range.contains(value) {
            let found = self.describe(tree);
            self.report("param-out-of-range", tree.place, path, found, described(view), None);
        }
        true
    }

    fn length(&mut self, tree: &Tree, view: SchemaView<'_>, path: &str, low: &str, high: &str, of: &str) -> bool {
        let length = match &tree.kind {
            Kind::Text { text, .. } => text.chars().count() as u64,
            Kind::List(items) | Kind::Tuple { items, .. } => items.len() as u64,
            _ => return true,
        };
        let bound = |key: &str| view.keyword(key).and_then(serde_json::Value::as_u64);
        let (low, high) = (bound(low), bound(high));
        if low.is_some_and(|n| length < n) || high.is_some_and(|n| length > n) {
            let expected = match (low, high) {
                (Some(low), Some(high)) if low == high => format!("{low} {of}"),
                (Some(low), Some(high)) => format!("{low} to {high} {of}"),
                (Some(low), None) => format!("at least {low} {of}"),
                (None, high) => format!("at most {} {of}", high.unwrap_or_default()),
            };
            self.report("param-out-of-range", tree.place, path, format!("{length} {of}"), expected, None);
        }
        true
    }

    fn not_finite(&mut self, tree: &Tree, expected: String, path: &str) {
        let found = self.describe(tree);
        let expected = if expected == "number" { "a finite number".to_owned() } else { format!("{expected}, finite") };
        self.report("not-finite", tree.place, path, found, expected, None);
    }

    fn wrong_type(&mut self, tree: &Tree, view: SchemaView<'_>, path: &str) -> bool {
        let found = self.describe(tree);
        self.report("wrong-type", tree.place, path, found, described(view), None);
        false
    }

    fn describe(&self, tree: &Tree) -> String {
        describe_value(tree, self.sources)
    }
}

/// The value as written; for the value of a reference also where that comes from.
pub(crate) fn describe_value(tree: &Tree, sources: &Sources) -> String {
    let excerpt = tree.excerpt(sources);
    match &tree.via {
        Some(name) if tree.origin != tree.place => {
            format!("{excerpt} (the value of {{{name}}}, {})", sources.describe(tree.origin))
        }
        _ => excerpt,
    }
}

/// Type and range in words.
fn described(view: SchemaView<'_>) -> String {
    let of_type = view.type_text();
    match view.range().text() {
        Some(range) => format!("{of_type}, {range}"),
        None => of_type,
    }
}

fn is_not_finite(token: &str) -> bool {
    let word = token.trim_start_matches(['+', '-']);
    matches!(word, "NaN" | "inf" | "NaNf32" | "NaNf64" | "inff32" | "inff64")
}

fn number_value(token: &str) -> Option<f64> {
    if let Ok(value) = token.parse() {
        return Some(value);
    }
    match ron::from_str::<ron::Value>(token) {
        Ok(ron::Value::Number(number)) => Some(number.into_f64()),
        _ => None,
    }
}
