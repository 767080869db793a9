//! What a request says that matters for routing.

use std::fmt;

use crate::spec::{Agent, When};

/// What the content of a request tells. Only as much of it is looked at as [`Needs`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// The model is asked to think.
    pub thinking: bool,
    /// Tokens of the prompt, estimated.
    pub input_tokens: u64,
    /// There are images in the conversation.
    pub has_images: bool,
    /// Tools are offered.
    pub has_tools: bool,
    /// The server tool for web search is offered.
    pub web_search: bool,
    /// It is work that nobody waits for.
    pub background: bool,
    /// Who asks.
    pub agent: Agent,
}

/// What the rules look at, so that nothing else is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Anything of [`Facts`].
    pub facts: bool,
    /// [`Facts::input_tokens`] in particular.
    pub tokens: bool,
}

/// The headers of a request. Names are asked for in lower case; of several of one name the first counts.
pub trait Headers: Sync {
    /// The value, `None` where there is none or it is no text.
    fn get(&self, name: &str) -> Option<&str>;
}

/// A request without headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _: &str) -> Option<&str> {
        None
    }
}

impl<K: AsRef<str> + Sync, V: AsRef<str> + Sync> Headers for &[(K, V)] {
    fn get(&self, name: &str) -> Option<&str> {
        let hit = self.iter().find(|(key, _)| key.as_ref().eq_ignore_ascii_case(name));
        hit.map(|(_, value)| value.as_ref())
    }
}

impl<K: AsRef<str> + Sync, V: AsRef<str> + Sync> Headers for Vec<(K, V)> {
    fn get(&self, name: &str) -> Option<&str> {
        let hit = self.iter().find(|(key, _)| key.as_ref().eq_ignore_ascii_case(name));
        hit.map(|(_, value)| value.as_ref())
    }
}

/// A request, as far as routing looks at it.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The model's name as the caller sent it.
    pub model: &'a str,
    /// A provider the caller picked by header; rules are then not asked.
    pub pick: Option<&'a str>,
    /// The path; a query behind it does not matter.
    pub path: &'a str,
    /// For rules on headers.
    pub headers: &'a dyn Headers,
    /// The caller's configured name.
    pub client: Option<&'a str>,
    /// The caller's id of the conversation.
    pub session: Option<&'a str>,
    /// What the content tells.
    pub facts: Facts,
}

impl<'a> Query<'a> {
    /// A query by model name alone: a message, about which nothing else is known.
    pub fn model(model: &'a str) -> Self {
        Self {
            model,
            pick: None,
            path: "/v1/messages",
            headers: &NoHeaders,
            client: None,
            session: None,
            facts: Facts::default(),
        }
    }

    /// The path without its query.
    pub(crate) fn plain_path(&self) -> &'a str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The paths that rules may match: its own, and for a count that of the message that it counts. It is the
    /// same conversation, which must not go to somebody else only to be counted.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'a str> {
        let own = self.plain_path();
        let counted = own.strip_suffix("/count_tokens").filter(|path| path.ends_with("/messages"));
        [Some(own), counted].into_iter().flatten()
    }
}

impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("model", &self.model)
            .field("pick", &self.pick)
            .field("path", &self.path)
            .field("client", &self.client)
            .field("session", &self.session)
            .field("facts", &self.facts)
            .finish_non_exhaustive() // headers hold keys
    }
}

impl When {
    /// Whether every condition that is given holds.
    pub fn holds(&self, query: &Query<'_>) -> bool {
        let facts = &query.facts;
        let is = |wanted: Option<bool>, found: bool| wanted.is_none_or(|wanted| wanted == found);
        is(self.thinking, facts.thinking)
            && self.min_input_tokens.is_none_or(|least| facts.input_tokens >= least)
            && is(self.has_images, facts.has_images)
            && is(self.has_tools, facts.has_tools)
            && is(self.web_search, facts.web_search)
            && is(self.background, facts.background)
            && self.agent.is_none_or(|agent| agent == facts.agent)
            && self.client.as_ref().is_none_or(|these| {
                query.client.is_some_and(|client| these.iter().any(|name| name == client))
            })
    }

    /// What of [`Facts`] the conditions look at.
    pub(crate) fn needs(&self) -> Needs {
        let Self {
            thinking,
            min_input_tokens,
            has_images,
            has_tools,
            web_search,
            background,
            client: _,
            agent,
        } = self;
        let tokens = min_input_tokens.is_some();
        let asks = [thinking, has_images, has_tools, web_search, background];
        let facts = tokens || agent.is_some() || asks.iter().any(|asked| asked.is_some());
        Needs { facts, tokens }
    }
}
