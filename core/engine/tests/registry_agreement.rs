//! A typetag name and its record must agree, or a stage could be read that nothing describes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_engine::{Context, Registry, RegistryError, Signature, Stage, StageError, register_stage};

/// Does nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Renamed {}

#[typetag::serde(name = "toy.new_name")]
impl Stage for Renamed {
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
register_stage!(Renamed, kind: "toy.old_name", example: "()");

#[test]
fn a_name_without_a_record_is_an_error_at_start() {
    let error = Registry::with_builtin().expect_err("the names differ");
    assert_eq!(error, RegistryError::NoRecord { kind: "toy.new_name".to_owned() });
    assert!(error.to_string().contains("register_stage!"), "{error}");
}
