//! One routing rule, as given and compiled.

use crate::name::strip_long_context;
use crate::pattern::Reading;
use crate::spec::{Mirror, RuleKind, Sticky, Strategy, Target, When};

/// One routing rule.
#[derive(Debug, Clone)]
pub struct RuleSpec {
    /// Glob on the requested name or on the path; rules of other kinds do not look at it.
    pub pattern: String,
    /// What is matched.
    pub kind: RuleKind,
    /// What else must hold.
    pub when: When,
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
    /// Its share in a group: rules of equal priority, kind, pattern and conditions. For a rule alone whose strategy orders its
    /// fallbacks, too: its provider's, while each of them has 1. With 0 it comes behind the others.
    pub weight: u32,
    /// Who is asked after `provider`; `None`: whom later rules name, `Some` of nothing: nobody.
    pub fallbacks: Option<Vec<Target>>,
    /// The order of the group, or, for a rule alone, of `provider` and `fallbacks`. `None`: weighted for a
    /// group, ordered for a rule alone.
    pub strategy: Option<Strategy>,
    /// What stays together; `None`: sessions, unless it is ordered.
    pub sticky: Option<Sticky>,
    /// Who else gets a share of the requests.
    pub mirror: Option<Mirror>,
}

impl RuleSpec {
    /// An enabled rule on model names of priority 0 and weight 1.
    pub fn new(pattern: impl Into<String>, provider: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            kind: RuleKind::ModelPattern,
            when: When::default(),
            provider: provider.into(),
            model: None,
            priority: 0,
            name: None,
            enabled: true,
            weight: 1,
            fallbacks: None,
            strategy: None,
            sticky: None,
            mirror: None,
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

    /// The same rule with these providers, or `provider/model`, behind its own.
    #[must_use]
    pub fn with_fallbacks<'a>(mut self, fallbacks: impl IntoIterator<Item = &'a str>) -> Self {
        let target = |text: &str| match text.split_once('/') {
            Some((provider, model)) => Target::provider(provider).with_model(model),
            None => Target::provider(text),
        };
        self.fallbacks = Some(fallbacks.into_iter().map(target).collect());
        self
    }

    /// How the rule is called in text: its name, else what it matches.
    pub fn label(&self) -> String {
        match (&self.name, &self.kind) {
            (Some(name), _) => name.clone(),
            (None, RuleKind::ModelPattern | RuleKind::PathPattern) => self.pattern.clone(),
            (None, RuleKind::HeaderMatch { name, value }) => format!("{name}: {value}"),
            (None, RuleKind::CatchAll) => "catch_all".to_owned(),
        }
    }

    /// The glob that it matches by, if any.
    pub(crate) fn glob(&self) -> Option<(Reading, &str)> {
        match &self.kind {
            RuleKind::ModelPattern => Some((Reading::Model, strip_long_context(&self.pattern))),
            RuleKind::PathPattern => Some((Reading::Text, &self.pattern)),
            RuleKind::HeaderMatch { value, .. } => Some((Reading::Text, value)),
            RuleKind::CatchAll => None,
        }
    }

    /// Whether the two take the very same requests with the same right, and so share them.
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        self.priority == other.priority
            && self.kind == other.kind
            && self.when == other.when
            && self.glob() == other.glob()
    }
}

/// A provider and what to ask it for.
#[derive(Debug, Clone)]
pub(crate) struct Dest {
    pub(crate) provider: usize,
    pub(crate) model: Option<String>,
    /// Its place in draws, the same in every process that has the same names.
    pub(crate) seed: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) spec: RuleSpec,
    /// Place in the list that the table was built from.
    pub(crate) index: usize,
    /// Rules that share have the same.
    pub(crate) group: usize,
    pub(crate) own: Dest,
    pub(crate) fallbacks: Vec<Dest>,
    pub(crate) mirror: Option<(Dest, f64)>,
}

impl Rule {
    /// Whether nobody else is asked after it.
    pub(crate) fn ends(&self) -> bool {
        self.spec.fallbacks.as_ref().is_some_and(Vec::is_empty)
    }
}
