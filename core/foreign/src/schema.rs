//! What the loader and the manual want to know of a kind: the JSON schema of its parameters, an example.

use serde_json::{Map, Value as Json, json};
use skyloom_engine::StageInfo;

use crate::descriptor::{Kind, ParamSpec, ParamWord};
use crate::params::{Param, Value};

/// The entry of a kind in the registry.
pub(crate) fn info(kind: &Kind) -> StageInfo {
    let file = kind.shown.file_name().map_or_else(|| kind.shown.to_string_lossy(), |name| name.to_string_lossy());
    StageInfo {
        kind: kind.descriptor.kind.clone(),
        provider: format!("{file} {}", kind.descriptor.version),
        doc: kind.descriptor.doc.clone(),
        schema: schema(kind),
        example: example(kind),
    }
}

fn schema(kind: &Kind) -> Json {
    let described = kind.params.iter().zip(kind.descriptor.params.values());
    let properties: Map<String, Json> =
        described.map(|(param, spec)| (param.name.to_owned(), property(param, spec))).collect();
    let required: Vec<&str> = kind.params.iter().filter(|p| p.default.is_none()).map(|p| p.name).collect();
    json!({
        "type": "object",
        "description": kind.descriptor.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(param: &Param, spec: &ParamSpec) -> Json {
    let mut schema = match param.kind {
        ParamWord::Float => json!({ "type": "number", "format": "double" }),
        ParamWord::Int => json!({ "type": "integer", "format": "int64" }),
        ParamWord::Bool => json!({ "type": "boolean" }),
        ParamWord::Text => json!({ "type": "string" }),
        ParamWord::File => json!({ "type": "string", "format": "input-path" }),
        ParamWord::Choice => {
            let words = spec.choices.iter().map(|(word, doc)| json!({ "const": word, "description": doc }));
            json!({ "oneOf": words.collect::<Vec<_>>() })
        }
    };
    let mut set = |key: &str, value: Option<Json>| {
        if let (Some(value), Some(fields)) = (value, schema.as_object_mut()) {
            fields.insert(key.to_owned(), value);
        }
    };
    set("description", Some(spec.doc.as_str().into()));
    set("default", param.default.as_ref().map(Value::to_json));
    set("x-unit", spec.unit.as_deref().map(Json::from));
    for (key, bound) in [
        ("minimum", spec.min),
        ("maximum", spec.max),
        ("exclusiveMinimum", spec.above),
        ("exclusiveMaximum", spec.below),
    ] {
        set(key, bound.map(Json::from));
    }
    schema
}

/// Parameters of an example node: what has no default gets a value that fits.
fn example(kind: &Kind) -> String {
    let described = kind.params.iter().zip(kind.descriptor.params.values());
    let needed = described.filter(|(param, _)| param.default.is_none());
    let fields: Vec<String> =
        needed.map(|(param, spec)| format!("{}: {}", param.name, any_value(param, spec))).collect();
    format!("({})", fields.join(", "))
}

fn any_value(param: &Param, spec: &ParamSpec) -> String {
    let value = match param.kind {
        ParamWord::Float => Value::Float(any_number(spec)),
        // What is not whole is rounded into the range where that has a whole number at all.
        ParamWord::Int => Value::Int(any_number(spec).ceil() as i64),
        ParamWord::Bool => Value::Bool(true),
        ParamWord::Text => Value::Text("text".to_owned()),
        ParamWord::File => Value::File("file".to_owned()),
        ParamWord::Choice => return param.choices.first().copied().unwrap_or("none").to_owned(),
    };
    value.to_ron()
}

fn any_number(spec: &ParamSpec) -> f64 {
    match (spec.min, spec.above, spec.max, spec.below) {
        (Some(low), ..) => low,
        (_, Some(low), Some(high), _) | (_, Some(low), _, Some(high)) => f64::midpoint(low, high),
        (_, Some(low), ..) => low + 1.0,
        (_, _, Some(high), _) => high.min(1.0),
        (_, _, _, Some(high)) => (high - 1.0).min(1.0),
        _ => 1.0,
    }
}
