//! The compiled table and the cheap decision.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::explain::Winner;
use crate::name::{Naming, strip_long_context, without_date};
use crate::pattern::{PatternError, Patterns};

/// What routing needs to know of one provider.
#[derive(Debug, Clone)]
pub struct ProviderSpec {
    /// The configured name.
    pub name: String,
    /// A disabled provider is never chosen.
    pub enabled: bool,
    /// Among providers that list a model the highest is asked.
    pub priority: i64,
    /// Which names it understands.
    pub naming: Naming,
    /// Names it is known to serve.
    pub models: Vec<String>,
    /// Glob on the requested name → name sent; the first that matches counts.
    pub model_map: Vec<(String, String)>,
    /// Sent in place of a name of another vendor's family which it does not list.
    pub default_model: Option<String>,
    /// What is routed to it never goes to another provider, whatever the caller picks.
    pub private: bool,
}

impl ProviderSpec {
    /// An enabled provider that takes any name as it is.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            enabled: true,
            priority: 0,
            naming: Naming::Any,
            models: Vec::new(),
            model_map: Vec::new(),
            default_model: None,
            private: false,
        }
    }

    /// Whether it lists the name, with or without its date.
    pub(crate) fn serves(&self, name: &str) -> bool {
        let lists = |name: &str| self.models.iter().any(|m| m == name);
        lists(name) || without_date(name).is_some_and(lists)
    }
}

/// One routing rule.
#[derive(Debug, Clone)]
pub struct RuleSpec {
    /// Glob on the requested name.
    pub pattern: String,
    /// The provider's name.
    pub provider: String,
    /// The name sent upstream, else the provider decides.
    pub model: Option<String>,
    /// Highest first; equal ones in the order given.
    pub priority: i64,
    /// What the rule is called in explanations.
    pub name: Option<String>,
    /// A disabled rule never matches.
    pub enabled: bool,
}

impl RuleSpec {
    /// An enabled rule of priority 0.
    pub fn new(pattern: impl Into<String>, provider: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            provider: provider.into(),
            model: None,
            priority: 0,
            name: None,
            enabled: true,
        }
    }

    /// The same rule with a fixed upstream model.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The same rule with another priority.
    #[must_use]
    pub fn with_priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }
}

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

/// What a request says that matters for routing.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The model's name as the caller sent it.
    pub model: &'a str,
    /// A provider the caller picked by header; rules are then not asked.
    pub pick: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// A query by model name alone.
    pub fn model(model: &'a str) -> Self {
        Self { model, pick: None }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Index into the providers the table was built from.
    pub provider: usize,
    /// The name to send; borrowed unless it had to be made.
    pub upstream_model: Cow<'a, str>,
    /// What decided.
    pub winner: Winner,
}

/// Why a request goes nowhere. The message is fit for the caller.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Nothing matched, and there is no default.
    #[error(
        "no provider serves the model `{model}`: no rule matches it, no provider lists it, and there is no `default_provider`"
    )]
    NotFound {
        /// The requested name.
        model: String,
    },
    /// The name is empty once its `[1m]` is gone.
    #[error("the request names no model")]
    NoModel,
    /// The picked provider does not exist.
    #[error("there is no provider `{name}`")]
    UnknownProvider {
        /// What was asked for.
        name: String,
    },
    /// The request belongs to a private provider, and another one was picked.
    #[error(
        "the model `{model}` is served by `{private}`, which is private: the request can't be sent to `{name}` instead"
    )]
    Private {
        /// The requested name.
        model: String,
        /// Who serves it.
        private: String,
        /// What was asked for.
        name: String,
    },
    /// The picked provider is switched off.
    #[error("the provider `{name}` is disabled")]
    DisabledProvider {
        /// What was asked for.
        name: String,
    },
}

/// Rules and providers, compiled. Immutable: a new configuration is a new table.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) providers: Vec<Provider>,
    /// In the order of decision: highest priority first, then as given.
    pub(crate) rules: Vec<Rule>,
    patterns: Patterns,
    /// Models that only private providers list which are disabled.
    withheld: HashSet<String>,
    /// Every listed name → the provider that serves it, ties already decided.
    listed: HashMap<String, usize>,
    default: Option<usize>,
    has_private: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) spec: ProviderSpec,
    map: Patterns,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) spec: RuleSpec,
    /// Place in the list that the table was built from.
    pub(crate) index: usize,
    pub(crate) provider: usize,
}

impl Rule {
    /// How the rule is called in text: its name, else its pattern.
    pub(crate) fn label(&self) -> &str {
        label(&self.spec)
    }
}

impl Table {
    /// Compiles providers and rules; the default must be one of the providers.
    ///
    /// # Errors
    /// [`BuildError`] for the first pattern or name that does not hold.
    pub fn build(
        providers: Vec<ProviderSpec>,
        rules: Vec<RuleSpec>,
        default: Option<&str>,
    ) -> Result<Self, BuildError> {
        let mut by_name = HashMap::new();
        for (at, p) in providers.iter().enumerate() {
            if by_name.insert(p.name.clone(), at).is_some() {
                return Err(BuildError::DuplicateProvider { name: p.name.clone() });
            }
        }
        let find = |name: &str, by: &dyn Fn() -> String| {
            by_name
                .get(name)
                .copied()
                .ok_or_else(|| BuildError::UnknownProvider { by: by(), name: name.to_owned() })
        };

        let default = match default {
            Some(name) => Some(find(name, &|| "`default_provider`".to_owned())?),
            None => None,
        };
        let mut ordered = Vec::with_capacity(rules.len());
        for (index, mut spec) in rules.into_iter().enumerate() {
            let provider = find(&spec.provider, &|| format!("the rule `{}`", label(&spec)))?;
            spec.model = spec.model.map(|m| strip_long_context(&m).to_owned());
            ordered.push(Rule { spec, index, provider });
        }
        ordered.sort_by_key(|r| std::cmp::Reverse(r.spec.priority)); // stable: equal ones keep their order
        let patterns = Patterns::new(ordered.iter().map(|r| r.spec.pattern.as_str())).map_err(
            |(at, error)| BuildError::Pattern {
                by: format!("the rule `{}`", ordered[at].label()),
                pattern: ordered[at].spec.pattern.clone(),
                error,
            },
        )?;

        let listed = index_models(&providers);
        let off = |p: &&ProviderSpec| !p.enabled && p.private;
        let withheld = providers.iter().filter(off).flat_map(|p| &p.models);
        let withheld = withheld.map(|model| strip_long_context(model).to_owned()).collect();
        let has_private = providers.iter().any(|p| p.enabled && p.private);
        let providers = providers.into_iter().map(Provider::new).collect::<Result<_, _>>()?;
        Ok(Self { providers, rules: ordered, patterns, listed, withheld, default, has_private })
    }

    /// The way of a request, without words: at most one pass of the rules' automaton.
    ///
    /// # Errors
    /// [`NoRoute`] says why it goes nowhere.
    pub fn decide<'a>(&'a self, query: &Query<'a>) -> Result<Decision<'a>, NoRoute> {
        let name = strip_long_context(query.model);
        if name.is_empty() {
            return Err(NoRoute::NoModel);
        }
        if let Some(pick) = query.pick {
            let provider = self.enabled_by_name(pick)?;
            self.may_leave(query.model, provider)?;
            let upstream_model = match self.via(name) {
                Some((via, model)) if via == provider => Cow::Borrowed(model),
                _ => self.upstream_model(provider, name),
            };
            return Ok(Decision { provider, upstream_model, winner: Winner::Header });
        }
        let via = self.via(name);
        if !self.patterns.is_empty() {
            let hit = self.patterns.matches(name).into_iter().find(|at| {
                let rule = &self.rules[*at];
                rule.spec.enabled
                    && self.providers[rule.provider].spec.enabled
                    && (!is_via(name) || rule.spec.pattern.starts_with(VIA))
            });
            if let Some(at) = hit {
                let rule = &self.rules[at];
                return Ok(Decision {
                    provider: rule.provider,
                    upstream_model: self.rule_model(rule, name),
                    winner: Winner::Rule { index: rule.index },
                });
            }
        }
        if let Some((provider, model)) = via {
            let upstream_model = Cow::Borrowed(model);
            return Ok(Decision { provider, upstream_model, winner: Winner::ViaName });
        }
        if is_via(name) {
            // The provider it names is switched off or misspelt. Whoever named one means no other:
            // it may be private.
            return Err(NoRoute::NotFound { model: query.model.to_owned() });
        }
        let (provider, winner) = match (self.lists(name), self.default) {
            (Some(provider), _) => (provider, Winner::ListedModel),
            // Whoever asks for it means the private provider that is off, and no other.
            _ if self.withheld.contains(name) => {
                return Err(NoRoute::NotFound { model: query.model.to_owned() });
            }
            (None, Some(provider)) if self.providers[provider].spec.enabled => {
                (provider, Winner::DefaultProvider)
            }
            _ => return Err(NoRoute::NotFound { model: query.model.to_owned() }),
        };
        Ok(Decision { provider, upstream_model: self.upstream_model(provider, name), winner })
    }

    /// The providers' names, in the order the table was built with.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|p| p.spec.name.as_str())
    }

    pub(crate) fn default_name(&self) -> Option<&str> {
        self.default.map(|at| self.providers[at].spec.name.as_str())
    }

    /// The name a provider gets where no rule fixes it.
    fn upstream_model<'a>(&'a self, provider: usize, name: &'a str) -> Cow<'a, str> {
        let Provider { spec, map } = &self.providers[provider];
        if let Some(first) = map.matches(name).first() {
            return Cow::Borrowed(&spec.model_map[*first].1);
        }
        match &spec.default_model {
            Some(default) if spec.naming.is_foreign(name) && !spec.serves(name) => {
                Cow::Borrowed(default)
            }
            _ => Cow::Borrowed(name),
        }
    }

    pub(crate) fn rule_model<'a>(&'a self, rule: &'a Rule, name: &'a str) -> Cow<'a, str> {
        match &rule.spec.model {
            Some(model) => Cow::Borrowed(model),
            None => self.upstream_model(rule.provider, name),
        }
    }

    /// Reads `claude-via-<provider>--<model>`, if it names an enabled provider. Provider names may hold
    /// `--` themselves, so every cut is tried.
    pub(crate) fn via<'a>(&self, name: &'a str) -> Option<(usize, &'a str)> {
        let rest = name.strip_prefix(VIA)?;
        rest.match_indices("--").find_map(|(at, _)| {
            let (provider, model) = (&rest[..at], &rest[at + 2..]);
            let index =
                self.providers.iter().position(|p| p.spec.enabled && p.spec.name == provider)?;
            (!model.is_empty()).then_some((index, model))
        })
    }

    fn lists(&self, name: &str) -> Option<usize> {
        self.listed
            .get(name)
            .or_else(|| without_date(name).and_then(|dateless| self.listed.get(dateless)))
            .copied()
    }

    /// Whether a request may go to a picked provider: what would go to a private one without the pick
    /// stays there.
    fn may_leave(&self, model: &str, picked: usize) -> Result<(), NoRoute> {
        if !self.has_private {
            return Ok(());
        }
        match self.decide(&Query::model(model)) {
            Ok(own) if own.provider != picked && self.providers[own.provider].spec.private => {
                Err(NoRoute::Private {
                    model: model.to_owned(),
                    private: self.providers[own.provider].spec.name.clone(),
                    name: self.providers[picked].spec.name.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    fn enabled_by_name(&self, name: &str) -> Result<usize, NoRoute> {
        match self.providers.iter().position(|p| p.spec.name == name) {
            Some(at) if self.providers[at].spec.enabled => Ok(at),
            Some(_) => Err(NoRoute::DisabledProvider { name: name.to_owned() }),
            None => Err(NoRoute::UnknownProvider { name: name.to_owned() }),
        }
    }
}

impl Provider {
    fn new(mut spec: ProviderSpec) -> Result<Self, BuildError> {
        for (_, target) in &mut spec.model_map {
            *target = strip_long_context(target).to_owned();
        }
        spec.default_model = spec.default_model.map(|m| strip_long_context(&m).to_owned());
        for model in &mut spec.models {
            *model = strip_long_context(model).to_owned();
        }
        let map = Patterns::new(spec.model_map.iter().map(|(p, _)| p.as_str())).map_err(
            |(at, error)| BuildError::Pattern {
                by: format!("`model_map` of the provider `{}`", spec.name),
                pattern: spec.model_map[at].0.clone(),
                error,
            },
        )?;
        Ok(Self { spec, map })
    }
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

fn label(spec: &RuleSpec) -> &str {
    spec.name.as_deref().unwrap_or(&spec.pattern)
}

/// Whether a name has the form `claude-via-<provider>--<model>`, whatever provider it names.
pub(crate) fn is_via(name: &str) -> bool {
    name.strip_prefix(VIA).is_some_and(|rest| rest.contains("--"))
}

/// How foreign models are named to a client which only lists names that begin with `claude`.
pub(crate) const VIA: &str = "claude-via-";
