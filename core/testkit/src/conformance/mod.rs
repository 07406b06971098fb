//! The conformance suite: what every stage promises, checked by running it.

mod estimate;
mod facets;
mod manual;
mod pixels;
mod samples;
mod small;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use skyloom_engine::{ErrorClass, Problems, Product, ProductType, Registry, Stage, StageCrate, StageError};

use crate::determinism::{deterministic, golden_digest};
use crate::harness::{Harness, Outcome};

pub use manual::manual_problems;

/// One promise of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The kind is registered under its name, described by a sentence, its ports and parameters are documented, and its example
    /// builds.
    Manual,
    /// The sample is accepted, and the outputs are what `infer` said they would be.
    Facets,
    /// 1, 2 and 7 threads and all band heights give the same bytes.
    Threads,
    /// NaN pixels and NaN or null cells break nothing, and NaN does not spread to pixels that were good.
    NotANumber,
    /// What stands in pixels that are masked BAD or NO_DATA changes nothing elsewhere.
    Masked,
    /// Images of 1 x 1 pixel, of one row or column, or of none, and tables without rows give a product or an error that says
    /// why; never a panic.
    Small,
    /// The memory that the stage needs stays within its `estimate`.
    Estimate,
    /// The result is the frozen one, or the version went up.
    Golden,
}

impl Check {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 8] = [
        Self::Manual,
        Self::Facets,
        Self::Threads,
        Self::NotANumber,
        Self::Masked,
        Self::Small,
        Self::Estimate,
        Self::Golden,
    ];
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manual => "manual",
            Self::Facets => "facets",
            Self::Threads => "threads",
            Self::NotANumber => "NaN",
            Self::Masked => "masked pixels",
            Self::Small => "small inputs",
            Self::Estimate => "estimate",
            Self::Golden => "golden digest",
        })
    }
}

/// The conformance suite of one stage: its kind, the stage, and a small sample for every input port.
///
/// ```ignore
/// // At the top of a test file of its own: memory is counted, and other tests would be counted too.
/// skyloom_testkit::install_allocator!();
///
/// skyloom_testkit::Conformance::new("acme.halo", halo())
///     .input("image", frame())
///     .golden(1, "0123456789ab")
///     .check();
/// ```
///
/// The sample should be one on which the stage has work to do and succeeds, small (some ten thousand pixels) and large enough to
/// be split. Variants of it are made from the images and tables; other products are given as they are. Suites of one test binary run
/// one after the other.
#[derive(Debug, Clone)]
pub struct Conformance {
    kind: String,
    stage: Arc<dyn Stage>,
    samples: Vec<Sample>,
    stage_crate: Option<StageCrate>,
    golden: Option<(u32, String)>,
    skipped: Vec<(Check, String)>,
}

/// A product at an input port.
#[derive(Debug, Clone)]
struct Sample {
    port: String,
    product: Arc<dyn Product>,
}

/// Memory is counted for the whole process: one suite at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Conformance {
    /// The suite for a stage of this kind.
    pub fn new(kind: &str, stage: impl Stage + 'static) -> Self {
        Self {
            kind: kind.to_owned(),
            stage: Arc::new(stage),
            samples: Vec::new(),
            stage_crate: None,
            golden: None,
            skipped: Vec::new(),
        }
    }

    /// Wires a sample to an input port; again for one that takes several.
    #[must_use]
    pub fn input<T: ProductType>(mut self, port: &str, product: T) -> Self {
        self.samples.push(Sample { port: port.to_owned(), product: Arc::new(product) });
        self
    }

    /// Checks also that the crate promises exactly the kinds that it registers: [`skyloom_engine::stage_crate!`].
    #[must_use]
    pub fn of_crate(mut self, stage_crate: &StageCrate) -> Self {
        self.stage_crate = Some(*stage_crate);
        self
    }

    /// The frozen result: the stage's version, and the digest of what it makes of the sample. Write any digest first; the failure
    /// names the right one.
    #[must_use]
    pub fn golden(mut self, version: u32, digest: &str) -> Self {
        self.golden = Some((version, digest.to_owned()));
        self
    }

    /// Leaves a check out, for a stage that cannot keep that promise, with the reason.
    #[must_use]
    pub fn skip(mut self, check: Check, reason: &str) -> Self {
        self.skipped.push((check, reason.to_owned()));
        self
    }

    /// Runs all checks.
    ///
    /// # Panics
    /// When any fails; the message names every broken promise.
    pub fn check(&self) {
        for (check, reason) in &self.skipped {
            eprintln!("{}: {check} is not checked: {reason}", self.kind);
        }
        let problems = self.problems();
        assert!(problems.is_empty(), "{} breaks promises of a stage:\n  {}", self.kind, problems.join("\n  "));
    }

    /// Every broken promise, one line each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut problems = Vec::new();
        for check in Check::ALL {
            if self.skipped.iter().any(|(skipped, _)| *skipped == check) {
                continue;
            }
            let mut found = Vec::new();
            match check {
                Check::Manual => self.check_manual(&mut found),
                Check::Facets => facets::check(self, &mut found),
                Check::Threads => found.extend(deterministic(&self.harness(&self.samples)).err()),
                Check::NotANumber => pixels::check_not_a_number(self, &mut found),
                Check::Masked => pixels::check_masked(self, &mut found),
                Check::Small => small::check(self, &mut found),
                Check::Estimate => estimate::check(self, &mut found),
                Check::Golden => found.extend(self.check_golden().err()),
            }
            problems.extend(found.into_iter().map(|problem| format!("{check}: {problem}")));
            if check == Check::Facets && self.run(&self.samples).is_err() {
                // Without a result of the sample nothing else can be compared.
                break;
            }
        }
        problems
    }

    fn check_manual(&self, problems: &mut Vec<String>) {
        let registry = match Registry::with_builtin() {
            Ok(registry) => registry,
            Err(error) => return problems.push(error.to_string()),
        };
        let name = self.stage.typetag_name();
        if name != self.kind {
            problems.push(format!("the stage is of kind {name:?}"));
        }
        problems.extend(manual_problems(&registry, &self.kind));
        if let Some(stage_crate) = &self.stage_crate {
            let missing = stage_crate.missing();
            if !missing.is_empty() {
                problems.push(format!("{stage_crate} does not register {}", missing.join(", ")));
            }
            let unlisted = stage_crate.unlisted();
            if !unlisted.is_empty() {
                problems.push(format!("`stage_crate!` of {stage_crate} does not name {}", unlisted.join(", ")));
            }
        }
        let mut refused = Problems::new();
        self.stage.check(&mut refused);
        problems.extend(
            refused.list().iter().map(|p| format!("`check` refuses the parameters of the sample: {}", p.found)),
        );
    }

    fn check_golden(&self) -> Result<(), String> {
        let harness = self.harness(&self.samples);
        let (version, digest) = (harness.version(), golden_digest(&harness));
        match &self.golden {
            None => Err(format!("nothing is frozen: add .golden({version}, {digest:?})")),
            Some((frozen, _)) if *frozen != version => {
                Err(format!("the version is {version}, not {frozen}: write .golden({version}, {digest:?})"))
            }
            Some((_, frozen)) if *frozen != digest => Err(format!(
                "the result is {digest:?}, not {frozen:?}, but version() did not go up: bump it if that was intended"
            )),
            Some(_) => Ok(()),
        }
    }

    fn harness(&self, samples: &[Sample]) -> Harness {
        samples.iter().fold(Harness::of(Arc::clone(&self.stage)).threads(2), |harness, sample| {
            harness.shared_input(&sample.port, Arc::clone(&sample.product))
        })
    }

    /// Runs the stage on samples; a panic is a failure of its own.
    fn run(&self, samples: &[Sample]) -> Result<Outcome, Failed> {
        match catch_unwind(AssertUnwindSafe(|| self.harness(samples).run())) {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(error)) => Err(Failed::Error(error)),
            Err(panic) => Err(Failed::Panic(panic_text(&*panic))),
        }
    }

    /// Runs the stage on a variant of the sample for which it may fail, if it says why.
    fn run_variant(&self, samples: &[Sample], what: &str, problems: &mut Vec<String>) -> Option<Outcome> {
        match self.run(samples) {
            Ok(outcome) => return Some(outcome),
            Err(Failed::Panic(text)) => problems.push(format!("{what}: a panic: {text}")),
            Err(Failed::Error(error)) => {
                let is_clear = matches!(error.class, ErrorClass::Data | ErrorClass::NoWork | ErrorClass::Config);
                if !is_clear || error.message.trim().is_empty() {
                    let class = error.class;
                    problems.push(format!("{what}: an error of class {class:?} that does not blame the data: {error}"));
                }
            }
        }
        None
    }
}

/// Why there is no outcome.
enum Failed {
    Error(StageError),
    Panic(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "{error}"),
            Self::Panic(text) => write!(f, "a panic: {text}"),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
