//! Progress on the terminal: one line per running node, one line per finished one.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use skyloom_engine::{Event, Observer, RunStatus, Verdict};

use crate::size::{show_count, show_seconds};

/// Writes to standard error. Bars move only on a terminal; elsewhere every line is final.
pub struct TerminalProgress {
    bars: Option<MultiProgress>,
    running: Mutex<BTreeMap<String, Running>>,
}

struct Running {
    bar: Option<ProgressBar>,
    start: Instant,
    expected_s: Option<f64>,
}

impl Default for TerminalProgress {
    fn default() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, running: Mutex::default() }
    }
}

impl std::fmt::Debug for TerminalProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TerminalProgress")
    }
}

impl TerminalProgress {
    fn line(&self, text: &str) {
        match &self.bars {
            // A closed terminal is no reason to stop a run.
            Some(bars) => drop(bars.println(text)),
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    fn started(&self, node: &str, expected_s: Option<f64>) {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix:<22} {elapsed:>5}  {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(node.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(node.to_owned(), Running { bar, start: Instant::now(), expected_s });
    }

    fn progressed(&self, node: &str, unit: &str, done: u64, total: u64) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running { bar: Some(bar), start, expected_s }) = running.get(node) else { return };
        let spent = start.elapsed().as_secs_f64();
        // The record knows best; the share of work done is a guess that stars of unlike brightness break.
        let expected = expected_s.or((done > 0).then(|| spent * total as f64 / done as f64));
        let left = expected.map_or_else(String::new, |e| format!(", about {}", show_seconds(e)));
        bar.set_message(format!("{} of {} {unit}{left}", show_count(done), show_count(total)));
    }

    fn finished(&self, node: &str, verdict: Verdict, reason: &str, wall_s: f64) {
        let ended = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
        if let Some(Running { bar: Some(bar), .. }) = ended {
            bar.finish_and_clear();
        }
        match verdict {
            Verdict::Ran => self.line(&format!("  ran     {node:<22} {:>8}  {reason}", show_seconds(wall_s))),
            Verdict::Failed => self.line(&format!("  failed  {node:<22} {:>8}  {reason}", show_seconds(wall_s))),
            Verdict::Blocked => self.line(&format!("  blocked {node:<22} {:>8}  {reason}", "")),
            // What was reused is counted at the end: fifty lines of it would hide the two that matter.
            Verdict::Reused => {}
        }
    }
}

impl Observer for TerminalProgress {
    fn event(&self, event: &Event) {
        match event {
            Event::NodeStarted { node, expected_s, .. } => self.started(node, *expected_s),
            Event::NodeProgress { node, unit, done, total } => self.progressed(node, unit, *done, *total),
            Event::NodeWarning { node, message } => self.line(&format!("  warning {node:<22} {message}")),
            Event::EngineWarning { message } => self.line(&format!("  warning {message}")),
            Event::NodeFinished { node, verdict, reason, wall_s } => self.finished(node, *verdict, reason, *wall_s),
            Event::RunFinished { status, ran, reused, failed, blocked, wall_s } => {
                let mut parts = vec![format!("{ran} ran"), format!("{reused} reused")];
                if *failed > 0 {
                    parts.push(format!("{failed} failed"));
                }
                if *blocked > 0 {
                    parts.push(format!("{blocked} blocked"));
                }
                let word = match status {
                    RunStatus::Succeeded => "done",
                    RunStatus::Failed => "failed",
                    RunStatus::Cancelled => "stopped",
                };
                self.line(&format!("{word}: {} in {}", parts.join(", "), show_seconds(*wall_s)));
            }
            Event::RunStarted { .. } | Event::FileDelivered { .. } => {}
        }
    }
}

/// Events as JSON lines on standard output.
#[derive(Debug, Default)]
pub struct JsonLines;

impl Observer for JsonLines {
    fn event(&self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            drop(writeln!(std::io::stdout().lock(), "{line}"));
        }
    }
}
