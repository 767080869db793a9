//! Claude Code on OpenAI's models: the real client through the real binary, behind which an OpenAI plays that
//! refuses what the real one refuses, in both of its dialects.

mod day;
mod failures;
mod moving;
mod side_queries;
pub(crate) mod strict;
mod tools;
mod zero;

use std::sync::Arc;

use gateway_testkit::openai::{Rules, Seen, Server, Turn};

use crate::claude::{Claude, Run};
use crate::harness::{CLIENT_KEY, Gateway, PROVIDER_KEY, provider_config};

/// One way of speaking to OpenAI, with a model that is served that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// `extra.api`
    pub(crate) api: &'static str,
    pub(crate) model: &'static str,
}

pub(crate) const CHAT: Dialect = Dialect { api: "chat", model: "gpt-4.1" };
pub(crate) const RESPONSES: Dialect = Dialect { api: "responses", model: "gpt-5.6-terra" };

/// Runs the scenario in both dialects, at once: the clients wait more than they work.
pub(crate) fn both(scenario: impl Fn(Dialect) + Sync) {
    std::thread::scope(|scope| {
        for dialect in [CHAT, RESPONSES] {
            let scenario = &scenario;
            scope.spawn(move || scenario(dialect));
        }
    });
}

/// A gateway before an OpenAI.
pub(crate) struct Setup {
    pub(crate) dialect: Dialect,
    pub(crate) server: Arc<Server>,
    pub(crate) gateway: Gateway,
}

impl Setup {
    pub(crate) fn new(
        dialect: Dialect,
        model: impl Fn(&Seen) -> Turn + Send + Sync + 'static,
    ) -> Self {
        Self::with(dialect, Rules::openai(dialect.model), "", model)
    }

    /// The same with other rules, and more lines of the provider.
    pub(crate) fn with(
        dialect: Dialect,
        rules: Rules,
        more: &str,
        model: impl Fn(&Seen) -> Turn + Send + Sync + 'static,
    ) -> Self {
        let rules = rules.with_key(PROVIDER_KEY);
        Self::before(dialect, Arc::new(Server::start(rules, model)), more)
    }

    /// Another gateway before the same server; `more` may also end the provider and go on at the top level.
    pub(crate) fn before(dialect: Dialect, server: Arc<Server>, more: &str) -> Self {
        let lines = format!(
            "api_key_env_var: UP_KEY\n    default_model: {}\n    extra: {{api: {}}}\n    {more}",
            dialect.model, dialect.api
        );
        let config = provider_config("up", "openai", &server.url(), &lines, "");
        let gateway = Gateway::with(&config, &[&format!("UP_KEY={PROVIDER_KEY}")]);
        Self { dialect, server, gateway }
    }

    /// A client of the gateway.
    pub(crate) fn claude(&self) -> Claude {
        Claude::at(self.gateway.url())
    }

    /// That OpenAI was asked in its dialect and had nothing to refuse, and that nothing of the client's own
    /// side or of the gateway's went up.
    pub(crate) fn check(&self, run: &Run) {
        assert_eq!(self.server.refusals(), [], "{:?}: {run:?}", self.dialect);
        self.check_wire(run);
    }

    /// The same where a refusal was to be expected.
    pub(crate) fn check_wire(&self, run: &Run) {
        let about = format!("{:?}: {run:?}", self.dialect);
        clean(&self.server, &about);
        let chat = self.dialect == CHAT;
        let turns = self.server.turns();
        assert!(!turns.is_empty() && turns.iter().all(|seen| seen.is_chat() == chat), "{about}");
        assert!(turns.iter().all(|seen| seen.body["model"] == self.dialect.model), "{about}");
    }
}

/// That nothing of the client's own side or of the gateway's went up, by header or by body.
pub(crate) fn clean(server: &Server, about: &str) {
    assert_eq!(server.leaks(), Vec::<String>::new(), "{about}");
    for seen in server.seen() {
        let body = seen.body.to_string();
        for foreign in ["\"gw1.", "x-anthropic-billing-header", CLIENT_KEY, "cache_control"] {
            assert!(!body.contains(foreign), "{foreign} went up: {about}");
        }
    }
}

/// The text of the newest results, one after the other.
pub(crate) fn heard(seen: &Seen) -> String {
    let results = seen.new_results();
    results.iter().map(|(_, text)| text.trim()).collect::<Vec<_>>().join(" + ")
}
