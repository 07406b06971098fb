use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Canonical, Change, Ingredients, InputIngredient, Key, Upstream, action_key, diff_ingredients, recipe_key};
use crate::{Context, Digest, InputPath, Signature, Stage, StageError};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Rms,
    Sigma(f32),
    Clip { low: f64, high: Option<f64> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weave {
    median_px: usize,
    offset: i16,
    mode: Mode,
    rules: Vec<String>,
    limits: BTreeMap<String, f64>,
    path: InputPath,
    other: Option<InputPath>,
}

#[typetag::serde(name = "test.weave")]
impl Stage for Weave {
    fn signature(&self) -> Signature {
        Signature::new()
    }
    fn version(&self) -> u32 {
        1
    }
    fn run(&self, _: &mut Context<'_>) -> Result<(), StageError> {
        Ok(())
    }
}

fn weave() -> Weave {
    Weave {
        median_px: 90,
        offset: -3,
        mode: Mode::Rms,
        rules: vec!["a > 1".into(), "b < 2".into()],
        limits: BTreeMap::from([("r".to_owned(), 16.0), ("g".to_owned(), 17.5)]),
        path: "/data/frame.fits".into(),
        other: None,
    }
}

fn params(stage: &Weave) -> Canonical {
    Canonical::of_stage(stage).expect("has a canonical form")
}

fn change(path: &str, old: &str, new: &str) -> Change {
    Change { path: path.into(), old: old.into(), new: new.into() }
}

#[test]
fn a_stage_behind_a_trait_object_gives_its_typed_parameters() {
    let Canonical::Struct(fields) = params(&weave()) else { panic!("parameters are a struct") };
    assert_eq!(fields["median_px"], Canonical::from(90_u128));
    assert_eq!(fields["offset"], Canonical::from(-3_i128));
    assert_eq!(fields["mode"], Canonical::Variant("rms".into(), None));
    assert_eq!(fields["path"], Canonical::Path("/data/frame.fits".into()));
}

#[test]
fn the_path_of_an_input_file_counts_neither_in_bytes_nor_in_differences() {
    let (here, mut there) = (weave(), weave());
    there.path = "/elsewhere/frame.fits".into();
    assert_eq!(params(&here).to_bytes(), params(&there).to_bytes());
    assert!(Canonical::diff(&params(&here), &params(&there), "params").is_empty());
    assert_ne!(params(&here), params(&there), "but it is recorded");
    there.other = Some("/data/mask.fits".into());
    assert_ne!(params(&here).to_bytes(), params(&there).to_bytes(), "whether there is a path does count");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_unicode_text_is_no_error() {
    use std::os::unix::ffi::OsStrExt;
    let mut stage = weave();
    stage.path = InputPath(PathBuf::from(std::ffi::OsStr::from_bytes(b"/data/\xff.fits")));
    assert_eq!(params(&stage).to_bytes(), params(&weave()).to_bytes());
}

#[test]
fn a_difference_names_the_parameter_with_old_and_new_value() {
    let (old, mut new) = (weave(), weave());
    new.median_px = 60;
    new.mode = Mode::Sigma(3.0);
    new.rules.insert(0, "c > 0".into());
    new.limits.insert("r".into(), 15.0);
    new.limits.remove("g");
    assert_eq!(
        Canonical::diff(&params(&old), &params(&new), "params"),
        [
            change("params.limits.r", "16.0", "15.0"),
            change("params.limits.g", "17.5", "absent"),
            change("params.median_px", "90", "60"),
            change("params.mode", "rms", "sigma(3.0)"),
            change("params.rules.0", "absent", "\"c > 0\""),
        ]
    );
}

#[test]
fn a_difference_inside_a_variant_or_option_names_the_inner_field() {
    let (mut old, mut new) = (weave(), weave());
    old.mode = Mode::Clip { low: 1.0, high: Some(3.0) };
    new.mode = Mode::Clip { low: 1.0, high: Some(2.5) };
    assert_eq!(Canonical::diff(&params(&old), &params(&new), "params"), [change("params.mode.high", "3.0", "2.5")]);
}

#[test]
fn equal_texts_of_different_types_are_told_apart_in_a_difference() {
    let (one, two) = (Canonical::from(0.5_f32), Canonical::from(0.5_f64));
    let changes = Canonical::diff(&one, &two, "params.x");
    assert_eq!(changes.len(), 1);
    assert_ne!(changes[0].old, changes[0].new);
    let changes = Canonical::diff(&Canonical::from(f64::NAN), &Canonical::F64(0x7ff8_0000_0000_0001), "x");
    assert_ne!(changes[0].old, changes[0].new);
}

#[test]
fn floats_count_by_their_bits() {
    assert_ne!(Canonical::from(0.0).to_bytes(), Canonical::from(-0.0).to_bytes());
    assert_eq!(Canonical::from(f64::NAN).to_bytes(), Canonical::from(f64::NAN).to_bytes());
    for value in [0.1, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE / 8.0, f64::MAX, 1e300] {
        let canonical = Canonical::from(value);
        assert_eq!(Canonical::from_json(&canonical.to_json()), Ok(canonical));
    }
}

#[test]
fn the_width_of_an_integer_does_not_count_and_its_type_does() {
    let of = |value: Canonical| value.to_bytes();
    assert_eq!(of(Canonical::of(&7_u8).unwrap()), of(Canonical::of(&7_i64).unwrap()));
    assert_ne!(of(Canonical::of(&7_u8).unwrap()), of(Canonical::of(&7.0_f64).unwrap()));
    assert_ne!(of(Canonical::of(&7_u8).unwrap()), of(Canonical::of("7").unwrap()));
    assert_eq!(Canonical::of(&u128::MAX).unwrap().text(), u128::MAX.to_string());
    assert_eq!(Canonical::of(&i128::MIN).unwrap().text(), i128::MIN.to_string());
}

fn ingredients() -> Ingredients {
    let input = |port: &str, n: u8| InputIngredient {
        port: port.into(),
        source: format!("sky{n}.image"),
        product: "image".into(),
        upstream: Upstream::recipe(Key::of(&[n]), "image").with_content(Digest::of(&[n])),
    };
    Ingredients {
        kind: "test.weave".into(),
        version: 1,
        provider: Some("skyloom 0.1.0".into()),
        fingerprint: vec![("path".into(), Digest::of(b"frame")), ("mask".into(), Digest::of(b"mask"))],
        params: params(&weave()),
        inputs: vec![input("image", 1), input("noise", 2), input("noise", 3)],
    }
}

fn keys(of: &Ingredients) -> (Key, Key) {
    (recipe_key(of).expect("has a recipe key"), action_key(of).expect("has an action key"))
}

#[test]
fn names_of_nodes_providers_and_the_order_of_ports_change_no_key() {
    let plain = ingredients();
    let mut other = ingredients();
    other.provider = None;
    other.inputs[0].source = "renamed.image".into();
    other.inputs.rotate_left(1);
    other.fingerprint.reverse();
    assert_eq!(keys(&plain), keys(&other));
    assert!(diff_ingredients(&plain, &other).is_empty());
}

#[test]
fn every_other_ingredient_changes_both_keys_and_gives_a_reason() {
    let mut said = Vec::new();
    let edits: [fn(&mut Ingredients); 9] = [
        |i| i.kind = "test.unweave".into(),
        |i| i.version = 2,
        |i| i.fingerprint[0].1 = Digest::of(b"other frame"),
        |i| drop(i.fingerprint.pop()),
        |i| i.params = Canonical::Unit,
        |i| i.inputs.swap(1, 2),
        |i| drop(i.inputs.pop()),
        |i| i.inputs[0].port = "band".into(),
        |i| i.inputs[0].product = "table".into(),
    ];
    let plain = ingredients();
    for edit in edits {
        let mut other = ingredients();
        edit(&mut other);
        let ((recipe, action), (recipe2, action2)) = (keys(&plain), keys(&other));
        assert_ne!(recipe, recipe2);
        assert_ne!(action, action2);
        let reasons = diff_ingredients(&plain, &other);
        assert!(!reasons.is_empty());
        said.push(reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    }
    assert_eq!(said[1], "version of the stage was 1, is 2");
    assert_eq!(said[2], "file path: its content changed");
    assert_eq!(said[3], "file mask is no longer read");
    assert_eq!(
        said[5],
        "input noise changed: produced by sky3.image (was sky2.image); \
         input noise changed: produced by sky2.image (was sky3.image)"
    );
    assert!(said[6].starts_with("input noise was wired to sky2.image (image), sky3.image (image), is wired to sky2"));
}

#[test]
fn an_input_remade_with_the_same_content_is_no_reason() {
    let plain = ingredients();
    let mut other = ingredients();
    other.inputs[0].upstream.recipe = Some(Key::of(b"another recipe"));
    assert_ne!(recipe_key(&plain), recipe_key(&other));
    assert_eq!(action_key(&plain), action_key(&other));
    assert!(diff_ingredients(&plain, &other).is_empty());
    other.inputs[0].upstream.content = None;
    assert_eq!(action_key(&other), None);
    let reasons = diff_ingredients(&plain, &other);
    assert_eq!(reasons.len(), 1);
    assert_eq!(reasons[0].to_string(), "input image will be made anew by sky1.image");
}

#[test]
fn a_recipe_key_needs_those_upstream() {
    let mut one = ingredients();
    one.inputs[1].upstream = Upstream::unknown("image").with_content(Digest::of(b"x"));
    assert_eq!(recipe_key(&one), None);
    assert!(action_key(&one).is_some());
}

#[test]
fn recipe_and_action_keys_of_a_node_without_inputs_differ() {
    let mut one = ingredients();
    one.inputs.clear();
    let (recipe, action) = keys(&one);
    assert_ne!(recipe, action);
}

#[test]
fn keys_stay_the_same_from_release_to_release() {
    // Frozen: a change here throws away every user's cache and needs a new version folder of the store.
    let (recipe, action) = keys(&ingredients());
    assert_eq!((recipe.short().as_str(), action.short().as_str()), ("3dafbdc6a8ba", "d1911efd9399"));
}

#[test]
fn reasons_survive_json() {
    let plain = ingredients();
    let mut other = ingredients();
    other.version = 4;
    other.params = params(&Weave { median_px: 60, ..weave() });
    other.inputs.pop();
    let reasons = diff_ingredients(&plain, &other);
    let text = serde_json::to_string(&reasons).unwrap();
    assert_eq!(serde_json::from_str::<Vec<super::Reason>>(&text).unwrap(), reasons);
    let back: Ingredients = serde_json::from_str(&serde_json::to_string(&plain).unwrap()).unwrap();
    assert_eq!(back, plain);
}

fn tree() -> impl Strategy<Value = Canonical> {
    let text = || prop_oneof![Just(String::new()), "[$a-c\"]{1,3}", any::<String>()];
    let leaf = prop_oneof![
        Just(Canonical::Unit),
        Just(Canonical::None),
        any::<bool>().prop_map(Canonical::Bool),
        any::<i128>().prop_map(Canonical::from),
        (-3_i128..3).prop_map(Canonical::from),
        any::<u128>().prop_map(Canonical::from),
        any::<u32>().prop_map(Canonical::F32),
        any::<u64>().prop_map(Canonical::F64),
        prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::INFINITY)].prop_map(Canonical::from),
        any::<char>().prop_map(Canonical::Char),
        text().prop_map(Canonical::Str),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Canonical::Bytes),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|v| Canonical::Some(Box::new(v))),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Canonical::Seq),
            prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Canonical::sorted_map),
            prop::collection::btree_map(text(), inner.clone(), 0..4).prop_map(Canonical::Struct),
            (text(), prop::option::of(inner.prop_map(Box::new))).prop_map(|(n, c)| Canonical::Variant(n, c)),
        ]
    })
}

proptest! {
    #[test]
    fn different_trees_have_different_bytes(a in tree(), b in tree()) {
        prop_assert_eq!(a == b, a.to_bytes() == b.to_bytes());
        prop_assert_eq!(a == b, Canonical::diff(&a, &b, "p").is_empty());
    }

    #[test]
    fn no_bytes_are_the_beginning_of_others(a in tree(), b in tree()) {
        prop_assert!(a == b || !b.to_bytes().starts_with(&a.to_bytes()));
    }

    #[test]
    fn the_readable_form_gives_back_the_same_tree(a in tree()) {
        let text = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Canonical>(&text).unwrap(), a);
    }

    #[test]
    fn changing_one_leaf_of_a_list_is_one_change(items in prop::collection::vec(tree(), 1..6), at in any::<prop::sample::Index>()) {
        let mut other = items.clone();
        let at = at.index(items.len());
        other[at] = Canonical::Str("a value that no strategy makes".into());
        let changes = Canonical::diff(&Canonical::Seq(items), &Canonical::Seq(other), "p");
        prop_assert_eq!(changes.len(), 1);
        prop_assert_eq!(&changes[0].path, &format!("p.{at}"));
    }
}
