//! Bodies that are none.

use frontend::api_3::{Access, BodyKind, routes};

use super::{Ground, all, any_but_5xx, complain, flaw, refused};

/// Bodies that are nothing of what is asked for: what they are, their type, their bytes.
pub fn bodies() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let json = "application/json";
    vec![
        ("broken JSON", json, b"{\"a\": ".to_vec()),
        ("a list", json, b"[]".to_vec()),
        ("a text", json, b"\"ownername\"".to_vec()),
        ("a number", json, b"17".to_vec()),
        (
            "deep JSON",
            json,
            [vec![b'['; 50_000], vec![b']'; 50_000]].concat(),
        ),
        (
            "a deep object",
            json,
            [b"{\"a\":".repeat(10_000), b"1".to_vec(), vec![b'}'; 10_000]].concat(),
        ),
        ("no UTF-8", json, b"{\"ownername\": \"\xff\xfe\"}".to_vec()),
        (
            "half a surrogate",
            json,
            b"{\"ownername\": \"\\ud800\", \"name\": \"\\ud800\"}".to_vec(),
        ),
        ("a NUL in a name", json, b"{\"a\\u0000\": 1}".to_vec()),
        (
            "a form",
            "application/x-www-form-urlencoded",
            b"ownername=%ff&projectname=%00&ownername=b".to_vec(),
        ),
        ("a text file", "text/plain", b"hello".to_vec()),
        ("XML", "application/xml", b"<a/>".to_vec()),
        ("no type that is one", "\u{e9}", b"{}".to_vec()),
        (
            "parts without a boundary",
            "multipart/form-data",
            b"--x\r\n".to_vec(),
        ),
        (
            "parts without an end",
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{".to_vec(),
        ),
        (
            "parts without names",
            "multipart/form-data; boundary=x",
            b"--x\r\n\r\n{}\r\n--x--\r\n".to_vec(),
        ),
        (
            "a broken JSON part",
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"a\"\r\n--x--\r\n".to_vec(),
        ),
        (
            "a file without a name",
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=\"pkgs\"\r\n\r\n\xff\x00\r\n--x--\r\n".to_vec(),
        ),
    ]
}

#[tokio::test]
async fn bodies_of_the_wrong_kind_are_refused() {
    let mut ground = Ground::new().await;
    let mut flaws = Vec::new();
    for route in routes().iter().filter(|r| r.reads.access != Access::Public) {
        ground.heal().await;
        let ground = &ground;
        let needs = route.reads.body.iter().any(|f| f.required);
        let tries = bodies().into_iter().map(|(name, kind, bytes)| {
            let what = format!("{} {}: {name}", route.reads.methods[0], route.path);
            let request = ground
                .request(
                    route,
                    &ground.path(route),
                    &ground.query(route),
                    Some(&ground.alice),
                )
                .header("Content-Type", kind)
                .body(bytes);
            flaw(
                what,
                request,
                move |s| if needs { refused(s) } else { any_but_5xx(s) },
            )
        });
        flaws.extend(all(tries).await);
        if route.reads.body_kind == BodyKind::Object {
            let body = format!("{{\"unknown\": \"{}\"}}", "x".repeat(2 << 20));
            let what = format!("{}: a long body", route.path);
            let request = ground
                .request(
                    route,
                    &ground.path(route),
                    &ground.query(route),
                    Some(&ground.alice),
                )
                .body(body);
            flaws.extend(flaw(what, request, |s| s == 413).await);
        }
    }
    complain(&flaws);
}
