//! Two stages of one binary with the same kind: an error at start that names both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_engine::{Context, Registry, RegistryError, Signature, Stage, StageError, StageRecord, register_stage};

/// Does nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct First {}

#[typetag::serde(name = "toy.same")]
impl Stage for First {
    fn signature(&self) -> Signature {
        Signature::new()
    }
    fn version(&self) -> u32 {
        1
    }
    fn run(&self, _: &mut Context<'_>) -> Result<(), StageError> {
        Ok(())
    }
}
register_stage!(First, kind: "toy.same", example: "()");

skyloom_engine::inventory::submit! {
    StageRecord {
        kind: "toy.same",
        crate_name: "acme-stages",
        crate_version: "2.3.4",
        schema: || skyloom_engine::schemars::schema_for!(First),
        example: "()",
    }
}

#[test]
fn two_records_of_one_kind_are_an_error_that_names_both_crates_and_versions() {
    let error = Registry::with_builtin().expect_err("the kind is registered twice");
    assert!(matches!(error, RegistryError::Clash { .. }));
    let text = error.to_string();
    for part in ["toy.same", "acme-stages 2.3.4", "skyloom-engine 0.1.0"] {
        assert!(text.contains(part), "{text}");
    }
}
