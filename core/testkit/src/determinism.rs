//! The promise that threads and band sizes never change a result, as one line per stage.

use skyloom_engine::Digest;

use crate::harness::Harness;

/// Runs a stage with 1, 2 and 7 threads and band heights 1, 7, 64 and the stage's own choice; all bytes must be equal.
///
/// # Panics
/// When they are not, or the stage fails.
pub fn assert_deterministic(harness: &Harness) {
    if let Err(problem) = deterministic(harness) {
        panic!("{problem}");
    }
}

/// What [`assert_deterministic`] finds.
pub(crate) fn deterministic(harness: &Harness) -> Result<(), String> {
    let digests = |run: &Harness| {
        let outcome = run.run().map_err(|e| format!("the stage fails: {e}"))?;
        outcome.digests().map_err(|e| format!("a product cannot be encoded: {e}"))
    };
    let reference = digests(&harness.clone().threads(1))?;
    for threads in [1, 2, 7] {
        for band_rows in [0, 1, 7, 64] {
            let found = digests(&harness.clone().threads(threads).band_rows(band_rows))?;
            let differs = |(port, digest): &(&String, &Digest)| found.get(*port) != Some(*digest);
            if let Some((port, _)) = reference.iter().find(differs) {
                return Err(format!(
                    "output {port:?} has other bytes with {threads} threads and bands of {band_rows} rows (0: the stage's \
                     choice) than with one thread"
                ));
            }
        }
    }
    Ok(())
}

/// `determinism_test!(nebulise_is_deterministic, harness_expression);` makes a test of [`assert_deterministic`].
#[macro_export]
macro_rules! determinism_test {
    ($name:ident, $harness:expr) => {
        #[test]
        fn $name() {
            $crate::assert_deterministic(&$harness);
        }
    };
}

/// Digest of all outputs of a stage, as one short string: the golden value that guards `version()`.
///
/// `golden_test!(name, harness, version: 1, digest: "0123456789ab")` goes red when results change and the version did not.
#[must_use]
pub fn golden_digest(harness: &Harness) -> String {
    let digests = harness.run().expect("the stage runs").digests().expect("its products encode");
    let text: String = digests.iter().map(|(port, digest)| format!("{port}={digest};")).collect();
    Digest::of(text.as_bytes()).short()
}

/// See [`golden_digest`].
#[macro_export]
macro_rules! golden_test {
    ($name:ident, $harness:expr, version: $version:expr, digest: $digest:literal) => {
        #[test]
        fn $name() {
            let harness = $harness;
            assert_eq!(harness.version(), $version, "the version changed: write the new golden digest beside it");
            assert_eq!(
                $crate::golden_digest(&harness),
                $digest,
                "the result changed but version() did not: bump it if that was intended"
            );
        }
    };
}
