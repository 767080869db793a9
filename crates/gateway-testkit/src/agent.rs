//! Models for agent loops, whatever the dialect.

/// The first of `steps` whose calls (by their tools' names) have not all been `answered`, counted over all
/// steps; none when there is no such step, or when a tool that it calls is not `offered`.
pub(crate) fn step<'a, T>(
    steps: &'a [T],
    names: impl Fn(&'a T) -> Vec<&'a str>,
    mut answered: usize,
    offered: impl Fn(&str) -> bool,
) -> Option<&'a T> {
    for step in steps {
        let names = names(step);
        if names.len() > answered {
            return names.iter().all(|name| offered(name)).then_some(step);
        }
        answered -= names.len();
    }
    None
}
