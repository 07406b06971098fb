//! Problems as they are collected, before they are sorted and given to the user.

use crate::diagnostic::Diagnostic;

use super::source::{Place, Sources};

/// One problem at a place of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) code: String,
    pub(crate) place: Place,
    pub(crate) subject: String,
    pub(crate) found: String,
    pub(crate) expected: String,
    pub(crate) help: Option<String>,
}

impl Finding {
    /// Adds what to do.
    pub(crate) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }

    /// Adds `did you mean "x"?` when there is a near name.
    pub(crate) fn suggest(&mut self, nearest: Option<&str>) {
        if let Some(name) = nearest {
            self.help = Some(format!("did you mean {name:?}?"));
        }
    }
}

/// Collects problems.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) list: Vec<Finding>,
}

impl Findings {
    pub(crate) fn report(
        &mut self,
        code: &str,
        place: Place,
        subject: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> &mut Finding {
        self.list.push(Finding {
            code: code.to_owned(),
            place,
            subject: subject.into(),
            found: found.into(),
            expected: expected.into(),
            help: None,
        });
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.list.extend(other.list);
    }

    /// Everything in the order of the files, each mistake once: a node expanded over five bands repeats its mistake in
    /// every element, and the user made it once.
    pub(crate) fn into_diagnostics(mut self, sources: &Sources) -> Vec<Diagnostic> {
        self.list.sort_by_key(|f| f.place);
        let mut kept: Vec<Finding> = Vec::with_capacity(self.list.len());
        for finding in self.list {
            let same = |k: &&Finding| k.place == finding.place;
            let repeated = kept
                .iter()
                .rev()
                .take_while(same)
                .any(|k| k.code == finding.code && k.found == finding.found && k.expected == finding.expected);
            if !repeated {
                kept.push(finding);
            }
        }
        kept.into_iter().map(|finding| to_diagnostic(finding, sources)).collect()
    }
}

/// The problem with the text around it.
pub(crate) fn to_diagnostic(finding: Finding, sources: &Sources) -> Diagnostic {
    let source = sources.get(finding.place.file);
    let (line, column) = sources.line_column(finding.place);
    Diagnostic {
        code: finding.code,
        file: source.shown.clone(),
        line,
        column,
        span: finding.place.range(),
        source: source.text.clone(),
        subject: finding.subject,
        found: finding.found,
        expected: finding.expected,
        help: finding.help,
    }
}

/// `a, b, c`, or how many there are when they are too many to print.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        0 => "none".to_owned(),
        n if n <= SHOWN => names.join(", "),
        n => format!("{}, and {} more", names[..SHOWN].join(", "), n - SHOWN),
    }
}
