use std::time::Duration;

use super::toy::{TestStore, age, files_below, flip_bit, record, test_store, toy};
use crate::store::{Artefact, GcOptions, Record, RemovedKind, Store};

/// Artefacts of ten bytes each, with records, the first one used longest ago. The store has no tenancy afterwards.
fn store_of(n: u64) -> (TestStore, Vec<(Artefact, Record)>) {
    let store = test_store();
    let nodes = (0..n)
        .map(|i| {
            let artefact = store.put(&toy(&format!("toy {i:06}"))).unwrap();
            let node = record(&format!("node{i}"), u128::from(i), &[("toy", &artefact)]);
            store.commit(&node).unwrap();
            set_age(&store, &artefact, &node, 10_000 - 100 * i);
            (artefact, node)
        })
        .collect();
    (store, nodes)
}

fn set_age(store: &Store, artefact: &Artefact, node: &Record, seconds: u64) {
    age(&store.path_of(artefact), seconds);
    age(&store.layout.action(node.action), seconds);
}

fn present(store: &Store, nodes: &[(Artefact, Record)]) -> Vec<bool> {
    nodes.iter().map(|(a, _)| store.contains(a)).collect()
}

fn bytes_of_records(store: &TestStore) -> u64 {
    // Recipes are other names of records.
    store.files("actions").iter().map(|p| std::fs::metadata(p).unwrap().len()).sum()
}

fn within(max_size: u64) -> GcOptions {
    GcOptions { max_size: Some(max_size), ..GcOptions::default() }
}

#[test]
fn without_a_budget_nothing_useful_goes() {
    let (store, nodes) = store_of(3);
    let report = store.gc(&GcOptions::default()).unwrap();
    assert_eq!((report.removed.len(), report.freed, report.over), (0, 0, 0));
    assert_eq!(report.kept, 30 + bytes_of_records(&store));
    assert_eq!(present(&store, &nodes), [true; 3]);
}

#[test]
fn the_longest_unused_artefacts_go_first_and_their_records_stay() {
    let (store, nodes) = store_of(5);
    let records = bytes_of_records(&store);
    let budget = records + 25;
    let dry = store.gc(&GcOptions { dry_run: true, ..within(budget) }).unwrap();
    assert_eq!(present(&store, &nodes), [true; 5], "a dry run removes nothing");
    let report = store.gc(&within(budget)).unwrap();
    assert_eq!(report, dry);
    assert_eq!(present(&store, &nodes), [false, false, false, true, true]);
    assert_eq!((report.freed, report.kept, report.over), (30, records + 20, 0));
    let listed: Vec<_> = report.removed.iter().map(|r| (r.kind, r.nodes.clone())).collect();
    let expected = (0..3).map(|i| (RemovedKind::Artefact, vec![format!("test/node{i}.toy")]));
    assert_eq!(listed, expected.collect::<Vec<_>>());
    assert!(nodes.iter().all(|(_, node)| store.find_recipe(&node.recipe.unwrap()).is_some()));
}

#[test]
fn a_hit_of_a_run_makes_an_artefact_young_and_a_look_without_tenancy_does_not() {
    let (store, nodes) = store_of(3);
    let budget = within(bytes_of_records(&store) + 10);
    assert!(store.find_recipe(&nodes[1].1.recipe.unwrap()).is_some());
    let tenancy = store.tenancy().unwrap();
    assert!(store.find_action(&nodes[0].1.action).is_some());
    drop(tenancy);
    store.gc(&budget).unwrap();
    assert_eq!(present(&store, &nodes), [true, false, false]);
}

#[test]
fn pinned_artefacts_stay_until_the_pin_is_given_up() {
    let (store, nodes) = store_of(2);
    store.pin("test/node0", &[nodes[0].0.digest]).unwrap();
    assert_eq!(store.pins().unwrap()["test/node0"].len(), 1);
    let report = store.gc(&within(0)).unwrap();
    assert_eq!(present(&store, &nodes), [true, false]);
    assert_eq!(report.spared_pinned, [nodes[0].0.digest]);
    assert!(report.over > 0);
    assert!(store.unpin("test/node0").unwrap());
    assert!(!store.unpin("test/node0").unwrap());
    store.gc(&within(0)).unwrap();
    assert_eq!(present(&store, &nodes), [false, false]);
}

#[test]
fn damaged_pins_stop_the_collection() {
    let (store, nodes) = store_of(1);
    store.pin("mine", &[nodes[0].0.digest]).unwrap();
    flip_bit(&store.files("pins")[0]);
    let error = store.gc(&within(0)).unwrap_err();
    assert_eq!(error.code(), "damaged-pins");
    assert_eq!(present(&store, &nodes), [true]);
}

#[test]
fn a_tenancy_keeps_what_it_found_and_what_was_put_since() {
    let (store, nodes) = store_of(3);
    let other = Store::open(store.root()).unwrap();
    let tenancy = store.tenancy().unwrap();
    store.find_recipe(&nodes[1].1.recipe.unwrap()).unwrap();
    // A process without tenancy, or one that is over, puts something meanwhile: the living one may have seen it.
    let fresh = other.put(&toy("put by another")).unwrap();
    let report = other.gc(&within(0)).unwrap();
    assert_eq!(present(&store, &nodes), [false, true, false]);
    assert!(other.contains(&fresh));
    let mut spared = report.spared_live.clone();
    spared.sort();
    let mut expected = [nodes[1].0.digest, fresh.digest];
    expected.sort();
    assert_eq!(spared, expected);
    let mut ls = other.ls().unwrap();
    ls.sort_by_key(|e| e.bytes);
    assert!(ls.iter().all(|e| e.is_in_use && !e.is_pinned));
    drop(tenancy);
    other.gc(&within(0)).unwrap();
    assert_eq!(present(&store, &nodes), [false; 3]);
}

#[test]
fn scratch_space_ends_with_the_tenancy() {
    let store = test_store();
    let (one, two) = (store.tenancy().unwrap(), store.tenancy().unwrap());
    let scratch = one.scratch_folder().unwrap();
    std::fs::write(scratch.join("x"), "x").unwrap();
    assert_eq!(scratch, two.scratch_folder().unwrap(), "one store has one tenancy");
    drop(one);
    Store::open(store.root()).unwrap();
    assert!(scratch.exists());
    drop(two);
    assert!(!scratch.exists());
    assert!(store.files("live").is_empty());
}

#[test]
fn leftovers_go_without_a_budget() {
    let (store, nodes) = store_of(3);
    // An artefact whose node was never committed, a damaged record, a recipe that leads nowhere.
    let orphan = store.put(&toy("orphan")).unwrap();
    flip_bit(&store.layout.action(nodes[0].1.action));
    std::fs::remove_file(store.layout.action(nodes[1].1.action)).unwrap();
    let report = store.gc(&GcOptions::default()).unwrap();
    assert!(!store.contains(&orphan));
    assert_eq!(present(&store, &nodes), [false, false, true], "without their records they are orphans too");
    let mut kinds: Vec<_> = report.removed.iter().map(|r| r.kind).collect();
    kinds.sort();
    use RemovedKind::{DamagedRecord, Orphan, Recipe};
    assert_eq!(kinds, [Orphan, Orphan, Orphan, DamagedRecord, Recipe, Recipe]);
    assert_eq!(store.gc(&GcOptions::default()).unwrap().removed, []);
    assert_eq!(store.find_recipe(&nodes[2].1.recipe.unwrap()).as_ref(), Some(&nodes[2].1));
}

#[test]
fn bare_records_go_when_old_or_when_artefacts_alone_do_not_make_room() {
    let (store, nodes) = store_of(3);
    store.gc(&within(bytes_of_records(&store))).unwrap();
    assert_eq!(present(&store, &nodes), [false; 3]);
    let found = |i: usize| store.find_recipe(&nodes[i].1.recipe.unwrap()).is_some();
    // Ages are 10,000, 9,900 and 9,800 seconds.
    let old = GcOptions { record_age: Duration::from_secs(9_950), ..GcOptions::default() };
    let report = store.gc(&old).unwrap();
    assert_eq!([found(0), found(1), found(2)], [false, true, true]);
    assert_eq!(report.removed.iter().map(|r| r.kind).collect::<Vec<_>>(), [RemovedKind::Record, RemovedKind::Recipe]);
    assert_eq!(report.removed[0].nodes, ["test/node0"]);
    let report = store.gc(&within(bytes_of_records(&store) - 1)).unwrap();
    assert_eq!([found(0), found(1), found(2)], [false, false, true]);
    assert_eq!(report.over, 0);
    let report = store.gc(&within(0)).unwrap();
    assert_eq!(report.kept, 0);
    assert!(store.files("actions").is_empty() && store.files("recipes").is_empty());
}

#[test]
fn digests_of_files_that_nobody_asks_for_go() {
    let store = test_store();
    let entry = store.layout.stat().join("1-2");
    std::fs::write(&entry, "old").unwrap();
    age(&entry, 100 * 24 * 3600);
    std::fs::write(store.layout.stat().join("1-3"), "new").unwrap();
    let report = store.gc(&GcOptions::default()).unwrap();
    assert_eq!(report.removed.len(), 1);
    assert_eq!(report.removed[0].kind, RemovedKind::FileDigest);
    assert_eq!(store.files("stat").len(), 1);
}

#[test]
fn what_a_dead_process_left_is_cleared_when_the_next_one_opens_the_store() {
    let store = test_store();
    let base = store.folder.path().join("v1");
    for name in ["12-34-0", "56-78-0"] {
        std::fs::create_dir_all(base.join("tmp").join(name)).unwrap();
        std::fs::write(base.join("tmp").join(name).join("0.toy"), "half").unwrap();
    }
    std::fs::write(base.join("live/12-34-0"), "began 0").unwrap();
    let tenancy = store.tenancy().unwrap();
    let scratch = tenancy.scratch_folder().unwrap();
    Store::open(store.root()).unwrap();
    assert!(store.files("tmp").is_empty() && scratch.exists());
    assert_eq!(store.files("live").len(), 1);
}

#[test]
fn files_that_no_store_put_there_are_left_alone() {
    let (store, _) = store_of(1);
    let strangers = [
        store.folder.path().join("notes.txt"),
        store.folder.path().join("v2/artefacts/ab/file"),
        store.layout.artefacts().join("readme.txt"),
        store.layout.artefacts().join("ab/readme.txt"),
    ];
    for stranger in &strangers {
        std::fs::create_dir_all(stranger.parent().unwrap()).unwrap();
        std::fs::write(stranger, "keep me").unwrap();
    }
    store.gc(&within(0)).unwrap();
    assert!(strangers.iter().all(|s| s.exists()));
    assert_eq!(store.verify().unwrap(), []);
    assert!(files_below(&store.layout.runs()).is_empty());
}

#[test]
fn the_listing_shows_the_last_used_first_with_its_nodes() {
    let (store, nodes) = store_of(2);
    let shared = record("again", 77, &[("other", &nodes[0].0)]);
    store.commit(&shared).unwrap();
    store.pin("p", &[nodes[1].0.digest]).unwrap();
    let entries = store.ls().unwrap();
    assert_eq!(entries.iter().map(|e| e.digest).collect::<Vec<_>>(), [nodes[0].0.digest, nodes[1].0.digest]);
    assert_eq!(entries[0].nodes, ["test/again.other", "test/node0.toy"]);
    assert_eq!((entries[0].type_name.as_deref(), entries[0].bytes), (Some("toy"), 10));
    assert_eq!((entries[0].is_pinned, entries[1].is_pinned), (false, true));
    assert!(entries.iter().all(|e| !e.is_in_use && e.path.exists()));
}
