//! Gets a file from the web without telling who asked for it what else answers there. The URL is chosen by whoever may create a
//! site, who may well not be allowed to reach what a pod of the cluster can reach: only addresses of the public Internet and those
//! that the administrator allows are connected to, nobody leads to another host, and no message repeats what a server said.

use std::io::{self, Read as _};
use std::time::Duration;

use ipnet::IpNet;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::{Uri, header};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::base::network::is_public;

/// The largest file that is fetched.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 20;
/// How long one file may take.
const FILE_TIMEOUT: Duration = Duration::from_secs(120);
/// How often a server may lead elsewhere on itself.
const MAX_REDIRECTS: u32 = 3;

/// Why a file did not come. None says whether something listens at an address, or what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WebError {
    /// No server, or not this file: which of them is in the log at level debug only.
    #[error("the file cannot be had there: correct the URL, or see whether the server has it")]
    NoFile,
    /// The name leads to an address that is not allowed.
    #[error(
        "its address is not one of the public Internet, and the cluster's administrator allows no other there: have the network allowed (sites.firmwareNetworks of the chart), or use another source"
    )]
    NotAllowed,
    /// The server names another one.
    #[error("its server leads to another one, which is not followed: name the URL of the file itself")]
    OtherHost,
    /// It is no firmware.
    #[error("the file has more than {} MiB", MAX_FILE_BYTES >> 20)]
    TooLarge,
}

/// Fetches from where it is allowed to.
pub(super) struct Web(Agent);

impl Web {
    /// Fetches from the public Internet, and from these networks.
    pub(super) fn new(allowed: Vec<IpNet>) -> Web {
        let config = Agent::config_builder()
            .timeout_global(Some(FILE_TIMEOUT))
            // A proxy would connect to what is not allowed here.
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        let resolver = Guard { allowed, inner: DefaultResolver::default() };
        Web(Agent::with_parts(config, DefaultConnector::default(), resolver))
    }

    /// The bytes of a file.
    pub(super) fn get(&self, url: &str) -> Result<Vec<u8>, WebError> {
        let mut uri: Uri = url.parse().map_err(|_| WebError::NoFile)?;
        for _ in 0..=MAX_REDIRECTS {
            let mut response = self.0.get(&uri).call().map_err(|error| why(&uri, &error))?;
            let status = response.status().as_u16();
            match status {
                200 => return read(&uri, response.body_mut().as_reader()),
                301 | 302 | 303 | 307 | 308 => {
                    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
                    uri = follow(&uri, location.unwrap_or_default())?;
                }
                _ => {
                    tracing::debug!(%uri, status, "no file");
                    return Err(WebError::NoFile);
                }
            }
        }
        Err(WebError::NoFile)
    }
}

fn read(uri: &Uri, body: impl io::Read) -> Result<Vec<u8>, WebError> {
    let mut bytes = Vec::new();
    body.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| {
        tracing::debug!(%uri, %error, "the file broke off");
        WebError::NoFile
    })?;
    if bytes.len() as u64 > MAX_FILE_BYTES { Err(WebError::TooLarge) } else { Ok(bytes) }
}

fn why(uri: &Uri, error: &ureq::Error) -> WebError {
    tracing::debug!(%uri, %error, "no file");
    match error {
        ureq::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<Inside>()) => WebError::NotAllowed,
        _ => WebError::NoFile,
    }
}

/// Where a server leads to, if that is the server itself, or its own port for TLS.
fn follow(from: &Uri, location: &str) -> Result<Uri, WebError> {
    let place = |uri: &Uri| {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let scheme = uri.scheme_str().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
        (host, scheme, port)
    };
    if location.starts_with('/') && !location.starts_with("//") {
        let mut parts = from.clone().into_parts();
        parts.path_and_query = Some(location.parse().map_err(|_| WebError::NoFile)?);
        return Uri::from_parts(parts).map_err(|_| WebError::NoFile);
    }
    let to: Uri = location.parse().map_err(|_| WebError::OtherHost)?;
    let ((host, _, port), (to_host, to_scheme, to_port)) = (place(from), place(&to));
    let is_login = to.authority().is_none_or(|authority| authority.as_str().contains('@'));
    let is_same = port == to_port && from.scheme() == to.scheme();
    let is_upgrade = (port, to_port) == (80, 443) && to_scheme == "https";
    if host == to_host && !is_login && (is_same || is_upgrade) { Ok(to) } else { Err(WebError::OtherHost) }
}

/// All addresses of a name are of the inside.
#[derive(Debug, thiserror::Error)]
#[error("the address is not allowed")]
struct Inside;

/// Resolves names, and leaves out the addresses that are not allowed: those that it gives are the ones that are connected to.
#[derive(Debug)]
struct Guard {
    allowed: Vec<IpNet>,
    inner: DefaultResolver,
}

impl Resolver for Guard {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let all = self.inner.resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        for address in all.iter() {
            let ip = address.ip().to_canonical();
            if is_public(ip) || self.allowed.iter().any(|network| network.contains(&ip)) {
                kept.push(*address);
            }
        }
        if kept.is_empty() { Err(ureq::Error::Io(io::Error::other(Inside))) } else { Ok(kept) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_server_is_followed() {
        let from: Uri = "http://fw.example.com/a/b.bin".parse().unwrap();
        let to = |location: &str| follow(&from, location).map(|uri| uri.to_string());
        assert_eq!(to("/c.bin?x=1").as_deref(), Ok("http://fw.example.com/c.bin?x=1"));
        assert_eq!(to("http://FW.example.com/c").as_deref(), Ok("http://FW.example.com/c"));
        assert_eq!(to("https://fw.example.com/c").as_deref(), Ok("https://fw.example.com/c"));
        for elsewhere in [
            "http://fw.example.com:8080/c",
            "https://fw.example.com:444/c",
            "http://169.254.169.254/latest",
            "//127.0.0.1/c",
            "http://fw.example.com@127.0.0.1/",
            "http://a@fw.example.com/",
            "file:///etc/passwd",
            "c.bin",
            "",
        ] {
            assert_eq!(to(elsewhere), Err(WebError::OtherHost), "{elsewhere:?}");
        }
        let secure: Uri = "https://fw.example.com/a".parse().unwrap();
        assert_eq!(follow(&secure, "http://fw.example.com/a").map(|_| ()), Err(WebError::OtherHost));
    }
}
