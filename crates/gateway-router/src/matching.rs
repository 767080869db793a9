//! Which rules a request matches, conditions aside: each kind has its own small automaton.

use crate::build::BuildError;
use crate::pattern::{PatternError, Patterns, Reading, check};
use crate::query::Query;
use crate::rule::Rule;
use crate::spec::RuleKind;
use crate::table::{VIA, is_via};

/// The rules that can match, by kind; positions are those in the order of decision.
#[derive(Debug, Clone)]
pub(crate) struct Matchers {
    models: Indexed,
    /// The model rules that a name `claude-via-…` may match, too.
    vias: Indexed,
    paths: Indexed,
    /// By the header's name.
    headers: Vec<(String, Indexed)>,
    /// What takes every request.
    always: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Indexed {
    patterns: Patterns,
    /// Pattern → position.
    at: Vec<usize>,
}

impl Matchers {
    /// Rules in the order of decision; those that are disabled, or whose provider is, are checked and left out.
    pub(crate) fn new(
        rules: &[Rule],
        is_enabled: impl Fn(usize) -> bool,
    ) -> Result<Self, BuildError> {
        let (mut models, mut vias, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        let mut headers: Vec<(String, Vec<(usize, &str)>)> = Vec::new();
        let mut always = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let spec = &rule.spec;
            if let Some((reading, pattern)) = spec.glob() {
                check(reading, pattern).map_err(|error| fault(rule, error))?;
            }
            if !spec.enabled || !is_enabled(rule.own.provider) {
                continue;
            }
            let pattern = spec.pattern.as_str();
            match &spec.kind {
                RuleKind::CatchAll => always.push(at),
                RuleKind::ModelPattern if pattern == "*" => always.push(at),
                RuleKind::ModelPattern => {
                    models.push((at, pattern));
                    if pattern.starts_with(VIA) {
                        vias.push((at, pattern));
                    }
                }
                RuleKind::PathPattern => paths.push((at, pattern)),
                RuleKind::HeaderMatch { name, value } => {
                    let entry = headers.iter().position(|(held, _)| held == name);
                    let entry = entry.unwrap_or_else(|| {
                        headers.push((name.clone(), Vec::new()));
                        headers.len() - 1
                    });
                    headers[entry].1.push((at, value));
                }
            }
        }
        let compile = |list: &[(usize, &str)], reading| {
            Indexed::new(list, reading).map_err(|(at, error)| fault(&rules[at], error))
        };
        let headers = headers.into_iter().map(|(name, list)| {
            let values = compile(&list, Reading::Text)?;
            Ok((name, values))
        });
        Ok(Self {
            models: compile(&models, Reading::Model)?,
            vias: compile(&vias, Reading::Model)?,
            paths: compile(&paths, Reading::Text)?,
            headers: headers.collect::<Result<_, BuildError>>()?,
            always,
        })
    }

    /// Positions of the rules that match, ascending. `name` is the requested one without `[1m]`.
    pub(crate) fn hits(&self, query: &Query<'_>, name: &str) -> Vec<usize> {
        let mut out = Vec::new();
        if is_via(name) {
            // The name itself says where it goes; only rules on such names come before that.
            self.vias.add(name, &mut out);
            return out;
        }
        out.extend_from_slice(&self.always);
        self.models.add(name, &mut out);
        if !self.paths.at.is_empty() {
            for path in query.paths() {
                self.paths.add(path, &mut out);
            }
        }
        for (header, values) in &self.headers {
            if let Some(value) = query.headers.get(header) {
                values.add(value, &mut out);
            }
        }
        out.sort_unstable();
        out.dedup(); // a path rule may match by both paths
        out
    }
}

impl Indexed {
    /// # Errors
    /// The position whose pattern it is, and why it is none.
    fn new(list: &[(usize, &str)], reading: Reading) -> Result<Self, (usize, PatternError)> {
        let patterns = Patterns::new(reading, list.iter().map(|(_, pattern)| *pattern));
        let patterns = patterns.map_err(|(at, error)| (list[at].0, error))?;
        Ok(Self { patterns, at: list.iter().map(|(at, _)| *at).collect() })
    }

    fn add(&self, text: &str, out: &mut Vec<usize>) {
        out.extend(self.patterns.matches(text).into_iter().map(|hit| self.at[hit]));
    }
}

fn fault(rule: &Rule, error: PatternError) -> BuildError {
    let pattern = rule.spec.glob().map(|(_, pattern)| pattern.to_owned()).unwrap_or_default();
    BuildError::Pattern { by: format!("the rule `{}`", rule.spec.label()), pattern, error }
}
