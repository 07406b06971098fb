//! The pieces by themselves; whole graph files are in `tests/loader/`.

use super::order::{Order, topological_order};
use super::product_name::ProductName;
use super::reference::{Part, split};
use super::scan::scan;
use super::source::{Place, Sources};
use crate::nearest::nearest;

#[test]
fn what_the_scanner_reads_is_what_ron_reads() {
    let texts = [
        "()",
        "(a: 1, b: -2.5e-3, c: 0x1F, d: 1_000, e: .5, f: +3,)",
        "[1, 2, /* a /* b */ c */ 3, // end\n]",
        "{\"k\": (1, 'x', '\\'', '\\u{1F}', b'a'), 3: {}, 'c': [[]]}",
        "(r#type: r\"raw\", r##\"a\"#b\"##)",
        "[r##\"a \"# b\"##, \"esc \\\" \\\\ \\u{e9} \\n\", b\"by\\x41\", br#\"r\"aw\"#]",
        "Some(Some(None))",
        "Name(a: Other, b: Tuple(1, 2,), c: Unit, d: Nested ( x : true ) )",
        "(a: inf, b: -inf, c: NaN, d: ())",
        "#![enable(implicit_some, unwrap_newtypes)]\n#![enable(unwrap_variant_newtypes)]\n(a: (b: (c: [(), (), (d: 1)])))",
        "\u{200E}( // ünïcode\n \"ключ\" , 'é')",
    ];
    for text in texts {
        let Ok(expected) = ron::from_str::<ron::Value>(text) else {
            // ron judges first, so the scanner may say anything here, but must return.
            let _ = scan(text, 0, 0..text.len());
            continue;
        };
        let scanned = scan(text, 0, 0..text.len()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let mut sources = Sources::default();
        sources.add("x".into(), "".into(), text.into(), false);
        let written = scanned.tree.to_ron(&sources);
        let found = ron::from_str::<ron::Value>(&written).unwrap_or_else(|e| panic!("{text} -> {written}: {e}"));
        // NaN differs from itself.
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{text} -> {written}");
    }
}

#[test]
fn columns_count_characters_and_lines_start_at_one() {
    let mut sources = Sources::default();
    let file = sources.add("x".into(), "".into(), "äb\n\ncd".into(), false);
    let at = |offset: usize| sources.line_column(Place::new(file, offset..offset));
    assert_eq!([at(0), at(2), at(3), at(4), at(5), at(7)], [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 3)]);
}

#[test]
fn strings_are_split_at_references() {
    let literal = |text: &str| Part::Literal(text.to_owned());
    let reference = |name: &str| Part::Reference(name.to_owned());
    assert_eq!(split("{a}"), Ok(vec![reference("a")]));
    assert_eq!(split("x{a}{b}y"), Ok(vec![literal("x"), reference("a"), reference("b"), literal("y")]));
    assert_eq!(split("{{a}}"), Ok(vec![literal("{a}")]));
    assert_eq!(split("{{{a}}}"), Ok(vec![literal("{"), reference("a"), literal("}")]));
    assert_eq!(split(""), Ok(vec![literal("")]));
    assert!(split("{a").is_err() && split("a}").is_err() && split("{a{b}}").is_err());
}

#[test]
fn the_nearest_name_is_near_or_none() {
    let names = ["background.nebulise", "background.mesh", "psf.fit"];
    assert_eq!(nearest("backgroud.nebulise", names), Some("background.nebulise"));
    assert_eq!(nearest("nebulise", names), Some("background.nebulise"));
    assert_eq!(nearest("PSF.fit", names), Some("psf.fit"));
    assert_eq!(nearest("contour.trace", names), None);
    assert_eq!(nearest("a", ["b", "c"]), None);
}

#[test]
fn names_of_products_have_a_node_perhaps_an_element_and_a_port() {
    let name = |node, element, port| Some(ProductName { node, element, port });
    assert_eq!(ProductName::parse("a.b"), name("a", None, "b"));
    assert_eq!(ProductName::parse("m[1.5,Y].table"), name("m", Some("1.5,Y"), "table"));
    for wrong in ["a", "a.", ".b", "a.b.c", "m[Y]", "m[Y]table", ""] {
        assert_eq!(ProductName::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn order_keeps_ties_and_names_every_knot_once() {
    let order = topological_order(4, &[(3, 0), (2, 0), (0, 1)]);
    assert_eq!(order, Order { nodes: vec![2, 3, 0, 1], cycles: vec![] });
    // 0 -> 1 -> 2 -> 0 with a shorter way 1 -> 0; 3 reads itself; 4 lies behind; 5 is free.
    let order = topological_order(6, &[(0, 1), (1, 2), (2, 0), (1, 0), (3, 3), (2, 4)]);
    assert_eq!(order, Order { nodes: vec![5], cycles: vec![vec![0, 1], vec![3]] });
}
