//! The stage that runs a program.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_engine::{
    Context, Demand, DigestBuilder, ErrorClass, Facets, FacetsOut, Place, Problems, Signature, Stage, StageError,
};

use crate::descriptor::{Kind, ProductWord};
use crate::job::Job;
use crate::outputs;
use crate::params::Values;
use crate::program;

/// A program with the values of its parameters. Its kind in graphs is the descriptor's.
#[derive(Debug)]
pub(crate) struct Process {
    kind: Arc<Kind>,
    values: Values,
}

impl Process {
    pub(crate) fn new(kind: Arc<Kind>, values: Values) -> Self {
        Self { kind, values }
    }

    /// The program's file; the error names what was looked for.
    fn program(&self) -> Result<PathBuf, String> {
        let word = self.kind.descriptor.command.first().map_or("", String::as_str);
        let name = PathBuf::from(self.kind.fill(word, Path::new("")));
        program::find(&name).ok_or_else(|| name.display().to_string())
    }

    /// The command as people would write it: `python3 unsharp.py`.
    fn shown(&self) -> String {
        let words = self.kind.descriptor.command.iter().filter(|word| !word.contains("{job}"));
        words.map(|word| word.strip_prefix("{folder}/").unwrap_or(word)).collect::<Vec<_>>().join(" ")
    }

    /// What of the descriptor has a say in the result, besides version, parameters and files.
    fn contract(&self) -> [(&'static str, String); 2] {
        let d = &self.kind.descriptor;
        let promises: Vec<String> = d
            .outputs
            .iter()
            .map(|(name, o)| {
                let columns = o.columns.iter().flatten().map(|(name, c)| (name, c.kind, &c.unit, &c.doc, c.finite));
                let columns: Vec<_> = columns.collect();
                let has_columns = o.columns.is_some();
                let extension = o.file_extension();
                format!("{:?}", (name, o.product, extension, &o.same_shape_as, o.finite, has_columns, columns))
            })
            .collect();
        let formats: Vec<_> = d.inputs.iter().map(|(name, i)| (name, i.product, i.format)).collect();
        [
            ("descriptor (command)", format!("{:?}", (&d.command, &d.environment))),
            ("descriptor (ports)", format!("{:?}", (formats, promises))),
        ]
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values.serialize(serializer)
    }
}

// Only the half of typetag that writes: what reads a process needs its descriptor, and that is what `StageSource` is for.
#[typetag::serialize(name = "external.process")]
impl Stage for Process {
    fn typetag_deserialize(&self) {}

    fn signature(&self) -> Signature {
        self.kind.descriptor.signature()
    }

    fn version(&self) -> u32 {
        self.kind.descriptor.version
    }

    fn check(&self, problems: &mut Problems) {
        let d = &self.kind.descriptor;
        let required = d.requires.iter().filter(|name| program::find(Path::new(name)).is_none()).cloned();
        for name in self.program().err().into_iter().chain(required) {
            let found = format!("no program {name:?}, which {} needs", d.kind);
            let problem = problems.push("missing-program", Place::Node, found, "a program that PATH finds");
            problem.help =
                Some(d.install.clone().unwrap_or_else(|| "install it, or add its folder to PATH".to_owned()));
        }
        for (name, value) in &self.values.0 {
            if let Some(path) = value.path().filter(|path| !path.is_file()) {
                let found = format!("{:?}, which is no file", path.display().to_string());
                problems.param(name, found, "a file that can be read").code("missing-file");
            }
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, _: &mut Problems) {
        for (name, spec) in &self.kind.descriptor.outputs {
            if let Some(like) = &spec.same_shape_as {
                let like = ImageFacet::from_facet(&inputs.get(like));
                let facet = ImageFacet { width: like.width, height: like.height, ..ImageFacet::default() };
                outputs.set(name, facet.to_facet());
            }
            if let Some(columns) = &spec.columns {
                let columns = columns.iter().map(|(name, column)| (name.clone(), column.kind.kind())).collect();
                outputs.set(name, TableFacet { columns: Some(columns) }.to_facet());
            }
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let d = &self.kind.descriptor;
        let image = |port: &str| -> u64 {
            inputs.all(port).iter().map(|(_, facet)| ImageFacet::from_facet(facet).n_pixels()).sum()
        };
        let images = d.inputs.iter().filter(|(_, spec)| spec.product == ProductWord::Image);
        let pixels: u64 = images.map(|(name, _)| image(name)).sum();
        let made: u64 = d.outputs.values().filter_map(|o| o.same_shape_as.as_deref()).map(image).sum();
        let program = (d.estimate.bytes_per_pixel * pixels as f64) as u64 + d.estimate.fixed.0;
        // Beside the program: inputs, outputs, the mask plane as it is read, what it printed.
        Demand { peak_bytes: 6 * pixels + 10 * made + program + (16 << 20), threads: 1 }
    }

    fn fingerprint(&self, digest: &mut DigestBuilder) -> Result<(), StageError> {
        let unreadable = |path: &Path, e: std::io::Error| StageError::io(format!("{}: {e}", path.display()));
        let missing = |name: String| StageError::config(format!("no program {name:?}"));
        let path = self.program().map_err(missing)?;
        digest.file("program", &path).map_err(|e| unreadable(&path, e))?;
        for name in &self.kind.descriptor.requires {
            let path = program::find(Path::new(name)).ok_or_else(|| missing(name.clone()))?;
            digest.file(&format!("program {name}"), &path).map_err(|e| unreadable(&path, e))?;
        }
        for (name, path) in self.kind.files() {
            digest.file(name, &path).map_err(|e| unreadable(&path, e))?;
        }
        for (name, value) in &self.values.0 {
            if let Some(path) = value.path() {
                digest.file(&format!("params.{name}"), path).map_err(|e| unreadable(path, e))?;
            }
        }
        for (name, text) in self.contract() {
            digest.bytes(name, text.as_bytes());
        }
        Ok(())
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let job = Job::prepare(cx, &self.kind, &self.values)?;
        self.execute(cx, &job)?;
        outputs::take(cx, &self.kind, &job).map_err(|e| match e.class {
            ErrorClass::Panic => StageError::new(
                e.class,
                format!("`{}` broke the promises of {}: {}", self.shown(), self.kind.shown.display(), e.message),
            )
            .with_help("correct the program, or what its descriptor promises"),
            _ => e,
        })
    }
}

impl Process {
    #[cfg(unix)]
    fn execute(&self, cx: &Context<'_>, job: &Job) -> Result<(), StageError> {
        use std::ffi::OsString;
        use std::time::Duration;

        use crate::log::Log;
        use crate::message::Listener;
        use crate::process::{Launch, Stream, run};

        let d = &self.kind.descriptor;
        let program = self.program().map_err(|name| StageError::config(format!("no program {name:?}")))?;
        let arguments: Vec<OsString> = d.command.iter().skip(1).map(|word| self.kind.fill(word, &job.file)).collect();
        let declared = d.environment.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let mut environment: Vec<(OsString, OsString)> = declared.collect();
        environment.push(("TMPDIR".into(), job.temporary.clone().into()));
        let cancel = cx.cancel_token();
        let launch = Launch {
            program: &program,
            arguments: &arguments,
            environment: &environment,
            folder: &job.folder,
            time_limit: Duration::try_from_secs_f64(d.time_limit_s).unwrap_or(Duration::MAX),
            memory_limit: d.memory_limit.map(|size| size.0),
            cancel: &cancel,
        };
        let mut out = Listener::new(cx);
        let mut err = Log::default();
        let ended = run(&launch, &mut |stream, bytes| match stream {
            Stream::Out => out.hear(bytes),
            Stream::Err => err.add(bytes),
        });
        out.finish();
        let files = [cx.keep_log("stdout", &out.log.content()), cx.keep_log("stderr", &err.content())];
        let said = Said {
            error: out.error.take(),
            last: if err.is_empty() { out.log.last_lines(10) } else { err.last_lines(10) },
        };
        let failure = match self.classify(ended?, said) {
            None => return Ok(()),
            Some(failure) => failure,
        };
        let files: Vec<String> = files.into_iter().flatten().map(|path| path.display().to_string()).collect();
        Err(match (&failure.help, files.is_empty()) {
            (_, true) => failure,
            (None, _) => failure.with_help(format!("all that it printed is in {}", files.join(" and "))),
            (Some(help), _) => {
                let help = format!("{help}; all that it printed is in {}", files.join(" and "));
                failure.with_help(help)
            }
        })
    }

    #[cfg(not(unix))]
    fn execute(&self, _: &Context<'_>, _: &Job) -> Result<(), StageError> {
        Err(StageError::config("programs cannot be run on this system: it has no process groups"))
    }

    /// The failure that an end stands for; `None` when it is none.
    #[cfg(unix)]
    fn classify(&self, ended: crate::process::Ended, said: Said) -> Option<StageError> {
        use crate::process::Ended;

        let d = &self.kind.descriptor;
        let program = format!("`{}`", self.shown());
        let failure = match ended {
            Ended::Exited(0) => return None,
            Ended::Cancelled => return Some(StageError::cancelled()),
            Ended::TimedOut => {
                let message = format!("{program} was stopped: it did not end within {} s", d.time_limit_s);
                StageError::resources(said.after(message))
                    .with_help(format!("raise `time_limit_s` in {}", self.kind.shown.display()))
            }
            Ended::Exited(code) => match class_of(code) {
                Some((class, word)) => StageError::new(class, said.after(format!("{program} {word}"))),
                None if said.is_out_of_memory() && d.memory_limit.is_some() => {
                    let message = format!("{program} ended with exit code {code}, out of memory");
                    StageError::resources(said.after(message))
                        .with_help(format!("raise `memory_limit` in {}", self.kind.shown.display()))
                }
                None => {
                    let message = format!("{program} crashed: it ended with exit code {code}");
                    StageError::new(ErrorClass::Panic, said.after(message))
                }
            },
            Ended::Signalled(signal) => {
                let name = signal_name(signal).map(|name| format!(" ({name})")).unwrap_or_default();
                let message = format!("{program} crashed: signal {signal}{name} ended it");
                StageError::new(ErrorClass::Panic, said.after(message))
            }
        };
        Some(failure)
    }
}

/// What a program said of its failure.
#[cfg(unix)]
struct Said {
    /// Its own message.
    error: Option<String>,
    /// The last lines that it printed.
    last: Vec<String>,
}

#[cfg(unix)]
impl Said {
    fn after(&self, message: String) -> String {
        match (&self.error, self.last.is_empty()) {
            (Some(error), _) => format!("{message}: {error}"),
            (None, true) => format!("{message}; it printed nothing"),
            (None, false) => format!("{message}; it printed last:\n  | {}", self.last.join("\n  | ")),
        }
    }

    /// What common run-time systems print when they get no memory.
    fn is_out_of_memory(&self) -> bool {
        let words = ["MemoryError", "bad_alloc", "Cannot allocate memory", "out of memory", "OutOfMemory"];
        self.last.iter().any(|line| words.iter().any(|word| line.contains(word)))
    }
}

/// The failure class of an exit code, and how a message says it.
#[cfg(unix)]
fn class_of(code: i32) -> Option<(ErrorClass, &'static str)> {
    Some(match code {
        10 => (ErrorClass::NoWork, "has nothing to do (exit code 10)"),
        11 => (ErrorClass::Data, "cannot use its input (exit code 11)"),
        12 => (ErrorClass::Config, "cannot use its parameters (exit code 12)"),
        13 => (ErrorClass::Resources, "lacks memory, disk or time (exit code 13)"),
        14 => (ErrorClass::Io, "cannot read or write a file (exit code 14)"),
        _ => return None,
    })
}

#[cfg(unix)]
fn signal_name(signal: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    let names = [
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::HUP, "SIGHUP"),
        (Signal::ILL, "SIGILL"),
        (Signal::INT, "SIGINT"),
        (Signal::KILL, "SIGKILL"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    names.into_iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| name)
}
