//! Stages that misbehave, for tests of how a run takes it.

use std::time::{Duration, Instant};

use skyloom_data::{Table, TableBuilder};
use skyloom_engine::{Context, Opt, Out, Signature, Stage, StageError, register_stage};

/// Panics.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Panics {
    /// What it says.
    pub message: String,
}

impl Panics {
    /// Something to wait for.
    pub const TABLE: Opt<Table> = Opt::new("table", "What it would read.");
    /// Never made.
    pub const RESULT: Out<Table> = Out::new("table", "What it would make.");
}

#[typetag::serde(name = "test.panic")]
impl Stage for Panics {
    fn signature(&self) -> Signature {
        Signature::new().optional(&Self::TABLE).output(&Self::RESULT)
    }

    fn version(&self) -> u32 {
        1
    }

    fn run(&self, _: &mut Context<'_>) -> Result<(), StageError> {
        panic!("{}", self.message)
    }
}
register_stage!(Panics, kind: "test.panic", example: r#"(message: "two and two are five")"#);

/// Takes a while, and looks every few milliseconds whether it should stop.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waits {
    /// How long.
    #[schemars(extend("x-unit" = "ms"))]
    pub wait_ms: u64,
}

impl Waits {
    /// Something to wait for.
    pub const TABLE: Opt<Table> = Opt::new("table", "What comes before.");
    /// How long it was asked to wait.
    pub const RESULT: Out<Table> = Out::new("table", "One row with `wait_ms`.");
}

#[typetag::serde(name = "test.wait")]
impl Stage for Waits {
    fn signature(&self) -> Signature {
        Signature::new().optional(&Self::TABLE).output(&Self::RESULT)
    }

    fn version(&self) -> u32 {
        1
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(self.wait_ms) {
            cx.check_cancelled()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        let wait_ms = i64::try_from(self.wait_ms).unwrap_or(i64::MAX);
        let table = TableBuilder::new().int("wait_ms", "ms", "how long", vec![wait_ms]).build();
        cx.set(&Self::RESULT, table.map_err(StageError::data)?);
        Ok(())
    }
}
register_stage!(Waits, kind: "test.wait", example: "(wait_ms: 100)");
