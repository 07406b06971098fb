//! What a program printed, kept up to a size: its beginning and its end.

use std::collections::VecDeque;

/// Bytes that are kept of the beginning, and as many of the end.
const HALF: usize = 2 << 20;

/// One stream of a program.
#[derive(Debug, Default)]
pub(crate) struct Log {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Log {
    /// Adds what was printed next.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HALF - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(HALF);
        self.tail.drain(..excess);
        self.left_out += excess as u64;
    }

    /// All that was kept, with a line where something is left out.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut content = self.head.clone();
        if self.left_out > 0 {
            content.extend(format!("\n[.. {} bytes are left out here ..]\n", self.left_out).as_bytes());
        }
        content.extend(&self.tail);
        content
    }

    /// The last lines that are not blank, each cut to what fits in a message.
    pub(crate) fn last_lines(&self, n: usize) -> Vec<String> {
        const LONGEST: usize = 300;
        // Lines of a message are short: more than this need not be looked at.
        let end: Vec<u8> = self.tail.iter().rev().chain(self.head.iter().rev()).take(1 << 14).copied().collect();
        let end: Vec<u8> = end.into_iter().rev().collect();
        let text = String::from_utf8_lossy(&end);
        let printable =
            |line: &str| -> String { line.chars().filter(|c| !c.is_control() || *c == '\t').take(LONGEST).collect() };
        let lines: Vec<String> = text.lines().map(printable).filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(n)..].to_vec()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_left_out() {
        let mut log = Log::default();
        log.add(b"first\n");
        for _ in 0..100 {
            log.add(&[b'x'; 1 << 16]);
        }
        log.add(b"\nlast\n\n");
        let content = log.content();
        assert!(content.len() < 2 * HALF + 100 && content.starts_with(b"first\n") && content.ends_with(b"\nlast\n\n"));
        let left_out = 100 * (1 << 16) + 13 - 2 * HALF;
        assert!(String::from_utf8_lossy(&content).contains(&format!("[.. {left_out} bytes are left out here ..]")));
        assert_eq!(log.last_lines(1), ["last"]);
    }

    #[test]
    fn short_output_is_kept_as_it_is() {
        let mut log = Log::default();
        assert!(log.is_empty() && log.content().is_empty() && log.last_lines(3).is_empty());
        log.add(b"a\r\n\x1b[1mb\xff");
        assert_eq!(log.content(), b"a\r\n\x1b[1mb\xff");
        assert_eq!(log.last_lines(3), ["a", "[1mb\u{fffd}"]);
    }
}
