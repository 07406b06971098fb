//! Reads what the loader and the manual need from a JSON schema: types, ranges, choices, units, paths.

use serde_json::{Map, Value};

/// A place inside a schema, with the root that its references point into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SchemaView<'a> {
    root: &'a Value,
    node: &'a Value,
}

/// A numeric range, as written in the schema.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Range {
    pub(crate) minimum: Option<f64>,
    pub(crate) above: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) below: Option<f64>,
}

impl Range {
    /// Whether a value lies inside. NaN lies outside of any bound.
    pub(crate) fn contains(&self, value: f64) -> bool {
        self.minimum.is_none_or(|v| value >= v)
            && self.above.is_none_or(|v| value > v)
            && self.maximum.is_none_or(|v| value <= v)
            && self.below.is_none_or(|v| value < v)
    }

    /// The range in words: `from 1 to 10`, `greater than 0`. `None` when there is no bound.
    pub(crate) fn text(&self) -> Option<String> {
        let low = match (self.minimum, self.above) {
            (_, Some(v)) => Some((format!("greater than {v}"), v)),
            (Some(v), None) => Some((format!("at least {v}"), v)),
            (None, None) => None,
        };
        let high = match (self.maximum, self.below) {
            (_, Some(v)) => Some(format!("less than {v}")),
            (Some(v), None) => Some(format!("at most {v}")),
            (None, None) => None,
        };
        match (low, high) {
            (Some((_, low)), Some(_)) if self.above.is_none() && self.below.is_none() => {
                Some(format!("from {low} to {}", self.maximum.unwrap_or_default()))
            }
            (Some((low, _)), Some(high)) => Some(format!("{low} and {high}")),
            (Some((low, _)), None) => Some(low),
            (None, high) => high,
        }
    }
}

/// One way in which an alternative of a schema can be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant<'a> {
    /// The variant's name.
    pub(crate) name: &'a str,
    /// What it carries: absent for a unit variant.
    pub(crate) payload: Option<&'a Value>,
    /// Its documentation.
    pub(crate) doc: &'a str,
}

impl<'a> SchemaView<'a> {
    /// The root of a schema.
    pub(crate) fn root(schema: &'a Value) -> Self {
        Self { root: schema, node: schema }
    }

    fn at(self, node: &'a Value) -> Self {
        Self { root: self.root, node }
    }

    /// Follows references and takes the one branch of an optional value that is not null.
    pub(crate) fn resolved(self) -> Self {
        let mut view = self;
        // A schema may refer to itself; real chains are short.
        for _ in 0..16 {
            if let Some(target) = view.node.get("$ref").and_then(Value::as_str) {
                match target.strip_prefix('#').and_then(|pointer| view.root.pointer(pointer)) {
                    Some(node) => view = view.at(node),
                    None => return view,
                }
                continue;
            }
            match view.branches().as_slice() {
                [only] if view.has_null_branch() => view = *only,
                _ => return view,
            }
        }
        view
    }

    fn raw_branches(self) -> &'a [Value] {
        ["anyOf", "oneOf"].iter().find_map(|key| self.node.get(*key)?.as_array()).map_or(&[], Vec::as_slice)
    }

    fn branches(self) -> Vec<Self> {
        self.raw_branches().iter().filter(|b| !is_null(b)).map(|b| self.at(b)).collect()
    }

    fn has_null_branch(self) -> bool {
        self.raw_branches().iter().any(is_null)
    }

    /// The fields of a struct; `None` when this is no struct.
    pub(crate) fn properties(self) -> Option<&'a Map<String, Value>> {
        self.node.get("properties")?.as_object()
    }

    /// The schema of a field.
    pub(crate) fn property(self, name: &str) -> Option<Self> {
        self.properties()?.get(name).map(|node| self.at(node))
    }

    /// Whether names besides the listed fields are refused. A struct without a word about it refuses: serde cannot
    /// flatten in RON struct syntax.
    pub(crate) fn is_struct(self) -> bool {
        self.node.get("type").and_then(Value::as_str) == Some("object")
            && !matches!(self.node.get("additionalProperties"), Some(Value::Object(_) | Value::Bool(true)))
    }

    /// Names of the fields that must be given.
    pub(crate) fn required(self) -> impl Iterator<Item = &'a str> {
        self.node.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The schema of an element of a list or tuple.
    pub(crate) fn item(self, index: usize) -> Option<Self> {
        if let Some(node) = self.node.get("prefixItems").and_then(|items| items.get(index)) {
            return Some(self.at(node));
        }
        match self.node.get("items") {
            Some(node @ Value::Object(_)) => Some(self.at(node)),
            _ => None,
        }
    }

    /// The schema of the values of a map.
    pub(crate) fn map_value(self) -> Option<Self> {
        match self.node.get("additionalProperties") {
            Some(node @ Value::Object(_)) => Some(self.at(node)),
            _ => None,
        }
    }

    /// A keyword of this place or of what it refers to.
    pub(crate) fn keyword(self, key: &str) -> Option<&'a Value> {
        self.node.get(key).or_else(|| self.resolved().node.get(key))
    }

    /// A keyword with text.
    pub(crate) fn text(self, key: &str) -> Option<&'a str> {
        self.keyword(key).and_then(Value::as_str)
    }

    /// A keyword written at this place itself, not at what it refers to.
    pub(crate) fn own(self, key: &str) -> Option<&'a Value> {
        self.node.get(key)
    }

    /// JSON types that this place admits, `null` left out; empty when the schema does not say.
    pub(crate) fn types(self) -> Vec<&'a str> {
        let node = self.resolved().node;
        let all: Vec<&str> = match node.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        all.into_iter().filter(|t| *t != "null").collect()
    }

    /// Whether `None` may be written.
    pub(crate) fn is_optional(self) -> bool {
        let nullable = |node: &Value| match node.get("type") {
            Some(Value::Array(types)) => types.iter().any(|t| t == "null"),
            Some(Value::String(t)) => t == "null",
            _ => false,
        };
        nullable(self.node) || self.has_null_branch() || self.node.as_object().is_some_and(Map::is_empty)
    }

    /// The variants of an enum; empty when this is none.
    pub(crate) fn variants(self) -> Vec<Variant<'a>> {
        let view = self.resolved();
        let mut variants = Vec::new();
        let alternatives: Vec<&Value> = match view.raw_branches() {
            [] => vec![view.node],
            branches => branches.iter().collect(),
        };
        for node in alternatives {
            let doc = node.get("description").and_then(Value::as_str).unwrap_or_default();
            if let Some(names) = node.get("enum").and_then(Value::as_array) {
                let named = names.iter().filter_map(Value::as_str);
                variants.extend(named.map(|name| Variant { name, payload: None, doc: "" }));
            } else if let Some(name) = node.get("const").and_then(Value::as_str) {
                variants.push(Variant { name, payload: None, doc });
            } else if node.get("type").and_then(Value::as_str) == Some("object")
                && !view.raw_branches().is_empty()
                && let Some((name, payload)) = node.get("properties").and_then(Value::as_object).and_then(single)
            {
                variants.push(Variant { name, payload: Some(payload), doc });
            } else if !is_null(node) && !view.raw_branches().is_empty() {
                // Something besides named variants is allowed: this is no plain enum.
                return Vec::new();
            }
        }
        variants
    }

    /// The schema of what a variant carries.
    pub(crate) fn variant_payload(self, name: &str) -> Option<Self> {
        self.variants().into_iter().find(|v| v.name == name)?.payload.map(|node| self.at(node))
    }

    /// Whether this is a file to read.
    pub(crate) fn is_input_path(self) -> bool {
        self.text("format") == Some("input-path")
    }

    /// The numeric range.
    pub(crate) fn range(self) -> Range {
        let number = |key: &str| self.keyword(key).and_then(Value::as_f64);
        Range {
            minimum: number("minimum"),
            above: number("exclusiveMinimum"),
            maximum: number("maximum"),
            below: number("exclusiveMaximum"),
        }
    }

    /// The type in words: `integer`, `number`, `list of text`, `one of rms, mad`.
    pub(crate) fn type_text(self) -> String {
        self.type_text_within(0)
    }

    fn type_text_within(self, depth: usize) -> String {
        let optional = if self.is_optional() { " or None" } else { "" };
        let view = self.resolved();
        let variants = view.variants();
        if !variants.is_empty() {
            let names: Vec<&str> = variants.iter().map(|v| v.name).collect();
            return format!("one of {}{optional}", names.join(", "));
        }
        if view.is_input_path() {
            return format!("path of a file{optional}");
        }
        let element = |index: usize| match view.item(index) {
            // A list of lists of lists is as deep as anybody wants to read.
            Some(item) if depth < 3 => item.type_text_within(depth + 1),
            _ => "value".to_owned(),
        };
        let words: Vec<String> = view
            .types()
            .into_iter()
            .map(|name| match name {
                "string" => "text".to_owned(),
                "boolean" => "true or false".to_owned(),
                "array" => match view.node.get("prefixItems").and_then(Value::as_array) {
                    Some(items) => {
                        format!("({})", (0..items.len()).map(element).collect::<Vec<_>>().join(", "))
                    }
                    None => format!("list of {}", element(0)),
                },
                "object" => match view.properties() {
                    Some(fields) => format!("({}: ..)", fields.keys().cloned().collect::<Vec<_>>().join(": .., ")),
                    None => match view.map_value() {
                        Some(value) if depth < 3 => {
                            format!("map from text to {}", value.type_text_within(depth + 1))
                        }
                        _ => "map".to_owned(),
                    },
                },
                other => other.to_owned(),
            })
            .collect();
        if words.is_empty() { format!("value{optional}") } else { format!("{}{optional}", words.join(" or ")) }
    }

    /// All schemas in `$defs`.
    pub(crate) fn definitions(self) -> impl Iterator<Item = (&'a String, Self)> {
        let defs = self.root.get("$defs").and_then(Value::as_object);
        defs.into_iter().flatten().map(move |(name, node)| (name, self.at(node)))
    }

    /// The branches of an enum with named variants, for documentation checks.
    pub(crate) fn payloads(self) -> impl Iterator<Item = (&'a str, Self)> {
        self.variants().into_iter().filter_map(move |v| v.payload.map(|node| (v.name, self.at(node))))
    }
}

fn is_null(node: &Value) -> bool {
    node.get("type").and_then(Value::as_str) == Some("null")
}

fn single(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    match map.len() {
        1 => map.iter().next().map(|(name, value)| (name.as_str(), value)),
        _ => None,
    }
}
