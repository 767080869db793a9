//! Base URLs and hosts: what an `api_base` means, and whether it leads back to the gateway.

use std::net::IpAddr;

use http::Uri;

/// A usable base URL, taken apart as far as checks need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// With its version segment, without a slash at the end.
    pub(crate) url: String,
    /// Lower case, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_https: bool,
}

/// What differs between the base URLs of dialects.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// Where the vendor's own API is.
    pub(crate) url: &'static str,
    /// The segment that is added where a path has none; empty for a bare host, which gets none.
    version: &'static str,
    /// What the gateway adds itself.
    endpoints: &'static [&'static str],
}

pub(crate) const ANTHROPIC: Vendor = Vendor {
    url: "https://api.anthropic.com/v1",
    version: "v1",
    endpoints: &["/messages", "/count_tokens", "/models", "/complete"],
};

pub(crate) const OPENAI: Vendor = Vendor {
    url: "https://api.openai.com/v1",
    version: "v1",
    endpoints: &[
        "/chat/completions",
        "/chat",
        "/completions",
        "/responses",
        "/models",
        "/embeddings",
        "/messages",
    ],
};

/// OpenRouter, compatible with OpenAI.
pub(crate) const OPENROUTER: Vendor =
    Vendor { url: "https://openrouter.ai/api/v1", version: "v1", endpoints: OPENAI.endpoints };

/// Gemini on Google's AI Studio.
pub(crate) const GEMINI: Vendor = Vendor {
    url: "https://generativelanguage.googleapis.com",
    version: "v1beta",
    endpoints: &["/models", ":generateContent", ":streamGenerateContent", ":countTokens"],
};

pub(crate) const VERTEX: Vendor = Vendor {
    url: "https://aiplatform.googleapis.com",
    version: "",
    endpoints: &["/projects", "/publishers", "/models", "/rawPredict"],
};

pub(crate) const BEDROCK: Vendor = Vendor {
    url: "https://bedrock-runtime.us-east-1.amazonaws.com",
    version: "",
    endpoints: &["/model", "/invoke", "/converse"],
};

pub(crate) const AZURE: Vendor =
    Vendor { url: "https://RESOURCE.openai.azure.com", version: "", endpoints: &[] };

/// Where Microsoft Entra gives tokens.
pub(crate) const AUTHORITY: Vendor =
    Vendor { url: "https://login.microsoftonline.com", version: "", endpoints: &[] };

pub(crate) const OLLAMA: Vendor = Vendor {
    url: "http://localhost:11434",
    version: "",
    endpoints: &["/api/chat", "/api/generate", "/api/tags", "/chat/completions", "/messages"],
};

/// Whether a host is OpenAI's own, also a regional one.
pub(crate) fn is_openai(host: &str) -> bool {
    let host = bare_host(host);
    host == "api.openai.com" || host.ends_with(".api.openai.com")
}

/// Reads an `api_base` and adds the version segment where the path has none.
///
/// # Errors
/// What is wrong, and what to write instead. Neither repeats the URL: it may hold a password.
pub(crate) fn read(text: &str, vendor: &Vendor) -> Result<Base, (String, String)> {
    let example = format!("write it like {}", vendor.url);
    let base = parse(text, &example)?;
    if text.contains(['?', '#']) {
        return Err(("the URL has a query or a fragment".to_owned(), example));
    }
    let url = base.url.trim_end_matches('/');
    for endpoint in vendor.endpoints {
        if url.ends_with(endpoint) {
            let help = format!("leave `{endpoint}` away: the gateway adds the endpoint itself");
            return Err(("the URL names an endpoint, not the base".to_owned(), help));
        }
    }
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |p| p.1);
    let url = if vendor.version.is_empty() || path.split('/').any(is_version) {
        url.to_owned()
    } else {
        format!("{url}/{}", vendor.version)
    };
    Ok(Base { url, ..base })
}

/// Reads a proxy's URL: the schemes differ, and a user and password are allowed.
pub(crate) fn read_proxy(text: &str) -> Result<(), (String, String)> {
    let help = || "write it like http://proxy.example:3128 or socks5://127.0.0.1:1080".to_owned();
    let uri: Uri = text.parse().map_err(|_| ("this is no URL".to_owned(), help()))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(("this is no URL with a host".to_owned(), help()));
    }
    match uri.scheme_str() {
        Some("http" | "socks5" | "socks5h") => Ok(()),
        _ => Err(("a proxy's URL begins with http://, socks5:// or socks5h://".to_owned(), help())),
    }
}

/// Whether a host is this machine: a loopback address or a `localhost` name.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = bare_host(host);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        Err(_) => {
            let name = host.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Whether a request to `base` would arrive at a gateway that listens on `host` and `port`.
pub(crate) fn leads_back(base: &Base, host: &str, port: u16) -> bool {
    let listens = bare_host(host);
    let everywhere = listens.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    let unspecified = base.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    let same_machine = is_loopback(&base.host) || unspecified;
    port != 0
        && base.port == port
        && (base.host == listens || (same_machine && (everywhere || is_loopback(&listens))))
}

/// Lower case and without the brackets of an IPv6 address.
pub(crate) fn bare_host(host: &str) -> String {
    host.trim().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

fn parse(text: &str, example: &str) -> Result<Base, (String, String)> {
    let example = || example.to_owned();
    let Ok(uri) = text.parse::<Uri>() else {
        return Err(("this is no URL".to_owned(), example()));
    };
    let is_https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) | None => {
            return Err(("the URL must begin with https:// or http://".to_owned(), example()));
        }
    };
    let Some(authority) = uri.authority().filter(|a| !a.host().is_empty()) else {
        return Err(("the URL has no host".to_owned(), example()));
    };
    if authority.as_str().contains('@') {
        let help = "put the credential into `api_key` or `headers`".to_owned();
        return Err(("the URL holds a user or a password".to_owned(), help));
    }
    let digits = authority.as_str().rsplit_once(':').map(|p| p.1).filter(|p| !p.ends_with(']'));
    let port = match (authority.port_u16(), digits) {
        (Some(port), _) if port > 0 => port,
        (None, None) => {
            if is_https {
                443
            } else {
                80
            }
        }
        _ => return Err(("the URL's port must be a number from 1 to 65535".to_owned(), example())),
    };
    let host = bare_host(authority.host());
    Ok(Base { url: text.to_owned(), host, port, is_https })
}

/// `v1`, `v1beta`, `v2alpha1`.
pub(crate) fn is_version(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix('v') else { return false };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() + 1 < segment.len()
        && (rest.is_empty() || rest.starts_with("alpha") || rest.starts_with("beta"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_version_segment_is_added() {
        for (text, url) in [
            ("https://api.anthropic.com", "https://api.anthropic.com/v1"),
            ("https://api.anthropic.com/", "https://api.anthropic.com/v1"),
            ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1"),
            ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"),
            ("https://host/anthropic", "https://host/anthropic/v1"),
            ("https://host/v2beta1/x", "https://host/v2beta1/x"),
            ("https://host/vendor", "https://host/vendor/v1"),
            ("http://[::1]:9", "http://[::1]:9/v1"),
        ] {
            assert_eq!(read(text, &ANTHROPIC).expect(text).url, url);
        }
    }

    #[test]
    fn compatible_servers_keep_the_path_that_their_vendor_gives() {
        for (text, url) in [
            ("https://api.openai.com", "https://api.openai.com/v1"),
            ("http://localhost:8000/", "http://localhost:8000/v1"),
            ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1"),
            ("https://host/api/paas/v4", "https://host/api/paas/v4"),
            ("https://host/v1beta/openai/", "https://host/v1beta/openai"),
            ("https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
        ] {
            assert_eq!(read(text, &OPENAI).expect(text).url, url);
        }
        let (fault, help) =
            read("https://host/v1/chat/completions", &OPENAI).expect_err("an endpoint");
        assert_eq!(fault, "the URL names an endpoint, not the base");
        assert!(help.starts_with("leave `/chat/completions` away"), "{help}");
        let (_, help) = read("host/v1", &OPENAI).expect_err("no scheme");
        assert_eq!(help, "write it like https://api.openai.com/v1");
        for (host, own) in [
            ("api.openai.com", true),
            ("EU.api.openai.com", true),
            ("notapi.openai.com", false),
            ("api.openai.com.example", false),
        ] {
            assert_eq!(is_openai(host), own, "{host}");
        }
    }

    #[test]
    fn bad_urls_say_what_is_wrong_and_never_repeat_themselves() {
        for (text, message) in [
            ("api.anthropic.com", "the URL must begin"),
            ("", "this is no URL"),
            ("ftp://host", "the URL must begin"),
            ("https://", "this is no URL"),
            ("https://user:hunter2@host", "the URL holds a user"),
            ("https://host/v1?x=hunter2", "the URL has a query"),
            ("https://host/#hunter2", "the URL has a query"),
            ("https://host/v1/messages", "the URL names an endpoint"),
            ("https://host:99999", "the URL's port"),
            ("https://host:0", "the URL's port"),
            ("https://ho st", "this is no URL"),
            ("${X}", "this is no URL"),
        ] {
            let (found, help) = read(text, &ANTHROPIC).expect_err(text);
            assert!(found.starts_with(message), "{text}: {found}");
            assert!(!found.contains("hunter2") && !help.contains("hunter2"));
        }
    }

    #[test]
    fn a_base_url_that_is_the_gateway_is_detected() {
        for (url, host, port, back) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, true),
            ("http://localhost:8080/v1", "127.0.0.1", 8080, true),
            ("http://127.0.0.2:8080", "0.0.0.0", 8080, true),
            ("http://[::1]:8080", "::", 8080, true),
            ("http://0.0.0.0:8080", "127.0.0.1", 8080, true),
            ("http://gw.lan:8080", "gw.lan", 8080, true),
            ("http://GW.lan", "gw.lan", 80, true),
            ("https://localhost", "127.0.0.1", 443, true),
            ("http://127.0.0.1:8081", "127.0.0.1", 8080, false),
            ("http://127.0.0.1:8080", "127.0.0.1", 0, false),
            ("http://10.0.0.1:8080", "127.0.0.1", 8080, false),
            ("https://api.anthropic.com", "0.0.0.0", 443, false),
        ] {
            let base = read(url, &ANTHROPIC).expect(url);
            assert_eq!(leads_back(&base, host, port), back, "{url} {host} {port}");
        }
    }
}
