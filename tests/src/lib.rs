//! Runs the command in folders of its own, and reads what it wrote.

pub mod sky;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A shipped graph.
#[must_use]
pub fn graph(name: &str) -> PathBuf {
    repository().join("graphs").join(name)
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The same, after checking that it succeeded.
    ///
    /// # Panics
    /// When it did not; the message holds what it printed.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// A cache and a working folder, removed at the end.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    program: PathBuf,
}

impl Place {
    /// An empty place for a program (`env!("CARGO_BIN_EXE_skyloom-under-test")`).
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[must_use]
    pub fn new(program: &str) -> Self {
        Self { folder: TempDir::new().expect("a temporary folder"), program: program.into() }
    }

    /// A path in this place.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in this place.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the file can be written");
        path
    }

    /// The command with its arguments, working in this place with its own cache.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("SKYLOOM_CACHE", self.path("cache"))
            .env_remove("SKYLOOM_LOG")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Ended {
        let output = self.command(args).output().expect("the command starts");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts the command.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command starts")
    }

    /// The report of the run that wrote to an output folder.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn report(&self, out: &str) -> Value {
        let path = self.path(out).join("run.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).expect("run.json is JSON")
    }
}

/// Names of the nodes with a verdict, in order.
///
/// # Panics
/// When the report has another shape.
#[must_use]
pub fn with_verdict(report: &Value, verdict: &str) -> Vec<String> {
    report["nodes"]
        .as_array()
        .expect("nodes is a list")
        .iter()
        .filter(|n| n["verdict"] == verdict)
        .map(|n| n["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// All files of a folder with their content, sorted by name, without `run.json`.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut list: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry"))
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
        .filter(|(name, _)| name != "run.json")
        .map(|(name, path)| (name, std::fs::read(path).expect("the file can be read")))
        .collect();
    list.sort();
    list
}
