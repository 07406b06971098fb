//! Ctrl-C: once to finish what runs, twice to stop.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use skyloom_tests::{Ended, Place, with_verdict};

const GRAPH: &str = r#"(name: "slow", nodes: {
    "quick": (kind: "test.wait", params: (wait_ms: 1)),
    "slow": (kind: "test.wait", params: (wait_ms: 1500), inputs: {"table": "quick.table"}),
    "last": (kind: "test.wait", params: (wait_ms: 2), inputs: {"table": "slow.table"}),
    "file": (kind: "io.write_table", params: (format: parquet), inputs: {"table": "last.table"}),
}, outputs: {"last.parquet": "file.file"})"#;

fn place() -> Place {
    let place = Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"));
    place.write("slow.ron", GRAPH);
    place
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    assert!(sent.success());
}

/// Runs the graph and interrupts it so many times while the slow node runs. Also gives the time from there to the end.
fn interrupted(place: &Place, times: usize) -> (Ended, Duration) {
    let mut child = place
        .command(&["run", "slow.ron", "--out", "out", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while !(line.contains("node-started") && line.contains("\"slow\"")) {
        line.clear();
        assert!(stdout.read_line(&mut line).expect("text") > 0, "the slow node never started");
    }
    let start = Instant::now();
    for _ in 0..times {
        interrupt(&child);
        // Two signals at the same instant count as one.
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    let mut stderr = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
    let code = child.wait().expect("it ends").code();
    (Ended { code, stdout: rest, stderr }, start.elapsed())
}

#[test]
fn one_ctrl_c_finishes_what_runs_and_keeps_it() {
    let place = place();
    let (ended, _) = interrupted(&place, 1);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    for fact in [
        "finishing what runs; press Ctrl-C again to stop it",
        "finished: quick, slow",
        "blocked: last, file",
        "to continue: skyloom run slow.ron",
        "--out out",
    ] {
        assert!(ended.stderr.contains(fact), "{fact:?} is not in\n{}", ended.stderr);
    }
    let report = place.report("out");
    assert_eq!(report["status"], "cancelled");
    assert_eq!(with_verdict(&report, "ran"), ["quick", "slow"]);
    assert_eq!(with_verdict(&report, "blocked"), ["last", "file"]);
    assert!(!place.path("out/last.parquet").exists());

    let _ = place.run(&["run", "slow.ron", "--out", "out"]).ok();
    let report = place.report("out");
    assert_eq!(with_verdict(&report, "reused"), ["quick", "slow"]);
    assert_eq!(with_verdict(&report, "ran"), ["last", "file"]);
    assert!(place.path("out/last.parquet").is_file());
}

#[test]
fn a_second_ctrl_c_stops_what_runs() {
    let place = place();
    let (ended, took) = interrupted(&place, 2);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(took < Duration::from_millis(1200), "it took {took:?} of 1.5 s");
    assert!(ended.stderr.contains("to continue: skyloom run slow.ron"), "{}", ended.stderr);
    let report = place.report("out");
    assert_eq!(report["status"], "cancelled");
    assert_eq!(with_verdict(&report, "ran"), ["quick"]);
    assert_eq!(with_verdict(&report, "failed"), ["slow"]);

    let _ = place.run(&["run", "slow.ron", "--out", "out"]).ok();
    assert_eq!(with_verdict(&place.report("out"), "reused"), ["quick"]);
}
