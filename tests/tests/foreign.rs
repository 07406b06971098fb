//! Programs as stages: those that behave, those that do not, and what is left of them.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use skyloom_data::fits;
use skyloom_tests::{Ended, Place, repository, sky, with_verdict};

const GRAPH: &str = r#"(
    name: "foreign",
    plugins: ["tools"],
    params: {"what": "well", "note": ""},
    nodes: {
        "frame": (kind: "io.read_image", params: (path: "frame.fits")),
        "program": (kind: "test.program", params: (what: "{what}", note: "{note}"), inputs: {"image": "frame.image"}),
        "after": (kind: "io.write_image", params: (include_mask: false), inputs: {"image": "program.image"}),
        "rows": (kind: "io.write_table", params: (format: csv), inputs: {"table": "program.table"}),
        "other": (kind: "io.write_image", inputs: {"image": "frame.image"}),
    },
    outputs: {"after.fits": "after.file", "rows.csv": "rows.file", "other.fits": "other.file"},
)"#;

/// A place with the graph, a frame and the program of the fixtures, whose descriptor is changed as told.
fn place(changes: &[(&str, &str)]) -> Place {
    let place = Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"));
    place.write("graph.ron", GRAPH);
    sky::write(&place.path("frame.fits"), sky::frame(7));
    std::fs::create_dir(place.path("tools")).expect("a folder");
    let mut descriptor = fixture("program.stage.ron");
    for (old, new) in changes {
        assert!(descriptor.contains(old), "{old} is not in the descriptor");
        descriptor = descriptor.replace(old, new);
    }
    place.write("tools/program.stage.ron", &descriptor);
    place.write("tools/program.py", &fixture("program.py"));
    place
}

fn fixture(name: &str) -> String {
    let path = repository().join("tests/fixtures/foreign").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn run(place: &Place, what: &str) -> Ended {
    let (what, note) = (format!("what={what}"), format!("note={}", place.path("note").display()));
    place.run(&["run", "graph.ron", "--out", "out", "--set", &what, "--set", &note])
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

fn node<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["nodes"].as_array().expect("a list").iter().find(|n| n["name"] == name).expect("the node")
}

/// Whether a process runs; one that has ended and that nobody has asked about does not.
fn is_running(pid: &str) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().expect("ps starts");
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

/// None of the processes that the program noted is left.
#[track_caller]
fn nothing_runs(place: &Place) {
    let note = std::fs::read_to_string(place.path("note")).expect("the program noted its processes");
    let pids: Vec<&str> = note.lines().collect();
    assert_eq!(pids.len(), 4, "{note}");
    let left: Vec<&&str> = pids.iter().filter(|pid| is_running(pid)).collect();
    assert!(left.is_empty(), "left running: {left:?}");
}

/// The node failed with these words; nothing of it was kept, and the other branch is finished.
#[track_caller]
fn failed(place: &Place, ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in\n{}", ended.stderr);
    }
    let report = place.report("out");
    assert_eq!(with_verdict(&report, "failed"), ["program"]);
    assert_eq!(with_verdict(&report, "blocked"), ["after", "rows"]);
    assert_eq!(with_verdict(&report, "ran"), ["frame", "other"]);
    assert!(place.path("out/other.fits").is_file() && !place.path("out/after.fits").exists());
    // The store holds what the other nodes made, nothing else, and no file in the making.
    let store = place.path("cache/v1");
    let mut known: Vec<String> = Vec::new();
    for made in ["frame", "other"] {
        let outputs = node(&report, made)["outputs"].as_object().expect("outputs");
        known.extend(outputs.values().map(|digest| digest.as_str().expect("a digest").to_owned()));
    }
    for path in walk(&store.join("artefacts")) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(known.iter().any(|digest| name.starts_with(digest)), "{name} is in the store");
    }
    for folder in ["tmp", "live"] {
        let left = walk(&store.join(folder));
        assert!(left.is_empty(), "left behind: {left:?}");
    }
    let plan = place.run(&["plan", "graph.ron", "--out", "out", "--json"]).ok().stdout;
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!(node(&plan, "program")["verdict"], "run");
}

#[test]
fn programs_that_hang_are_stopped_with_their_children() {
    // A program that does not hear SIGTERM gets SIGKILL two seconds later.
    let took = [("hang", 2.0), ("deaf", 4.0)].map(|(what, at_least)| {
        let place = place(&[("time_limit_s: 60", "time_limit_s: 2")]);
        let ended = run(&place, what);
        failed(&place, &ended, 5, &["was stopped: it did not end within 2 s", "time_limit_s"]);
        nothing_runs(&place);
        let took = node(&place.report("out"), "program")["wall_s"].as_f64().expect("seconds");
        assert!(took >= at_least, "{what}: {took} s");
        took
    });
    assert!(took[0] < took[1], "{took:?}");
}

#[test]
fn programs_that_fail_say_how() {
    let cases: [(&str, i32, &[&str]); 8] = [
        (
            "crash",
            70,
            &["`python3 program.py` crashed: signal 11 (SIGSEGV) ended it", "| about to fall", "program.stderr.txt"],
        ),
        ("traceback", 70, &["crashed: it ended with exit code 1", "| RuntimeError: the sky is falling"]),
        ("memory", 5, &["out of memory", "memory_limit"]),
        ("code 11", 1, &["cannot use its input (exit code 11): so it is"]),
        ("code 12", 3, &["cannot use its parameters (exit code 12): so it is"]),
        ("code 13", 5, &["lacks memory, disk or time (exit code 13): so it is"]),
        ("code 14", 4, &["cannot read or write a file (exit code 14): so it is"]),
        ("late failure", 70, &["exit code 3; it printed nothing"]),
    ];
    for (what, code, words) in cases {
        // Memory can be limited on Linux alone.
        if what == "memory" && !cfg!(target_os = "linux") {
            continue;
        }
        let place = place(&[]);
        failed(&place, &run(&place, what), code, words);
    }
}

#[test]
fn outputs_that_break_their_promises_are_refused() {
    let cases: [(&str, &[&str]); 8] = [
        (
            "nothing",
            &["output \"image\": the program ended well, but wrote no out/image.fits", "wrote no out/table.fits"],
        ),
        ("folder", &["output \"image\": out/image.fits is no plain file"]),
        ("pipe", &["output \"image\": out/image.fits is no plain file"]),
        ("half", &["output \"image\": found ", "ends early"]),
        ("garbage", &["a file that begins with \"not FITS at all\""]),
        ("shape", &["an image of 3 x 2 pixels, promised is the shape of \"image\", 300 x 260"]),
        ("infinite", &["1 pixels are not finite"]),
        ("column", &["columns that are not promised: m", "column \"n\": is promised and not there"]),
    ];
    for (what, words) in cases {
        let place = place(&[]);
        let words: Vec<&str> = [&["broke the promises of tools/program.stage.ron"], words].concat();
        failed(&place, &run(&place, what), 70, &words);
    }
}

#[test]
fn nothing_to_do_is_no_failure() {
    let place = place(&[]);
    let _ = run(&place, "code 10").ok();
    let report = place.report("out");
    assert_eq!(report["status"], "succeeded");
    assert_eq!(with_verdict(&report, "blocked"), ["after", "rows"]);
    assert!(node(&report, "program")["reason"].as_str().expect("a reason").contains("nothing to do"));
}

#[test]
fn children_that_outlive_their_program_are_ended() {
    // Those of the second leave the process group; they can be found on Linux alone.
    let cases: &[&str] = if cfg!(target_os = "linux") { &["children", "strays"] } else { &["children"] };
    for what in cases {
        let place = place(&[]);
        let _ = run(&place, what).ok();
        nothing_runs(&place);
        assert!(place.path("out/after.fits").is_file());
    }
}

#[test]
fn what_a_program_prints_is_kept_up_to_a_size() {
    let place = place(&[]);
    let _ = run(&place, "chatter").ok();
    for name in ["stdout", "stderr"] {
        let text = std::fs::read_to_string(place.path(&format!("out/logs/program.{name}.txt"))).expect("a log");
        assert_eq!(text, format!("begin\n{}\nlast words\n", "x".repeat(1 << 20)));
    }
    assert_eq!(node(&place.report("out"), "program")["logs"].as_array().map(Vec::len), Some(2));
    let _ = run(&place, "flood").ok();
    let log = std::fs::read_to_string(place.path("out/logs/program.stdout.txt")).expect("a log");
    assert!(log.len() < (4 << 20) + 100 && log.contains("bytes are left out here"), "{} bytes", log.len());
    assert!(!place.path("out/logs/program.stderr.txt").exists(), "that of the run before");
}

#[test]
fn messages_are_passed_on_and_the_rest_is_log() {
    let place = place(&[]);
    let ended = place.run(&["run", "graph.ron", "--out", "out", "--set", "what=talk", "--json"]).ok();
    let events: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let progress = events.iter().find(|e| e["event"] == "node-progress" && e["node"] == "program" && e["done"] == 1);
    assert_eq!(progress.map(|p| (&p["unit"], &p["total"])), Some((&"rows".into(), &2.into())));
    let report = place.report("out");
    let program = node(&report, "program");
    assert_eq!(program["warnings"], serde_json::json!(["it is dim"]));
    assert_eq!(program["metrics"], serde_json::json!([["seeing", 0.75]]));
    let log = std::fs::read_to_string(place.path("out/logs/program.stdout.txt")).expect("a log");
    assert_eq!(log, "plain words\n");
    let rows = std::fs::read_to_string(place.path("out/rows.csv")).expect("the rows");
    assert_eq!(rows.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>(), ["n", "1", "2", "3"]);
}

#[test]
fn parameters_arrive_as_text_and_the_environment_is_what_was_declared() {
    let place = place(&[]);
    let name = "seen; rm -rf x $(touch pwned) `touch pwned` && touch pwned | \"'\\ {{é}}.json";
    let note = place.path(&name.replace("{{", "{").replace("}}", "}"));
    std::fs::create_dir(place.path("x")).expect("a folder");
    let set = format!("note={:?}", place.path(name).display().to_string());
    let output = place
        .command(&["run", "graph.ron", "--out", "out", "--set", "what=inspect", "--set", &set])
        .env("DECLARED", "yes; no")
        .env("UNDECLARED", "no")
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen = std::fs::read_to_string(&note).expect("the file has exactly the name that was given");
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(seen["job"]["params"]["note"], note.display().to_string());
    let pwned: Vec<PathBuf> = walk(&place.path("")).into_iter().filter(|p| p.ends_with("pwned")).collect();
    assert!(pwned.is_empty() && place.path("x").is_dir(), "{pwned:?}");

    let folder = seen["folder"].as_str().expect("a folder");
    let environment = seen["environment"].as_object().expect("a map");
    // Python itself adds LC_CTYPE where there is no locale; a shell script in its place, as pyenv has it, adds more.
    let added = ["LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_"];
    let is_added = |name: &str| added.contains(&name) || name.starts_with("PYENV_");
    let mut names: Vec<&str> = environment.keys().map(String::as_str).filter(|n| !is_added(n)).collect();
    names.sort_unstable();
    assert_eq!(names, ["DECLARED", "PATH", "SKYLOOM_JOB", "TMPDIR"]);
    assert_eq!((&environment["DECLARED"], &environment["SKYLOOM_JOB"]), (&"yes; no".into(), &folder.into()));
    let job = &seen["job"];
    assert_eq!(seen["arguments"][1], format!("{folder}/job.json"));
    assert_eq!((&job["protocol"], &job["kind"], &job["version"]), (&1.into(), &"test.program".into(), &1.into()));
    assert_eq!(job["inputs"]["image"]["path"], format!("{folder}/in/image.fits"));
    assert_eq!(job["outputs"]["table"]["path"], format!("{folder}/out/table.fits"));
    assert_eq!(job["memory_bytes"], 1_u64 << 30);
    assert!(job["threads"].as_u64() > Some(0) && job["seed"].as_u64() < Some(1 << 53));
    assert!(!Path::new(folder).exists(), "the job's folder is left");
}

#[test]
fn only_what_changed_runs_again() {
    let place = place(&[]);
    let _ = run(&place, "well").ok();
    let report = place.report("out");
    assert_eq!(with_verdict(&report, "ran"), ["frame", "program", "after", "rows", "other"]);
    let (made, frame) = (place.path("out/after.fits"), place.path("out/other.fits"));
    assert_eq!(std::fs::read(made).expect("a file"), std::fs::read(frame).expect("a file"));
    let reuses = |why: &str| {
        let _ = run(&place, "well").ok();
        assert_eq!(with_verdict(&place.report("out"), "ran"), Vec::<String>::new(), "{why}");
    };
    let reruns = |what: &str, reason: &str| {
        let _ = run(&place, what).ok();
        assert_eq!(with_verdict(&place.report("out"), "ran"), ["program"], "{reason}");
        let why = place.run(&["why", "program"]).ok().stdout;
        assert!(why.contains(reason), "{reason:?} is not in\n{why}");
    };
    reuses("nothing changed");
    let (script, descriptor) = (fixture("program.py"), fixture("program.stage.ron"));
    place.write("tools/program.py", &format!("{script}\n# more\n"));
    reruns("well", "file program.py: its content changed");
    place.write("tools/program.py", &script);
    reuses("the script is what it was");
    reruns("chatter", "params.what was \"well\", is \"chatter\"");
    place.write("tools/program.stage.ron", &descriptor.replace("version: 1", "version: 2"));
    reruns("well", "version of the stage was 1, is 2");
    place.write("tools/program.stage.ron", &descriptor.replace("finite: true", "finite: false"));
    reruns("well", "file descriptor (ports): its content changed");
    let same = descriptor.replace("as it is told", "as told").replace("time_limit_s: 60", "time_limit_s: 50");
    place.write("tools/program.stage.ron", &same);
    reuses("neither documentation nor limits change a result");

    // The report repeats the run, from anywhere.
    std::fs::create_dir(place.path("elsewhere")).expect("a folder");
    let mut again = place.command(&["run", "../out/run.json", "--out", "again"]);
    let again = again.current_dir(place.path("elsewhere")).output().expect("it starts");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(with_verdict(&place.report("elsewhere/again"), "ran"), Vec::<String>::new());

    // Another place of the same files is the same.
    std::fs::rename(place.path("tools"), place.path("moved")).expect("it can be moved");
    place.write("graph.ron", &GRAPH.replace("plugins: [\"tools\"],", ""));
    let note = format!("note={}", place.path("note").display());
    let _ = place.run(&["run", "graph.ron", "--out", "out", "--set", &note, "--plugins", "moved"]).ok();
    assert_eq!(with_verdict(&place.report("out"), "ran"), Vec::<String>::new());
}

/// Starts a run whose program sleeps, and returns when it does.
fn sleeping(place: &Place, what: &str) -> std::process::Child {
    let (what, note) = (format!("what={what}"), format!("note={}", place.path("note").display()));
    let args = ["run", "graph.ron", "--out", "out", "--set", &what, "--set", &note];
    let child = place.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let start = Instant::now();
    while std::fs::read_to_string(place.path("note")).map_or(0, |text| text.lines().count()) < 4 {
        assert!(start.elapsed() < Duration::from_secs(30), "the program never started");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill starts");
    assert!(sent.success());
}

#[test]
fn ctrl_c_twice_stops_the_program_and_the_next_run_goes_on() {
    let place = place(&[]);
    let mut child = sleeping(&place, "hang");
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("a child").is_none(), "the first finishes what runs");
    signal(&child, "-INT");
    let lines: Vec<String> =
        BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{lines:?}");
    nothing_runs(&place);
    assert_eq!(with_verdict(&place.report("out"), "failed"), ["program"]);
    assert!(walk(&place.path("cache/v1/tmp")).is_empty());
    let _ = run(&place, "well").ok();
    let report = place.report("out");
    assert!(with_verdict(&report, "reused").contains(&"frame".to_owned()));
    assert!(with_verdict(&report, "ran").contains(&"program".to_owned()));
}

#[test]
fn whoever_ends_skyloom_ends_its_programs() {
    for (signals, code) in [(&["-TERM"][..], None), (&["-INT", "-INT", "-INT"], Some(130))] {
        // One that does not listen: the third Ctrl-C waits for nobody.
        let place = place(&[]);
        let mut child = sleeping(&place, "deaf");
        for name in signals {
            signal(&child, name);
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(child.wait().expect("it ends").code(), code);
        std::thread::sleep(Duration::from_millis(200));
        nothing_runs(&place);
    }
}

#[test]
fn problems_are_found_before_anything_runs() {
    let place = place(&[]);
    let check = |graph: &str, more: &[&str]| -> Vec<String> {
        place.write("wrong.ron", graph);
        let args = [&["check", "wrong.ron", "--json"], more].concat();
        let ended = place.run(&args);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let problems: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let list = problems["problems"].as_array().expect("a list");
        let text = |p: &Value, key: &str| p[key].as_str().expect("text").to_owned();
        list.iter()
            .map(|p| {
                format!("{}:{}:{} {} {}", text(p, "file"), p["line"], p["column"], text(p, "code"), text(p, "found"))
            })
            .map(|p| p.replace(&place.path("").display().to_string(), ""))
            .collect()
    };
    // Parameters and wires are checked like those of any stage.
    let wrong = GRAPH
        .replace("what: \"{what}\"", "what: 3, whatt: \"x\"")
        .replace("{\"image\": \"frame.image\"}),\n        \"after\"", "{}),\n        \"after\"");
    assert_eq!(
        check(&wrong, &[]),
        [
            "wrong.ron:7:9 missing-input nothing",
            "wrong.ron:7:58 wrong-type 3",
            "wrong.ron:7:61 unknown-parameter unknown parameter \"whatt\"",
        ]
    );
    // A folder that is not there, at the place where it is named; one without descriptors; one of the command line.
    std::fs::create_dir(place.path("empty")).expect("a folder");
    let wrong = GRAPH.replace("[\"tools\"]", "[\"tools\", \"nowhere\", \"empty\", \"graph.ron\"]");
    assert_eq!(
        check(&wrong, &["--plugins", "gone"]),
        [
            "wrong.ron:3:24 missing-file no such file or folder (nowhere)",
            "wrong.ron:3:35 no-descriptor a folder without any (empty)",
            "wrong.ron:3:44 not-a-descriptor another file (graph.ron)",
            "--plugins:1:1 missing-file no such file or folder (gone)",
        ]
    );
    // A kind that is there already, and a descriptor with faults.
    let descriptor = fixture("program.stage.ron");
    place.write("tools/twin.stage.ron", &descriptor);
    place.write(
        "tools/zero.stage.ron",
        &descriptor.replace("\"well\"", "3").replace("kind: \"test.program\"", "kind: \"io.read_image\""),
    );
    assert_eq!(
        check(GRAPH, &[]),
        [
            "tools/twin.stage.ron:2:11 duplicate-kind kind \"test.program\", which tools/program.stage.ron brings too",
            "tools/zero.stage.ron:11:39 wrong-type 3: Expected string",
        ]
    );
    std::fs::remove_file(place.path("tools/twin.stage.ron")).expect("a file");
    std::fs::remove_file(place.path("tools/zero.stage.ron")).expect("a file");
    // A program that is not there.
    let needy = descriptor.replace("time_limit_s", "requires: [\"not-there\"], install: \"build it\", time_limit_s");
    place.write("tools/program.stage.ron", &needy);
    assert_eq!(
        check(GRAPH, &[]),
        ["wrong.ron:7:51 missing-program no program \"not-there\", which test.program needs"]
    );
    assert!(place.run(&["check", "wrong.ron"]).stderr.contains("build it"));
}

#[test]
fn kinds_of_descriptors_are_shown_like_others() {
    let place = place(&[]);
    let list = place.run(&["stages", "list", "--plugins", "tools"]).ok().stdout;
    assert!(list.lines().any(|l| l.starts_with("test.program ") && l.contains("program.stage.ron 1")), "{list}");
    let foreign = repository().join("examples/foreign").display().to_string();
    let shown = place.run(&["stages", "show", "sextractor.detect", "--plugins", &foreign]).ok().stdout;
    for fact in [
        "threshold_sigma: number, in sigma, greater than 0 and at most 1000, default 1.5",
        "- gauss: Gaussian of",
        "image        image",
    ] {
        assert!(shown.contains(fact), "{fact:?} is not in\n{shown}");
    }
    let missing = place.run(&["stages", "list", "--plugins", "nowhere"]);
    assert_eq!(missing.code, Some(3));
    // An overlay brings a kind of its own to a graph, and the graph's tests see it too.
    place.write(
        "plain.ron",
        &GRAPH.replace("plugins: [\"tools\"],", "").replace("outputs:", "tests: [(name: \"t\", doc: \"d\")], outputs:"),
    );
    place.write("over.ron", "(plugins: [\"tools/program.stage.ron\"])");
    let _ = place.run(&["check", "plain.ron", "--overlay", "over.ron"]).ok();
    let _ = place.run(&["test", "plain.ron", "--overlay", "over.ron"]).ok();
    assert_eq!(place.run(&["check", "plain.ron"]).code, Some(3));
}

/// Whether this Python has these modules. CI has them; elsewhere the test says that it skips.
fn has_modules(modules: &str) -> bool {
    let found = Command::new("python3").args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
    let is_there = found.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: python3 has not all of {modules}");
    }
    is_there
}

fn example(name: &str) -> String {
    repository().join("examples/foreign").join(name).display().to_string()
}

#[test]
fn the_python_example_sharpens_and_is_cached() {
    if !has_modules("astropy, numpy, scipy") {
        return;
    }
    let place = place(&[]);
    let args =
        ["run", &example("unsharp.ron"), "--set", "frame=frame.fits", "--set", "frame.saturation=5", "--out", "out"];
    let _ = place.run(&args).ok();
    let (before, after) = (
        fits::read_image(&place.path("frame.fits"), &fits::ReadOptions::default()),
        fits::read_product(&place.path("out/sharp.fits")),
    );
    let (before, after) = (before.expect("the frame").image, after.expect("an image of our layout"));
    assert_eq!(before.pixels.dim(), after.pixels.dim());
    // Facts pass through.
    assert_eq!((after.meta.band.as_deref(), after.meta.zero_point), (Some("r"), Some(22.5)));
    let (at, _) =
        before.pixels.indexed_iter().fold(((0, 0), f32::MIN), |best, (at, &v)| if v > best.1 { (at, v) } else { best });
    assert!(after.pixels[at] > 1.3 * before.pixels[at], "{} from {}", after.pixels[at], before.pixels[at]);
    let _ = place.run(&args).ok();
    assert_eq!(with_verdict(&place.report("out"), "ran"), Vec::<String>::new());
}

#[test]
fn the_sextractor_example_finds_the_stars() {
    let has_program = Command::new("source-extractor").arg("--version").output().is_ok();
    if !has_program {
        eprintln!("SKIPPED: source-extractor is not installed");
        let ended = place(&[]).run(&["check", &example("sextractor.ron")]);
        assert!(ended.stderr.contains("apt-get install source-extractor"), "{}", ended.stderr);
        return;
    }
    if !has_modules("astropy, numpy") {
        return;
    }
    let place = place(&[]);
    let args = ["run", &example("sextractor.ron"), "--set", "frame=frame.fits", "--out", "out"];
    let _ = place.run(&args).ok();
    let report = place.report("out");
    let metrics = &node(&report, "sources")["metrics"];
    let n = metrics[0][1].as_f64().expect("a number of sources");
    assert!((30.0..60.0).contains(&n), "{metrics} of 40 stars and a cluster");
    let _ = place.run(&args).ok();
    assert_eq!(with_verdict(&place.report("out"), "ran"), Vec::<String>::new());
}
