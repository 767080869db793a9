//! From specifications to a table.

use std::collections::HashMap;

use crate::matching::Matchers;
use crate::name::strip_long_context;
use crate::pattern::PatternError;
use crate::provider::{Provider, ProviderSpec};
use crate::query::Needs;
use crate::rule::{Dest, Rule, RuleSpec};
use crate::spec::{RuleKind, Target};
use crate::strategy::seed;
use crate::table::Table;

/// Why a table could not be built.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Two providers have one name.
    #[error("there are two providers `{name}`")]
    DuplicateProvider {
        /// The name.
        name: String,
    },
    /// A rule or the default names a provider that does not exist.
    #[error("{by} names the provider `{name}`, which does not exist")]
    UnknownProvider {
        /// Who names it, e.g. ``the rule `cheap` ``.
        by: String,
        /// The missing name.
        name: String,
    },
    /// A pattern is no glob.
    #[error("{by} has the pattern `{pattern}`: {error}")]
    Pattern {
        /// Whose pattern it is.
        by: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        error: PatternError,
    },
}

impl Table {
    /// Compiles providers and rules; whatever is named must be one of the providers.
    ///
    /// # Errors
    /// [`BuildError`] for the first pattern or name that does not hold.
    pub fn build(
        providers: Vec<ProviderSpec>,
        rules: Vec<RuleSpec>,
        default: Option<&str>,
    ) -> Result<Self, BuildError> {
        let names = Names::new(&providers)?;
        let default = default.map(|name| names.find(name, || "`default_provider`".to_owned()));
        let default = default.transpose()?;
        let mut ordered = Vec::with_capacity(rules.len());
        for (index, spec) in rules.into_iter().enumerate() {
            ordered.push(names.rule(index, spec)?);
        }
        ordered.sort_by_key(|r| std::cmp::Reverse(r.spec.priority)); // stable: equal ones keep their order
        for at in 0..ordered.len() {
            let mate = ordered[..at].iter().find(|r| r.spec.shares_with(&ordered[at].spec));
            ordered[at].group = mate.map_or(ordered[at].index, |r| r.group);
        }
        let mut positions = vec![0; ordered.len()];
        for (at, rule) in ordered.iter().enumerate() {
            positions[rule.index] = at;
        }
        let listed = index_models(&providers);
        let off = |p: &&ProviderSpec| !p.enabled && p.private;
        let withheld = providers.iter().filter(off).flat_map(|p| &p.models);
        let withheld = withheld.map(|model| strip_long_context(model).to_owned()).collect();
        let has_private = providers.iter().any(|p| p.enabled && p.private);
        let matchers = Matchers::new(&ordered, |at| providers[at].enabled)?;
        let needs = needs(&ordered);
        let providers = providers.into_iter().map(Provider::new).collect::<Result<_, _>>()?;
        Ok(Self {
            providers,
            rules: ordered,
            positions,
            matchers,
            listed,
            withheld,
            default,
            has_private,
            needs,
        })
    }
}

/// Providers by their names.
struct Names(HashMap<String, usize>);

impl Names {
    fn new(providers: &[ProviderSpec]) -> Result<Self, BuildError> {
        let mut by_name = HashMap::new();
        for (at, p) in providers.iter().enumerate() {
            if by_name.insert(p.name.clone(), at).is_some() {
                return Err(BuildError::DuplicateProvider { name: p.name.clone() });
            }
        }
        Ok(Self(by_name))
    }

    fn find(&self, name: &str, by: impl FnOnce() -> String) -> Result<usize, BuildError> {
        let unknown = || BuildError::UnknownProvider { by: by(), name: name.to_owned() };
        self.0.get(name).copied().ok_or_else(unknown)
    }

    fn dest(&self, to: &Target, by: impl FnOnce() -> String) -> Result<Dest, BuildError> {
        let provider = self.find(&to.provider, by)?;
        let model = to.model.as_ref().map(|model| strip_long_context(model).to_owned());
        let seed = seed(&to.provider, model.as_deref());
        Ok(Dest { provider, model, seed })
    }

    fn rule(&self, index: usize, mut spec: RuleSpec) -> Result<Rule, BuildError> {
        if let RuleKind::HeaderMatch { name, .. } = &mut spec.kind {
            name.make_ascii_lowercase();
        }
        let label = || spec.label();
        let own = Target { provider: spec.provider.clone(), model: spec.model.clone() };
        let own = self.dest(&own, || format!("the rule `{}`", label()))?;
        let fallbacks = spec.fallbacks.iter().flatten();
        let fallbacks = fallbacks
            .map(|to| self.dest(to, || format!("`fallbacks` of the rule `{}`", label())))
            .collect::<Result<_, _>>()?;
        let mirror = spec.mirror.as_ref().map(|mirror| {
            let dest = self.dest(&mirror.to, || format!("`mirror` of the rule `{}`", label()))?;
            Ok((dest, mirror.percent))
        });
        let mirror = mirror.transpose()?;
        Ok(Rule { spec, index, group: index, own, fallbacks, mirror })
    }
}

fn needs(rules: &[Rule]) -> Needs {
    let all = rules.iter().filter(|rule| rule.spec.enabled).map(|rule| rule.spec.when.needs());
    all.fold(Needs::default(), |sum, one| Needs {
        facts: sum.facts || one.facts,
        tokens: sum.tokens || one.tokens,
    })
}

/// Listed name → provider; the highest priority wins, then the order.
fn index_models(providers: &[ProviderSpec]) -> HashMap<String, usize> {
    let mut listed: HashMap<String, usize> = HashMap::new();
    for (at, provider) in providers.iter().enumerate().filter(|(_, p)| p.enabled) {
        for model in &provider.models {
            listed
                .entry(strip_long_context(model).to_owned())
                .and_modify(|held| {
                    if provider.priority > providers[*held].priority {
                        *held = at;
                    }
                })
                .or_insert(at);
        }
    }
    listed
}
