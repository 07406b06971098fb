//! Problems of a graph as text: excerpt, what was found, what was expected, what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use skyloom_engine::Diagnostic;

/// All problems, one after the other, with source excerpts.
#[must_use]
pub fn diagnostics(list: &[Diagnostic], use_colour: bool) -> String {
    let renderer = if use_colour { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for problem in list {
        let path = problem.file.display().to_string();
        let title = format!("{}: found {}", problem.subject, problem.found);
        let label = format!("expected {}", problem.expected);
        let end = problem.span.end.min(problem.source.len()).max(problem.span.start);
        let span = problem.span.start.min(problem.source.len())..end;
        let snippet = Snippet::source(problem.source.as_ref())
            .path(path)
            .line_start(1)
            .annotation(AnnotationKind::Primary.span(span).label(label));
        let mut group = Group::with_title(Level::ERROR.primary_title(title).id(problem.code.clone())).element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.clone()));
        }
        out.push_str(&renderer.render(&[group]).to_string());
        out.push_str("\n\n");
    }
    let n = list.len();
    out.push_str(&format!("{n} problem{} in the graph; nothing ran\n", if n == 1 { "" } else { "s" }));
    out
}
