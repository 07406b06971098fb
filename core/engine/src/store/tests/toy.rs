//! A product and records to test with, and child processes that run one test of this binary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::keys::{Canonical, Ingredients, InputIngredient, Key, Upstream, action_key, recipe_key};
use crate::store::{Artefact, Record, Store};
use crate::{CodecError, Product, ProductKind, ProductType};

/// A text. The word "poison" cannot be decoded, "unwritable" cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toy(pub(super) Vec<u8>);

impl Product for Toy {
    fn type_name(&self) -> &'static str {
        Self::TYPE
    }
    fn extension(&self) -> &str {
        "toy"
    }
    fn resident_bytes(&self) -> u64 {
        self.0.len() as u64
    }
    fn encode(&self, path: &Path) -> Result<(), CodecError> {
        if self.0 == b"unwritable" {
            return Err(CodecError::format("toys of this kind break"));
        }
        Ok(std::fs::write(path, &self.0)?)
    }
}

impl ProductType for Toy {
    const TYPE: &'static str = "toy";
    fn decode(path: &Path) -> Result<Self, CodecError> {
        let bytes = std::fs::read(path)?;
        if bytes == b"poison" { Err(CodecError::format("not a toy")) } else { Ok(Self(bytes)) }
    }
}

pub(super) fn toy(text: &str) -> Toy {
    Toy(text.as_bytes().to_vec())
}

/// `len` bytes that differ from seed to seed.
pub(super) fn big_toy(seed: u64, len: usize) -> Toy {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).collect();
    bytes.truncate(len);
    Toy(bytes)
}

pub(super) struct TestStore {
    pub(super) store: Store,
    pub(super) folder: tempfile::TempDir,
}

pub(super) fn test_store() -> TestStore {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = Store::open(folder.path()).expect("a store can be opened");
    TestStore { store, folder }
}

impl std::ops::Deref for TestStore {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    pub(super) fn load_toy(&self, artefact: &Artefact) -> Result<Vec<u8>, crate::store::LoadError> {
        load_toy(&self.store, artefact)
    }
    /// Every file of the store below a folder, as relative paths.
    pub(super) fn files(&self, below: &str) -> Vec<PathBuf> {
        files_below(&self.folder.path().join("v1").join(below))
    }
}

pub(super) fn load_toy(store: &Store, artefact: &Artefact) -> Result<Vec<u8>, crate::store::LoadError> {
    let product = store.load(ProductKind::of::<Toy>(), artefact)?;
    let any: std::sync::Arc<dyn std::any::Any + Send + Sync> = product;
    Ok(any.downcast::<Toy>().expect("a toy").0.clone())
}

pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return files };
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// Ingredients of a node with one parameter and one input.
pub(super) fn ingredients(param: u128, input: &str) -> Ingredients {
    Ingredients {
        kind: "test.toy".into(),
        version: 1,
        provider: None,
        fingerprint: Vec::new(),
        params: Canonical::Struct(BTreeMap::from([("size".to_owned(), Canonical::from(param))])),
        inputs: vec![InputIngredient {
            port: "toy".into(),
            source: "maker.toy".into(),
            product: "toy".into(),
            upstream: Upstream::recipe(Key::of(input.as_bytes()), "toy")
                .with_content(crate::Digest::of(input.as_bytes())),
        }],
    }
}

pub(super) fn record(node: &str, param: u128, outputs: &[(&str, &Artefact)]) -> Record {
    let ingredients = ingredients(param, node);
    Record {
        graph: "test".into(),
        node: node.into(),
        kind: "test.toy".into(),
        provider: "skyloom-engine 0.1.0".into(),
        version: 1,
        recipe: recipe_key(&ingredients),
        action: action_key(&ingredients).expect("all contents are known"),
        ingredients,
        outputs: outputs.iter().map(|(port, a)| ((*port).to_owned(), (*a).clone())).collect(),
        wall_s: 0.25,
        cpu_s: 0.5,
        peak_bytes: 1000,
        estimated_bytes: 2000,
        was_alone: true,
        warnings: vec!["a warning".into()],
        metrics: vec![("n".into(), 3.0)],
        engine_version: "0.1.0".into(),
    }
}

/// Sets a file's time of modification so many seconds back.
pub(super) fn age(path: &Path, seconds: u64) {
    let file = std::fs::File::options().append(true).open(path).expect("the file can be opened");
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).expect("its time can be set");
}

/// Flips one bit in the middle of a file.
pub(super) fn flip_bit(path: &Path) {
    let mut bytes = std::fs::read(path).expect("the file can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("the file can be written");
}

const ROLE: &str = "SKYLOOM_TEST_STORE_ROLE";
const ROOT: &str = "SKYLOOM_TEST_STORE_ROOT";

/// Runs a role of `processes::child` in another process.
pub(super) fn spawn(role: &str, root: &Path) -> Child {
    command(role, root).spawn().expect("the test binary runs itself")
}

pub(super) fn command(role: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary knows its path"));
    command.args(["--exact", "store::tests::processes::child", "--nocapture", "--include-ignored"]);
    command.env(ROLE, role).env(ROOT, root);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// In a child process: its role and the folder of the store.
pub(super) fn role() -> Option<(String, PathBuf)> {
    Some((std::env::var(ROLE).ok()?, std::env::var_os(ROOT)?.into()))
}
