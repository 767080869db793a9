//! Claude Code on every other upstream: the real client through the real binary, behind which servers play
//! that refuse what the real ones refuse. Each scenario is written once, in [`day`] and [`trouble`], and
//! played at each of [`kinds`].

mod day;
mod kinds;
mod moving;
mod say;
mod third;
mod trouble;

use std::sync::Arc;

use tempfile::TempDir;

use crate::claude::{Claude, Run};
use crate::harness::{CLIENT_KEY, Gateway, PROVIDER_KEY, provider_config};
use kinds::{Kind, Played};
use say::{Heard, Say};

/// What a model says to a request.
type Model = dyn Fn(&Heard) -> Say + Send + Sync;

/// Every scenario at every upstream, each a test of its own.
macro_rules! upstreams {
    ($($name:ident: $kind:ident),* $(,)?) => {
        $(mod $name {
            use super::kinds::$kind;
            use super::{day, trouble};

            #[test]
            fn r01_r02_r03_r12_r13_r15_r24_r27_a_day_of_work() {
                day::a_day_of_work(&$kind);
            }

            #[test]
            fn r12_r13_a_long_history() {
                day::a_long_history(&$kind);
            }

            #[test]
            fn c09_r30_r31_an_overflow_leads_to_a_compaction() {
                trouble::an_overflow(&$kind);
            }

            #[test]
            fn r04_r05_no_half_call_runs_after_a_cut() {
                trouble::a_cut(&$kind);
            }

            #[test]
            fn c09_r38_a_wrong_credential_is_told_at_once() {
                trouble::a_wrong_credential(&$kind);
            }
        })*
    };
}

upstreams! {
    gemini_3: GEMINI_3,
    gemini_25: GEMINI_25,
    vertex_gemini: VERTEX_GEMINI,
    vertex_claude: VERTEX_CLAUDE,
    bedrock_claude: BEDROCK_CLAUDE,
    bedrock_nova: NOVA,
    bedrock_gpt_oss: GPT_OSS,
    azure: AZURE,
    azure_classic: AZURE_CLASSIC,
    openrouter: OPENROUTER,
    ollama: OLLAMA,
    third_party: THIRD,
}

/// A gateway before a scripted upstream.
struct Setup {
    kind: &'static Kind,
    server: Box<dyn Played>,
    gateway: Gateway,
    _dir: TempDir,
}

impl Setup {
    fn new(kind: &'static Kind, model: impl Fn(&Heard) -> Say + Send + Sync + 'static) -> Self {
        let server = kind.start(Arc::new(model));
        let account = server.account().unwrap_or_default();
        let url = server.url();
        Self::before(kind, server, &url, &account, kind.lines)
    }

    /// One whose gateway has a credential that is not taken, or nobody to ask.
    fn wrong(kind: &'static Kind, model: impl Fn(&Heard) -> Say + Send + Sync + 'static) -> Self {
        let server = kind.start(Arc::new(model));
        server.close();
        let account = server.account().unwrap_or_default().replace("tester@", "someone-else@");
        let url = if kind.provider == "ollama" { nowhere() } else { server.url() };
        Self::before(kind, server, &url, &account, kind.lines)
    }

    fn before(
        kind: &'static Kind,
        server: Box<dyn Played>,
        url: &str,
        account: &str,
        lines: &str,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("account.json");
        std::fs::write(&file, account).expect("a writable temporary directory");
        let gateway = gateway(kind, url, &lines.replace("FILE", &file.display().to_string()));
        Self { kind, server, gateway, _dir: dir }
    }

    /// A client of the gateway.
    fn claude(&self) -> Claude {
        Claude::at(self.gateway.url())
    }

    /// From now on the upstream's window has so many tokens. Ollama's is the gateway's to choose: there
    /// the client needs another gateway.
    fn narrow(&mut self, tokens: u64, claude: &mut Claude) {
        if self.kind.provider == "ollama" {
            let lines = format!("extra: {{num_ctx: {tokens}}}");
            self.gateway = gateway(self.kind, &self.server.url(), &lines);
            claude.go_to(self.gateway.url());
        }
        self.server.narrow(tokens);
    }

    /// That the upstream refused nothing, and nothing of the client's own side or of the gateway's went up.
    fn check(&self, run: &Run) {
        assert_eq!(self.server.refusals(), Vec::<String>::new(), "{:?}: {run:?}", self.kind);
        self.check_wire(run);
        let log = self.gateway.log();
        assert!(!log.contains(" ERROR "), "{:?}: {run:?}: {log}", self.kind);
    }

    /// The same where a refusal was to be expected.
    fn check_wire(&self, run: &Run) {
        let about = format!("{:?}: {run:?}", self.kind);
        assert_eq!(self.server.lost(), 0, "signatures were lost: {about}");
        assert_eq!(self.server.leaks(), Vec::<String>::new(), "{about}");
        let turns = self.server.turns();
        assert!(!turns.is_empty(), "{about}");
        for heard in turns {
            assert_eq!(heard.model, self.kind.model, "{about}");
            for foreign in ["\"gw1.", CLIENT_KEY] {
                assert!(!heard.mentions(foreign), "{foreign} went up: {about}");
            }
            let billing = heard.mentions("x-anthropic-billing-header");
            assert!(!billing || self.kind.own, "the client's billing line went up: {about}");
        }
    }

    /// What was asked last.
    fn last(&self) -> Heard {
        self.server.turns().pop().expect("asked")
    }
}

fn gateway(kind: &Kind, url: &str, lines: &str) -> Gateway {
    let lines = format!("{lines}\n    model_map: {{\"claude-*\": \"{}\"}}", kind.model);
    let config = provider_config("up", kind.provider, url, &lines, "");
    let env = kind.env();
    Gateway::with(&config, &env.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("bound"))
}
