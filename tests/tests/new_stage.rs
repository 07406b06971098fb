//! `skyloom new stage`: what it writes, and what it refuses. CI builds and runs what it writes.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use skyloom_tests::{Place, repository};

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_skyloom-under-test"))
}

fn checkout() -> PathBuf {
    repository().canonicalize().expect("the repository is there")
}

/// All files below a folder by path, without what building and running leave there.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn visit(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("it is below").display().to_string().replace('\\', "/");
            if ["target", "out", "Cargo.lock"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                visit(root, &path, found);
            } else {
                found.insert(name, std::fs::read(&path).expect("the file can be read"));
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(folder, folder, &mut found);
    found
}

#[test]
fn the_example_is_what_the_command_writes() {
    let place = place();
    let checkout = checkout().display().to_string();
    let _ = place.run(&["new", "stage", "acme-unsharp", "--skyloom", &checkout]).ok();
    let mut written = tree(&place.path("acme-unsharp"));
    let manifest = written.get_mut("Cargo.toml").expect("there is a manifest");
    *manifest = String::from_utf8_lossy(manifest).replace(&checkout, "../..").into_bytes();
    let example = tree(&repository().join("examples/own-stage"));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&example));
    for (name, content) in &written {
        assert!(
            content == &example[name],
            "{name} differs: in examples/, remove own-stage and run `skyloom new stage acme-unsharp --skyloom .. --into own-stage`"
        );
    }
}

#[test]
fn a_relative_path_is_written_as_seen_from_the_new_folder() {
    let place = place();
    let fake = place.path("sky");
    for part in ["core/engine", "cli"] {
        std::fs::create_dir_all(fake.join(part)).expect("a folder can be made");
        std::fs::write(fake.join(part).join("Cargo.toml"), "").expect("a file can be written");
    }
    let _ = place.run(&["new", "stage", "acme-halo", "--skyloom", "sky", "--into", "mine/halo"]).ok();
    let manifest = std::fs::read_to_string(place.path("mine/halo/Cargo.toml")).expect("there is a manifest");
    assert!(manifest.contains(r#"skyloom-engine = { path = "../../sky/core/engine" }"#), "{manifest}");

    let git = ["new", "stage", "acme-star-halo", "--skyloom", "https://example.org/skyloom.git"];
    let said = place.run(&git).ok().stdout;
    assert!(said.contains("acme.star_halo") && said.contains("cargo test"), "{said}");
    let manifest = std::fs::read_to_string(place.path("acme-star-halo/Cargo.toml")).expect("there is a manifest");
    assert!(manifest.contains(r#"skyloom = { git = "https://example.org/skyloom.git" }"#), "{manifest}");
}

#[test]
fn the_help_says_what_is_written_and_where_skyloom_comes_from() {
    insta::assert_snapshot!(place().run(&["new", "stage", "--help"]).ok().stdout);
}

#[test]
fn a_python_package_takes_its_other_half_from_the_checkout() {
    let place = place();
    let checkout = checkout();
    let shown = checkout.display().to_string();
    let said = place.run(&["new", "stage", "acme-halo", "--python", "--skyloom", &shown]).ok().stdout;
    assert!(said.contains("pip install ./python"), "{said}");
    let read = |path: &str| std::fs::read_to_string(place.path("acme-halo").join(path)).expect("the file is there");
    let project = read("python/pyproject.toml");
    assert!(project.contains(&format!("python-source = {:?}", format!("{shown}/python/lib"))), "{project}");
    assert!(project.contains("name = \"acme-halo-skyloom\""), "{project}");
    assert!(read("python/src/lib.rs").contains("skyloom_python::fill(module, &[acme_halo::STAGE_CRATE])"));
    // Without an interpreter there is nothing to link it with: `cargo test` leaves it alone.
    assert!(read("Cargo.toml").contains("default-members = [\"stage\", \"program\"]\n"));

    // Only the Python package needs more than Cargo can fetch.
    let git = ["new", "stage", "acme-ring", "--python", "--skyloom", "https://example.org/skyloom.git"];
    let ended = place.run(&git);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("needs a checkout") && ended.stderr.contains("clone it"), "{}", ended.stderr);
    assert!(!place.path("acme-ring").exists());
}

#[test]
fn nothing_is_overwritten_and_what_cannot_be_is_explained() {
    let place = place();
    let _ = place.run(&["new", "stage", "acme-halo"]).ok();
    let before = tree(&place.path("acme-halo"));
    let cases: [(&[&str], &str, &str); 5] = [
        (&["acme-halo"], "is there already", "--into"),
        (&["halo"], "it has no dash", "acme-halo makes the kind acme.halo"),
        (&["psf-halo"], "is a family of skyloom-stages", "a word of your own"),
        (&["test-panic"], "is brought by skyloom-tests", "another name"),
        (&["acme-other", "--skyloom", "no/such/folder"], "no checkout of Skyloom", "--skyloom PATH_OR_GIT_URL"),
    ];
    for (args, message, help) in cases {
        let ended = place.run(&[&["new", "stage"], args].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(message) && ended.stderr.contains(help), "{args:?}: {}", ended.stderr);
    }
    assert!(tree(&place.path("acme-halo")) == before && !place.path("acme-other").exists());
}

#[test]
fn new_crates_take_the_versions_that_skyloom_takes() {
    let line = |text: &str, name: &str| {
        let start = format!("{name} = ");
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {name}"));
        // The first text in quotes that starts with a digit.
        line.split('"').find(|part| part.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
    };
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).expect("the manifest can be read");
    // What only `--python` brings is not in the example.
    let (ours, theirs) = (read("Cargo.toml"), read("cli/templates/stage/workspace.toml").replace("{{python}}", ""));
    for name in ["edition", "rust-version", "libm", "ndarray", "pyo3", "schemars", "serde", "typetag"] {
        assert_eq!(line(&ours, name), line(&theirs, name), "{name}");
    }
}

#[test]
fn an_unknown_kind_is_answered_with_what_the_program_holds_and_how_more_comes_in() {
    let place = place();
    place.write("halo.ron", "(name: \"halo\", nodes: {\"a\": (kind: \"acme.halo\"), \"b\": (kind: \"psf.fi\")})");
    let ended = place.run(&["check", "halo.ron"]);
    assert_eq!(ended.code, Some(3));
    let text = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["skyloom-stages 0.1.0", "skyloom-tests 0.1.0", "main_with", "`plugins`", "did you mean \"psf.fit\"?"] {
        assert!(text.contains(part), "{part}: {}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches("main_with").count(), 1, "{}", ended.stderr);
}
