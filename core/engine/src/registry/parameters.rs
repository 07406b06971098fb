//! The parameters of a kind, as a manual shows them.

use serde::Serialize;
use serde_json::Value;

use super::schema::SchemaView;
use super::source::StageInfo;

/// One parameter, as `stages show` and the manual print it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParamInfo {
    /// Name in the graph file.
    pub name: String,
    /// Type in words: `integer`, `list of number`, `one of rms, mad`.
    pub type_text: String,
    /// Unit (`px`), when it has one.
    pub unit: Option<String>,
    /// Default as RON, when there is one.
    pub default: Option<String>,
    /// Range in words: `from 1 to 9`, `greater than 0`.
    pub range: Option<String>,
    /// Whether the node must give it.
    pub required: bool,
    /// Documentation: meaning, sensible range, what happens when too small or too large.
    pub doc: String,
    /// The choices of an enum.
    pub choices: Vec<Choice>,
}

/// One choice of an enum parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its name in the graph file.
    pub name: String,
    /// Documentation.
    pub doc: String,
}

/// The parameters of a kind, in the order of its struct.
#[must_use]
pub fn parameters(info: &StageInfo) -> Vec<ParamInfo> {
    let root = SchemaView::root(&info.schema);
    let required: Vec<&str> = root.required().collect();
    let Some(properties) = root.properties() else { return Vec::new() };
    properties
        .keys()
        .filter_map(|name| Some((name, root.property(name)?)))
        .map(|(name, view)| ParamInfo {
            name: name.clone(),
            type_text: view.type_text(),
            unit: view.text("x-unit").map(str::to_owned),
            default: default_text(view, required.contains(&name.as_str())),
            range: view.range().text(),
            required: required.contains(&name.as_str()),
            doc: view.own("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            choices: view
                .variants()
                .into_iter()
                .map(|v| Choice { name: v.name.to_owned(), doc: v.doc.to_owned() })
                .collect(),
        })
        .collect()
}

/// Parameters without documentation, as paths (`model.beta` for a field of a nested struct). Must be empty for every
/// stage: the manual is made of these texts.
#[must_use]
pub fn undocumented_parameters(info: &StageInfo) -> Vec<String> {
    let root = SchemaView::root(&info.schema);
    let mut found = Vec::new();
    undocumented_fields(root, "", &mut found);
    for (name, view) in root.definitions() {
        undocumented_fields(view, &format!("{name}."), &mut found);
        for (variant, payload) in view.payloads() {
            undocumented_fields(payload, &format!("{name}.{variant}."), &mut found);
        }
    }
    found
}

fn undocumented_fields(view: SchemaView<'_>, prefix: &str, found: &mut Vec<String>) {
    let Some(properties) = view.properties() else { return };
    for (name, schema) in properties {
        let doc = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        if doc.trim().is_empty() {
            found.push(format!("{prefix}{name}"));
        }
    }
}

fn default_text(view: SchemaView<'_>, required: bool) -> Option<String> {
    match view.own("default") {
        Some(value) => Some(to_ron(value, view)),
        None if !required && view.is_optional() => Some("None".to_owned()),
        None => None,
    }
}

/// A JSON default as it would be written in a graph file.
fn to_ron(value: &Value, view: SchemaView<'_>) -> String {
    let view = view.resolved();
    match value {
        Value::Null => "None".to_owned(),
        Value::String(text) if view.variants().iter().any(|v| v.name == text) => text.clone(),
        Value::Array(items) => {
            let any = SchemaView::root(&Value::Null);
            let texts: Vec<String> =
                items.iter().enumerate().map(|(i, item)| to_ron(item, view.item(i).unwrap_or(any))).collect();
            if view.own("prefixItems").is_some() {
                format!("({})", texts.join(", "))
            } else {
                format!("[{}]", texts.join(", "))
            }
        }
        Value::Object(fields) => {
            if let Some((name, payload)) = fields.iter().next()
                && let Some(inner) = view.variant_payload(name)
            {
                let text = to_ron(payload, inner);
                return if text.starts_with('(') { format!("{name}{text}") } else { format!("{name}({text})") };
            }
            let any = SchemaView::root(&Value::Null);
            let pairs = fields.iter().map(|(key, value)| match view.property(key) {
                Some(inner) => format!("{key}: {}", to_ron(value, inner)),
                None => format!("{}: {}", Value::String(key.clone()), to_ron(value, view.map_value().unwrap_or(any))),
            });
            let body = pairs.collect::<Vec<_>>().join(", ");
            if view.properties().is_some() { format!("({body})") } else { format!("{{{body}}}") }
        }
        other => other.to_string(),
    }
}
