//! `config show` and the summary of `config validate`.

use std::fmt::Write;

use gateway_router::RuleKind;

use crate::load::Loaded;
use crate::model::Effective;
use crate::rules;

impl Loaded {
    /// Every effective value with its origin as an aligned table, or only those below `prefix`.
    pub fn table(&self) -> String {
        let rows: Vec<(&str, String, String)> =
            self.values.iter().map(|v| (v.key.as_str(), shown(v), v.origin.to_string())).collect();
        let width =
            |f: &dyn Fn(&(&str, String, String)) -> usize| rows.iter().map(f).max().unwrap_or(0);
        let keys = width(&|r| r.0.chars().count());
        let values = width(&|r| r.1.chars().count()).min(WIDEST);
        let mut out = String::new();
        for (key, value, origin) in &rows {
            let _ = writeln!(out, "{key:keys$}  {value:values$}  {origin}"); // writing to a String can't fail
        }
        out
    }

    /// The same for programs: `{"file", "dotenv", "values": [{"key", "value", "origin"}], "notes", "warnings"}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": self.file,
            "dotenv": self.dotenv,
            "values": self.values,
            "notes": self.notes,
            "warnings": self.warnings,
        })
    }

    /// One line a provider, a route and a client, for people.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for p in &self.config.providers {
            let base = p.api_base.as_deref().unwrap_or("built in");
            let state = match (p.enabled, p.auth.is_ready()) {
                (false, _) => ", disabled",
                (true, false) => ", key missing",
                (true, true) => "",
            };
            let default = if self.config.default_provider.as_ref() == Some(&p.name) {
                ", default"
            } else {
                ""
            };
            let _ =
                writeln!(out, "provider {} ({}, {base}{default}{state})", p.name, p.kind.as_str());
        }
        for r in &self.config.routes {
            let model = r.model.as_deref().map(|m| format!("/{m}")).unwrap_or_default();
            let state = if r.enabled { "" } else { " (disabled)" };
            let looks = match &r.kind {
                RuleKind::ModelPattern | RuleKind::PathPattern => r.pattern.clone(),
                RuleKind::HeaderMatch { name, value } => format!("{name}: {value}"),
                RuleKind::CatchAll => "catch_all".to_owned(),
            };
            let _ = write!(out, "route {looks} -> {}{model}", r.provider);
            for fallback in r.fallbacks.iter().flatten() {
                let _ = write!(out, ", else {}", rules::shown(fallback));
            }
            let _ = writeln!(out, "{state}");
        }
        for client in &self.config.clients {
            let _ = writeln!(out, "client {}", client.name);
        }
        out
    }
}

fn shown(value: &Effective) -> String {
    match &value.value {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() && f.fract() == 0.0 => format!("{f:.0}"),
            _ => n.to_string(),
        },
        other => other.to_string(),
    }
}

/// Longer values push their origin to the right instead of widening the column for all.
const WIDEST: usize = 48;
