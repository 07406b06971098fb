//! Reads a graph file, the bases that it starts from, and the overlays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Document, Named, Role, read_document};
use super::duplicates::report_duplicates;
use super::finding::Findings;
use super::source::{Place, Sources};
use super::syntax::parse_file;

/// The texts of a load in the order in which they apply: bases first, then the file, then overlays. The overlays that a file names
/// itself come between its base and the file.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) documents: Vec<(Document, Role)>,
    /// The files, as named, in the same order.
    pub(crate) files: Vec<PathBuf>,
    /// Source of the file that was asked for.
    pub(crate) main: u32,
}

/// Where the graph's own text comes from.
pub(crate) enum Start<'a> {
    /// A file, perhaps relative to the working folder.
    File(&'a Path),
    /// A text with the name of the file that it would be.
    Text(&'a Path, &'a str),
}

/// Reads everything. `None` when a file cannot be read or parsed: nothing else can be said then.
pub(crate) fn read_chain(
    start: &Start<'_>,
    overlays: &[PathBuf],
    working_dir: &Path,
    sources: &mut Sources,
    findings: &mut Findings,
) -> Option<Chain> {
    let mut reader = Reader { working_dir, sources, findings, is_complete: true };
    let mut chain = Chain::default();
    let (mut shown, text) = match start {
        Start::File(path) => (path.to_path_buf(), reader.read(path, None)),
        Start::Text(path, text) => (path.to_path_buf(), Some((*text).to_owned())),
    };
    let mut text = text?;
    let mut seen: Vec<PathBuf> = vec![reader.identity(&shown)];
    let mut is_main = true;
    loop {
        let Some((file, document)) = reader.document(&shown, text, Role::Graph) else { break };
        if is_main {
            chain.main = file;
            is_main = false;
        }
        let (base, own) = (document.base.clone(), document.overlays.clone());
        chain.documents.push((document, Role::Graph));
        chain.files.push(shown.clone());
        let folder = shown.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
        // Backwards, as everything else here until the end of the chain is known.
        for overlay in own.iter().rev() {
            let path = folder.join(&overlay.name);
            if let Some(text) = reader.read(&path, Some(("overlays", overlay)))
                && let Some((_, document)) = reader.document(&path, text, Role::Overlay)
            {
                chain.documents.push((document, Role::Overlay));
                chain.files.push(path);
            }
        }
        let Some(base) = base else { break };
        let next = folder.join(&base.name);
        let identity = reader.identity(&next);
        if let Some(first) = seen.iter().position(|known| *known == identity) {
            let names: Vec<String> =
                chain.files[first..].iter().chain([&next]).map(|path| path.display().to_string()).collect();
            let expected = "a base that does not lead back";
            reader.findings.report("base-cycle", base.place, "base", names.join(" -> "), expected);
            reader.is_complete = false;
            break;
        }
        seen.push(identity);
        let Some(read) = reader.read(&next, Some(("base", &base))) else { break };
        (shown, text) = (next, read);
    }
    chain.documents.reverse();
    chain.files.reverse();
    for overlay in overlays {
        if let Some(text) = reader.read(overlay, None)
            && let Some((_, document)) = reader.document(overlay, text, Role::Overlay)
        {
            chain.documents.push((document, Role::Overlay));
            chain.files.push(overlay.clone());
        }
    }
    reader.is_complete.then_some(chain)
}

struct Reader<'a> {
    working_dir: &'a Path,
    sources: &'a mut Sources,
    findings: &'a mut Findings,
    is_complete: bool,
}

impl Reader<'_> {
    /// Two names of one file are the same file.
    fn identity(&self, shown: &Path) -> PathBuf {
        let path = self.working_dir.join(shown);
        std::fs::canonicalize(&path).unwrap_or(path)
    }

    fn read(&mut self, shown: &Path, named_by: Option<(&str, &Named)>) -> Option<String> {
        let (found, text) = match std::fs::read(self.working_dir.join(shown)) {
            Ok(bytes) if bytes.len() >= u32::MAX as usize => ("more than 4 GB".to_owned(), None),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some(text),
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                    (format!("bytes that are not UTF-8, from byte {valid}"), Some((valid, text)))
                }
            },
            Err(error) => (why_unreadable(shown, &error), None),
        };
        self.is_complete = false;
        match (named_by, text) {
            (Some((field, named)), None) => {
                self.findings.report("unreadable-file", named.place, field, found, "a graph file that can be read");
            }
            (_, text) => {
                let (at, text) = text.unwrap_or_default();
                let folder = PathBuf::new();
                let file = self.sources.add(shown.to_path_buf(), folder, Arc::from(text), false);
                let place = Place::new(file, at..at);
                let expected = "a graph file (RON, UTF-8) that can be read";
                self.findings.report("unreadable-file", place, "file", found, expected);
            }
        }
        None
    }

    fn document(&mut self, shown: &Path, text: String, role: Role) -> Option<(u32, Document)> {
        let path = self.working_dir.join(shown);
        let folder = path.parent().unwrap_or(self.working_dir).to_path_buf();
        let file = self.sources.add(shown.to_path_buf(), folder, Arc::from(text), false);
        let Some(tree) = parse_file(self.sources, file, self.findings) else {
            self.is_complete = false;
            return None;
        };
        report_duplicates(&tree, self.sources, self.findings);
        Some((file, read_document(tree, role, "", self.sources, self.findings)))
    }
}

/// The usual reasons in words; the system's own words say "Is a directory (os error 21)".
fn why_unreadable(shown: &Path, error: &std::io::Error) -> String {
    let shown = shown.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("no such file ({shown})"),
        std::io::ErrorKind::IsADirectory => format!("a folder ({shown})"),
        std::io::ErrorKind::PermissionDenied => format!("a file that may not be read ({shown})"),
        _ => format!("{shown}: {error}"),
    }
}
