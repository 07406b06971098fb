//! A few stages over whole numbers, so that the engine can be tested without a pixel.
#![allow(dead_code, missing_docs)]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_engine::{
    CodecError, Context, Demand, DigestBuilder, Event, Facets, Graph, In, InputPath, LoadOptions, Many, Observer, Out,
    Plan, PlanOptions, Product, ProductType, Registry, RunOptions, RunReport, Signature, Stage, StageError, Store,
    load_str, register_stage,
};

/// A whole number as a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(pub i64);

impl Product for Number {
    fn type_name(&self) -> &'static str {
        "number"
    }
    fn extension(&self) -> &str {
        "txt"
    }
    fn resident_bytes(&self) -> u64 {
        8
    }
    fn encode(&self, path: &Path) -> Result<(), CodecError> {
        Ok(std::fs::write(path, self.0.to_string())?)
    }
}

impl ProductType for Number {
    const TYPE: &'static str = "number";
    fn decode(path: &Path) -> Result<Self, CodecError> {
        std::fs::read_to_string(path)?.parse().map(Self).map_err(CodecError::format)
    }
}

/// Reads a number from a file; text after the first word is a comment.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The file.
    pub path: InputPath,
}
impl Read {
    pub const VALUE: Out<Number> = Out::new("value", "the number");
}
#[typetag::serde(name = "toy.read")]
impl Stage for Read {
    fn signature(&self) -> Signature {
        Signature::new().output(&Self::VALUE)
    }
    fn version(&self) -> u32 {
        1
    }
    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        digest.file("path", self.path.as_path()).map_err(|e| StageError::io(format!("{}: {e}", self.path.0.display())))
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let text = std::fs::read_to_string(self.path.as_path()).map_err(StageError::io)?;
        let word = text.split_whitespace().next().unwrap_or_default();
        cx.set(&Self::VALUE, Number(word.parse().map_err(StageError::data)?));
        Ok(())
    }
}
register_stage!(Read, kind: "toy.read", example: "(path: \"number.txt\")");

/// Adds a constant to the sum of its inputs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// The constant.
    #[serde(default)]
    pub constant: i64,
    /// Bytes that the stage says it needs.
    #[serde(default)]
    pub bytes: u64,
    /// Reads its numbers when it adds them.
    #[serde(default)]
    pub is_late: bool,
}
impl Add {
    pub const VALUES: Many<Number> = Many::new("values", "numbers");
    pub const SUM: Out<Number> = Out::new("value", "their sum");
}
#[typetag::serde(name = "toy.add")]
impl Stage for Add {
    fn signature(&self) -> Signature {
        let signature = Signature::new().many(&Self::VALUES).output(&Self::SUM);
        if self.is_late { signature.late("values") } else { signature }
    }
    fn version(&self) -> u32 {
        1
    }
    fn estimate(&self, _: &Facets) -> Demand {
        Demand { peak_bytes: self.bytes, threads: 1 }
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let sum = cx.many(&Self::VALUES)?.iter().map(|n| n.0).fold(self.constant, i64::wrapping_add);
        cx.set(&Self::SUM, Number(sum));
        Ok(())
    }
}
register_stage!(Add, kind: "toy.add", example: "(constant: 1)");

/// Halves a number, so that 6 and 7 give the same.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Halve {}
impl Halve {
    pub const VALUE: In<Number> = In::new("value", "a number");
    pub const HALF: Out<Number> = Out::new("value", "its half, rounded down");
}
#[typetag::serde(name = "toy.halve")]
impl Stage for Halve {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::VALUE).output(&Self::HALF)
    }
    fn version(&self) -> u32 {
        1
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let value = cx.input(&Self::VALUE)?;
        cx.set(&Self::HALF, Number(value.0.div_euclid(2)));
        Ok(())
    }
}
register_stage!(Halve, kind: "toy.halve", example: "()");

/// How a troubled stage ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// An error of the data class.
    Data,
    /// A panic.
    Panic,
    /// Nothing to do.
    NoWork,
    /// Waits until it is cancelled.
    Hang,
    /// Sets no output.
    Forget,
    /// Gives another number every time.
    Random,
}

/// Ends badly.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// How.
    pub how: Trouble,
}
impl Fail {
    pub const VALUES: Many<Number> = Many::new("values", "numbers");
    pub const VALUE: Out<Number> = Out::new("value", "never");
}
static CALLS: AtomicU64 = AtomicU64::new(0);
#[typetag::serde(name = "toy.fail")]
impl Stage for Fail {
    fn signature(&self) -> Signature {
        Signature::new().many(&Self::VALUES).output(&Self::VALUE)
    }
    fn version(&self) -> u32 {
        1
    }
    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        match self.how {
            Trouble::Data => Err(StageError::data("this number will never do").with_help("take another")),
            Trouble::Panic => panic!("two and two are five"),
            Trouble::NoWork => Err(StageError::no_work("no numbers today")),
            Trouble::Hang => loop {
                cx.check_cancelled()?;
                std::thread::sleep(std::time::Duration::from_millis(1));
            },
            Trouble::Forget => Ok(()),
            Trouble::Random => {
                cx.set(&Self::VALUE, Number(CALLS.fetch_add(1, Ordering::SeqCst) as i64));
                Ok(())
            }
        }
    }
}
register_stage!(Fail, kind: "toy.fail", example: "(how: data)");

/// Collects the names of nodes as they start and end.
#[derive(Debug, Default)]
pub struct Log(pub Mutex<Vec<Event>>);

impl Observer for Log {
    fn event(&self, event: &Event) {
        self.0.lock().expect("the test set this up").push(event.clone());
    }
}

/// A store and a folder for files.
pub struct Bench {
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("the test set this up") }
    }
    pub fn store(&self) -> Arc<Store> {
        Arc::new(Store::open(&self.folder.path().join("cache")).expect("the test set this up"))
    }
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("the test set this up");
    }
    pub fn graph(&self, text: &str) -> Arc<Graph> {
        let options = LoadOptions { working_dir: self.folder.path().to_path_buf(), ..LoadOptions::default() };
        let registry = Registry::with_builtin().expect("the test set this up");
        let file = self.folder.path().join("graph.ron");
        Arc::new(load_str(text, &file, &options, &registry).unwrap_or_else(|e| panic!("{:#?}", e.diagnostics)))
    }
    pub fn plan(&self, text: &str, options: PlanOptions) -> Plan {
        Plan::new(self.graph(text), self.store(), options).expect("the test set this up")
    }
    pub fn run(&self, text: &str) -> RunReport {
        self.run_with(text, &RunOptions::default())
    }
    pub fn out(&self) -> std::path::PathBuf {
        self.folder.path().join("out")
    }
    pub fn run_with(&self, text: &str, options: &RunOptions) -> RunReport {
        let plan = self.plan(text, PlanOptions { out: Some(self.out()), ..PlanOptions::default() });
        plan.run(options).expect("the test set this up")
    }
    /// All artefact files of the store.
    pub fn artefacts(&self) -> Vec<std::path::PathBuf> {
        let mut list: Vec<_> = walk(&self.folder.path().join("cache/v1/artefacts"));
        list.sort();
        list
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut list = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { list.extend(walk(&path)) } else { list.push(path) }
    }
    list
}
