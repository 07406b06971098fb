//! What a program tells while it runs: JSON lines on its standard output.

use indexmap::IndexMap;
use serde::Deserialize;
use skyloom_engine::{Context, Progress};

use crate::log::Log;

/// Longer lines are never messages.
const LONGEST_LINE: usize = 1 << 16;

/// Messages and numbers that are passed on; a program that tells more is told so.
const MOST: usize = 200;

/// One line. Anything else is log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    Progress {
        done: u64,
        total: u64,
        #[serde(default)]
        unit: String,
    },
    Warning(String),
    Metric(IndexMap<String, f64>),
    /// Why the program is about to fail, or has nothing to do.
    Error(String),
}

fn parse(line: &[u8]) -> Option<Message> {
    let line = line.trim_ascii();
    if !line.starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(line).ok()
}

/// Takes the standard output apart, and passes messages on.
pub(crate) struct Listener<'a, 'c> {
    cx: &'a Context<'c>,
    line: Vec<u8>,
    /// Whether the line at hand was too long already.
    is_long: bool,
    progress: Option<(String, u64, u64, Progress)>,
    n_passed: usize,
    pub(crate) log: Log,
    pub(crate) error: Option<String>,
}

impl<'a, 'c> Listener<'a, 'c> {
    pub(crate) fn new(cx: &'a Context<'c>) -> Self {
        Self { cx, line: Vec::new(), is_long: false, progress: None, n_passed: 0, log: Log::default(), error: None }
    }

    /// Takes the next piece of the output.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.is_long || self.line.len() + part.len() > LONGEST_LINE {
                self.log.add(&std::mem::take(&mut self.line));
                self.log.add(part);
                self.is_long = !part.ends_with(b"\n");
                continue;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.end_of_line();
            }
        }
    }

    /// Takes what was printed without an end of line.
    pub(crate) fn finish(&mut self) {
        self.end_of_line();
    }

    fn end_of_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match parse(&line) {
            None => self.log.add(&line),
            Some(Message::Progress { done, total, unit }) => self.advance(unit, done, total),
            Some(Message::Warning(text)) => {
                if self.may_pass() {
                    self.cx.warn(text);
                }
            }
            Some(Message::Metric(numbers)) => {
                for (name, value) in numbers {
                    if self.may_pass() {
                        self.cx.metric(&name, value);
                    }
                }
            }
            Some(Message::Error(text)) => self.error = Some(text),
        }
    }

    fn may_pass(&mut self) -> bool {
        self.n_passed += 1;
        if self.n_passed == MOST + 1 {
            self.cx.warn(format!("the program tells more than {MOST} warnings and numbers; the others are left out"));
        }
        self.n_passed <= MOST
    }

    fn advance(&mut self, unit: String, done: u64, total: u64) {
        let unit = if unit.is_empty() { "steps".to_owned() } else { unit };
        let done = done.min(total);
        let is_same =
            self.progress.as_ref().is_some_and(|(u, t, before, _)| *u == unit && *t == total && *before <= done);
        if !is_same {
            let progress = self.cx.progress(&unit, total);
            self.progress = Some((unit, total, 0, progress));
        }
        if let Some((_, _, before, progress)) = &mut self.progress
            && done > *before
        {
            progress.advance(done - *before);
            *before = done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_messages_are_messages() {
        let progress = Message::Progress { done: 3, total: 10, unit: "rows".to_owned() };
        assert_eq!(parse(br#"{"progress": {"done": 3, "total": 10, "unit": "rows"}}"#), Some(progress));
        assert_eq!(parse(b" {\"warning\": \"dim\"}\r\n"), Some(Message::Warning("dim".to_owned())));
        assert_eq!(parse(br#"{"error": "no star"}"#), Some(Message::Error("no star".to_owned())));
        assert!(
            matches!(parse(br#"{"metric": {"n": 3, "x": 0.5}}"#), Some(Message::Metric(m)) if m["x"] == 0.5 && m["n"] == 3.0)
        );
        let others: [&[u8]; 8] = [
            b"",
            b"{",
            b"{}",
            b"[1]",
            b"hello",
            br#"{"other": 1}"#,
            br#"{"metric": {"n": NaN}}"#,
            br#"{"progress": 3}"#,
        ];
        for other in others {
            assert_eq!(parse(other), None);
        }
    }
}
