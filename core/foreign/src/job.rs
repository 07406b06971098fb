//! The job folder: what a program gets, and where it puts what it makes.
//!
//! ```text
//! job.json          what to do
//! in/PORT.fits      products at the input ports
//! out/PORT.fits     products that the program makes
//! tmp/              its own (TMPDIR)
//! ```

use std::path::{Path, PathBuf};

use rand_chacha::rand_core::Rng;
use serde_json::{Map, Value as Json, json};
use skyloom_engine::{Context, StageError};

use crate::descriptor::Kind;
use crate::inputs;
use crate::params::Values;

/// Version of the layout of `job.json`.
const PROTOCOL: u32 = 1;

/// A job that is ready to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) folder: PathBuf,
    /// `job.json`.
    pub(crate) file: PathBuf,
    pub(crate) temporary: PathBuf,
}

impl Job {
    /// Fills the scratch folder of a node.
    pub(crate) fn prepare(cx: &mut Context<'_>, kind: &Kind, values: &Values) -> Result<Self, StageError> {
        let scratch = cx.scratch()?.to_path_buf();
        // The program works in this folder: a path relative to ours would lead it astray.
        let folder = std::path::absolute(&scratch).map_err(|e| unwritable(&scratch, &e))?;
        let part = |name: &str| -> Result<PathBuf, StageError> {
            let path = folder.join(name);
            std::fs::create_dir(&path).map_err(|e| unwritable(&path, &e))?;
            Ok(path)
        };
        let (inside, outside, temporary) = (part("in")?, part("out")?, part("tmp")?);
        let d = &kind.descriptor;
        let mut inputs_json = Map::new();
        for (name, spec) in &d.inputs {
            cx.check_cancelled()?;
            inputs_json.insert(name.clone(), inputs::write(cx, name, spec, &inside)?);
        }
        let outputs_json: Map<String, Json> = d
            .outputs
            .iter()
            .map(|(name, spec)| {
                let path = output_path(&outside, name, spec.file_extension());
                let entry = json!({
                    "path": path.to_string_lossy(), "type": spec.product.name(), "format": spec.file_extension(),
                });
                (name.clone(), entry)
            })
            .collect();
        let params: Map<String, Json> = values.0.iter().map(|(name, v)| ((*name).to_owned(), v.to_json())).collect();
        // 53 bits: every reader of JSON keeps them.
        let seed = cx.rng().next_u64() >> 11;
        let content = json!({
            "protocol": PROTOCOL,
            "kind": d.kind,
            "version": d.version,
            "params": params,
            "inputs": inputs_json,
            "outputs": outputs_json,
            "threads": cx.pool().current_num_threads(),
            "memory_bytes": d.memory_limit.map(|size| size.0),
            "seed": seed,
            "tmp": temporary.to_string_lossy(),
        });
        let file = folder.join("job.json");
        let text = serde_json::to_vec_pretty(&content).map_err(StageError::io)?;
        std::fs::write(&file, text).map_err(|e| unwritable(&file, &e))?;
        Ok(Self { folder, file, temporary })
    }

    /// Where the program puts the product of a port.
    pub(crate) fn output(&self, name: &str, extension: &str) -> PathBuf {
        output_path(&self.folder.join("out"), name, extension)
    }
}

fn output_path(folder: &Path, name: &str, extension: &str) -> PathBuf {
    folder.join(format!("{name}.{extension}"))
}

fn unwritable(path: &Path, error: &std::io::Error) -> StageError {
    StageError::io(format!("{}: {error}", path.display()))
}
