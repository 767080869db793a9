//! `check-layers`: the crate graph is what `xtask/layers.toml` says it is.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    layers: BTreeMap<String, Vec<String>>,
    edges: BTreeMap<String, BTreeSet<String>>,
    forbidden: Forbidden,
}

#[derive(Deserialize)]
struct Forbidden {
    crates: BTreeSet<String>,
    layers: BTreeSet<u32>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    kind: Option<String>,
}

/// Fails with every edge of the workspace that the table lacks.
pub(crate) fn check() -> Result<()> {
    let table: Table =
        toml::from_str(include_str!("../layers.toml")).context("xtask/layers.toml")?;
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let faults = faults(&table, &metadata)?;
    for fault in &faults {
        eprintln_line(fault);
    }
    if faults.is_empty() { Ok(()) } else { bail!("{} fault(s) in the crate graph", faults.len()) }
}

#[expect(clippy::print_stderr, reason = "a command-line tool")]
fn eprintln_line(line: &str) {
    eprintln!("check-layers: {line}");
}

fn faults(table: &Table, metadata: &Metadata) -> Result<Vec<String>> {
    let mut layer_of = BTreeMap::new();
    for (layer, names) in &table.layers {
        let layer: u32 = layer.parse().context("layers are numbers")?;
        layer_of.extend(names.iter().map(|name| (name.as_str(), layer)));
    }
    let names: BTreeMap<&str, &str> =
        metadata.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
    let normal: BTreeMap<&str, Vec<&str>> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| {
            let deps = node
                .deps
                .iter()
                .filter(|d| d.dep_kinds.iter().any(|k| k.kind.as_deref() != Some("dev")))
                .map(|d| d.pkg.as_str());
            (node.id.as_str(), deps.collect())
        })
        .collect();

    let mut faults = Vec::new();
    for id in &metadata.workspace_members {
        let name = names[id.as_str()];
        let (Some(allowed), Some(layer)) = (table.edges.get(name), layer_of.get(name)) else {
            faults.push(format!("{name} is not in xtask/layers.toml"));
            continue;
        };
        for dep in &normal[id.as_str()] {
            let dep_name = names[dep];
            if metadata.workspace_members.contains(*dep) {
                if !allowed.contains(dep_name) {
                    faults.push(format!("{name} -> {dep_name} is not an edge of the table"));
                }
                if layer_of.get(dep_name).is_some_and(|l| l > layer) {
                    faults.push(format!("{name} (layer {layer}) depends upwards on {dep_name}"));
                }
            }
        }
        if table.forbidden.layers.contains(layer) {
            for (found, path) in reach(id, &normal, &names, &table.forbidden.crates) {
                faults.push(format!("{name} (layer {layer}) reaches {found} by {path}"));
            }
        }
    }
    Ok(faults)
}

/// Every forbidden crate in the normal closure of `root`, with the way there.
fn reach<'m>(
    root: &'m str,
    normal: &BTreeMap<&'m str, Vec<&'m str>>,
    names: &BTreeMap<&'m str, &'m str>,
    forbidden: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut stack = vec![(root, names[root].to_owned())];
    while let Some((id, path)) = stack.pop() {
        for dep in normal.get(id).into_iter().flatten() {
            if !seen.insert(*dep) {
                continue;
            }
            let path = format!("{path} -> {}", names[dep]);
            if forbidden.contains(names[dep]) {
                found.push((names[dep].to_owned(), path));
            } else {
                stack.push((dep, path));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(deps: &str) -> Metadata {
        let json = format!(
            r#"{{"packages":[{{"id":"a","name":"low"}},{{"id":"b","name":"high"}},{{"id":"t","name":"tokio"}}],
                "workspace_members":["a","b"],
                "resolve":{{"nodes":[{{"id":"a","deps":[{deps}]}},{{"id":"b","deps":[]}},{{"id":"t","deps":[]}}]}}}}"#
        );
        serde_json::from_str(&json).expect("valid test metadata")
    }

    fn table() -> Table {
        toml::from_str(
            "[layers]\n0=['low']\n2=['high']\n[edges]\nlow=[]\nhigh=[]\n[forbidden]\ncrates=['tokio']\nlayers=[0]",
        )
        .expect("valid test table")
    }

    #[test]
    fn an_edge_upwards_is_a_fault() {
        let deps = r#"{"pkg":"b","dep_kinds":[{"kind":null}]}"#;
        let found = faults(&table(), &graph(deps)).expect("runs");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn tokio_below_layer_two_is_a_fault_but_not_in_tests() {
        let normal = r#"{"pkg":"t","dep_kinds":[{"kind":null}]}"#;
        assert_eq!(faults(&table(), &graph(normal)).expect("runs").len(), 1);
        let dev = r#"{"pkg":"t","dep_kinds":[{"kind":"dev"}]}"#;
        assert!(faults(&table(), &graph(dev)).expect("runs").is_empty());
    }
}
