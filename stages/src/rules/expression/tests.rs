use std::sync::Arc;

use arrow::array::{BooleanArray, StringArray};
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder};

use super::*;

fn table() -> Table {
    TableBuilder::new()
        .float("r_light", "px", "", vec![1.0, 4.0, f64::NAN, 9.5])
        .float("fwhm_local", "px", "", vec![3.0, 3.0, 3.0, 3.0])
        .optional_int("parent_id", "", "", vec![None, Some(0), Some(7), Some(-2)])
        .array("sample", "", "", Arc::new(StringArray::from(vec![Some("root"), Some("it's"), None, Some("")])))
        .array("is_atomic", "", "", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)])))
        .build()
        .unwrap()
}

fn holds(text: &str) -> Vec<usize> {
    let truth = Expression::parse(text).unwrap().evaluate(&table()).unwrap();
    truth.iter().enumerate().filter(|(_, v)| **v).map(|(i, _)| i).collect()
}

fn syntax(text: &str) -> ExpressionError {
    Expression::parse(text).unwrap_err()
}

fn problems(text: &str) -> Vec<ExpressionError> {
    Expression::parse(text).unwrap().problems(Some(&super::evaluate::column_kinds(&table())))
}

#[test]
fn every_operator_and_function_gives_the_rows_that_it_says() {
    for (text, rows) in [
        ("r_light < fwhm_local", vec![0]),
        ("r_light <= 4", vec![0, 1]),
        ("r_light > 4", vec![3]),
        ("r_light >= 4", vec![1, 3]),
        ("r_light == 4", vec![1]),
        ("r_light != 4", vec![0, 3]),
        ("r_light < 2 or r_light > 9", vec![0, 3]),
        ("r_light > 2 and r_light < 9", vec![1]),
        ("not r_light > 2", vec![0, 2]),
        ("r_light + 1 == 5", vec![1]),
        ("r_light - fwhm_local - 1 == 0", vec![1]),
        ("r_light * 2 / 4 == 2", vec![1]),
        ("-r_light < -4", vec![3]),
        ("abs(-r_light) == 4", vec![1]),
        ("min(r_light, fwhm_local) == 3", vec![1, 3]),
        ("max(r_light, fwhm_local, 4) == 4", vec![0, 1]),
        ("sqrt(r_light) == 2", vec![1]),
        ("log10(r_light) == 0", vec![0]),
        ("is_nan(r_light)", vec![2]),
        ("true", vec![0, 1, 2, 3]),
        ("false", vec![]),
        ("is_atomic", vec![0, 3]),
        ("is_atomic == false", vec![1, 2]),
        ("sample == 'root'", vec![0]),
        ("sample == \"it's\"", vec![1]),
        ("sample == 'it\\'s'", vec![1]),
        ("'' == sample", vec![3]),
        ("sample != 'root'", vec![1, 3]),
        ("1e1 > r_light and .5 < r_light", vec![0, 1, 3]),
    ] {
        assert_eq!(holds(text), rows, "{text}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_looser_than_a_comparison() {
    assert_eq!(holds("true or true and false"), [0, 1, 2, 3]);
    assert_eq!(holds("(true or true) and false"), [0_usize; 0]);
    assert_eq!(holds("not fwhm_local == 3 or true"), [0, 1, 2, 3]);
    assert_eq!(holds("not (fwhm_local == 3 or true)"), [0_usize; 0]);
    assert_eq!(holds("1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 8 / 4 / 2 == 1 and 2 - 1 - 1 == 0"), [0, 1, 2, 3]);
    assert_eq!(holds("- 2 * -3 == 6 and --2 == 2 and not not true"), [0, 1, 2, 3]);
}

#[test]
fn every_comparison_with_nan_is_false() {
    for operator in ["<", "<=", ">", ">=", "==", "!="] {
        assert!(!holds(&format!("r_light {operator} 4")).contains(&2), "{operator}");
        assert_eq!(holds(&format!("0 / 0 {operator} r_light")), [0_usize; 0], "{operator}");
    }
    assert_eq!(holds("is_nan(min(r_light, 0)) and is_nan(max(0, r_light))"), [2]);
    assert_eq!(holds("1 / 0 > 1e300 and -1 / 0 < -1e300 and is_nan(sqrt(-1)) and log10(0) < -1e300"), [0, 1, 2, 3]);
}

#[test]
fn a_null_number_is_nan_and_a_null_string_compares_false() {
    assert_eq!(holds("is_nan(parent_id)"), [0]);
    assert_eq!(holds("parent_id != 7"), [1, 3]);
    assert!(!holds("sample != 'anything'").contains(&2));
}

#[test]
fn an_empty_table_gives_no_rows() {
    let empty = table().filter(&[false; 4]).unwrap();
    let rule = Expression::parse("r_light < 1 or sample == 'x' or max(1, parent_id) > 0").unwrap();
    assert!(rule.evaluate(&empty).unwrap().is_empty());
}

#[test]
fn a_syntax_error_names_its_byte_what_was_found_and_what_was_expected() {
    for (text, at, found, expected) in [
        ("", 0, "an empty expression", "a condition"),
        ("   ", 0, "an empty expression", "a condition"),
        ("r_light <", 9, "the end", "a column, number"),
        ("r_light < < 3", 10, "\"<\"", "a column, number"),
        ("(r_light < 3", 12, "the end", "an operator or `)`"),
        ("r_light < 3)", 11, "\")\"", "an operator or the end"),
        ("r_light 3", 8, "the number 3.0", "an operator or the end"),
        ("a < b < c", 6, "\"<\"", "`and`, `or` or the end"),
        ("a = b", 2, "\"=\"", "an operator"),
        ("a && b", 2, "\"&&\"", "an operator"),
        ("a ** 2 > 1", 2, "\"**\"", "an operator"),
        ("é < 3 $", 7, "the character '$'", "a column, number"),
        ("a == 'x", 5, "a string without end", "a closing '"),
        (r"a == 'x\q'", 7, "the escape \\q", "one of"),
        ("a < 2px", 4, "\"2px\"", "a finite number"),
        ("a < 1e999", 4, "\"1e999\"", "a finite number"),
        ("a < 1.2.3", 4, "\"1.2.3\"", "a finite number"),
        ("squrt(a) < 1", 0, "the function \"squrt\"", "one of the functions abs, min"),
        ("sqrt(a, b) < 1", 0, "2 values for sqrt()", "one value"),
        ("min(a) < 1", 0, "1 values for min()", "two or more values"),
        ("sqrt() < 1", 0, "0 values for sqrt()", "one value"),
        ("and a", 0, "\"and\"", "a column, number"),
        ("a < (", 5, "the end", "a column, number"),
    ] {
        let error = syntax(text);
        assert_eq!((error.code, error.at.start), ("expression-syntax", at), "{text}: {error}");
        assert!(error.found.contains(found), "{text}: {error}");
        assert!(error.expected.contains(expected), "{text}: {error}");
    }
    assert_eq!(syntax("squrt(a) < 1").help.as_deref(), Some("did you mean `sqrt`?"));
    assert_eq!(syntax("a && b").help.as_deref(), Some("write `and`"));
}

#[test]
fn a_hostile_expression_is_refused_without_overflowing_the_stack() {
    let deep = 1_000_000;
    for text in [
        "(".repeat(deep),
        "-".repeat(deep),
        "not ".repeat(deep),
        "abs(".repeat(deep),
        format!("{}1 < 2{}", "(".repeat(deep), ")".repeat(deep)),
        format!("1{} < 2", " + 1".repeat(deep)),
        format!("true{}", " or true".repeat(deep)),
        "1 < ".repeat(deep),
    ] {
        assert_eq!(syntax(&text).code, "expression-syntax");
    }
    // A small stack, as in a thread pool, holds the deepest expression that is allowed.
    let n = MAX_DEPTH - 2;
    let deepest = format!("{}r_light{} < 2", "-(".repeat(n / 2), ")".repeat(n / 2));
    let chain = format!("true{}", " and true".repeat(n));
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            for text in [deepest, chain] {
                let rule = Expression::parse(&text).unwrap();
                assert!(rule.problems(None).is_empty());
                assert_eq!(rule.evaluate(&table()).unwrap().len(), 4);
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn an_unknown_column_gets_the_nearest_name() {
    let found = problems("r_ligth < 2 * fwhm and seeing > 1");
    let short: Vec<_> = found.iter().map(|e| (e.code, e.at.clone(), e.found.as_str())).collect();
    let expected = [(0..7, "\"r_ligth\""), (14..18, "\"fwhm\""), (23..29, "\"seeing\"")];
    assert_eq!(short, expected.map(|(at, found)| ("unknown-column", at, found)));
    assert_eq!(found[0].expected, "one of the table's columns");
    assert_eq!(found[0].help.as_deref(), Some("did you mean \"r_light\"?"));
    assert_eq!(found[1].help.as_deref(), Some("did you mean \"fwhm_local\"?"));
    assert!(found[2].help.as_deref().unwrap().starts_with("there are r_light, fwhm_local"), "{:?}", found[2].help);
}

#[test]
fn types_are_checked_before_any_row_is_read() {
    for (text, at, found, expected) in [
        ("r_light", 0, "the column \"r_light\", which holds a number", "a condition"),
        ("r_light + 1", 0, "a number", "a condition"),
        ("'text'", 0, "the string \"text\"", "a condition"),
        ("not r_light", 4, "the column \"r_light\"", "a truth value after `not`"),
        ("r_light and true", 0, "the column \"r_light\"", "a truth value beside `and`"),
        ("sample < 'b'", 0, "the column \"sample\", which holds text", "a number beside `<`"),
        ("is_atomic < 1", 0, "the column \"is_atomic\"", "a number beside `<`"),
        ("sample == 1", 10, "the number 1.0, compared with text", "text on both sides of `==`"),
        ("-sample == 1", 1, "the column \"sample\"", "a number after `-`"),
        ("sqrt(true) > 1", 5, "a truth value", "a number in sqrt()"),
        ("r_light + (1 < 2) > 1", 10, "a truth value", "a number beside `+`"),
    ] {
        let list = problems(text);
        let first = list.iter().find(|e| e.at.start == at).unwrap_or_else(|| panic!("{text}: {list:?}"));
        assert_eq!(first.code, "expression-type", "{text}");
        assert!(first.found.contains(found), "{text}: {first}");
        assert!(first.expected.contains(expected), "{text}: {first}");
        assert!(Expression::parse(text).unwrap().evaluate(&table()).is_err());
    }
}

#[test]
fn without_columns_only_what_is_wrong_for_every_table_is_reported() {
    let check = |text: &str| Expression::parse(text).unwrap().problems(None).len();
    assert_eq!(check("whatever"), 0);
    assert_eq!(check("a < b and c == 'x' or not d"), 0);
    assert_eq!(check("1 + 2"), 1);
    assert_eq!(check("(a < b) + 1 > 2 and 'x' < 3"), 2);
}

#[test]
fn messages_show_the_position_inside_the_expression() {
    let columns = [("r_light".to_owned(), ColumnKind::Float)];
    let rule = Expression::parse("2 * r_ligth < 3").unwrap();
    let errors = rule.problems(Some(&columns));
    assert_eq!(errors[0].found_in(rule.text()), "\"r_ligth\" at byte 4 of \"2 * r_ligth < 3\"");
}
