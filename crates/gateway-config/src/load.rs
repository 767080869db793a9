//! From sources to a configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::auth;
use crate::check;
use crate::clients;
use crate::diag::{Diagnostic, Diagnostics};
use crate::keys::TOP;
use crate::layers;
use crate::limits;
use crate::locate;
use crate::model::{Config, Effective};
use crate::pool;
use crate::predecessor::{self, Names};
use crate::providers;
use crate::read::Cx;
use crate::resilience;
use crate::rules;
use crate::settings;
use crate::shape;
use crate::source::{At, SourceFile};
use crate::sources::{Env, Sources};
use crate::tree::{self, Node, Value};
use crate::zero;

/// A configuration that holds, and how it came about.
#[non_exhaustive]
#[derive(Debug)]
pub struct Loaded {
    /// What counts.
    pub config: Config,
    /// The configuration file, absolute if the working directory was.
    pub file: Option<PathBuf>,
    /// The `.env` that was read.
    pub dotenv: Option<PathBuf>,
    /// The files whose contents are values, by `${file:…}`.
    pub files: Vec<PathBuf>,
    /// What a start should tell: which provider serves, and why.
    pub notes: Vec<String>,
    /// What deserves a look.
    pub warnings: Vec<Diagnostic>,
    /// Every effective value with its origin; secrets hidden.
    pub values: Vec<Effective>,
}

/// Reads the configuration from all its sources.
///
/// # Errors
/// All faults at once, each with its place and a remedy. No credential is in any of them.
pub fn load(sources: &Sources) -> Result<Loaded, Diagnostics> {
    let path = locate::find(sources).map_err(Diagnostics::of)?;
    let dir = path.as_deref().and_then(Path::parent).unwrap_or(&sources.cwd).to_owned();
    let (dotenv, vars) =
        shape::dotenv(&dir).map_err(|errors| Diagnostics { errors, warnings: Vec::new() })?;
    let key = sources.overrides.api_key.as_ref().map(ExposeSecret::expose_secret);
    let mut cx = Cx {
        file: None,
        dotenv: dotenv.clone(),
        files: Vec::new(),
        cwd: sources.cwd.clone(),
        base_dir: dir,
        env: Env::new(&sources.env, vars, key),
        errors: Vec::new(),
        warnings: Vec::new(),
        values: Vec::new(),
    };
    let mut tree = match &path {
        Some(path) => read_file(&mut cx, path).map_err(Diagnostics::of)?,
        None => Node::map(Vec::new(), At::BuiltIn),
    };
    shape::name_lists(&mut cx, &mut tree);
    let mut notes = Vec::new();
    if sources.overrides.demo {
        notes.extend(only_demo(&mut tree));
    }
    shape::expand_values(&mut cx, &mut tree);
    layers::overlay(&mut tree, &cx.env, &sources.overrides);
    let names = predecessor::adopt(&mut cx, &mut tree);
    if sources.overrides.demo {
        zero::put(&mut tree, "default_provider", None);
        zero::put(&mut tree, "providers", Some(zero::demo()));
    } else if tree.get("providers").is_none_or(is_empty) {
        notes.extend(zero::fill(&mut cx, &mut tree, sources.ollama_answers));
    } else {
        notes.extend(zero::unused(&cx.env));
    }
    let config = read(&mut cx, &tree, &names);
    if !cx.errors.is_empty() {
        return Err(sorted(cx));
    }
    let (files, warnings, values) = (cx.files, cx.warnings, cx.values);
    Ok(Loaded { config, file: path, dotenv, files, notes, warnings, values })
}

fn read_file(cx: &mut Cx, path: &Path) -> Result<Node, Box<Diagnostic>> {
    let mut file = SourceFile::new(path, locate::read(path)?);
    let tree = tree::parse(&file);
    if let Ok(tree) = &tree {
        let mut secrets = Vec::new();
        collect_secrets(tree, false, &file.text, &mut secrets);
        file.hide(&secrets);
    }
    let file = Arc::new(file);
    cx.file = Some(Arc::clone(&file));
    let tree = tree.map_err(|fault| Box::new(fault.into_diagnostic(file)))?;
    if matches!(tree.value, Value::Map(_) | Value::Null) {
        return Ok(tree);
    }
    let message = format!("the configuration must be a map of keys, found {}", tree.describe());
    let fault = Diagnostic::error(cx.place(&tree.at), message);
    Err(Box::new(fault.help("write `key: value` lines, e.g. `default_provider: anthropic`")))
}

/// Places of values that are credentials by their key, unless they are only references.
fn collect_secrets(node: &Node, secret: bool, text: &str, out: &mut Vec<std::ops::Range<usize>>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                let by_key = match key.text.as_str() {
                    "api_key" | "headers" | "proxy" | "state_keys" => true,
                    "key_hash" => {
                        !matches!(&value.value, Value::Text(t) if clients::of_hex(t).is_some())
                    }
                    // People put the key itself where its variable's name belongs.
                    "api_key_env_var" => {
                        !matches!(&value.value, Value::Text(t) if auth::is_variable(t))
                    }
                    _ => false,
                };
                if key.text == "api_keys" {
                    collect_pool(value, out);
                } else {
                    collect_secrets(value, secret || by_key, text, out);
                }
            }
        }
        Value::List(items) => {
            for item in items {
                collect_secrets(item, secret, text, out);
            }
        }
        _ => {
            let At::File(range) = &node.at else { return };
            let source = text.get(range.clone()).unwrap_or_default();
            if secret && !source.trim_start_matches(['"', '\'']).starts_with("${") {
                out.push(range.clone());
            }
        }
    }
}

/// Places in `api_keys` that hold a key where its variable's name belongs.
fn collect_pool(node: &Node, out: &mut Vec<std::ops::Range<usize>>) {
    match (&node.value, &node.at) {
        (Value::List(items), _) => items.iter().for_each(|item| collect_pool(item, out)),
        (Value::Map(entries), _) => {
            let values = entries.iter().filter(|(key, _)| key.text != "weight");
            values.for_each(|(_, value)| collect_pool(value, out));
        }
        (Value::Text(text), _) if pool::is_name(text) || text.starts_with("${") => {}
        (Value::Text(_) | Value::Int(_) | Value::Float(_), At::File(range)) => {
            out.push(range.clone());
        }
        _ => {}
    }
}

/// Takes everything out of the tree that `--demo` does not use.
fn only_demo(tree: &mut Node) -> Vec<String> {
    let mut notes =
        vec!["provider `demo`, because of --demo: it answers by itself and asks nobody".to_owned()];
    let configured =
        ["providers", "routes", "default_provider", "extra"].map(|key| zero::put(tree, key, None));
    if configured.contains(&true) {
        notes.push("the file's providers and routes are not used with --demo".to_owned());
    }
    notes
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

fn read(cx: &mut Cx, tree: &Node, names: &Names) -> Config {
    // An empty file is a configuration without keys.
    let top = cx.section("", &tree.at, tree, &TOP);
    let named =
        cx.text(&top, "default_provider").map(|name| (name, top.place_of("default_provider")));
    let log_level = settings::log_level(cx, &top);
    let timeout = settings::timeout(cx, &top);
    let server = settings::server(cx, &top);
    let (section, keys) = cx.named(&top, "providers");
    let nothing = Node::map(Vec::new(), At::BuiltIn);
    let count = keys.len();
    let providers: Vec<_> = keys
        .into_iter()
        .filter_map(|key| {
            let node = section.get(&key.text).unwrap_or(&nothing);
            providers::read(cx, key, node, timeout)
        })
        .collect();
    let strategy = predecessor::read(cx, &top);
    let routes = rules::read(cx, &top, names.routes, strategy);
    let resilience = resilience::read(cx, &top);
    let limits = limits::callers(cx, &top);
    let clients = clients::read(cx, &top, &limits);
    let default_provider = if providers.len() == count {
        let default =
            check::default_provider(cx, names.default_provider, named, &providers, &routes);
        check::rules(cx, &routes, &providers, &clients.names);
        check::providers(cx, &providers, &server);
        check::names_of_claudes(cx, default.as_deref(), &providers);
        default
    } else {
        None // a provider could not be read: what names it would be reported for nothing
    };
    cx.effective(&top, "default_provider", default_provider.as_deref());
    cx.values.rotate_right(1); // the first key of every file, known last
    let client_keys = read_client_key(cx);
    Config {
        default_provider,
        log_level,
        server,
        providers: providers.into_iter().map(|p| p.provider).collect(),
        routes: routes.into_iter().map(|r| r.route).collect(),
        client_keys,
        resilience,
        clients: clients.read,
        limits,
    }
}

fn read_client_key(cx: &mut Cx) -> Vec<SecretString> {
    let Some((key, at)) = cx.env.get(CLIENT_KEY) else { return Vec::new() };
    let (key, at) = (key.trim().to_owned(), at.clone());
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        cx.error(
            &at,
            format!("{CLIENT_KEY} holds a blank, a line break or a character that is not ASCII"),
            "not a key",
            "use letters, digits and punctuation only",
        );
    }
    cx.effective_at("client_key".to_owned(), "(hidden)", &at);
    vec![SecretString::from(key)]
}

/// In the order of the file; what lies elsewhere comes last.
fn sorted(cx: Cx) -> Diagnostics {
    let (mut errors, mut warnings) = (cx.errors, cx.warnings);
    let place = |d: &Diagnostic| d.line_column().unwrap_or((usize::MAX, 0));
    errors.sort_by_key(place);
    warnings.sort_by_key(place);
    Diagnostics { errors, warnings }
}

const CLIENT_KEY: &str = "GATEWAY_API_KEY";
