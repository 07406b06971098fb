//! From a descriptor file to a checked kind, or to everything that is wrong with it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use ron::extensions::Extensions;
use skyloom_engine::{Diagnostic, RonFile, nearest};

use crate::descriptor::{Descriptor, Kind, OutputSpec, ParamSpec, ParamWord, ProductWord};
use crate::params::{Param, Value, ValueOf};

/// RON as graph files have it.
pub(crate) fn ron_options() -> &'static ron::Options {
    static OPTIONS: LazyLock<ron::Options> = LazyLock::new(|| {
        ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_NEWTYPES)
    });
    &OPTIONS
}

/// A kind and its file, for problems that only show beside other kinds.
pub(crate) struct Read {
    pub(crate) kind: Kind,
    pub(crate) file: RonFile,
}

/// Reads and checks a descriptor. `shown` is its name in messages, `path` its canonical path.
pub(crate) fn read(shown: PathBuf, path: &Path, text: &str) -> Result<Read, Vec<Diagnostic>> {
    let file = RonFile::read(&shown, text)?;
    let descriptor: Descriptor = file.parse()?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut checker = Checker { file: &file, problems: Vec::new() };
    checker.whole(&descriptor);
    checker.ports(&descriptor);
    checker.command(&descriptor, &folder);
    let params = checker.params(&descriptor);
    let problems = checker.problems;
    if problems.is_empty() {
        Ok(Read { kind: Kind { descriptor, shown, folder, params }, file })
    } else {
        Err(problems)
    }
}

struct Checker<'a> {
    file: &'a RonFile,
    problems: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn report(&mut self, path: &[&str], code: &str, found: impl Into<String>, expected: &str) -> &mut Diagnostic {
        self.problems.push(self.file.problem(path, code, found, expected));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    fn whole(&mut self, d: &Descriptor) {
        let words: Vec<&str> = d.kind.split('.').collect();
        if words.len() < 2 || !words.iter().all(|word| is_name(word)) {
            self.report(&["kind"], "bad-name", format!("{:?}", d.kind), "a kind such as \"acme.halo\", in lower case");
        }
        if d.doc.trim().is_empty() {
            self.report(&["doc"], "missing-doc", "nothing", "what the program does, in a sentence");
        }
        if !(d.time_limit_s > 0.0 && d.time_limit_s.is_finite()) {
            self.report(&["time_limit_s"], "out-of-range", d.time_limit_s.to_string(), "seconds, greater than 0");
        }
        let per_pixel = d.estimate.bytes_per_pixel;
        if !(per_pixel >= 0.0 && per_pixel.is_finite()) {
            let path = ["estimate", "bytes_per_pixel"];
            self.report(&path, "out-of-range", per_pixel.to_string(), "bytes, at least 0");
        }
        for (i, name) in d.environment.iter().enumerate() {
            if name.is_empty() || name.contains(['=', '\0']) {
                let path = ["environment", &i.to_string()];
                self.report(&path, "bad-name", format!("{name:?}"), "the name of an environment variable");
            }
        }
    }

    fn ports(&mut self, d: &Descriptor) {
        for (name, spec) in &d.inputs {
            self.name(&["inputs", name], name);
            if spec.format.is_some() && spec.product != ProductWord::Table {
                self.report(&["inputs", name, "format"], "bad-field", "a format", "none: only tables have a choice");
            }
        }
        if d.outputs.is_empty() {
            self.report(&["outputs"], "missing-field", "no output", "at least one");
        }
        for (name, spec) in &d.outputs {
            self.name(&["outputs", name], name);
            self.promises(d, name, spec);
        }
    }

    fn promises(&mut self, d: &Descriptor, name: &str, spec: &OutputSpec) {
        let is_table = spec.product == ProductWord::Table;
        let is_image = spec.product == ProductWord::Image;
        let misplaced = [
            ("format", spec.format.is_some() && !is_table, "none: only tables have a choice"),
            ("extension", spec.extension.is_some() && spec.product != ProductWord::File, "none: only a file has one"),
            ("same_shape_as", spec.same_shape_as.is_some() && !is_image, "none: only an image has a shape"),
            ("columns", spec.columns.is_some() && !is_table, "none: only a table has columns"),
            ("finite", spec.finite && !is_image && !is_table, "none: only images and tables have numbers"),
        ];
        for (field, _, expected) in misplaced.into_iter().filter(|(_, is_misplaced, _)| *is_misplaced) {
            self.report(&["outputs", name, field], "bad-field", format!("{field:?} of another product"), expected);
        }
        if let Some(extension) = &spec.extension
            && (extension.is_empty() || !extension.chars().all(|c| c.is_ascii_alphanumeric()))
        {
            let path = ["outputs", name, "extension"];
            self.report(&path, "bad-name", format!("{extension:?}"), "an extension without dot: letters and digits");
        }
        if let Some(input) = spec.same_shape_as.as_ref().filter(|_| is_image) {
            let images: Vec<&str> = d
                .inputs
                .iter()
                .filter(|(_, i)| i.product == ProductWord::Image && i.engine_arity() == skyloom_engine::Arity::One)
                .map(|(name, _)| name.as_str())
                .collect();
            if !images.contains(&input.as_str()) {
                let path = ["outputs", name, "same_shape_as"];
                let near = nearest(input, images).map(|name| format!("did you mean {name:?}?"));
                self.report(&path, "unknown-port", format!("{input:?}"), "a required input image").help = near;
            }
        }
    }

    fn name(&mut self, path: &[&str], name: &str) {
        if !is_name(name) {
            let expected = "a name of lower-case letters, digits and _, with a letter first";
            self.report(path, "bad-name", format!("{name:?}"), expected);
        }
    }

    fn command(&mut self, d: &Descriptor, folder: &Path) {
        match d.command.first() {
            None => {
                self.report(&["command"], "missing-field", "no program", "[\"program\", \"argument\", ..]");
            }
            Some(program) => {
                let is_plain = !program.contains('/');
                if program.is_empty() || !(is_plain || program.starts_with("{folder}/") || program.starts_with('/')) {
                    let expected = "a name that PATH finds, or a path that begins with {folder}/";
                    self.report(&["command", "0"], "bad-path", format!("{program:?}"), expected);
                }
            }
        }
        for (i, word) in d.command.iter().enumerate() {
            for unknown in placeholders(word).filter(|name| !matches!(*name, "job" | "folder")) {
                let path = ["command", &i.to_string()];
                let expected = "{job} or {folder}; parameters are in the job file, never in the command";
                self.report(&path, "unknown-reference", format!("{{{unknown}}}"), expected);
            }
        }
        for (i, name) in d.files.iter().enumerate() {
            let path = folder.join(name);
            if !path.is_file() {
                let found = if path.exists() { "no plain file" } else { "no such file" };
                let found = format!("{found} ({})", path.display());
                self.report(&["files", &i.to_string()], "missing-file", found, "a file beside the descriptor");
            }
        }
    }

    fn params(&mut self, d: &Descriptor) -> Vec<Param> {
        d.params.iter().map(|(name, spec)| self.param(name, spec)).collect()
    }

    fn param(&mut self, name: &str, spec: &ParamSpec) -> Param {
        self.name(&["params", name], name);
        if spec.doc.trim().is_empty() {
            let expected = "its meaning, a sensible range, and what happens when it is too small or too large";
            self.report(&["params", name, "doc"], "missing-doc", "nothing", expected);
        }
        let is_number = matches!(spec.kind, ParamWord::Float | ParamWord::Int);
        let bounds = [("min", spec.min), ("max", spec.max), ("above", spec.above), ("below", spec.below)];
        for (field, bound) in bounds.iter().filter_map(|(field, bound)| Some((*field, (*bound)?))) {
            if !is_number || bound.is_nan() {
                let found = if is_number { "NaN".to_owned() } else { format!("{field:?} of no number") };
                self.report(&["params", name, field], "bad-field", found, "bounds of numbers");
            }
        }
        if lowest(spec) > highest(spec) {
            let found = format!("no value from {} to {}", lowest(spec), highest(spec));
            self.report(&["params", name], "out-of-range", found, "a range that holds a value");
        }
        let has_choices = !spec.choices.is_empty();
        if (spec.kind == ParamWord::Choice) != has_choices {
            let (found, expected) =
                if has_choices { ("choices of another type", "type: choice") } else { ("no choices", "choices: {..}") };
            self.report(&["params", name, "choices"], "bad-field", found, expected);
        }
        for word in spec.choices.keys().filter(|word| !is_name(word)) {
            self.report(&["params", name, "choices", word], "bad-name", format!("{word:?}"), "a lower-case word");
        }
        let mut param = Param::new(name, spec);
        if let Some(default) = &spec.default {
            match ron_options().from_str_seed(default.get_ron(), ValueOf(&param)) {
                Ok(value) => {
                    self.default(name, spec, &value);
                    param.default = Some(value);
                }
                Err(error) => {
                    let found = format!("{}: {}", default.get_ron().trim(), error.code);
                    self.report(&["params", name, "default"], "wrong-type", found, "a value of the parameter's type");
                }
            }
        }
        param
    }

    fn default(&mut self, name: &str, spec: &ParamSpec, value: &Value) {
        let number = match value {
            Value::Float(v) => *v,
            Value::Int(v) => *v as f64,
            Value::File(path) => {
                // Its meaning would depend on where the program is started from.
                let expected = "none: a file must be given, or be one of the declared `files`";
                self.report(&["params", name, "default"], "bad-field", format!("{path:?}"), expected);
                return;
            }
            _ => return,
        };
        let is_inside = spec.min.is_none_or(|v| number >= v)
            && spec.max.is_none_or(|v| number <= v)
            && spec.above.is_none_or(|v| number > v)
            && spec.below.is_none_or(|v| number < v);
        if !is_inside || !number.is_finite() {
            let path = ["params", name, "default"];
            self.report(&path, "out-of-range", number.to_string(), "a value inside the parameter's range");
        }
    }
}

fn lowest(spec: &ParamSpec) -> f64 {
    spec.min.unwrap_or(f64::NEG_INFINITY).max(spec.above.unwrap_or(f64::NEG_INFINITY))
}

fn highest(spec: &ParamSpec) -> f64 {
    spec.max.unwrap_or(f64::INFINITY).min(spec.below.unwrap_or(f64::INFINITY))
}

/// Names become identifiers of RON, keys of JSON and names of files.
fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Words in single braces: `{job}`. Other braces are plain characters.
fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    word.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).filter(|name| is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        match read("x.stage.ron".into(), Path::new("/nowhere/x.stage.ron"), text) {
            Ok(_) => Vec::new(),
            Err(list) => list.iter().map(|d| format!("{}:{} {} {}", d.line, d.column, d.code, d.subject)).collect(),
        }
    }

    #[test]
    fn a_descriptor_without_faults_is_read() {
        let text = r#"(kind: "acme.x", version: 1, doc: "It works.", outputs: {"t": (product: table, doc: "d")},
            params: {"a": (type: float, above: 0, max: 3, default: 2, doc: "d", unit: "px"),
                     "b": (type: choice, choices: {"one": "1", "two": "2"}, default: two, doc: "d"),
                     "c": (type: int, doc: "d")},
            memory_limit: "2GiB", command: ["sh", "{folder}/x", "{job}", "a{2}"])"#;
        let Read { kind, .. } =
            read("x.stage.ron".into(), Path::new("/nowhere/x.stage.ron"), text).unwrap_or_else(|e| panic!("{e:#?}"));
        assert_eq!(kind.params[0].default, Some(Value::Float(2.0)));
        assert_eq!(kind.params[1].default, Some(Value::Choice(1, "two")));
        assert_eq!(kind.params[2].default, None);
        assert_eq!(kind.descriptor.memory_limit.map(|s| s.0), Some(2 << 30));
        assert_eq!(kind.fill("{folder}/x{job}{", Path::new("/j")), "/nowhere/x/j{");
        let info = crate::schema::info(&kind);
        assert_eq!(info.example, "(c: 1)");
        let source = crate::source::Descriptors::new(vec![kind]);
        let build = |text: &str| skyloom_engine::StageSource::build(&source, "acme.x", text);
        let stage = build("(c: 4, b: one)").expect("it builds");
        let written = ron_options().to_string(&*stage).expect("it is written");
        assert_eq!(written, "(kind:\"external.process\",params:(a:2.0,b:one,c:4))");
        assert_eq!(
            build("(c: 4, b: three)").expect_err("no such word").message,
            "Expected one of one, two but found three"
        );
        assert!(build("()").expect_err("no c").message.contains("no value for \"c\""));
    }

    #[test]
    fn all_faults_are_reported_with_their_places() {
        let text = "(kind: \"Acme\", version: 1, doc: \"\", outputs: {\"t\": (product: table, doc: \"d\", extension: \"x\")},\n\
            params: {\"a\": (type: float, min: 3, max: 1, doc: \"d\"),\n\
            \"b\": (type: int, default: 9, max: 3, doc: \"\")},\n\
            command: [\"./x\", \"{sigma}\"], files: [\"gone.py\"])";
        assert_eq!(
            problems(text),
            [
                "1:8 bad-name kind",
                "1:33 missing-doc doc",
                "1:90 bad-field outputs.t.extension",
                "4:11 bad-path command.0",
                "4:18 unknown-reference command.1",
                "4:38 missing-file files.0",
                "2:15 out-of-range params.a",
                "3:43 missing-doc params.b.doc",
                "3:27 out-of-range params.b.default",
            ]
        );
        assert_eq!(problems("(kind: \"a.b\",\n version: 1, docs: \"\")").len(), 1);
        assert_eq!(problems("(kind: "), ["1:8 syntax-error syntax"]);
        assert_eq!(problems("(a: 1, a: 2)"), ["1:8 duplicate-name a"]);
    }
}
