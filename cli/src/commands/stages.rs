//! `skyloom stages`

use serde_json::json;
use skyloom_engine::{Arity, nearest};

use super::output;
use crate::args::{StagesArgs, StagesCommand};
use crate::failure::CommandFailure;
use crate::setup;

/// Lists stages or shows one. Everything printed comes from the code of the stage.
pub fn run(args: &StagesArgs) -> Result<(), CommandFailure> {
    let registry = setup::registry_with(&args.plugins)?;
    match &args.what {
        StagesCommand::List(format) => {
            let stages: Vec<_> = registry.stages().collect();
            if format.json {
                return output::json(
                    &stages
                        .iter()
                        .map(|s| json!({ "kind": s.kind, "summary": s.summary(), "provider": s.provider }))
                        .collect::<Vec<_>>(),
                );
            }
            let rows: Vec<Vec<String>> =
                stages.iter().map(|s| vec![s.kind.clone(), s.summary().to_owned(), s.provider.clone()]).collect();
            output::text(&output::columns(&["kind", "what it does", "from"], &[], &rows))
        }
        StagesCommand::Show { kind, format } => {
            let Some(info) = registry.find(kind) else {
                let near = nearest(kind, registry.stages().map(|s| s.kind.as_str()));
                let failure = CommandFailure::usage(format!("no stage of kind {kind:?}"));
                return Err(match near {
                    Some(near) => failure.with_help(format!("did you mean {near:?}? `skyloom stages list` shows all")),
                    None => failure.with_help("`skyloom stages list` shows all"),
                });
            };
            let signature = registry
                .example_signature(kind)
                .map_err(|e| CommandFailure::usage(format!("{kind}: its example does not build: {}", e.message)))?;
            let parameters = skyloom_engine::parameters(info);
            if format.json {
                let port = |name: &str, doc: &str, product: &str, arity: Option<Arity>| json!({ "name": name, "type": product, "doc": doc, "arity": arity.map(arity_word) });
                return output::json(&json!({
                    "kind": info.kind, "provider": info.provider, "doc": info.doc,
                    "inputs": signature.inputs.iter().map(|p| port(&p.name, &p.doc, p.product.name, Some(p.arity))).collect::<Vec<_>>(),
                    "outputs": signature.outputs.iter().map(|p| port(&p.name, &p.doc, p.product.name, None)).collect::<Vec<_>>(),
                    "parameters": parameters, "schema": info.schema, "example": info.example,
                }));
            }
            let mut text = format!("{}  ({})\n\n{}\n", info.kind, info.provider, info.doc);
            text.push_str("\ninputs\n");
            for p in &signature.inputs {
                text.push_str(&format!(
                    "  {:<12} {:<10} {:<9} {}\n",
                    p.name,
                    p.product.name,
                    arity_word(p.arity),
                    p.doc
                ));
            }
            if signature.inputs.is_empty() {
                text.push_str("  none\n");
            }
            text.push_str("\noutputs\n");
            for p in &signature.outputs {
                text.push_str(&format!("  {:<12} {:<10} {}\n", p.name, p.product.name, p.doc));
            }
            text.push_str("\nparameters\n");
            for p in &parameters {
                let mut facts = vec![p.type_text.clone()];
                facts.extend(p.unit.iter().map(|u| format!("in {u}")));
                facts.extend(p.range.clone());
                facts.push(match &p.default {
                    Some(default) => format!("default {default}"),
                    None if p.required => "required".to_owned(),
                    None => "optional".to_owned(),
                });
                text.push_str(&format!("  {}: {}\n", p.name, facts.join(", ")));
                for line in p.doc.lines() {
                    text.push_str(format!("      {line}").trim_end());
                    text.push('\n');
                }
                for choice in &p.choices {
                    text.push_str(&format!(
                        "      - {}: {}\n",
                        choice.name,
                        choice.doc.lines().next().unwrap_or_default()
                    ));
                }
            }
            if parameters.is_empty() {
                text.push_str("  none\n");
            }
            let inputs: Vec<String> = signature
                .inputs
                .iter()
                .filter(|p| p.arity == Arity::One)
                .map(|p| format!("{:?}: \"node.port\"", p.name))
                .collect();
            text.push_str(&format!(
                "\nexample\n  \"name\": (kind: {:?}, params: {}, inputs: {{{}}}),\n",
                info.kind,
                info.example,
                inputs.join(", ")
            ));
            output::text(&text)
        }
    }
}

fn arity_word(arity: Arity) -> &'static str {
    match arity {
        Arity::One => "required",
        Arity::Optional => "optional",
        Arity::Many => "any",
    }
}
