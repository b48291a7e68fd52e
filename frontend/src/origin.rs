//! Where a request came from, for the audit.

use std::net::IpAddr;

use actix_web::{HttpRequest, web};
use db::audit::Origin;

use crate::app::App;

/// The origin of a request.
pub(crate) fn of(request: &HttpRequest) -> Origin {
    let config = request.app_data::<web::Data<App>>().map(|app| &app.config);
    let peer = request.peer_addr().map(|peer| peer.ip());
    let address = if config.is_some_and(|c| c.behind_proxy) {
        forwarded(request)
    } else {
        peer
    };
    let written = address.filter(|_| config.is_some_and(|c| c.audit_addresses));
    Origin::new(address.map_or("unknown", class), written.map(|a| a.to_string()))
}

/// The last entry is the proxy's own; those before it are whatever the client said.
fn forwarded(request: &HttpRequest) -> Option<IpAddr> {
    let header = request.headers().get_all("x-forwarded-for").last()?;
    header.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

fn class(address: IpAddr) -> &'static str {
    match address.to_canonical() {
        a if a.is_loopback() => "loopback",
        IpAddr::V4(v4) => {
            // 100.64.0.0/10 is shared between a provider's customers (RFC 6598).
            let [first, second, ..] = v4.octets();
            if v4.is_private() || v4.is_link_local() || (first == 100 && second & 0xc0 == 64) {
                "private"
            } else {
                "public-v4"
            }
        }
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => "private",
        IpAddr::V6(_) => "public-v6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_classes() {
        for (address, wanted) in [
            ("127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("::ffff:10.1.2.3", "private"),
            ("192.168.1.1", "private"),
            ("100.64.0.1", "private"),
            ("fd00::1", "private"),
            ("fe80::1", "private"),
            ("100.128.0.1", "public-v4"),
            ("203.0.113.9", "public-v4"),
            ("2001:db8::1", "public-v6"),
        ] {
            assert_eq!(class(address.parse().expect("an address")), wanted, "{address}");
        }
    }

    #[test]
    fn the_proxy_has_the_last_word() {
        let request = actix_web::test::TestRequest::default()
            .insert_header(("x-forwarded-for", "10.0.0.1, 203.0.113.9"))
            .to_http_request();
        assert_eq!(forwarded(&request), "203.0.113.9".parse().ok());
    }
}
