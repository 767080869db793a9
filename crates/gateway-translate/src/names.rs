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
    /// A digit or a dash may not stand first.
    letter_first: bool,
    there: HashMap<String, String>,
    back: HashMap<String, String>,
}

impl NameMap {
    /// A map for names of at most `max` characters of `[A-Za-z0-9_-]`.
    ///
    /// `names` are all the names of the request: those offered and those in its history.
    pub fn new<'a>(names: impl IntoIterator<Item = Cow<'a, str>>, max: usize) -> Self {
        Self { max: max.max(16), ..Self::default() }.of(names)
    }

    /// The same for an upstream whose names begin with a letter or an underscore.
    pub fn letter_first<'a>(names: impl IntoIterator<Item = Cow<'a, str>>, max: usize) -> Self {
        Self { max: max.max(16), letter_first: true, ..Self::default() }.of(names)
    }

    fn of<'a>(self, names: impl IntoIterator<Item = Cow<'a, str>>) -> Self {
        let names: Vec<Cow<'a, str>> = names.into_iter().collect();
        if names.iter().all(|name| self.takes(name)) {
            return self;
        }
        let (fine, odd): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| self.takes(name));
        let mut taken: HashSet<String> = fine.into_iter().map(Cow::into_owned).collect();
        let mut odd: Vec<String> = odd.into_iter().map(Cow::into_owned).collect();
        // Which of two names gets the digits of another round must not depend on their order.
        odd.sort_unstable();
        odd.dedup();
        let mut map = self;
        for name in odd {
            let short = (0..=u32::MAX)
                .map(|round| map.shortened(&name, round))
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
        if self.takes(name) {
            return Cow::Borrowed(name);
        }
        match self.there.get(name) {
            Some(short) => Cow::Borrowed(short),
            None => Cow::Owned(self.shortened(name, 0)),
        }
    }

    /// The name the caller knows for one that the upstream used.
    pub fn back<'a>(&'a self, name: &'a str) -> &'a str {
        self.back.get(name).map_or(name, String::as_str)
    }

    fn takes(&self, name: &str) -> bool {
        is_acceptable(name, self.max.max(16)) && !(self.letter_first && begins_oddly(name))
    }

    fn shortened(&self, name: &str, round: u32) -> String {
        let short = shortened(name, self.max.max(16), round);
        if !(self.letter_first && begins_oddly(&short)) {
            return short;
        }
        // One character less of the head; the digits at the end stay.
        let head_end = short.len() - 9;
        let head_end = if short.len() < self.max.max(16) { head_end } else { head_end - 1 };
        format!("_{}{}", &short[..head_end], &short[short.len() - 9..])
    }
}

fn begins_oddly(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_digit() || c == '-')
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

/// Ids of calls that carry sealed state begin so.
const CARRYING: &str = "toolu_gw1_s_";

/// The longest such id, in bytes: it stands twice in every later request.
const CARRYING_MAX: usize = 2048;

/// An id for a call that carries a sealed text (see [`Keyring`](crate::Keyring)), for callers that
/// keep nothing else of a reply; `None` where it would be too long. [`caller_id`] leaves it as it is.
pub fn carrying_id(sealed: &str) -> Option<String> {
    let inner = sealed.strip_prefix(crate::SEALED_PREFIX)?;
    let id = format!("{CARRYING}{inner}");
    (id.len() <= CARRYING_MAX && id.bytes().all(is_name_byte)).then_some(id)
}

/// The sealed text that an id carries, if it is one of [`carrying_id`]'s.
pub fn carried_by(id: &str) -> Option<String> {
    let inner = id.strip_prefix(CARRYING)?;
    Some(format!("{}{inner}", crate::SEALED_PREFIX))
}

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
    let carries = native.starts_with(CARRYING);
    let legal = !native.is_empty()
        && native.len() <= if carries { CARRYING_MAX } else { 128 }
        && native.bytes().all(is_name_byte)
        && (carries || !native.starts_with(WRAPPED));
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
    let wrapped = id.strip_prefix(WRAPPED).filter(|_| !id.starts_with(CARRYING));
    let inner = wrapped.and_then(|rest| rest.get(11..));
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
    fn names_may_have_to_begin_with_a_letter() {
        let long = "7".repeat(80);
        let names = ["7zip", "-x", "_fine", "Bash", "3d.tool", &long];
        let map = NameMap::letter_first(names.iter().map(|name| Cow::Borrowed(*name)), 64);
        for name in names {
            let there = map.there(name).into_owned();
            assert!(is_acceptable(&there, 64) && !begins_oddly(&there), "{there}");
            assert_eq!(map.back(&there), name);
        }
        assert_eq!(map.there("Bash"), "Bash");
        assert_eq!(super::tests::map(&["7zip"]).there("7zip"), "7zip");
    }

    #[test]
    fn an_id_can_carry_sealed_state() {
        let sealed = format!("gw1.{}", "Ab_-9".repeat(100));
        let id = carrying_id(&sealed).expect("short enough");
        let used = HashSet::new();
        assert_eq!(caller_id(&id, &used, "msg_1", 0), id);
        assert_eq!(native_id(&id), id);
        assert_eq!(carried_by(&id), Some(sealed));
        // A second call of that id gets one that carries nothing.
        let again = caller_id(&id, &HashSet::from([id.clone()]), "msg_1", 1);
        assert!(again != id && carried_by(&again).is_none());
        assert_eq!(carrying_id(&format!("gw1.{}", "A".repeat(3000))), None);
        assert_eq!(carrying_id("other"), None);
        assert_eq!(carried_by("toolu_gw1_0123456789_AAAA"), None);
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
