//! What runs and what is reused, as lists; failures, cancels, damage.
#![allow(missing_docs)]

mod toys;

use std::sync::Arc;

use skyloom_engine::{ErrorClass, Interrupt, PlanOptions, PlannedVerdict, RunOptions, RunReport, RunStatus, Verdict};
use toys::{Bench, Log};

const CHAIN: &str = r#"(
    name: "chain",
    nodes: {
        "read": (kind: "toy.read", params: (path: "number.txt")),
        "half": (kind: "toy.halve", params: (), inputs: {"value": "read.value"}),
        "sum":  (kind: "toy.add", params: (constant: 1), inputs: {"values": ["half.value", "read.value"]}),
        "last": (kind: "toy.add", params: (constant: 10), inputs: {"values": ["sum.value"]}),
    },
    outputs: {"answer.txt": "last.value"},
)"#;

fn ran(report: &RunReport) -> Vec<&str> {
    report.with_verdict(Verdict::Ran)
}

fn bench(number: &str) -> Bench {
    let bench = Bench::new();
    bench.write("number.txt", number);
    bench
}

#[test]
fn a_second_run_runs_nothing() {
    let bench = bench("6");
    let first = bench.run(CHAIN);
    assert_eq!(ran(&first), ["read", "half", "sum", "last"]);
    assert_eq!(first.node("read").unwrap().reason, "never run before");
    assert_eq!(std::fs::read_to_string(bench.out().join("answer.txt")).unwrap(), "20");
    let second = bench.run(CHAIN);
    assert_eq!(ran(&second), [""; 0]);
    assert_eq!(second.with_verdict(Verdict::Reused).len(), 4);
    assert!(!second.files[0].is_new);
}

#[test]
fn a_changed_parameter_reruns_the_node_and_what_depends_on_it() {
    let bench = bench("6");
    let _ = bench.run(CHAIN);
    let changed = CHAIN.replace("constant: 1)", "constant: 2)");
    let plan = bench.plan(&changed, PlanOptions::default());
    let planned: Vec<_> =
        plan.nodes().iter().filter(|n| n.verdict == PlannedVerdict::Run).map(|n| n.name.clone()).collect();
    let report = bench.run(&changed);
    assert_eq!(ran(&report), ["sum", "last"]);
    assert_eq!(planned, ran(&report));
    assert_eq!(report.node("sum").unwrap().reasons, ["params.constant was 1, is 2"]);
    assert_eq!(report.node("last").unwrap().reasons, ["input values changed: produced by sum.value"]);
}

#[test]
fn an_equal_product_stops_the_change() {
    let bench = bench("6");
    let _ = bench.run(CHAIN);
    bench.write("number.txt", "6 with a comment");
    let report = bench.run(CHAIN);
    assert_eq!(ran(&report), ["read"]);
    assert_eq!(report.node("read").unwrap().reasons, ["file path: its content changed"]);
    assert_eq!(report.node("half").unwrap().reason, "same content of all inputs");
    // Halves of 6 and 7 are equal, but the sum reads the number too.
    bench.write("number.txt", "7");
    assert_eq!(ran(&bench.run(CHAIN)), ["read", "half", "sum", "last"]);
}

#[test]
fn deleted_intermediates_are_not_missed() {
    let bench = bench("6");
    let _ = bench.run(CHAIN);
    for artefact in bench.artefacts() {
        std::fs::remove_file(artefact).unwrap();
    }
    assert_eq!(ran(&bench.run(CHAIN)), [""; 0], "the file is in the output folder already");
    let changed = CHAIN.replace("constant: 10)", "constant: 11)");
    let report = bench.run(&changed);
    assert_eq!(ran(&report), ["read", "half", "sum", "last"], "the last node reads them, so they are made again");
    assert_eq!(report.node("sum").unwrap().reasons, ["its artefact is gone or damaged, and last needs it"]);
}

#[test]
fn a_new_output_folder_is_filled_from_the_store() {
    let bench = bench("6");
    let _ = bench.run(CHAIN);
    std::fs::remove_dir_all(bench.out()).unwrap();
    let report = bench.run(CHAIN);
    assert_eq!(ran(&report), [""; 0]);
    assert_eq!(std::fs::read_to_string(bench.out().join("answer.txt")).unwrap(), "20");
    // Even a file that somebody changed is put right.
    std::fs::write(bench.out().join("answer.txt"), "21").unwrap();
    assert!(bench.run(CHAIN).files[0].is_new);
    assert_eq!(std::fs::read_to_string(bench.out().join("answer.txt")).unwrap(), "20");
}

#[test]
fn a_damaged_artefact_is_made_again_when_it_is_needed() {
    let bench = bench("6");
    let _ = bench.run(CHAIN);
    for artefact in bench.artefacts() {
        let mut bytes = std::fs::read(&artefact).unwrap();
        bytes[0] ^= 1;
        std::fs::write(&artefact, bytes).unwrap();
    }
    let report = bench.run(&CHAIN.replace("constant: 10)", "constant: 11)"));
    assert_eq!(report.status, RunStatus::Succeeded);
    assert_eq!(std::fs::read_to_string(bench.out().join("answer.txt")).unwrap(), "21");
    assert!(!report.warnings.is_empty(), "damage is said aloud");
}

#[test]
fn a_late_input_is_as_good_as_any() {
    let late = CHAIN.replace("(constant: 1)", "(constant: 1, is_late: true)").replace("10)", "10, is_late: true)");
    // Without memory to spare they are read one by one.
    for memory_budget in [0, u64::MAX] {
        let options = RunOptions { memory_budget, ..RunOptions::default() };
        let bench = bench("6");
        let _ = bench.run_with(&late, &options);
        assert_eq!(std::fs::read_to_string(bench.out().join("answer.txt")).unwrap(), "20");
        // Its artefacts are gone: the stage finds out while it runs, and runs again.
        for artefact in bench.artefacts() {
            std::fs::write(&artefact, "?").unwrap();
        }
        let report = bench.run_with(&late.replace("10,", "11,"), &options);
        assert_eq!(report.status, RunStatus::Succeeded);
        assert_eq!(std::fs::read_to_string(bench.out().join("answer.txt")).unwrap(), "21");
        assert!(report.warnings.iter().any(|w| w.to_string().contains("made again")), "{:?}", report.warnings);
    }
}

#[test]
fn a_renamed_node_reruns_nothing() {
    let bench = bench("6");
    let _ = bench.run(CHAIN);
    let renamed = CHAIN.replace("\"sum\"", "\"total\"").replace("sum.value", "total.value");
    assert_eq!(ran(&bench.run(&renamed)), [""; 0]);
}

#[test]
fn a_forced_node_runs_and_an_equal_result_stops_there() {
    let bench = bench("6");
    let _ = bench.run(CHAIN);
    let options = PlanOptions { out: Some(bench.out()), force: vec!["half".into()], until: vec![] };
    let report = bench.plan(CHAIN, options).run(&RunOptions::default()).unwrap();
    assert_eq!(ran(&report), ["half"]);
    assert_eq!(report.node("half").unwrap().reason, "forced");
}

#[test]
fn until_leaves_the_rest_alone() {
    let bench = bench("6");
    let options = PlanOptions { out: Some(bench.out()), force: vec![], until: vec!["half".into()] };
    let report = bench.plan(CHAIN, options).run(&RunOptions::default()).unwrap();
    assert_eq!(ran(&report), ["read", "half"]);
    assert!(report.node("last").is_none());
}

fn troubled(how: &str) -> String {
    CHAIN.replace(
        "\"sum\":  (kind: \"toy.add\", params: (constant: 1), inputs: {\"values\": [\"half.value\", \"read.value\"]})",
        &format!("\"sum\": (kind: \"toy.fail\", params: (how: {how}), inputs: {{\"values\": [\"half.value\"]}}), \"other\": (kind: \"toy.add\", params: (constant: 5), inputs: {{\"values\": [\"half.value\"]}})"),
    )
}

#[test]
fn a_failure_blocks_only_what_depends_on_it() {
    let bench = bench("6");
    let report = bench.run(&troubled("data"));
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(ran(&report), ["read", "half", "other"]);
    assert_eq!(report.with_verdict(Verdict::Failed), ["sum"]);
    assert_eq!(report.with_verdict(Verdict::Blocked), ["last"]);
    assert_eq!(report.node("last").unwrap().reason, "sum failed");
    assert_eq!(report.failures[0].class, ErrorClass::Data);
    assert_eq!(report.failures[0].help.as_deref(), Some("take another"));
    assert!(!bench.out().join("answer.txt").exists());
}

#[test]
fn a_panic_is_caught_and_named() {
    let report = bench("6").run(&troubled("panic"));
    assert_eq!(report.failures[0].class, ErrorClass::Panic);
    assert!(report.failures[0].message.contains("toy.fail panicked: two and two are five"), "{:?}", report.failures);
}

#[test]
fn a_stage_that_forgets_an_output_fails() {
    let report = bench("6").run(&troubled("forget"));
    assert_eq!(report.failures[0].class, ErrorClass::Config);
}

#[test]
fn no_work_is_no_failure() {
    let report = bench("6").run(&troubled("no_work"));
    assert_eq!(report.status, RunStatus::Succeeded);
    assert_eq!(report.with_verdict(Verdict::Blocked), ["last"]);
    assert_eq!(report.node("last").unwrap().reason, "sum had nothing to do");
}

#[test]
fn the_second_interrupt_stops_what_runs() {
    let bench = bench("6");
    let interrupt = Interrupt::new();
    let options = RunOptions { interrupt: interrupt.clone(), ..RunOptions::default() };
    let text = troubled("hang");
    let report = std::thread::scope(|scope| {
        let handle = scope.spawn(|| bench.run_with(&text, &options));
        std::thread::sleep(std::time::Duration::from_millis(300));
        interrupt.ask();
        interrupt.ask();
        handle.join().unwrap()
    });
    assert_eq!(report.status, RunStatus::Cancelled);
    assert_eq!(report.with_verdict(Verdict::Failed), ["sum"]);
}

#[test]
fn an_interrupt_before_the_start_runs_nothing() {
    let bench = bench("6");
    let interrupt = Interrupt::new();
    interrupt.ask();
    let report = bench.run_with(CHAIN, &RunOptions { interrupt, ..RunOptions::default() });
    assert_eq!(ran(&report), [""; 0]);
    assert_eq!(report.status, RunStatus::Cancelled);
}

#[test]
fn a_stage_that_is_not_deterministic_is_named() {
    let bench = bench("6");
    let text = troubled("random");
    let _ = bench.run(&text);
    for artefact in bench.artefacts() {
        std::fs::remove_file(artefact).unwrap();
    }
    let report = bench.run(&text.replace("constant: 10)", "constant: 11)"));
    let warnings = &report.node("sum").unwrap().warnings;
    assert!(warnings.iter().any(|w| w.contains("not deterministic")), "{warnings:?}");
}

#[test]
fn a_missing_file_means_no_key_and_that_is_said() {
    let bench = bench("6");
    let graph = bench.graph(CHAIN);
    std::fs::remove_file(bench.folder.path().join("number.txt")).unwrap();
    let plan = skyloom_engine::Plan::new(graph, bench.store(), PlanOptions::default()).unwrap();
    assert!(plan.nodes()[0].reason.starts_with("cannot be cached"), "{}", plan.nodes()[0].reason);
    let report = plan.run(&RunOptions::default()).unwrap();
    assert_eq!(report.failures[0].class, ErrorClass::Io);
}

#[test]
fn events_tell_the_story_in_order() {
    let bench = bench("6");
    let log = Arc::new(Log::default());
    let options = RunOptions { observers: vec![Arc::clone(&log) as _], ..RunOptions::default() };
    let _ = bench.run_with(CHAIN, &options);
    let events = log.0.lock().unwrap();
    let words: Vec<String> = events
        .iter()
        .filter_map(|e| match e {
            skyloom_engine::Event::NodeStarted { node, .. } => Some(format!("start {node}")),
            skyloom_engine::Event::NodeFinished { node, .. } => Some(format!("end {node}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        words,
        ["start read", "end read", "start half", "end half", "start sum", "end sum", "start last", "end last"]
    );
}

#[test]
fn the_resolved_graph_repeats_the_run() {
    let bench = bench("6");
    let report = bench.run(CHAIN);
    assert_eq!(ran(&bench.run(&report.resolved_graph)), [""; 0]);
}

#[test]
fn a_random_graph_of_two_hundred_nodes_gives_the_same_for_any_number_of_threads() {
    use std::fmt::Write as _;
    let mut text = String::from("(name: \"random\", nodes: {\n");
    for i in 0..200_usize {
        let inputs: Vec<String> = (1..=3).filter(|k| i >= k * 7).map(|k| format!("\"n{}.value\"", i - k * 7)).collect();
        let inputs = inputs.join(", ");
        let _ = writeln!(
            text,
            "\"n{i}\": (kind: \"toy.add\", params: (constant: {i}), inputs: {{\"values\": [{inputs}]}}),"
        );
    }
    text.push_str("}, outputs: {\"a.txt\": \"n199.value\"})");
    let outputs = |threads: usize| {
        let bench = Bench::new();
        let options = RunOptions { threads: threads.try_into().unwrap(), ..RunOptions::default() };
        let report = bench.run_with(&text, &options);
        assert_eq!(report.status, RunStatus::Succeeded);
        report.nodes.into_iter().map(|n| n.outputs).collect::<Vec<_>>()
    };
    let one = outputs(1);
    assert_eq!(one, outputs(2));
    assert_eq!(one, outputs(7));
}

#[test]
fn two_runs_at_once_share_a_store() {
    let bench = bench("6");
    let graph = bench.graph(CHAIN);
    let reports: Vec<RunReport> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..4)
            .map(|i| {
                let (bench, graph) = (&bench, Arc::clone(&graph));
                scope.spawn(move || {
                    let out = Some(bench.folder.path().join(format!("out{i}")));
                    let options = PlanOptions { out, ..PlanOptions::default() };
                    skyloom_engine::Plan::new(graph, bench.store(), options)
                        .unwrap()
                        .run(&RunOptions::default())
                        .unwrap()
                })
            })
            .collect();
        handles.into_iter().map(|h| h.join().unwrap()).collect()
    });
    for (i, report) in reports.iter().enumerate() {
        assert_eq!(report.status, RunStatus::Succeeded);
        let answer = bench.folder.path().join(format!("out{i}/answer.txt"));
        assert_eq!(std::fs::read_to_string(answer).unwrap(), "20");
    }
}

#[test]
fn keep_always_pins_and_keep_never_stores_nothing() {
    let bench = bench("6");
    let text = CHAIN
        .replace("\"half\": (kind: \"toy.halve\",", "\"half\": (kind: \"toy.halve\", keep: never,")
        .replace("\"sum\":  (kind: \"toy.add\",", "\"sum\":  (kind: \"toy.add\", keep: always,");
    let report = bench.run(&text);
    assert_eq!(report.status, RunStatus::Succeeded);
    let pins = bench.store().pins().unwrap();
    assert_eq!(pins["graph chain"].len(), 1);
    assert!(pins["graph chain"].contains(&report.node("sum").unwrap().outputs["value"]));
    // read 6, half 3 (not stored), sum 10, last 20.
    assert_eq!(bench.artefacts().len(), 3);
    assert_eq!(ran(&bench.run(&text)), [""; 0], "its record is enough");
    assert_eq!(ran(&bench.run(&text.replace("constant: 1)", "constant: 2)"))), ["half", "sum", "last"]);
}
