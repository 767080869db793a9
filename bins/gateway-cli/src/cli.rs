//! The command line, as a person types it.
#![expect(clippy::doc_markdown, reason = "doc comments are the help texts here")]

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use gateway_config::Overrides;

/// A gateway between Claude Code and AI providers.
#[derive(Debug, Parser)]
#[command(
    name = "claude-code-model-gateway",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "Examples:
  claude-code-model-gateway gateway                 start the gateway on 127.0.0.1:8080
  claude-code-model-gateway run -- claude           start it for one Claude Code only
  ANTHROPIC_BASE_URL=http://127.0.0.1:8080 claude   use a gateway that runs

Exit codes: 0 fine, 1 the operation failed or a check found errors, 2 wrong usage,
3 no running gateway, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Configuration file [env: GATEWAY_CONFIG] [default: ./gateway.yaml, then the user's, then /etc]
    #[arg(short, long, visible_alias = "config-file", global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What commands that print data print
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, hide_possible_values = true, value_name = "text|json")]
    pub(crate) format: Format,
    /// Colours; NO_COLOR is obeyed
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, hide_possible_values = true, value_name = "auto|always|never")]
    pub(crate) color: When,
    /// How much is logged: off, error, warn, info, debug, trace [env: GATEWAY_LOG_LEVEL, LOG_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Log more: -v debug, -vv trace
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "log_level")]
    pub(crate) verbose: u8,
    /// Log errors only, and print no notes
    #[arg(short, long, global = true, conflicts_with_all = ["log_level", "verbose"])]
    pub(crate) quiet: bool,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway
    Gateway(Box<GatewayArgs>),
    /// Run a command, e.g. `claude`, behind a private gateway that stops with it
    Run(Box<RunArgs>),
    /// Write, show and check the configuration
    #[command(
        arg_required_else_help = true,
        after_help = "Example:\n  claude-code-model-gateway config validate"
    )]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Ask where a request would go
    #[command(
        arg_required_else_help = true,
        after_help = "Example:\n  claude-code-model-gateway route resolve --model claude-opus-4-6"
    )]
    Route {
        #[command(subcommand)]
        command: RouteCommand,
    },
    /// Say what any endpoint of the Anthropic Messages API gets wrong
    Conform(Box<ConformArgs>),
    /// Write the settings with which a client uses this gateway
    #[command(
        arg_required_else_help = true,
        after_help = "Example:\n  claude-code-model-gateway connect claude"
    )]
    Connect {
        #[command(subcommand)]
        client: ConnectClient,
    },
    /// Undo `connect` exactly
    #[command(
        arg_required_else_help = true,
        after_help = "Example:\n  claude-code-model-gateway disconnect claude"
    )]
    Disconnect {
        #[command(subcommand)]
        client: DisconnectClient,
    },
    /// The key that the gateway made for its callers
    #[command(
        arg_required_else_help = true,
        after_help = "Example:\n  claude-code-model-gateway key show"
    )]
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Print the version
    #[command(after_help = "Example:\n  claude-code-model-gateway version --format json")]
    Version,
}

/// Options of `gateway`. What is not given comes from the environment, then from the file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claude-code-model-gateway gateway --port 9000
  claude-code-model-gateway gateway --demo              try it offline
  claude-code-model-gateway gateway -c gateway.yaml -v")]
pub(crate) struct GatewayArgs {
    /// Address or name to listen on [env: GATEWAY_HOST] [default: 127.0.0.1]
    #[arg(short = 'H', long)]
    pub(crate) host: Option<String>,
    /// Port to listen on, 0 for any free one [env: GATEWAY_PORT] [default: 8080]
    #[arg(short, long)]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// On an address that others can reach, ask callers for no key
    #[arg(long)]
    pub(crate) no_auth: bool,
}

/// Options that `gateway` and `run` share.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Seconds until a stream's first event [env: GATEWAY_TIMEOUT] [default: 300]
    #[arg(short, long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// Anthropic's API key; better set its variable [env: ANTHROPIC_API_KEY]
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// Sent upstream where the caller sends no anthropic-version
    #[arg(long, value_name = "DATE", default_value = "2023-06-01")]
    pub(crate) anthropic_version: String,
    /// Forward other /v1 paths (files, batches, …) to the Anthropic provider
    #[arg(long)]
    pub(crate) passthrough_mode: bool,
    /// Largest request body in bytes, 0 for no limit [default: 33554432]
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_request_size: Option<u64>,
    /// How often one provider is asked again for one request [env: GATEWAY_MAX_RETRIES] [default: 2]
    #[arg(long, value_name = "N")]
    pub(crate) max_retries: Option<u32>,
    /// Seconds before the first retry, at most [default: 1.0]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) retry_delay: Option<f64>,
    /// Idle connections kept per upstream
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) pool_size: usize,
    /// Open a connection for every request
    #[arg(long, conflicts_with = "pool_size")]
    pub(crate) no_connection_pool: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Standard, env = "GATEWAY_LOG_FORMAT", hide_env_values = true, hide_possible_values = true, value_name = "standard|detailed|json|colored|minimal")]
    pub(crate) log_format: LogFormat,
    /// Write the log to this file
    #[arg(long, env = "GATEWAY_LOG_FILE", hide_env_values = true, value_name = "PATH")]
    pub(crate) log_file: Option<PathBuf>,
    /// Serve only the built-in provider that answers by itself
    #[arg(long)]
    pub(crate) demo: bool,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Time, level, message, fields
    Standard,
    /// And module and line
    Detailed,
    /// One JSON object a line
    Json,
    /// Standard with colours
    Colored,
    /// The message alone
    Minimal,
}

/// `run [--] CMD…`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claude-code-model-gateway run -- claude
  claude-code-model-gateway run --demo -- claude -p 'hello'")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a small configuration file that works as it is
    #[command(after_help = "Example:\n  claude-code-model-gateway config init")]
    Init {
        /// Where to [default: --config, else ./gateway.yaml]
        path: Option<PathBuf>,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Print every effective value and where it comes from; secrets are hidden
    #[command(after_help = "Example:\n  claude-code-model-gateway config show --format json")]
    Show,
    /// Report every fault of the configuration
    #[command(after_help = "Example:\n  claude-code-model-gateway config validate -c gateway.yaml")]
    Validate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RouteCommand {
    /// Explain which provider gets a request, and under which model name
    #[command(after_help = "Examples:
  claude-code-model-gateway route resolve --model 'claude-opus-4-6[1m]'
  claude-code-model-gateway route resolve --body request.json -H 'x-gateway-provider: backup'")]
    Resolve(ResolveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// The model's name [default: the one in --body]
    #[arg(long, required_unless_present = "body")]
    pub(crate) model: Option<String>,
    /// The path of the request
    #[arg(long, default_value = "/v1/messages")]
    pub(crate) path: String,
    /// A header of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Who asks: one of the configured clients
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,
    /// The session's id [default: the header x-claude-code-session-id]
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// A file with the request's body, - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
}

/// `conform URL`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claude-code-model-gateway conform http://127.0.0.1:8080
  claude-code-model-gateway conform https://api.anthropic.com --only 'stream.*' --format json
  claude-code-model-gateway conform --list

Exit codes: 0 no errors (warnings may be), 1 errors, or nothing could be asked, 2 wrong usage.")]
pub(crate) struct ConformArgs {
    /// The base URL, as ANTHROPIC_BASE_URL would have it
    #[arg(required_unless_present = "list")]
    pub(crate) url: Option<String>,
    /// The key; better set a variable [env: ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN]
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// The key's header [default: x-api-key; bearer for ANTHROPIC_AUTH_TOKEN]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "x-api-key|bearer")]
    pub(crate) auth: Option<AuthHeader>,
    /// The model to ask for
    #[arg(long, default_value = "claude-sonnet-4-6", value_name = "NAME")]
    pub(crate) model: String,
    /// Only cases of this name, with * and ?; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Also cases that send a million words, or have the web searched
    #[arg(long)]
    pub(crate) expensive: bool,
    /// Name the cases and what they check, and ask nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Seconds that one request may take
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "SECONDS")]
    pub(crate) timeout: u64,
    /// A header of every request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// How many cases run at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16), value_name = "N")]
    pub(crate) concurrency: u8,
}

/// `--auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthHeader {
    /// `x-api-key`
    XApiKey,
    /// `authorization: Bearer`
    Bearer,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Print the key that was made for an address others can reach
    #[command(after_help = "Example:\n  claude-code-model-gateway key show")]
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectClient {
    /// Claude Code: sets ANTHROPIC_BASE_URL in its settings.json
    #[command(after_help = "Example:\n  claude-code-model-gateway connect claude")]
    Claude {
        /// The gateway's URL [default: from the configuration]
        #[arg(long)]
        url: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DisconnectClient {
    /// Claude Code: puts its settings.json back as it was
    #[command(after_help = "Example:\n  claude-code-model-gateway disconnect claude")]
    Claude,
}

impl Globals {
    /// Hands the options that are configuration to it.
    pub(crate) fn apply(&self, overrides: &mut Overrides) {
        overrides.config.clone_from(&self.config);
        if let Some(level) = &self.log_level {
            overrides.set("log_level", level, "--log-level");
        }
        match (self.verbose, self.quiet) {
            (_, true) => overrides.set("log_level", "error", "-q"),
            (0, false) => {}
            (1, false) => overrides.set("log_level", "debug", "-v"),
            (_, false) => overrides.set("log_level", "trace", "-vv"),
        }
    }
}

impl GatewayArgs {
    /// Hands the options that are configuration to it.
    pub(crate) fn apply(&self, overrides: &mut Overrides) {
        if let Some(host) = &self.host {
            overrides.set("server.host", host, "--host");
        }
        if let Some(port) = self.port {
            overrides.set("server.port", port.to_string(), "--port");
        }
        self.serve.apply(overrides);
    }
}

impl ServeArgs {
    /// Hands the options that are configuration to it.
    pub(crate) fn apply(&self, overrides: &mut Overrides) {
        overrides.demo = self.demo;
        overrides.api_key = self.api_key.clone().map(Into::into);
        if let Some(timeout) = self.timeout {
            overrides.set("timeout", timeout.to_string(), "--timeout");
        }
        if let Some(size) = self.max_request_size {
            overrides.set("server.max_request_size", size.to_string(), "--max-request-size");
        }
        if let Some(retries) = self.max_retries {
            overrides.set("resilience.retry.max_retries", retries.to_string(), "--max-retries");
        }
        if let Some(delay) = self.retry_delay {
            overrides.set("resilience.retry.base_delay", delay.to_string(), "--retry-delay");
        }
    }
}

impl When {
    pub(crate) fn into_choice(self) -> anstream::ColorChoice {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it like 'name: value'")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        use clap::CommandFactory;
        fn walk(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("claude-code-model-gateway "), "{path} has no example");
            command
                .get_subcommands()
                .filter(|c| c.get_name() != "help")
                .for_each(|c| walk(c, &path));
        }
        walk(&Cli::command(), "");
    }

    #[test]
    fn run_passes_everything_behind_the_command_on() {
        let cli =
            Cli::try_parse_from(["x", "run", "--demo", "--", "claude", "-p", "--", "-c", "hi"]);
        let Command::Run(args) = cli.expect("valid").command else { panic!("run") };
        assert!(args.serve.demo);
        assert_eq!(args.command, ["claude", "-p", "--", "-c", "hi"]);
        let cli = Cli::try_parse_from(["x", "run", "claude", "-p", "--demo"]).expect("valid");
        let Command::Run(args) = cli.command else { panic!("run") };
        assert_eq!(args.command, ["claude", "-p", "--demo"]);
    }
}
