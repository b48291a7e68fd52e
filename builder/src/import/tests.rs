//! Imports from a server that does all that an honest one does not.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use protocol::FailureKind;
use protocol::builder_api::ImportWork;
use sha2::{Digest as _, Sha256, Sha512};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Caps, Import};
use crate::address::Guard;
use crate::log::Log;
use crate::outcome::End;
use crate::session::Received;

/// What the server answers at a path.
#[derive(Clone)]
enum Reply {
    Body(Vec<u8>),
    Redirect(String),
    /// Bytes without an end.
    Endless,
    /// Fewer bytes than announced.
    Short(Vec<u8>),
}

#[derive(Clone)]
struct Server {
    url: String,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            replies: Arc::default(),
            asked: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await?);
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    server.asked.lock().unwrap().push(path.clone());
                    let reply = server.replies.lock().unwrap().get(&path).cloned();
                    let head = |status: &str, more: String| {
                        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n").into_bytes()
                    };
                    let length = |bytes: usize| format!("content-length: {bytes}\r\n");
                    match reply {
                        None => stream.write_all(&head("404 Not Found", length(0))).await?,
                        Some(Reply::Redirect(to)) => {
                            let more = format!("location: {to}\r\n{}", length(0));
                            stream.write_all(&head("302 Found", more)).await?;
                        }
                        Some(Reply::Body(body)) => {
                            stream.write_all(&head("200 OK", length(body.len()))).await?;
                            stream.write_all(&body).await?;
                        }
                        Some(Reply::Short(body)) => {
                            stream.write_all(&head("200 OK", length(body.len() + 1))).await?;
                            stream.write_all(&body).await?;
                        }
                        Some(Reply::Endless) => {
                            stream.write_all(&head("200 OK", String::new())).await?;
                            loop {
                                stream.write_all(&[b'x'; 4096]).await?;
                            }
                        }
                    }
                    stream.shutdown().await
                });
            }
        });
        server
    }

    fn put(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    fn body(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.put(path, Reply::Body(body.into()));
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A package of the list.
#[derive(Clone)]
struct Item {
    name: String,
    arch: String,
    version: String,
    sum: (String, String),
    size: usize,
    location: String,
}

fn item(name: &str, content: &[u8]) -> Item {
    Item {
        name: name.to_owned(),
        arch: "noarch".to_owned(),
        version: "ver=\"1\" rel=\"1\" epoch=\"0\"".to_owned(),
        sum: ("sha256".to_owned(), sha256(content)),
        size: content.len(),
        location: format!("href=\"p/{name}.rpm\""),
    }
}

fn package_xml(item: &Item) -> String {
    let Item {
        name,
        arch,
        version,
        sum: (kind, sum),
        size,
        location,
    } = item;
    format!(
        "<package type=\"rpm\">\n<name>{name}</name><arch>{arch}</arch><version {version}/>\
         <checksum type=\"{kind}\" pkgid=\"YES\">{sum}</checksum><summary>A &amp; B</summary>\
         <size package=\"{size}\" installed=\"1\"/><location {location}/>\
         <format><rpm:provides><rpm:entry name=\"name\"/></rpm:provides><file>/etc/name</file></format></package>\n"
    )
}

fn primary_xml(items: &[Item]) -> String {
    let packages: String = items.iter().map(package_xml).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"{}\">\n{packages}</metadata>\n",
        items.len()
    )
}

fn repomd(primary: &[u8], more: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\
         <data type=\"filelists\"><checksum type=\"sha256\">{}</checksum><location href=\"repodata/f.xml.gz\"/></data>\
         <data type=\"primary\"><checksum type=\"sha256\">{}</checksum><location href=\"repodata/primary.xml.gz\"/>{more}\
         </data></repomd>",
        sha256(b""),
        sha256(primary)
    )
}

/// A server with a repository whose list of packages is this text.
async fn with_primary(xml: &str) -> Server {
    let server = Server::start().await;
    let primary = gzip(xml.as_bytes());
    let open = format!(
        "<open-checksum type=\"sha256\">{}</open-checksum><size>{}</size><open-size>{}</open-size>",
        sha256(xml.as_bytes()),
        primary.len(),
        xml.len()
    );
    server.body("/r/repodata/repomd.xml", repomd(&primary, &open));
    server.body("/r/repodata/primary.xml.gz", primary);
    server
}

/// A server with a repository that lists packages; their files are served.
async fn with(items: &[Item], files: &[(&str, &[u8])]) -> Server {
    let server = with_primary(&primary_xml(items)).await;
    for (name, content) in files {
        server.body(&format!("/r/p/{name}.rpm"), *content);
    }
    server
}

fn work(server: &Server) -> ImportWork {
    ImportWork {
        url: format!("{}/r", server.url),
        chroot: "debian-12-x86_64".parse().unwrap(),
        packages: Vec::new(),
        gpgkey: None,
        package_bytes: 1 << 20,
        present: Vec::new(),
    }
}

/// Small enough to be met by small files.
const CAPS: Caps = Caps {
    compressed: 64 << 10,
    open: 1 << 20,
    element: 16 << 10,
    packages: 3,
    package: 1_000,
    beside: 800,
    total: 1_500,
};

/// What an import leaves: file names and contents, or its sentence; and its log.
async fn import_with(
    guard: Guard,
    work: &ImportWork,
    caps: Caps,
) -> (Result<Vec<(String, Vec<u8>)>, String>, String) {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(1 << 20);
    let import = Import {
        guard,
        log: &log,
        dir: dir.path(),
        total: caps.total,
    };
    let result = match import.within(work, caps).await {
        Ok(files) => Ok(files.iter().map(read).collect()),
        Err(End::Failed {
            kind: FailureKind::BadSource,
            message,
        }) => Err(message),
        Err(other) => panic!("{other:?}"),
    };
    (result, log.text())
}

fn read(file: &Received) -> (String, Vec<u8>) {
    (file.artifact.name.to_string(), fs_err::read(&file.path).unwrap())
}

fn open() -> Guard {
    Guard {
        private: true,
        trusted: Vec::new(),
    }
}

async fn import(work: &ImportWork) -> Result<Vec<(String, Vec<u8>)>, String> {
    import_with(open(), work, CAPS).await.0
}

/// The sentence of an import that has to fail, in which these words have to be.
async fn refused(work: &ImportWork, words: &str) -> String {
    let message = import(work).await.unwrap_err();
    assert!(message.contains(words), "{message}");
    assert!(message.len() < 600 && !message.contains('\n'), "{message}");
    message
}

#[tokio::test]
async fn packages_of_the_chroot_are_fetched() {
    let mut others = [item("x86", b"x"), item("arm", b"y"), item("source", b"z")];
    others[0].arch = "x86_64".to_owned();
    others[1].arch = "aarch64".to_owned();
    others[2].arch = "src".to_owned();
    let mut items = vec![item("one", b"first"), item("two", b"second")];
    items.extend(others);
    let server = with(&items, &[("one", b"first"), ("two", b"second"), ("x86", b"x")]).await;
    let mut work = work(&server);
    let (files, log) = import_with(open(), &work, CAPS).await;
    let names: Vec<String> = files.unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["one-1-1.noarch.rpm", "two-1-1.noarch.rpm", "x86-1-1.x86_64.rpm"]
    );
    assert!(
        log.contains("has 5 packages, 3 were chosen for debian-12-x86_64, 3 of them are new"),
        "{log}"
    );
    assert!(log.contains("nobody vouches"), "{log}");

    // Some by name, some that are there already.
    work.packages = vec!["t*".to_owned(), "one".to_owned()];
    work.present = vec![sha256(b"first").parse().unwrap()];
    let files = import(&work).await.unwrap();
    assert_eq!(files, [("two-1-1.noarch.rpm".to_owned(), b"second".to_vec())]);
    // Nothing new is no failure; nothing at all is.
    work.present.push(sha256(b"second").parse().unwrap());
    assert!(import(&work).await.unwrap().is_empty());
    work.packages = vec!["three".to_owned()];
    refused(
        &work,
        "none is for debian-12-x86_64 that has one of the wanted names",
    )
    .await;
}

#[tokio::test]
async fn variables_in_the_url_are_the_chroots() {
    let server = with(&[item("one", b"first")], &[]).await;
    for path in ["repodata/repomd.xml", "repodata/primary.xml.gz"] {
        let body = server.replies.lock().unwrap()[&format!("/r/{path}")].clone();
        server.put(&format!("/12/x86_64/{path}"), body);
    }
    server.body("/12/x86_64/p/one.rpm", "first");
    let mut work = work(&server);
    work.url = format!("{}/$releasever/$basearch/", server.url);
    assert_eq!(import(&work).await.unwrap().len(), 1);
}

#[tokio::test]
async fn sha512_and_zstd_are_read_and_what_is_present_is_known_by_its_content() {
    let mut one = item("one", b"first");
    one.sum = ("sha512".to_owned(), hex::encode(Sha512::digest(b"first")));
    let server = Server::start().await;
    let primary = zstd::encode_all(primary_xml(&[one]).as_bytes(), 3).unwrap();
    let index = repomd(&primary, "").replace("primary.xml.gz", "primary.xml.zst");
    server.body("/r/repodata/repomd.xml", index);
    server.body("/r/repodata/primary.xml.zst", primary);
    server.body("/r/p/one.rpm", "first");
    let mut work = work(&server);
    assert_eq!(import(&work).await.unwrap().len(), 1);
    work.present = vec![sha256(b"first").parse().unwrap()];
    assert_eq!(import(&work).await.unwrap().len(), 0);
    server.body("/r/p/one.rpm", "wrong");
    work.present.clear();
    refused(&work, "its checksum is another").await;
}

#[tokio::test]
async fn locations_outside_of_the_repository_are_refused() {
    for location in [
        "href=\"../../../etc/cron.d/x.rpm\"",
        "href=\"p/%2e%2e/%2e%2e/secret.rpm\"",
        "href=\"/one.rpm\"",
        "href=\"//127.0.0.1:1/one.rpm\"",
        "href=\"http://127.0.0.1:1/one.rpm\"",
        "href=\"file:///etc/passwd\"",
    ] {
        let mut one = item("one", b"first");
        one.location = location.to_owned();
        let server = with(&[one], &[]).await;
        refused(&work(&server), "does not lie below the repository's address").await;
        assert_eq!(server.asked.lock().unwrap().len(), 2, "{location}");
    }
    let mut one = item("one", b"first");
    one.location = "xml:base=\"http://127.0.0.1:1/\" href=\"p/one.rpm\"".to_owned();
    let server = with(&[one], &[]).await;
    refused(&work(&server), "lies at another address").await;
    // The same of the list itself.
    let index = repomd(b"", "").replace("repodata/primary.xml.gz", "../primary.xml.gz");
    server.body("/r/repodata/repomd.xml", index);
    refused(&work(&server), "does not lie below").await;
}

#[tokio::test]
async fn wrong_checksums_and_sizes_are_refused() {
    let server = with(&[item("one", b"first")], &[("one", b"other")]).await;
    refused(&work(&server), "its checksum is another").await;
    server.body("/r/p/one.rpm", "longer than that");
    refused(&work(&server), "is larger than 5 bytes").await;
    server.body("/r/p/one.rpm", "less");
    refused(&work(&server), "has 4 bytes; the list of packages says 5").await;
    server.put("/r/p/one.rpm", Reply::Endless);
    refused(&work(&server), "is larger than 5 bytes").await;
    server.put("/r/p/one.rpm", Reply::Short(b"fir".to_vec()));
    refused(&work(&server), "ended early").await;
    server.body("/r/repodata/primary.xml.gz", gzip(b"<metadata/>"));
    refused(&work(&server), "is not the file that repomd.xml names").await;
    // What is in the list is not what repomd.xml says that it is, decompressed.
    let primary = gzip(primary_xml(&[]).as_bytes());
    let open = format!("<open-checksum type=\"sha256\">{}</open-checksum>", sha256(b""));
    server.body("/r/repodata/repomd.xml", repomd(&primary, &open));
    server.body("/r/repodata/primary.xml.gz", primary);
    refused(&work(&server), "its checksum is not the one in repomd.xml").await;
}

#[tokio::test]
async fn checksums_that_can_be_forged_are_refused() {
    for (kind, words) in [
        ("md5", "can be forged"),
        ("sha", "can be forged"),
        ("crc", "are not known"),
    ] {
        let mut one = item("one", b"first");
        one.sum.0 = kind.to_owned();
        let server = with(&[one], &[]).await;
        refused(&work(&server), words).await;
    }
    let mut one = item("one", b"first");
    one.sum.1 = "../../x".to_owned();
    let server = with(&[one], &[]).await;
    refused(&work(&server), "no hexadecimal number").await;
}

#[tokio::test]
async fn bombs_do_not_go_off() {
    // All of it is larger than what is taken, and nothing says so before.
    let server = Server::start().await;
    let xml = primary_xml(&[]).replace(
        "</metadata>",
        &format!("{}</metadata>", "<x>y</x>".repeat(200_000)),
    );
    let primary = gzip(xml.as_bytes());
    assert!(primary.len() < 64 << 10);
    server.body("/r/repodata/repomd.xml", repomd(&primary, ""));
    server.body("/r/repodata/primary.xml.gz", primary.clone());
    refused(&work(&server), "decompressed it is larger than 1048576 bytes").await;
    // It is larger than it says.
    server.body(
        "/r/repodata/repomd.xml",
        repomd(&primary, "<open-size>1000</open-size>"),
    );
    refused(&work(&server), "decompressed it is larger than 1000 bytes").await;
    // One element is too large to be held.
    for large in [
        format!("<package type=\"{}\"/>", "x".repeat(500_000)),
        format!("<name>{}</name>", "x".repeat(500_000)),
        format!("<!--{}-->", "x".repeat(500_000)),
    ] {
        let server = with_primary(&format!("<metadata>{large}</metadata>")).await;
        refused(&work(&server), "one element of it is too large").await;
    }
    let server = with_primary(&"<a>".repeat(1_000)).await;
    refused(&work(&server), "elements inside one another").await;
    // The compressed file itself.
    let server = Server::start().await;
    server.body("/r/repodata/repomd.xml", repomd(b"", ""));
    server.put("/r/repodata/primary.xml.gz", Reply::Endless);
    refused(&work(&server), "is larger than 65536 bytes").await;
    server.put("/r/repodata/repomd.xml", Reply::Endless);
    refused(&work(&server), "is larger than 4194304 bytes").await;
}

#[tokio::test]
async fn too_many_and_too_large_packages_are_refused() {
    let names = ["a", "b", "c", "d"];
    let items: Vec<Item> = names.iter().map(|name| item(name, b"x")).collect();
    let server = with(&items, &[]).await;
    refused(&work(&server), "more than 3 packages were chosen").await;
    let mut large = item("large", b"");
    large.size = 1_001;
    let server = with(&[large.clone()], &[]).await;
    refused(&work(&server), "1000 is the most that one package may have").await;
    large.size = 900;
    let server = with(
        &[
            large.clone(),
            Item {
                name: "more".to_owned(),
                ..large
            },
        ],
        &[],
    )
    .await;
    refused(&work(&server), "1800 bytes together; 1500 is the most").await;
    large_number(&server).await;
}

/// Sizes that do not fit into a number are no sizes.
async fn large_number(server: &Server) {
    let xml = primary_xml(&[item("one", b"")]).replace("package=\"0\"", "package=\"99999999999999999999\"");
    let primary = gzip(xml.as_bytes());
    server.body("/r/repodata/repomd.xml", repomd(&primary, ""));
    server.body("/r/repodata/primary.xml.gz", primary);
    refused(&work(server), "does not give the size of one-1-1.noarch.rpm").await;
}

#[tokio::test]
async fn entities_and_document_types_are_refused() {
    let entity = "<!DOCTYPE metadata [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>";
    let xml = primary_xml(&[item("one", b"first")]);
    let server = with_primary(&xml.replacen("<metadata", &format!("{entity}<metadata"), 1)).await;
    refused(&work(&server), "declares a document type").await;
    let server = with_primary(&xml.replace("<name>one", "<name>&x;one")).await;
    refused(&work(&server), "an entity that XML does not define").await;
    let server = with_primary(&xml.replace("</package>", "</metadata>")).await;
    refused(&work(&server), "cannot be read").await;
    let server = with_primary(xml.split("<format>").next().unwrap()).await;
    refused(&work(&server), "cannot be read").await;
    let index = format!("{entity}<repomd/>");
    server.body("/r/repodata/repomd.xml", index);
    refused(&work(&server), "declares a document type").await;
    for (index, words) in [
        (b"<repomd/>".to_vec(), "names no list of packages"),
        (b"<html>404</html>".to_vec(), "names no list of packages"),
        (vec![0xff, 0xfe], "no text in UTF-8"),
        (
            b"<repomd><data type=\"primary\"></data></repomd>".to_vec(),
            "does not give the location",
        ),
    ] {
        server.body("/r/repodata/repomd.xml", index);
        refused(&work(&server), words).await;
    }
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "../one",
        "a/b",
        ".hidden",
        "-option",
        "a\u{7}b",
        "ünicode",
        &"x".repeat(300),
    ] {
        let server = with(&[item(name, b"first")], &[]).await;
        refused(&work(&server), "is not a valid file name").await;
    }
    let mut one = item("one", b"first");
    one.version = "ver=\"1/../..\" rel=\"1\"".to_owned();
    let server = with(&[one], &[]).await;
    refused(&work(&server), "is not a valid file name").await;
}

#[tokio::test]
async fn two_packages_of_one_name_and_version_are_refused() {
    let (mut one, mut two) = (item("one", b"first"), item("one", b"second"));
    one.location = "href=\"p/a.rpm\"".to_owned();
    two.location = "href=\"p/b.rpm\"".to_owned();
    let server = with(&[one.clone(), two], &[("a", b"first")]).await;
    refused(&work(&server), "lists two different packages one-1-1.noarch.rpm").await;
    // The same file twice is one file.
    let server = with(&[one.clone(), one], &[("a", b"first")]).await;
    assert_eq!(import(&work(&server)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn redirects_end() {
    let server = with(&[item("one", b"first")], &[]).await;
    server.put("/r/p/one.rpm", Reply::Redirect("/r/p/one.rpm".to_owned()));
    refused(&work(&server), "more than 5 redirects").await;
    server.put("/r/p/one.rpm", Reply::Redirect("/elsewhere.rpm".to_owned()));
    server.body("/elsewhere.rpm", "first");
    assert_eq!(import(&work(&server)).await.unwrap().len(), 1);
    server.put("/r/p/one.rpm", Reply::Redirect("file:///etc/passwd".to_owned()));
    refused(&work(&server), "answered 302").await;
}

/// A server that is trusted leads to one that is not.
#[tokio::test]
async fn private_addresses_are_not_reached() {
    let (server, inside) = (with(&[item("one", b"first")], &[]).await, Server::start().await);
    inside.body("/one.rpm", "first");
    let guard = Guard {
        private: false,
        trusted: vec![server.url.trim_start_matches("http://").to_owned()],
    };
    server.put("/r/p/one.rpm", Reply::Redirect(format!("{}/one.rpm", inside.url)));
    let (result, _) = import_with(guard, &work(&server), CAPS).await;
    let message = result.unwrap_err();
    assert!(message.contains("private addresses are not fetched"), "{message}");
    let (result, _) = import_with(Guard::default(), &work(&server), CAPS).await;
    assert!(
        result.unwrap_err().contains("private addresses"),
        "literal address"
    );
    assert!(inside.asked.lock().unwrap().is_empty());
}

/// Runs gpg with a home of its own.
fn gpg(home: &std::path::Path, arguments: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new("gpg")
        .args([
            "--batch",
            "--quiet",
            "--passphrase",
            "",
            "--pinentry-mode",
            "loopback",
        ])
        .args(arguments)
        .env("GNUPGHOME", home)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// A key, and the signature that it makes of a file.
fn signed(home: &std::path::Path, content: &[u8]) -> (String, Vec<u8>) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::create_dir_all(home).unwrap();
    fs_err::set_permissions(home, std::fs::Permissions::from_mode(0o700)).unwrap();
    gpg(
        home,
        &["--quick-generate-key", "Somebody <s@example.org>", "ed25519"],
    );
    let file = home.join("repomd.xml");
    fs_err::write(&file, content).unwrap();
    let signature = gpg(
        home,
        &[
            "--armor",
            "--detach-sign",
            "--output",
            "-",
            file.to_str().unwrap(),
        ],
    );
    let key = String::from_utf8(gpg(home, &["--armor", "--export"])).unwrap();
    let _ = std::process::Command::new("gpgconf")
        .args(["--kill", "gpg-agent"])
        .env("GNUPGHOME", home)
        .status();
    (key, signature)
}

#[tokio::test]
async fn the_metadatas_signature_is_checked_where_a_key_is_given() {
    let server = with(&[item("one", b"first")], &[("one", b"first")]).await;
    let Reply::Body(index) = server.replies.lock().unwrap()["/r/repodata/repomd.xml"].clone() else {
        panic!()
    };
    let dir = tempfile::tempdir().unwrap();
    let (key, signature) = signed(&dir.path().join("a"), &index);
    let (other, _) = signed(&dir.path().join("b"), b"");
    let mut work = work(&server);
    work.gpgkey = Some(key.clone());
    refused(&work, "repomd.xml.asc answered 404").await;
    server.body("/r/repodata/repomd.xml.asc", signature);
    let (files, log) = import_with(open(), &work, CAPS).await;
    assert_eq!(files.unwrap().len(), 1);
    assert!(
        log.contains("signature of the repository's metadata is good"),
        "{log}"
    );
    // The key may lie at a URL.
    server.body("/key", key.clone());
    work.gpgkey = Some(format!("{}/key", server.url));
    assert_eq!(import(&work).await.unwrap().len(), 1);
    // One of several keys is enough, the wrong one is not.
    work.gpgkey = Some(format!("{other}\n{key}"));
    assert_eq!(import(&work).await.unwrap().len(), 1);
    work.gpgkey = Some(other);
    refused(&work, "another key than the given one").await;
    work.gpgkey = Some("-----BEGIN nonsense".to_owned());
    refused(&work, "no armored OpenPGP key").await;
    work.gpgkey = Some(key);
    let mut changed = index;
    changed.push(b'\n');
    server.body("/r/repodata/repomd.xml", changed);
    refused(&work, "one of both was changed").await;
    server.body("/r/repodata/repomd.xml.asc", "nonsense");
    refused(&work, "cannot be read").await;
}

/// The `data` element of a file beside the packages.
fn beside(kind: &str, file: &str, content: &[u8], sum: &str) -> String {
    format!(
        "<data type=\"{kind}\"><checksum type=\"{sum}\">{}</checksum><location href=\"repodata/{file}\"/>\
         <size>{}</size></data>",
        sha256(content),
        content.len()
    )
}

#[tokio::test]
async fn what_there_is_besides_packages_comes_along() {
    let server = with(&[item("a", b"aaaa")], &[("a", b"aaaa")]).await;
    let (comps, modules, notices) = (gzip(b"<comps/>"), b"document: modulemd\n", b"BZh91AY");
    let list = gzip(primary_xml(&[item("a", b"aaaa")]).as_bytes());
    let index = |comps_sum: &[u8]| {
        let more = [
            beside("group", "c.xml.gz", comps_sum, "sha256"),
            beside("group", "again.xml.gz", b"", "sha256"),
            beside("updateinfo", "u.xml.bz2", notices, "sha256"),
            beside("modules", "m.yaml", modules, "sha256"),
        ];
        repomd(&list, "").replace("</repomd>", &format!("{}</repomd>", more.concat()))
    };
    server.body("/r/repodata/repomd.xml", index(&comps));
    for (file, content) in [
        ("c.xml.gz", &comps[..]),
        ("m.yaml", modules),
        ("u.xml.bz2", notices),
    ] {
        server.body(&format!("/r/repodata/{file}"), content);
    }
    let (files, log) = import_with(open(), &work(&server), CAPS).await;
    let files = files.unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a-1-1.noarch.rpm", "comps.xml", "modules.yaml"]);
    assert_eq!(files[1].1, comps);
    assert!(
        log.contains("updateinfo.xml is left out: it is compressed by xz or bzip2"),
        "{log}"
    );
    // What is not what it should be is no small matter.
    server.body("/r/repodata/repomd.xml", index(&gzip(b"<comps>x</comps>")));
    refused(&work(&server), "is not the file that repomd.xml names").await;
    let weak = index(&comps).replacen(
        "<data type=\"group\"><checksum type=\"sha256\">",
        "<data type=\"group\"><checksum type=\"sha\">",
        1,
    );
    server.body("/r/repodata/repomd.xml", weak);
    let (files, log) = import_with(open(), &work(&server), CAPS).await;
    assert_eq!(files.unwrap().len(), 2);
    assert!(
        log.contains("comps.xml is left out: sha checksums can be forged"),
        "{log}"
    );
    let outside = index(&comps).replace("repodata/m.yaml", "../../m.yaml");
    server.body("/r/repodata/repomd.xml", outside);
    refused(&work(&server), "does not lie below the repository's address").await;
    let large = vec![b'x'; 900];
    server.body("/r/repodata/repomd.xml", index(&large));
    let (_, log) = import_with(open(), &work(&server), CAPS).await;
    assert!(
        log.contains("comps.xml is left out: it is larger than 800 bytes"),
        "{log}"
    );
}
