//! The cache under attack: processes that are killed, bytes that flip, several processes at once, a collection beside a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use skyloom_engine::Digest;
use skyloom_tests::{Ended, Place, files, graph, sky};

type Files = Vec<(String, Vec<u8>)>;

/// One test at a time: kills at moments of a run need runs that always take the same time.
static TURN: Mutex<()> = Mutex::new(());

/// A place with a frame, and what the quicklook graph makes of it for some windows of the nebuliser.
struct Bench {
    place: Place,
    frame: String,
    references: BTreeMap<u32, Files>,
    /// Shortest time that a run with an empty cache took.
    shortest: Duration,
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    fn new(windows: &[u32]) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"));
        let frame = sky::write(&place.path("frame.fits"), sky::frame(7)).display().to_string();
        let mut bench = Self { place, frame, references: BTreeMap::new(), shortest: Duration::MAX, _turn: turn };
        for &window in windows {
            let out = format!("reference-{window}");
            let start = Instant::now();
            let _ = bench.run(window, &format!("cache-{window}"), &out, &[]).ok();
            bench.shortest = bench.shortest.min(start.elapsed());
            let made = files(&bench.place.path(&out));
            assert_eq!(made.len(), 7, "files of the graph");
            bench.references.insert(window, made);
        }
        bench
    }

    fn args(&self, window: u32, cache: &str, out: &str, more: &[&str]) -> Vec<String> {
        let graph = graph("quicklook.ron").display().to_string();
        let (frame, window) = (format!("frame={}", self.frame), format!("median_px={window}"));
        let args = ["run", &graph, "--set", &frame, "--set", &window, "--cache", cache, "--out", out];
        args.iter().chain(more).map(|&a| a.to_owned()).collect()
    }

    fn run(&self, window: u32, cache: &str, out: &str, more: &[&str]) -> Ended {
        let args = self.args(window, cache, out, more);
        self.place.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn start(&self, window: u32, cache: &str, out: &str) -> Child {
        let args = self.args(window, cache, out, &[]);
        self.place.start(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A run succeeds and its files are those of the reference, byte by byte.
    #[track_caller]
    fn completes(&self, window: u32, cache: &str, out: &str, more: &[&str]) {
        let _ = self.run(window, cache, out, more).ok();
        self.has_all(window, out);
    }

    #[track_caller]
    fn has_all(&self, window: u32, out: &str) {
        let made = files(&self.place.path(out));
        let names = |files: &Files| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&made), names(&self.references[&window]));
        for (made, reference) in made.iter().zip(&self.references[&window]) {
            assert!(made == reference, "{} differs from the reference", made.0);
        }
    }

    fn verify(&self, cache: &str) -> Ended {
        self.place.run(&["cache", "verify", "--cache", cache])
    }

    /// All artefacts of a cache.
    fn artefacts(&self, cache: &str) -> Vec<PathBuf> {
        walk(&self.place.path(cache).join("v1/artefacts"))
    }

    /// Every artefact is what its name says, and no file in the making is left.
    #[track_caller]
    fn is_sound(&self, cache: &str) {
        for path in self.artefacts(cache) {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let digest = Digest::of_file(&path).expect("it can be read").to_hex();
            assert!(name.starts_with(&digest), "{name} has the digest {digest}");
        }
        for folder in ["v1/tmp", "v1/live"] {
            let left = walk(&self.place.path(cache).join(folder));
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// All files below a folder, sorted.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[cfg(unix)]
#[test]
fn fifty_kills_at_random_moments_leave_nothing_half_made() {
    use std::os::unix::process::ExitStatusExt;
    const WINDOWS: [u32; 5] = [50, 60, 70, 80, 90];
    let bench = Bench::new(&WINDOWS);
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let (mut n_killed, mut n_rounds) = (0, 0);
    // Within what time a process is killed. The machine may have more to do now than when the runs were timed, or less.
    let mut reach = bench.shortest;
    // How far the killed processes came: artefacts that they made.
    let mut progress = Vec::new();
    while n_killed < 50 {
        let round = n_rounds;
        n_rounds += 1;
        assert!(n_rounds < 150, "only {n_killed} of {n_rounds} processes were still running");
        // A new cache every five rounds; within five rounds it fills, and every round has work of its own.
        let cache = format!("cache-of-{}", round / 5);
        let out = format!("out-of-{}", round / 5);
        let window = WINDOWS[round % 5];
        // Who is finished by then does not count.
        let before = bench.artefacts(&cache).len();
        let moment = reach.mul_f64(rng.random_range(0.0..1.0));
        let mut child = bench.start(window, &cache, &out);
        std::thread::sleep(moment);
        child.kill().expect("a signal can be sent");
        let status = child.wait().expect("it ends");
        if status.signal() == Some(9) {
            n_killed += 1;
            progress.push(bench.artefacts(&cache).len() - before);
            reach = reach.mul_f64(1.05).min(bench.shortest);
        } else {
            reach = reach.mul_f64(0.8);
        }

        // Whatever has its final name already is complete: of this round, or left from the one before.
        let folder = bench.place.path(&out);
        for (name, bytes) in if folder.exists() { files(&folder) } else { Vec::new() } {
            let is_known = bench.references.values().any(|r| r.contains(&(name.clone(), bytes.clone())));
            assert!(is_known || name.starts_with('.'), "{name} is half made after round {round}");
        }
        bench.completes(window, &cache, &out, &[]);
        bench.is_sound(&cache);
        if round % 5 == 4 {
            let _ = bench.verify(&cache).ok();
        }
    }
    // The moments spread over a run: some before the first artefact, some after most of them.
    println!("{n_killed} kills in {n_rounds} rounds, runs of {:?}, new artefacts {progress:?}", bench.shortest);
    assert!(progress.contains(&0) && progress.iter().any(|n| *n > 10), "new artefacts before each kill: {progress:?}");
}

#[test]
fn a_flipped_byte_is_named_and_what_needs_it_is_made_again() {
    let bench = Bench::new(&[90]);
    let cache = "cache-90";
    let report = bench.place.report("reference-90");
    let nodes = report["nodes"].as_array().expect("nodes");
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let artefacts = bench.artefacts(cache);
    assert!(artefacts.len() >= 15, "{} artefacts", artefacts.len());
    for (i, path) in artefacts.iter().enumerate() {
        let mut bytes = std::fs::read(path).expect("it can be read");
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        std::fs::write(path, &bytes).expect("it can be written");

        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let verified = bench.verify(cache);
        assert_eq!(verified.code, Some(1), "{}", verified.stderr);
        assert!(verified.stdout.contains(&name) && verified.stdout.contains("1 damaged"), "{}", verified.stdout);

        // Forcing a node that reads the artefact makes a run need it; what nothing reads is a file for the user.
        let digest = name.split('.').next().unwrap_or_default();
        let sources: Vec<String> = nodes
            .iter()
            .flat_map(|n| n["outputs"].as_object().expect("outputs").iter().map(move |(port, d)| (n, port, d)))
            .filter(|(_, _, d)| *d == digest)
            .map(|(n, port, _)| format!("{}.{port}", n["name"].as_str().expect("a name")))
            .collect();
        assert!(!sources.is_empty(), "nobody made {name}");
        let reads = |n: &serde_json::Value| {
            let inputs = n["inputs"].as_object().expect("inputs");
            inputs.values().flat_map(|s| s.as_array().expect("sources")).any(|s| sources.iter().any(|o| s == o))
        };
        let reader = nodes.iter().find(|n| reads(n)).map(|n| n["name"].as_str().expect("a name"));
        let force: Vec<&str> = reader.iter().flat_map(|n| ["--force", n]).collect();
        bench.completes(90, cache, &format!("out-{i}"), &force);
        let healed = bench.verify(cache);
        let is_unread = reader.is_none() && healed.code == Some(1);
        assert!(healed.code == Some(0) || is_unread, "{sources:?}: {}", healed.stdout);
        if is_unread {
            // Nothing needs it: neither a node nor the user. A run that makes its node again replaces it.
            let maker = sources[0].split('.').next().unwrap_or_default();
            bench.completes(90, cache, &format!("out-{i}"), &["--force", maker]);
            let _ = bench.verify(cache).ok();
        }
    }
    bench.is_sound(cache);
}

#[test]
fn two_processes_share_one_store() {
    let bench = Bench::new(&[80, 90]);
    for round in 0..6 {
        let cache = format!("shared-{}", round / 2);
        // Odd rounds: different work in a store that is filled already.
        let windows = if round % 2 == 0 { [90, 90] } else { [80, 90] };
        let outs = [format!("a-{round}"), format!("b-{round}")];
        let mut children = [bench.start(windows[0], &cache, &outs[0]), bench.start(windows[1], &cache, &outs[1])];
        for child in &mut children {
            assert!(child.wait().expect("it ends").success());
        }
        for (window, out) in windows.iter().zip(&outs) {
            bench.has_all(*window, out);
        }
        bench.is_sound(&cache);
    }
}

#[test]
fn a_collection_beside_a_run_takes_nothing_from_it() {
    let bench = Bench::new(&[70, 80, 90]);
    let is_over = AtomicBool::new(false);
    let collect = || {
        let mut n_removed = 0_usize;
        let mut round = 0;
        while !is_over.load(Ordering::SeqCst) {
            let size = ["0", "200KiB", "1MiB"][round % 3];
            let mut gc = bench.place.command(&["cache", "gc", "--cache", "shared", "--max-size", size, "--json"]);
            let output = gc.stderr(Stdio::piped()).output().expect("it starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            n_removed += report["removed"].as_array().expect("a list").len();
            round += 1;
        }
        (n_removed, round)
    };
    let (n_removed, n_collections) = std::thread::scope(|scope| {
        let collector = scope.spawn(collect);
        let runs = scope.spawn(|| {
            for round in 0..9_usize {
                bench.completes([90, 80, 70][round % 3], "shared", &format!("out-{round}"), &[]);
            }
        });
        let outcome = runs.join();
        is_over.store(true, Ordering::SeqCst);
        outcome.expect("every run completes");
        collector.join().expect("every collection succeeds")
    });
    assert!(n_removed > 0 && n_collections > 9, "{n_removed} files in {n_collections} collections");
    let _ = bench.verify("shared").ok();
    bench.is_sound("shared");
}
