//! Several processes on one store: this test binary runs itself in other roles, and kills them.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use rand::{RngExt, SeedableRng};

use super::toy::{big_toy, files_below, load_toy, record, role, spawn, test_store};
use crate::Digest;
use crate::store::survey::Survey;
use crate::store::{Artefact, GcOptions, LoadError, Record, Store};

const EVERYTHING: GcOptions =
    GcOptions { max_size: Some(0), dry_run: false, record_age: Duration::from_secs(90 * 24 * 3600) };

#[test]
#[ignore = "not a test: the other processes of the tests here"]
fn child() {
    let Some((role, root)) = role() else { return };
    match role.as_str() {
        "work" => work(&root),
        "work forever" => work_forever(&root),
        "hold" => hold(&root),
        "full-disk" => super::full_disk::child(&root),
        other => panic!("no role {other}"),
    }
}

fn node(i: u64, artefact: &Artefact) -> Record {
    record(&format!("node{i}"), u128::from(i), &[("toy", artefact)])
}

fn size(i: u64) -> usize {
    usize::try_from(i * 7919 % 60_000).expect("small")
}

/// Runs or reuses forty nodes twice. Whatever was found or put must stay readable until the end.
fn work(root: &Path) {
    let store = Store::open(root).unwrap();
    let _tenancy = store.tenancy().unwrap();
    for i in (0..40).chain(0..40) {
        let toy = big_toy(i, size(i));
        let key = node(i, &store.measure(&toy).unwrap()).action;
        let found = store.find_action(&key).map(|r| r.outputs["toy"].clone()).filter(|a| store.contains(a));
        let artefact = found.unwrap_or_else(|| {
            let artefact = store.put(&toy).unwrap();
            store.commit(&node(i, &artefact)).unwrap();
            store.remember("test", &format!("node{i}"), &node(i, &artefact)).unwrap();
            artefact
        });
        assert_eq!(load_toy(&store, &artefact).unwrap(), toy.0);
        store.deliver(&artefact, &root.join("out").join(format!("{i}.toy"))).unwrap();
    }
    for i in 0..40 {
        let found = store.find_action(&node(i, &store.measure(&big_toy(i, size(i))).unwrap()).action);
        assert!(store.contains(&found.expect("its record").outputs["toy"]));
    }
}

/// Makes new products until it is killed.
fn work_forever(root: &Path) {
    let store = Store::open(root).unwrap();
    let _tenancy = store.tenancy().unwrap();
    let start = u64::from(std::process::id()) * 1_000_000;
    for i in start.. {
        let artefact = store.put(&big_toy(i, size(i))).unwrap();
        store.commit(&node(i, &artefact)).unwrap();
        store.remember("test", "node", &node(i, &artefact)).unwrap();
        store.deliver(&artefact, &root.join("out/result.toy")).unwrap();
        store.pin("newest", &[artefact.digest]).unwrap();
        if i == start {
            say("ready");
        }
    }
}

/// Puts one product, finds another, says both, and loads them when told to.
fn hold(root: &Path) {
    let store = Store::open(root).unwrap();
    let _tenancy = store.tenancy().unwrap();
    let put = store.put(&big_toy(1000, 5000)).unwrap();
    let found = store.find_action(&node(0, &put).action).expect("the parent committed it").outputs["toy"].clone();
    say(&format!("{} {}", put.digest, found.digest));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    for artefact in [put, found] {
        load_toy(&store, &artefact).unwrap();
    }
}

fn say(line: &str) {
    println!("say: {line}");
    std::io::stdout().flush().unwrap();
}

/// The next line that the child says, past what the test harness prints.
fn listen(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if let Some((_, said)) = line.split_once("say: ") {
            return said.trim().to_owned();
        }
        line.clear();
    }
    panic!("the child ended without a word");
}

fn assert_whole(store: &Store) {
    assert_eq!(store.verify().unwrap(), []);
    let survey = Survey::of(&store.layout).unwrap();
    for record in &survey.records {
        assert!(record.outputs.iter().all(|path| survey.artefacts.contains_key(path)), "{record:?}");
    }
    for pointer in &survey.pointers {
        assert!(survey.records.iter().any(|r| Some(r.action) == pointer.action), "{pointer:?}");
    }
}

#[test]
fn a_process_killed_at_fifty_random_moments_leaves_nothing_half_made() {
    let store = test_store();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut last_seen = 0;
    for round in 0..50 {
        let mut child = spawn("work forever", store.root());
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // Some die while they begin, the others at work.
        if round % 10 != 0 {
            listen(&mut output);
        }
        std::thread::sleep(Duration::from_micros(random.random_range(0..15_000)));
        child.kill().unwrap();
        child.wait().unwrap();

        let next = Store::open(store.root()).unwrap();
        assert!(store.files("live").is_empty() && store.files("tmp").is_empty(), "round {round}");
        assert_whole(&next);
        assert!(next.pins().is_ok());
        let out = store.folder.path().join("out/result.toy");
        if let Ok(digest) = Digest::of_file(&out) {
            let known = next.ls().unwrap().iter().any(|e| e.digest == digest);
            assert!(known, "an output is always a whole artefact");
        }
        last_seen = store.files("artefacts").len();
    }
    assert!(last_seen > 50, "the children did work: {last_seen}");
    // The next delivery clears away what the killed ones left beside the output.
    let artefact = store.put(&big_toy(1, 100)).unwrap();
    store.deliver(&artefact, &store.folder.path().join("out/result.toy")).unwrap();
    assert_eq!(files_below(&store.folder.path().join("out")).len(), 1);
}

#[test]
fn processes_at_once_on_one_store_do_not_disturb_each_other() {
    let store = test_store();
    let children: Vec<_> = (0..3).map(|_| spawn("work", store.root())).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_whole(&store);
    assert_eq!(store.files("artefacts").len(), 40);
    assert!(store.files("live").is_empty() && store.files("tmp").is_empty());
    assert_eq!(files_below(&store.folder.path().join("out")).len(), 40);
}

#[test]
fn garbage_collection_beside_runs_takes_nothing_that_they_lean_on() {
    let store = test_store();
    let mut rounds = 0;
    for _ in 0..3 {
        // Whatever the round before left is up for collection while the next round reuses it.
        let mut children: Vec<_> = (0..2).map(|_| spawn("work", store.root())).collect();
        while children.iter_mut().any(|c| c.try_wait().unwrap().is_none()) {
            store.gc(&EVERYTHING).unwrap();
            rounds += 1;
        }
        for child in children {
            assert!(child.wait_with_output().unwrap().status.success());
        }
    }
    assert!(rounds > 3);
    assert_eq!(store.verify().unwrap(), []);
    store.gc(&EVERYTHING).unwrap();
    assert!(store.files("artefacts").is_empty() && store.files("actions").is_empty());
}

#[test]
fn what_a_living_process_holds_is_spared_until_it_ends() {
    let store = test_store();
    let reused = store.put(&big_toy(0, size(0))).unwrap();
    let useless = store.put(&big_toy(7, 700)).unwrap();
    store.commit(&node(0, &reused)).unwrap();
    store.commit(&node(7, &useless)).unwrap();
    let mut child = spawn("hold", store.root());
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let said = listen(&mut output);
    let mut held: Vec<_> = said.split(' ').map(|hex| Digest::from_hex(hex).expect("a digest")).collect();
    held.sort();
    let mut report = store.gc(&EVERYTHING).unwrap();
    report.spared_live.sort();
    assert_eq!(report.spared_live, held);
    assert!(matches!(store.load_toy(&useless), Err(LoadError::Missing { .. })));
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    output.read_to_string(&mut String::new()).unwrap();
    assert!(child.wait().unwrap().success());
    store.gc(&EVERYTHING).unwrap();
    assert!(store.files("artefacts").is_empty());
}
