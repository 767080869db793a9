//! What is wrong, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::{Serialize, Serializer};

use crate::source::SourceFile;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The gateway does not start with it.
    Error,
    /// It starts, but this deserves a look.
    Warning,
}

/// One fault of the configuration.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) label: String,
    pub(crate) help: Vec<String>,
    pub(crate) place: Place,
}

/// Where a fault is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Nowhere,
    InFile { file: Arc<SourceFile>, range: Range<usize> },
    WholeFile(PathBuf),
    Line { path: PathBuf, line: usize },
    Variable(String),
    DotEnv { path: PathBuf, variable: String },
    Flag(&'static str),
}

impl Diagnostic {
    pub(crate) fn error(place: Place, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity: Severity::Error, message, label: String::new(), help: Vec::new(), place }
    }

    pub(crate) fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// A few words at the place itself.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Error or warning.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it; may be empty.
    pub fn help_lines(&self) -> &[String] {
        &self.help
    }

    /// Line and column in the configuration file, both from 1, if the fault lies there.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        match &self.place {
            Place::InFile { file, range } => Some(file.line_column(range.start)),
            Place::Line { line, .. } => Some((*line, 1)),
            _ => None,
        }
    }

    /// Where the fault lies, as `file:line:column`, a variable or an option.
    pub fn place(&self) -> Option<String> {
        Some(match &self.place {
            Place::Nowhere => return None,
            Place::InFile { file, range } => {
                let (line, column) = file.line_column(range.start);
                format!("{}:{line}:{column}", file.path.display())
            }
            Place::WholeFile(path) => path.display().to_string(),
            Place::Line { path, line } => format!("{}:{line}:1", path.display()),
            Place::Variable(name) => format!("environment variable {name}"),
            Place::DotEnv { path, variable } => format!("{variable} in {}", path.display()),
            Place::Flag(flag) => format!("option {flag}"),
        })
    }

    /// The fault as text for a terminal, with the line it is about.
    pub fn render(&self, colour: Colour) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let renderer = match colour {
            Colour::Plain => Renderer::plain(),
            Colour::Ansi => Renderer::styled(),
        };
        let title = level.primary_title(self.message.as_str());
        let help = || self.help.iter().map(|h| Level::HELP.message(h.as_str()));
        let group = if let Place::InFile { file, range } = &self.place {
            let path = file.path.display().to_string();
            let mut mark = AnnotationKind::Primary.span(visible(file, range));
            if !self.label.is_empty() {
                mark = mark.label(self.label.as_str());
            }
            let snippet = Snippet::source(file.shown()).path(path).annotation(mark);
            return renderer.render(&[title.element(snippet).elements(help())]);
        } else if let Some(place) = self.place() {
            title.element(Level::NOTE.with_name("where").message(place)).elements(help())
        } else {
            title.elements(help())
        };
        renderer.render(&[group])
    }
}

/// A byte order mark at the front would shift the columns of the first line.
fn visible(file: &SourceFile, range: &Range<usize>) -> Range<usize> {
    let end = range.end.min(file.text.len());
    range.start.min(end)..end
}

impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            severity: Severity,
            message: &'a str,
            help: &'a [String],
            place: Option<String>,
            line: Option<usize>,
            column: Option<usize>,
        }
        let at = self.line_column();
        View {
            severity: self.severity,
            message: &self.message,
            help: &self.help,
            place: self.place(),
            line: at.map(|a| a.0),
            column: at.map(|a| a.1),
        }
        .serialize(serializer)
    }
}

/// Whether text carries terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// For pipes and files.
    Plain,
    /// For a terminal.
    Ansi,
}

/// Every fault found in one go: at least one error, and the warnings beside it.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnostics {
    /// What keeps the gateway from starting; never empty.
    pub errors: Vec<Diagnostic>,
    /// What else deserves a look.
    pub warnings: Vec<Diagnostic>,
}

impl Diagnostics {
    #[expect(clippy::boxed_local, reason = "the shape in which single faults travel")]
    pub(crate) fn of(error: Box<Diagnostic>) -> Self {
        Self { errors: vec![*error], warnings: Vec::new() }
    }

    /// All of them as text, errors first, a blank line between.
    pub fn render(&self, colour: Colour) -> String {
        let all: Vec<String> =
            self.errors.iter().chain(&self.warnings).map(|d| d.render(colour)).collect();
        all.join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colour::Plain))
    }
}

impl std::error::Error for Diagnostics {}
