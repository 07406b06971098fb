use std::collections::BTreeSet;

use proptest::prelude::*;

use super::toy::{flip_bit, record, test_store, toy};
use crate::keys::Key;
use crate::store::StoreError;
use crate::store::layout::file_name_of;

#[test]
fn a_committed_node_is_found_by_both_keys_with_everything_that_was_recorded() {
    let store = test_store();
    let artefact = store.put(&toy("hello")).unwrap();
    let mut committed = record("maker", 90, &[("toy", &artefact)]);
    committed.wall_s = 0.1 + 0.2;
    committed.metrics = vec![
        ("nan".into(), f64::NAN),
        ("inf".into(), f64::INFINITY),
        ("low".into(), f64::NEG_INFINITY),
        ("x".into(), 1e-300),
    ];
    store.commit(&committed).unwrap();
    for found in [store.find_recipe(&committed.recipe.unwrap()), store.find_action(&committed.action)] {
        let mut found = found.expect("found");
        assert!(found.metrics[0].1.is_nan());
        found.metrics[0].1 = 0.0;
        let mut expected = committed.clone();
        expected.metrics[0].1 = 0.0;
        assert_eq!(found, expected);
    }
    assert_eq!(store.find_action(&committed.recipe.unwrap()), None);
    assert_eq!(store.find_recipe(&Key::of(b"unknown")), None);
}

#[test]
fn a_node_does_not_commit_before_its_outputs_are_there() {
    let store = test_store();
    let absent = store.measure(&toy("absent")).unwrap();
    let node = record("maker", 1, &[("toy", &absent)]);
    assert!(matches!(store.commit(&node), Err(StoreError::Missing { .. })));
    assert_eq!(store.find_action(&node.action), None);
    assert!(store.files("tmp").is_empty());
    store.commit_without_artefacts(&node).unwrap();
    assert_eq!(store.find_action(&node.action), Some(node));
}

#[test]
fn a_record_outlives_its_artefacts() {
    let store = test_store();
    let artefact = store.put(&toy("intermediate")).unwrap();
    let node = record("maker", 1, &[("toy", &artefact)]);
    store.commit(&node).unwrap();
    std::fs::remove_file(store.path_of(&artefact)).unwrap();
    assert_eq!(store.find_recipe(&node.recipe.unwrap()), Some(node));
    assert!(!store.contains(&artefact));
}

#[test]
fn another_recipe_may_lead_to_the_same_action() {
    let store = test_store();
    let node = record("maker", 1, &[]);
    store.commit(&node).unwrap();
    let other = Key::of(b"the node upstream was renumbered");
    assert_eq!(store.find_recipe(&other), None);
    store.link_recipe(&other, &node.action).unwrap();
    store.link_recipe(&other, &node.action).unwrap();
    assert_eq!(store.find_recipe(&other), Some(node));
}

#[test]
fn a_node_without_recipe_key_is_found_by_its_action() {
    let store = test_store();
    let mut node = record("maker", 1, &[]);
    node.recipe = None;
    store.commit(&node).unwrap();
    assert!(store.files("recipes").is_empty());
    assert_eq!(store.find_action(&node.action), Some(node));
}

#[test]
fn every_cut_and_every_flipped_byte_of_a_record_is_a_miss() {
    let store = test_store();
    let node = record("maker", 1, &[]);
    store.commit(&node).unwrap();
    let path = &store.files("actions")[0];
    let whole = std::fs::read(path).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(path, &whole[..cut]).unwrap();
        assert_eq!(store.find_action(&node.action), None, "cut at {cut}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        std::fs::write(path, bytes).unwrap();
        // A digit of the digest may change case; everything else is damage.
        if let Some(found) = store.find_action(&node.action) {
            assert_eq!(found, node, "byte {at}");
        }
    }
    flip_bit(path);
    let reports = store.verify().unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!((&reports[0].path, reports[0].expected), (path, None));
    store.commit(&node).unwrap();
    assert_eq!(store.find_action(&node.action), Some(node));
}

#[test]
fn a_damaged_or_misplaced_recipe_entry_is_a_miss() {
    let store = test_store();
    let node = record("maker", 1, &[]);
    let other = record("other", 2, &[]);
    store.commit(&node).unwrap();
    store.commit(&other).unwrap();
    let recipe = node.recipe.unwrap();
    let path = store.layout.recipe(recipe);
    let whole = std::fs::read(&path).unwrap();
    for text in [&b""[..], &whole[..64], b"nonsense\n", &[0xff; 65], &vec![b'a'; 100_000]] {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        assert_eq!(store.find_recipe(&recipe), None);
        assert_eq!(store.find_action(&node.action), Some(node.clone()));
    }
    // The next commit or link replaces it.
    store.link_recipe(&recipe, &node.action).unwrap();
    assert_eq!(store.find_recipe(&recipe), Some(node.clone()));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "nonsense").unwrap();
    store.commit(&node).unwrap();
    assert_eq!(store.find_recipe(&recipe), Some(node.clone()));
    // A record under another's name.
    std::fs::remove_file(store.layout.action(node.action)).unwrap();
    std::fs::copy(store.layout.action(other.action), store.layout.action(node.action)).unwrap();
    assert_eq!(store.find_action(&node.action), None);
    // A folder in place of a file.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(store.find_recipe(&recipe), None);
}

#[test]
fn a_recipe_cannot_be_linked_to_an_action_without_record() {
    let store = test_store();
    let error = store.link_recipe(&Key::of(b"recipe"), &Key::of(b"action")).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
}

#[test]
fn committing_again_replaces_the_record_under_all_its_names() {
    let store = test_store();
    let mut node = record("maker", 1, &[]);
    store.commit(&node).unwrap();
    node.wall_s = 77.0;
    store.commit(&node).unwrap();
    for found in
        [store.find_action(&node.action), store.find_recipe(&node.recipe.unwrap()), store.last("test", "maker")]
    {
        assert_eq!(found.unwrap().wall_s, 77.0);
    }
    assert_eq!(store.previous("test", "maker"), None);
    let changed = record("maker", 2, &[]);
    store.commit(&changed).unwrap();
    assert_eq!(store.previous("test", "maker"), Some(node));
    assert_eq!(store.last("test", "maker"), Some(changed));
}

#[test]
fn the_last_two_states_of_a_node_are_remembered() {
    let store = test_store();
    assert_eq!(store.last("g", "flat"), None);
    let (first, second) = (record("flat", 90, &[]), record("flat", 60, &[]));
    let params = |r: Option<crate::Record>| r.map(|r| r.ingredients.params.text());
    store.remember("g", "flat", &first).unwrap();
    assert_eq!(params(store.last("g", "flat")).unwrap(), "(size: 90)");
    assert_eq!(store.previous("g", "flat"), None);
    store.remember("g", "flat", &second).unwrap();
    // A reused node does not forget what it was before it changed.
    store.remember("g", "flat", &second).unwrap();
    assert_eq!(params(store.last("g", "flat")).unwrap(), "(size: 60)");
    assert_eq!(params(store.previous("g", "flat")).unwrap(), "(size: 90)");
    let mut relinked = second.clone();
    relinked.recipe = Some(Key::of(b"another way to the same action"));
    store.remember("g", "flat", &relinked).unwrap();
    assert_eq!(store.last("g", "flat").unwrap().recipe, relinked.recipe);
    assert_eq!(params(store.previous("g", "flat")).unwrap(), "(size: 90)");
    assert_eq!(store.last("another graph", "flat"), None);
    flip_bit(&store.layout.last_of("g", "flat", ".json"));
    assert_eq!(store.last("g", "flat"), None);
    store.remember("g", "flat", &first).unwrap();
    assert!(store.last("g", "flat").is_some());
}

#[test]
fn names_of_graphs_and_nodes_may_be_anything() {
    let store = test_store();
    let long = "very long ".repeat(100);
    let names = ["mags[Y]", "a/b", "..", ".", "", "ü ∆", "%2e", "a\0b", "LPT1:", &long, &format!("{long}2")];
    for (i, name) in names.iter().enumerate() {
        store.remember(name, name, &record("x", i as u128, &[])).unwrap();
    }
    for (i, name) in names.iter().enumerate() {
        assert_eq!(store.last(name, name).unwrap().ingredients.params.text(), format!("(size: {i})"), "{name}");
    }
    assert_eq!(file_name_of("mags[Y]"), "mags[Y]");
}

proptest! {
    #[test]
    fn file_names_are_single_short_and_told_apart(names in prop::collection::btree_set(any::<String>(), 1..8)) {
        let files: BTreeSet<String> = names.iter().map(|n| file_name_of(n)).collect();
        prop_assert_eq!(files.len(), names.len());
        for file in files {
            prop_assert!(file.len() < 200 && !file.starts_with('.') && !file.contains(['/', '\\', '\0']));
        }
    }
}

#[test]
#[ignore = "a measurement: run it alone, with --nocapture"]
fn time_per_node() {
    let store = test_store();
    let tenancy = store.tenancy().unwrap();
    let n = 2000_u32;
    let artefacts: Vec<_> = (0..n).map(|i| store.put(&toy(&i.to_string())).unwrap()).collect();
    let time = |what: &str, work: &mut dyn FnMut(u32)| {
        // Processor time, which a busy machine does not lengthen.
        let start = cpu_time::ThreadTime::now();
        (0..n).for_each(work);
        println!("{what:30} {:8.1} us per node", start.elapsed().as_secs_f64() * 1e6 / f64::from(n));
    };
    let nodes: Vec<_> = (0..n).map(|i| record(&format!("node{i}"), 1, &[("toy", &artefacts[i as usize])])).collect();
    let node = |i: u32| &nodes[i as usize];
    time("put", &mut |i| drop(store.put(&toy(&format!("second {i}"))).unwrap()));
    time("commit", &mut |i| store.commit(node(i)).unwrap());
    time("remember", &mut |i| store.remember("g", &node(i).node, node(i)).unwrap());
    time("remember again", &mut |i| store.remember("g", &node(i).node, node(i)).unwrap());
    time("find_recipe, found", &mut |i| drop(store.find_recipe(&node(i).recipe.unwrap()).unwrap()));
    time("find_recipe, absent", &mut |i| drop(store.find_recipe(&node(i).action)));
    time("last", &mut |i| drop(store.last("g", &node(i).node)));
    drop(tenancy);
    time("find_recipe without tenancy", &mut |i| drop(store.find_recipe(&node(i).recipe.unwrap()).unwrap()));
}
