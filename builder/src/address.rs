//! Which addresses a URL that a user named may lead to.
//!
//! The check sits where names become addresses, so that the address that was checked is the one that is connected
//! to, and again on every redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

/// Redirects that are followed.
const REDIRECTS: usize = 5;

/// Whether an address belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// IANA's special-purpose registry for IPv4, without the blocks that are globally reachable.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

/// Only global unicast (`2000::/3`) is public, without tunnels to IPv4, documentation and the like.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [w, x] = g.to_be_bytes();
        let [y, z] = h.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(w, x, y, z));
    }
    // Teredo and others in 2001::/23, documentation in 2001:db8::/32 and 3fff::/20, 6to4 in 2002::/16.
    a & 0xe000 == 0x2000
        && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
        && a != 0x2002
        && !(a == 0x3fff && b < 0x1000)
}

/// What URLs are let through.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Any address.
    pub private: bool,
    /// `host` or `host:port` that may have any address.
    pub trusted: Vec<String>,
}

impl Guard {
    fn trusts(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let full = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        self.private || self.trusted.iter().any(|name| name == host || *name == full)
    }

    /// Checks what can be seen in a URL itself.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{}: only http and https URLs are fetched", shown(url)));
        }
        let public = match url.host() {
            None => return Err(format!("{}: the URL names no host", shown(url))),
            // The resolver trusts a name for all of its ports, so here only the right one may pass.
            Some(Host::Domain(name)) => !self.trusted.iter().any(|t| t.split(':').next() == Some(name)),
            Some(Host::Ipv4(address)) => is_public_v4(address),
            Some(Host::Ipv6(address)) => is_public_v6(address),
        };
        if public || self.trusts(url) {
            Ok(())
        } else {
            Err(format!("{}: private addresses are not fetched", shown(url)))
        }
    }

    /// A client that keeps to the guard on every hop.
    pub fn client(&self) -> reqwest::Result<reqwest::Client> {
        let guard = self.clone();
        let redirect = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                return attempt.error(format!("more than {REDIRECTS} redirects"));
            }
            match guard.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(reason) => attempt.error(reason),
            }
        });
        let builder = reqwest::Client::builder()
            .redirect(redirect)
            .no_proxy()
            .connect_timeout(Duration::from_secs(30))
            .read_timeout(Duration::from_secs(60));
        if self.private {
            return builder.build();
        }
        builder.dns_resolver(Arc::new(PublicOnly(self.clone()))).build()
    }
}

/// A URL for messages: without user, password and query, which can hold secrets.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have them.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().chars().take(300).collect()
}

/// A resolver that hides the addresses that the guard forbids.
#[derive(Debug)]
struct PublicOnly(Guard);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        // The port is unknown here: a trusted `host:port` trusts the whole name for resolving; `check` refuses its
        // other ports.
        let trusted = self
            .0
            .trusted
            .iter()
            .any(|t| t.split(':').next() == Some(name.as_str()));
        Box::pin(async move {
            let found = resolve(name.as_str(), 0).await?;
            let count = found.len();
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| trusted || is_public(address.ip()))
                .collect();
            if public.is_empty() && count > 0 {
                return Err(format!(
                    "{} has only private addresses, which are not fetched",
                    name.as_str()
                )
                .into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

async fn resolve(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// The addresses of a host that the public internet knows; for connections that are no HTTP requests of ours.
pub async fn resolve_public(host: &str, port: u16, private: bool) -> std::io::Result<Vec<SocketAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = resolve(host, port).await?;
    found.retain(|address| private || is_public(address.ip()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "::127.0.0.1",
            "fec0::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn urls_are_judged_by_scheme_and_literal_address() {
        let guard = Guard {
            private: false,
            trusted: vec!["127.0.0.1:8080".to_owned(), "inside:8080".to_owned()],
        };
        let check = |url: &str| guard.check(&url.parse().unwrap());
        assert!(check("https://example.org/a.src.rpm").is_ok());
        assert!(check("http://127.0.0.1:8080/r").is_ok());
        assert!(check("http://inside:8080/r").is_ok());
        for bad in [
            "ftp://example.org/a",
            "file:///etc/passwd",
            "http://127.0.0.1/a",
            "http://[::1]/a",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://127.0.0.1:8081/",
            "http://inside:8081/",
            "http://169.254.169.254/latest/meta-data",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let url = "https://user:secret@example.org/a?sig=secret#secret"
            .parse()
            .unwrap();
        assert_eq!(shown(&url), "https://example.org/a");
    }

    #[tokio::test]
    async fn names_of_private_addresses_do_not_resolve() {
        let client = Guard::default().client().unwrap();
        let error = client.get("http://localhost:1/").send().await.unwrap_err();
        assert!(format!("{:?}", error).contains("private"), "{error:?}");
    }
}
