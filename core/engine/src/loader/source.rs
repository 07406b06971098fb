//! The texts that a graph is read from, and places inside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::graph::Origin;

/// A byte range of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) file: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Place {
    pub(crate) fn new(file: u32, range: std::ops::Range<usize>) -> Self {
        // Sources of 4 GB and more are refused when they are added.
        Self { file, start: range.start as u32, end: range.end as u32 }
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One text: a graph file, an overlay, or one `--set` of the command line.
#[derive(Debug)]
pub(crate) struct Source {
    /// As the user named it; `--set` for the command line.
    pub(crate) shown: PathBuf,
    /// Absolute folder that relative paths start from.
    pub(crate) folder: PathBuf,
    pub(crate) text: Arc<str>,
    line_starts: Vec<usize>,
    pub(crate) is_command_line: bool,
}

/// All texts of one load, in the order in which they were read.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    list: Vec<Source>,
}

impl Sources {
    pub(crate) fn add(&mut self, shown: PathBuf, folder: PathBuf, text: Arc<str>, is_command_line: bool) -> u32 {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        self.list.push(Source { shown, folder, text, line_starts, is_command_line });
        (self.list.len() - 1) as u32
    }

    pub(crate) fn get(&self, file: u32) -> &Source {
        &self.list[file as usize]
    }

    pub(crate) fn text(&self, place: Place) -> &str {
        &self.get(place.file).text[place.range()]
    }

    pub(crate) fn folder(&self, file: u32) -> &Path {
        &self.get(file).folder
    }

    pub(crate) fn is_command_line(&self, file: u32) -> bool {
        self.get(file).is_command_line
    }

    /// Line and column of the start of a place, both from 1; the column counts characters.
    pub(crate) fn line_column(&self, place: Place) -> (usize, usize) {
        let source = self.get(place.file);
        let offset = place.start as usize;
        let line = source.line_starts.partition_point(|&start| start <= offset);
        let start = source.line_starts[line - 1];
        (line, source.text[start..offset].chars().count() + 1)
    }

    /// `file:line:column`, for messages that point to a second place.
    pub(crate) fn describe(&self, place: Place) -> String {
        let source = self.get(place.file);
        if source.is_command_line {
            return format!("--set {}", source.text);
        }
        let (line, column) = self.line_column(place);
        format!("{}:{line}:{column}", source.shown.display())
    }

    pub(crate) fn origin(&self, place: Place) -> Origin {
        let source = self.get(place.file);
        if source.is_command_line {
            return Origin::CommandLine;
        }
        let (line, column) = self.line_column(place);
        Origin::File { path: source.shown.clone(), line, column }
    }
}
