//! `run -- CMD`: a command behind a private gateway.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result};
use gateway_config::{Auth, Config, LogLevel, Provider};
use gateway_server::Gateway;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Globals, RunArgs};
use crate::{catalogue, client_key, output, state_key};

/// Credentials that the command must not see: the gateway has them.
const PROVIDER_KEYS: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_AD_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "OLLAMA_API_KEY",
    "CUSTOM_API_KEY",
    "GATEWAY_API_KEY",
];

/// The other parts of AWS keys, where a provider has them.
const AWS_KEYS: &[&str] = &["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"];

/// With these Claude Code asks a cloud by itself, whatever its base URL is.
const PAST_THE_GATEWAY: &[&str] =
    &["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"];

/// By which Claude Code compacts its conversation ahead of time.
const COMPACT_WINDOW: &str = "CLAUDE_CODE_AUTO_COMPACT_WINDOW";

/// The window, in tokens, that Claude Code takes a model to have that it does not know.
const ASSUMED: u64 = 1_000_000;

pub(crate) fn run(args: &RunArgs, globals: &Globals) -> Result<ExitCode> {
    let mut loaded = super::load(globals, |overrides| {
        args.serve.apply(overrides);
        overrides.set("server.host", "127.0.0.1", "run");
        overrides.set("server.port", "0", "run");
    })?;
    let own_login = passes_callers_login(&loaded.config);
    if own_login && let Some(other) = own_key(&loaded.config) {
        // Without a token of ours anybody on this machine could spend that provider's key.
        anyhow::bail!(
            "`run` can't keep the key of `{other}` from other programs while another provider passes \
             the caller's own login on (auth_type: client): disable one of them"
        );
    }
    let token = client_key::random()?;
    loaded.config.client_keys.clear();
    if !own_login {
        loaded.config.client_keys.push(token.clone().into());
    }
    let mut hidden: Vec<String> = PROVIDER_KEYS.iter().map(|name| (*name).to_owned()).collect();
    hidden.extend(loaded.config.providers.iter().filter_map(|p| p.key_variable.clone()));
    let signs = |p: &Provider| matches!(&p.auth, Auth::Aws(aws) if aws.keys.is_some());
    if loaded.config.providers.iter().any(signs) {
        hidden.extend(AWS_KEYS.iter().map(|name| (*name).to_owned()));
    }
    hidden.extend(PAST_THE_GATEWAY.iter().map(|name| (*name).to_owned()));

    // The command owns the terminal: the log goes to a file if one is named, else nowhere.
    let level = args.serve.log_file.is_none().then_some(LogLevel::Off);
    let mut options = super::gateway::options(&args.serve, false, level);
    let (state_key, warning) = state_key::find(&loaded.config);
    options.state_key = state_key;
    options.catalogue = catalogue::find()?;
    if let Some(warning) = warning {
        output::complain(&warning);
    }
    let gateway = Gateway::start(loaded.config, options)?;

    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    command.env("ANTHROPIC_BASE_URL", format!("http://{}", gateway.addr()));
    // Its own login for Anthropic is what the command needs where that is passed on.
    let keeps = |name: &str| own_login && name.starts_with("ANTHROPIC_");
    for name in hidden.iter().filter(|name| !keeps(name)) {
        command.env_remove(name);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        command.env(name, past_proxies(&std::env::var(name).unwrap_or_default()));
    }
    if !own_login {
        command.env("ANTHROPIC_AUTH_TOKEN", token);
    }
    if std::env::var_os(COMPACT_WINDOW).is_none() {
        let chosen = std::env::var("ANTHROPIC_MODEL").ok();
        let asked = model_of(&args.command, chosen.as_deref());
        if let Some(tokens) = gateway.prompt_limit(&asked).filter(|tokens| *tokens < ASSUMED) {
            command.env(COMPACT_WINDOW, tokens.to_string());
        }
    }
    let status = supervise(command, &args.command[0])?;
    if !globals.quiet {
        output::complain(&summary(&gateway));
    }
    gateway.stop_now();
    Ok(exit_code(status))
}

/// `NO_PROXY` with this machine in it: Claude Code sends plain HTTP through `HTTPS_PROXY` too, and
/// makes no exception of its own for loopback addresses.
fn past_proxies(no_proxy: &str) -> String {
    let listed = no_proxy.split(',').map(str::trim).filter(|host| !host.is_empty());
    let mut hosts: Vec<&str> = listed.collect();
    for own in ["127.0.0.1", "localhost"] {
        if !hosts.contains(&own) && !hosts.contains(&"*") {
            hosts.push(own);
        }
    }
    hosts.join(",")
}

/// The model that Claude Code will ask for: its `--model`, else the variable's, else its default.
fn model_of(command: &[OsString], chosen: Option<&str>) -> String {
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
    let option =
        words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--model") {
            Some("") => words.get(at + 1).map(|next| &**next),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        });
    match option.or(chosen).unwrap_or("opus").trim_end_matches("[1m]") {
        "default" | "opus" | "best" => "claude-opus-5-5".to_owned(),
        alias @ ("sonnet" | "haiku") => format!("claude-{alias}-5-5"),
        name => name.to_owned(),
    }
}

/// Whether the command's own login is what reaches the provider: then it must keep it, and no token
/// of ours may stand in its place.
fn passes_callers_login(config: &Config) -> bool {
    config.providers.iter().any(|p| p.enabled && matches!(p.auth, Auth::Client))
}

/// A provider that the gateway itself has a key for.
fn own_key(config: &Config) -> Option<&str> {
    let own = |p: &&Provider| {
        let auth = &p.auth;
        let is_key = matches!(auth, Auth::ApiKey(_) | Auth::Bearer(_));
        let signs = matches!(auth, Auth::Aws(_) | Auth::Google(_) | Auth::AzureAd(_));
        p.enabled && (is_key || signs || p.secret_headers().next().is_some())
    };
    config.providers.iter().find(own).map(|provider| provider.name.as_str())
}

/// Runs the command to its end, handing signals on.
fn supervise(mut command: Command, name: &OsString) -> Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no sockets")?;
    runtime.block_on(async {
        let listen = |kind| signal(kind).context("signals can't be listened to");
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hangup = listen(SignalKind::hangup())?;
        // A terminal sends these to the command itself; here they must only not end the gateway.
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut quit = listen(SignalKind::quit())?;
        let mut child = command
            .spawn()
            .with_context(|| format!("`{}` can't be run", name.to_string_lossy()))?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pass_on = |what| {
            if let Some(pid) = pid {
                let _ = kill_process(pid, what);
            }
        };
        loop {
            tokio::select! {
                status = child.wait() => return status.context("the command can't be waited for"),
                _ = terminate.recv() => pass_on(Signal::TERM),
                _ = hangup.recv() => pass_on(Signal::HUP),
                _ = interrupt.recv() => {}
                _ = quit.recv() => {}
            }
        }
    })
}

/// The command's own code; 128 and the signal where one ended it, as shells say it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1))
}

fn summary(gateway: &Gateway) -> String {
    let requests = gateway.summary();
    let (mut input, mut cached, mut output) = (0, 0, 0);
    for (_, provider) in gateway.providers() {
        cached += provider.cache_read_input_tokens;
        input += provider.input_tokens
            + provider.cache_read_input_tokens
            + provider.cache_creation_input_tokens;
        output += provider.output_tokens;
    }
    let failed = match requests.errored + requests.rejected {
        0 => String::new(),
        count => format!(" ({count} failed)"),
    };
    let plural = if requests.forwarded == 1 { "" } else { "s" };
    format!(
        "gateway: {} request{plural}{failed}, {input} tokens in ({cached} from cache), {output} tokens out",
        requests.forwarded
    )
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use gateway_config::{Sources, load};

    use super::{model_of, own_key, past_proxies};

    #[test]
    fn a_key_in_a_header_is_the_gateways_own_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("gateway.yaml");
        for (keys, owner) in [
            ("auth_type: none", None),
            ("auth_type: none, headers: {x-team: blue}", None),
            ("auth_type: none, headers: {Authorization: Bearer shh}", Some("up")),
            ("auth_type: none, headers: {x-goog-api-key: shh}", Some("up")),
            ("auth_type: none, enabled: false, headers: {authorization: shh}", None),
            ("api_key: shh", Some("up")),
        ] {
            let yaml = format!(
                "default_provider: anthropic\nproviders:\n  anthropic: {{auth_type: client}}\n  up: \
                 {{kind: openai, api_base: 'http://10.0.0.1/v1', {keys}}}\n"
            );
            std::fs::write(&file, yaml).expect("written");
            let mut sources = Sources::empty(dir.path());
            sources.overrides.config = Some(file.clone());
            let loaded = load(&sources).unwrap_or_else(|faults| panic!("{keys}: {faults}"));
            assert_eq!(own_key(&loaded.config), owner, "{keys}");
        }
    }

    #[test]
    fn the_model_is_the_one_the_client_will_ask_for() {
        for (command, chosen, wanted) in [
            (&["claude"][..], None, "claude-opus-5-5"),
            (&["claude"], Some("gpt-4.1"), "gpt-4.1"),
            (&["claude", "--model", "sonnet[1m]"], Some("x"), "claude-sonnet-5-5"),
            (&["claude", "-p", "--model=qwen3"], None, "qwen3"),
            (&["claude", "--model"], None, "claude-opus-5-5"),
        ] {
            let command: Vec<OsString> = command.iter().map(OsString::from).collect();
            assert_eq!(model_of(&command, chosen), wanted);
        }
    }

    #[test]
    fn the_way_to_the_gateway_leads_past_proxies() {
        for (before, after) in [
            ("", "127.0.0.1,localhost"),
            ("internal.test, localhost,", "internal.test,localhost,127.0.0.1"),
            ("*", "*"),
        ] {
            assert_eq!(past_proxies(before), after);
        }
    }
}
