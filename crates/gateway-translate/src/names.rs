//! Tool names and call ids that an upstream takes, and the way back.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Maps the tool names of one request to names an upstream takes, and back (behaviour R11).
///
/// A name that is acceptable stays. Any other becomes its first characters, an underscore and eight
/// hexadecimal digits of its digest: the same for ever and on every replica, so prompts stay
/// cacheable.
#[derive(Debug, Clone, Default)]
pub struct NameMap {
    max: usize,
    there: HashMap<String, String>,
    back: HashMap<String, String>,
}

impl NameMap {
    /// A map for names of at most `max` characters of `[A-Za-z0-9_-]`.
    ///
    /// `names` are all the names of the request: those offered and those in its history.
    pub fn new<'a>(names: impl IntoIterator<Item = Cow<'a, str>>, max: usize) -> Self {
        let max = max.max(16);
        let names: Vec<Cow<'a, str>> = names.into_iter().collect();
        if names.iter().all(|name| is_acceptable(name, max)) {
            return Self { max, ..Self::default() };
        }
        let (fine, odd): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| is_acceptable(name, max));
        let mut taken: HashSet<String> = fine.into_iter().map(Cow::into_owned).collect();
        let mut odd: Vec<String> = odd.into_iter().map(Cow::into_owned).collect();
        // Which of two names gets the digits of another round must not depend on their order.
        odd.sort_unstable();
        odd.dedup();
        let mut map = Self { max, ..Self::default() };
        for name in odd {
            let short = (0..=u32::MAX)
                .map(|round| shortened(&name, max, round))
                .find(|short| !taken.contains(short))
                .expect("a request has no four thousand million names");
            taken.insert(short.clone());
            map.back.insert(short.clone(), name.clone());
            map.there.insert(name, short);
        }
        map
    }

    /// The name the upstream gets.
    pub fn there<'a>(&'a self, name: &'a str) -> Cow<'a, str> {
        if is_acceptable(name, self.max.max(16)) {
            return Cow::Borrowed(name);
        }
        match self.there.get(name) {
            Some(short) => Cow::Borrowed(short),
            None => Cow::Owned(shortened(name, self.max.max(16), 0)),
        }
    }

    /// The name the caller knows for one that the upstream used.
    pub fn back<'a>(&'a self, name: &'a str) -> &'a str {
        self.back.get(name).map_or(name, String::as_str)
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        digits.push_str(&format!("{byte:02x}"));
        digits
    })
}

fn is_acceptable(name: &str, max: usize) -> bool {
    !name.is_empty() && name.len() <= max && name.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn shortened(name: &str, max: usize, round: u32) -> String {
    let mut digest = Sha256::new();
    digest.update(name.as_bytes());
    if round > 0 {
        digest.update([0]);
        digest.update(round.to_be_bytes());
    }
    let digest = digest.finalize();
    let head = name.chars().map(|c| if c.is_ascii() && is_name_byte(c as u8) { c } else { '_' });
    let mut short: String = head.take(max - 9).collect();
    short.push('_');
    short.push_str(&hex(&digest[..4]));
    short
}

/// The id under which an upstream that takes at most `max` characters gets a call: the same one if
/// it fits, else one derived from it. Call and result are mapped alike, so no way back is needed.
pub fn call_id(id: &str, max: usize) -> Cow<'_, str> {
    if !id.is_empty() && id.len() <= max && !id.contains(char::is_control) {
        return Cow::Borrowed(id);
    }
    let digits = hex(&Sha256::digest(id.as_bytes()));
    // Some servers take nine characters and no more.
    let derived = if max < 29 {
        digits[..max.clamp(1, 28)].to_owned()
    } else {
        format!("call_{}", &digits[..24])
    };
    Cow::Owned(derived)
}

const WRAPPED: &str = "toolu_gw1_";

/// The id a caller gets for a call: the upstream's own where that is unique and of legal characters,
/// else one that is, and leads back to it through [`native_id`].
///
/// `reply` (the reply's id) and `count` (of calls in it) make ids of different replies different.
pub fn caller_id<S: BuildHasher>(
    native: &str,
    used: &HashSet<String, S>,
    reply: &str,
    count: usize,
) -> String {
    let legal = !native.is_empty()
        && native.len() <= 128
        && native.bytes().all(is_name_byte)
        && !native.starts_with(WRAPPED);
    if legal && !used.contains(native) {
        return native.to_owned();
    }
    let salt = Sha256::digest(format!("{reply}\0{count}\0{native}"));
    if native.is_empty() || native.len() > 256 {
        // Nothing to lead back to, or too much.
        return format!("toolu_{}", URL_SAFE_NO_PAD.encode(&salt[..18]));
    }
    format!("{WRAPPED}{}_{}", hex(&salt[..5]), URL_SAFE_NO_PAD.encode(native))
}

/// The upstream's own id for a call that the caller knows as `id`.
pub fn native_id(id: &str) -> Cow<'_, str> {
    let inner = id.strip_prefix(WRAPPED).and_then(|rest| rest.get(11..));
    let native = inner
        .and_then(|inner| URL_SAFE_NO_PAD.decode(inner).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    native.map_or(Cow::Borrowed(id), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(names: &[&str]) -> NameMap {
        NameMap::new(names.iter().map(|name| Cow::Borrowed(*name)), 64)
    }

    #[test]
    fn r11_long_and_odd_names_go_there_and_back() {
        let long = "mcp__server__".to_owned() + &"x".repeat(115);
        let names = ["Bash", "a.b/c", "naïve tool", &long, &"é".repeat(64), ""];
        let map = map(&names);
        for name in names {
            let there = map.there(name).into_owned();
            assert!(is_acceptable(&there, 64), "{there}");
            assert_eq!(map.back(&there), name);
        }
        assert_eq!(map.there("Bash"), "Bash");
    }

    #[test]
    fn r11_names_do_not_depend_on_the_others_in_the_request() {
        let long = "t".repeat(100);
        assert_eq!(map(&[&long, "b.c"]).there(&long), map(&["z", &long]).there(&long));
        assert_eq!(map(&[]).there(&long), map(&[&long]).there(&long));
    }

    #[test]
    fn names_that_share_their_first_characters_stay_apart() {
        let (a, b) = ("x".repeat(70) + "a", "x".repeat(70) + "b");
        let both = map(&[&a, &b]);
        assert_ne!(both.there(&a), both.there(&b));
        // A tool that is already called what another would be shortened to.
        let taken = map(&[&a]).there(&a).into_owned();
        let clash = map(&[&a, &taken]);
        assert_ne!(clash.there(&a), *taken);
        assert_eq!(clash.back(&clash.there(&a)), a);
        assert_eq!(clash.back(&taken), taken);
    }

    #[test]
    fn ids_for_callers_are_legal_unique_and_lead_back() {
        let mut used = HashSet::new();
        for (count, native) in
            ["call_1", "call_1", "functions.Bash:0", "functions.Bash:0", "ünï|/ x", ""]
                .into_iter()
                .enumerate()
        {
            let id = caller_id(native, &used, "msg_1", count);
            assert!(!id.is_empty() && id.bytes().all(is_name_byte), "{id}");
            if !native.is_empty() {
                assert_eq!(native_id(&id), native);
            }
            assert!(used.insert(id));
        }
        assert_eq!(native_id("toolu_01abc"), "toolu_01abc");
        assert_eq!(native_id("toolu_gw1_é"), "toolu_gw1_é");
    }

    #[test]
    fn ids_beyond_a_limit_are_shortened_alike() {
        let id = "toolu_".to_owned() + &"a".repeat(60);
        assert_eq!(call_id("call_abc", 40), "call_abc");
        assert_eq!(call_id(&id, 40), call_id(&id, 40));
        for max in [9, 28, 29, 40] {
            assert!(call_id(&id, max).len() <= max, "{max}");
        }
    }
}
