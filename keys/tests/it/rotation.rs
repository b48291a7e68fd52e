//! What becomes of keys: followed by another, extended, revoked.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use keys::{Algorithm, PublicKey, RevocationReason, verify_log};
use tempfile::TempDir;

use crate::signer::sequoia;
use crate::support::{DATA, Running, USER_ID, config, intent, key, now, ran, start, start_at};

const DAY: i64 = 86_400;

async fn made(running: &Running) -> PublicKey {
    let client = &running.client;
    client
        .create_key(&key("p"), USER_ID, Algorithm::Ed25519)
        .await
        .unwrap()
}

async fn signs(running: &Running, public: &PublicKey) {
    let signed = running.client.sign_detached(public, DATA, intent(DATA), now());
    let signature = signed.await.unwrap();
    assert!(sequoia::verifies(&public.public_key_armored, &signature, DATA));
}

/// What gpg says about certificates, as `record:validity:…` lines.
fn shown(certificates: &str) -> String {
    let home = TempDir::new().unwrap();
    fs_err::set_permissions(home.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let file = home.path().join("pubkey.gpg");
    fs_err::write(&file, certificates).unwrap();
    let mut gpg = Command::new("gpg");
    gpg.args(["--batch", "--no-autostart", "--with-colons", "--homedir"]);
    let output = ran(gpg.arg(home.path()).arg("--show-keys").arg(&file));
    String::from_utf8(output.stdout).unwrap()
}

/// The keys that rpm has after it imported certificates: the last eight digits of each fingerprint.
fn imported(certificates: &str) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let (file, database) = (folder.path().join("pubkey.gpg"), folder.path().join("rpmdb"));
    fs_err::write(&file, certificates).unwrap();
    let mut import = Command::new("rpmkeys");
    ran(import.arg("--dbpath").arg(&database).arg("--import").arg(&file));
    let mut list = Command::new("rpm");
    list.arg("--dbpath").arg(&database);
    let listed = ran(list.args(["-qa", "gpg-pubkey", "--qf", "%{version}\n"]));
    let mut found: Vec<String> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    found.sort();
    found
}

fn short(public: &PublicKey) -> String {
    public.fingerprint.key_id_hex()[8..].to_lowercase()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

fn log(folder: &Path) -> String {
    let path = folder.join("log/signatures.log");
    verify_log(&path).unwrap();
    fs_err::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_signs_beside_the_one_that_it_follows() {
    let folder = TempDir::new().unwrap();
    let running = start(config(folder.path())).await;
    let old = made(&running).await;
    let client = &running.client;
    let new = client
        .rotate_key(&key("p"), old.fingerprint, None, "alice")
        .await
        .unwrap();
    assert_ne!(new.fingerprint, old.fingerprint);
    assert_eq!((&new.user_id, new.algorithm), (&old.user_id, old.algorithm));
    // A caller that did not hear the answer asks once more.
    let again = client
        .rotate_key(&key("p"), old.fingerprint, None, "alice")
        .await
        .unwrap();
    assert_eq!(again, new);
    for public in [&old, &new] {
        signs(&running, public).await;
    }
    assert_eq!(client.public_key(&key("p")).await.unwrap(), new);
    assert_eq!(
        client
            .create_key(&key("p"), USER_ID, Algorithm::Ed25519)
            .await
            .unwrap(),
        new
    );
    let unknown = keys::Fingerprint::from([7; 20]);
    let missing = client.rotate_key(&key("p"), unknown, None, "alice").await;
    assert_eq!(missing.unwrap_err().status(), Some(404));
    let missing = client.rotate_key(&key("q"), old.fingerprint, None, "alice").await;
    assert_eq!(missing.unwrap_err().status(), Some(404));
    let nobody = client.rotate_key(&key("p"), old.fingerprint, None, "").await;
    assert_eq!(nobody.unwrap_err().status(), Some(400));
    running.stop().await;

    let running = start(config(folder.path())).await;
    let all = running.client.keys(&key("p")).await.unwrap();
    assert_eq!(all, [old.clone(), new.clone()]);
    for public in &all {
        signs(&running, public).await;
    }
    let rsa = running
        .client
        .rotate_key(&key("p"), new.fingerprint, Some(Algorithm::Rsa4096), "alice")
        .await
        .unwrap();
    signs(&running, &rsa).await;
    let everything = keys::export(&running.client.keys(&key("p")).await.unwrap());
    running.stop().await;

    let text = log(folder.path());
    assert_eq!(text.matches("\"kind\":\"key-rotated\"").count(), 2, "{text}");
    assert!(text.contains("\"requester\":\"alice\"") && text.contains("\"kind\":\"key-created\""));
    let said = shown(&everything);
    for public in [&old, &new, &rsa] {
        assert!(said.contains(&public.fingerprint.to_string()), "{said}");
    }
    assert_eq!(
        imported(&everything),
        sorted(vec![short(&old), short(&new), short(&rsa)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_signs_nothing_more_and_says_why() {
    let folder = TempDir::new().unwrap();
    let running = start(config(folder.path())).await;
    let old = made(&running).await;
    // It is in memory now.
    signs(&running, &old).await;
    let client = &running.client;
    let new = client
        .rotate_key(&key("p"), old.fingerprint, None, "alice")
        .await
        .unwrap();
    let revoke = async |message: &str| {
        let reason = RevocationReason::Compromised;
        client.revoke_key(&old, reason, message, "alice").await.unwrap()
    };
    let revoked = revoke("a laptop was stolen").await;
    let why = revoked.revoked.clone().unwrap();
    assert_eq!(
        (why.reason, why.message.as_str()),
        (RevocationReason::Compromised, "a laptop was stolen")
    );
    assert_eq!(revoke("said twice").await, revoked, "the first one stands");
    let refused = client.sign_detached(&old, DATA, intent(DATA), now()).await;
    assert_eq!(refused.unwrap_err().status(), Some(410));
    signs(&running, &new).await;
    running.stop().await;

    let running = start(config(folder.path())).await;
    let refused = running
        .client
        .sign_detached(&old, DATA, intent(DATA), now())
        .await;
    assert_eq!(refused.unwrap_err().status(), Some(410));
    let all = running.client.keys(&key("p")).await.unwrap();
    running.stop().await;
    assert_eq!(all, [revoked.clone(), new.clone()]);

    // gpg reads the revocation; rpm's own parser does not, so what machines import is without the key.
    let said = shown(&revoked.public_key_armored);
    assert!(said.starts_with("pub:r:"), "{said}");
    assert_eq!(imported(&revoked.public_key_armored), [short(&old)]);
    assert_eq!(imported(&keys::export(&all)), [short(&new)]);
    let text = log(folder.path());
    assert_eq!(text.matches("\"kind\":\"key-revoked\"").count(), 1, "{text}");
    assert!(text.contains("a laptop was stolen"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_extended_long_before_its_end() {
    let folder = TempDir::new().unwrap();
    let passed = Arc::new(AtomicI64::new(0));
    let seconds = Arc::clone(&passed);
    let start_of_all = now();
    let clock =
        move || -> DateTime<Utc> { start_of_all + TimeDelta::seconds(seconds.load(Ordering::Relaxed)) };
    let mut config = config(folder.path());
    config.key_lifetime = Some(Duration::from_secs(5 * 365 * 24 * 3600));
    let running = start_at(config, clock).await;
    let made = made(&running).await;
    let end = start_of_all.timestamp() + 5 * 365 * DAY;
    assert_eq!(made.expires, Some(end));
    let shown_end = |public: &PublicKey| {
        let said = shown(&public.public_key_armored);
        let field = said.lines().next().unwrap().split(':').nth(6).unwrap();
        field.parse::<i64>().unwrap()
    };
    assert_eq!(shown_end(&made), end);
    assert_eq!(imported(&made.public_key_armored), [short(&made)]);

    // With more than a year left, nothing happens.
    passed.store((4 * 365 - 1) * DAY, Ordering::Relaxed);
    let extend = async || running.client.extend_keys(&key("p"), "backend").await.unwrap();
    assert_eq!(extend().await, std::slice::from_ref(&made));
    passed.store((4 * 365 + 1) * DAY, Ordering::Relaxed);
    let extended = extend().await.pop().unwrap();
    let later = start_of_all.timestamp() + (9 * 365 + 1) * DAY;
    assert_eq!(extended.expires, Some(later));
    assert_eq!(
        (extended.fingerprint, extended.created),
        (made.fingerprint, made.created)
    );
    assert_eq!(shown_end(&extended), later);
    assert_eq!(imported(&extended.public_key_armored), [short(&made)]);
    assert_eq!(extend().await, std::slice::from_ref(&extended), "once is enough");
    // Whoever has the old certificate verifies as before.
    signs(&running, &made).await;
    running.stop().await;
    let text = log(folder.path());
    assert_eq!(text.matches("\"kind\":\"key-extended\"").count(), 1, "{text}");
}

/// The folder was written by the release before names had more than one key.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_earlier_release_open() {
    let folder = TempDir::new().unwrap();
    fs_err::create_dir(folder.path().join("keys")).unwrap();
    let earlier = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/earlier");
    let master = folder.path().join("master.key");
    fs_err::copy(earlier.join("master.key"), &master).unwrap();
    fs_err::set_permissions(&master, PermissionsExt::from_mode(0o600)).unwrap();
    fs_err::copy(earlier.join("p.json"), folder.path().join("keys/p.json")).unwrap();
    let running = start(config(folder.path())).await;
    let old = running.client.public_key(&key("p")).await.unwrap();
    signs(&running, &old).await;
    let new = running
        .client
        .rotate_key(&key("p"), old.fingerprint, None, "alice")
        .await
        .unwrap();
    signs(&running, &old).await;
    signs(&running, &new).await;
    running.stop().await;
}

/// Whoever can write the folder, but lacks the master key, brings no old key back.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_in_its_own_place_only() {
    let folder = TempDir::new().unwrap();
    let running = start(config(folder.path())).await;
    let old = made(&running).await;
    running
        .client
        .rotate_key(&key("p"), old.fingerprint, None, "alice")
        .await
        .unwrap();
    let files = folder.path().join("keys");
    fs_err::copy(files.join("p.2.json"), files.join("p.3.json")).unwrap();
    fs_err::copy(files.join("p.json"), files.join("p.2.json")).unwrap();
    running.stop().await;
    let running = start(config(folder.path())).await;
    let active = running.client.public_key(&key("p")).await.unwrap();
    let refused = running
        .client
        .sign_detached(&active, DATA, intent(DATA), now())
        .await;
    assert!(refused.unwrap_err().is_retryable());
    running.stop().await;
}
