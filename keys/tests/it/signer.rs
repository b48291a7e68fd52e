//! Signatures, the log and the pool.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use chrono::DateTime;
use keys::{Algorithm, Client, ClientError, PublicKey, RateLimit, Secret, verify_log};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{DATA, TOKEN, USER_ID, config, intent, key, now, ran, refusal, start};

/// gpg and rpm's own parser take the key; gpg takes the signature and refuses it over other data.
fn judged_by_gpg_and_rpm(public: &PublicKey, signature: &[u8]) {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs_err::write(at("key.asc"), &public.public_key_armored).unwrap();
    fs_err::write(at("data"), DATA).unwrap();
    fs_err::write(at("other"), b"other").unwrap();
    fs_err::write(at("sig"), signature).unwrap();
    fs_err::write(at("sig.asc"), Client::armor(signature)).unwrap();
    let gpg = || {
        let mut gpg = Command::new("gpg");
        gpg.args([
            "--batch",
            "--no-autostart",
            "--trust-model",
            "always",
            "--status-fd",
            "1",
        ]);
        gpg.arg("--homedir").arg(folder.path());
        gpg
    };
    fs_err::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
    ran(gpg().arg("--import").arg(at("key.asc")));
    for name in ["sig", "sig.asc"] {
        let output = ran(gpg().arg("--verify").arg(at(name)).arg(at("data")));
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            status.contains(&format!("VALIDSIG {}", public.fingerprint)),
            "{status}"
        );
        assert!(
            !gpg()
                .arg("--verify")
                .arg(at(name))
                .arg(at("other"))
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    let database = at("rpmdb");
    ran(Command::new("rpmkeys")
        .arg("--dbpath")
        .arg(&database)
        .arg("--import")
        .arg(at("key.asc")));
    let listed = ran(Command::new("rpm")
        .arg("--dbpath")
        .arg(&database)
        .args(["-qa", "gpg-pubkey*"]));
    let listed = String::from_utf8_lossy(&listed.stdout).to_lowercase();
    assert!(
        listed.contains(&public.fingerprint.key_id_hex()[8..].to_lowercase()),
        "{listed}"
    );
}

pub mod sequoia {
    use sequoia_openpgp as openpgp;

    use openpgp::cert::Cert;
    use openpgp::parse::Parse;
    use openpgp::parse::stream::{
        DetachedVerifierBuilder, MessageLayer, MessageStructure, VerificationHelper,
    };
    use openpgp::policy::StandardPolicy;

    struct Helper(Cert);

    impl VerificationHelper for Helper {
        fn get_certs(&mut self, _: &[openpgp::KeyHandle]) -> openpgp::Result<Vec<Cert>> {
            Ok(vec![self.0.clone()])
        }

        fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
            for layer in structure {
                if let MessageLayer::SignatureGroup { results } = layer {
                    assert_eq!(results.len(), 1);
                    for result in results {
                        result.map_err(|error| openpgp::anyhow::anyhow!("{error}"))?;
                    }
                }
            }
            Ok(())
        }
    }

    pub fn verifies(armored_key: &str, signature: &[u8], data: &[u8]) -> bool {
        let cert = Cert::from_bytes(armored_key.as_bytes()).unwrap();
        assert_eq!(cert.keys().count(), 1, "no subkeys");
        let policy = StandardPolicy::new();
        let mut verifier = DetachedVerifierBuilder::from_bytes(signature)
            .unwrap()
            .with_policy(&policy, None, Helper(cert))
            .unwrap();
        verifier.verify_bytes(data).is_ok()
    }
}

async fn whole_way(algorithm: Algorithm) {
    let folder = TempDir::new().unwrap();
    let running = start(config(folder.path())).await;
    let public = running
        .client
        .create_key(&key("project-1"), USER_ID, algorithm)
        .await
        .unwrap();
    let signature = running
        .client
        .sign_detached(&public, DATA, intent(DATA), now())
        .await
        .unwrap();
    judged_by_gpg_and_rpm(&public, &signature);
    assert!(sequoia::verifies(&public.public_key_armored, &signature, DATA));
    let armored = Client::armor(&signature);
    assert!(sequoia::verifies(
        &public.public_key_armored,
        armored.as_bytes(),
        DATA
    ));
    assert!(!sequoia::verifies(
        &public.public_key_armored,
        &signature,
        b"other"
    ));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rsa_signature_convinces_gpg_rpm_and_sequoia() {
    whole_way(Algorithm::Rsa4096).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ed25519_signature_convinces_gpg_rpm_and_sequoia() {
    whole_way(Algorithm::Ed25519).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_once_even_by_many_and_outlives_a_restart() {
    let folder = TempDir::new().unwrap();
    let running = start(config(folder.path())).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = running.client.clone();
        calls.spawn(async move {
            client
                .create_key(&key("p"), USER_ID, Algorithm::Ed25519)
                .await
                .unwrap()
        });
    }
    let made = calls.join_all().await;
    assert!(made.iter().all(|public| *public == made[0]));
    let other = running
        .client
        .create_key(&key("p"), USER_ID, Algorithm::Rsa4096)
        .await
        .unwrap_err();
    assert_eq!(other.status(), Some(409));
    running.stop().await;

    let running = start(config(folder.path())).await;
    assert_eq!(running.client.public_key(&key("p")).await.unwrap(), made[0]);
    let early = DateTime::from_timestamp(1000, 0).unwrap();
    let signature = running
        .client
        .sign_detached(&made[0], DATA, intent(DATA), early)
        .await
        .unwrap();
    assert!(sequoia::verifies(&made[0].public_key_armored, &signature, DATA));
    let missing = running.client.public_key(&key("q")).await.unwrap_err();
    assert_eq!(missing.status(), Some(404));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_bad_statements_are_refused() {
    let folder = TempDir::new().unwrap();
    let running = start(config(folder.path())).await;
    let stranger = Client::new(&running.url, Secret::new("another-token-of-length")).unwrap();
    assert_eq!(stranger.health().await.unwrap_err().status(), Some(401));
    let create = stranger.create_key(&key("p"), USER_ID, Algorithm::Ed25519).await;
    assert_eq!(create.unwrap_err().status(), Some(401));

    let client = &running.client;
    let nul = client
        .create_key(&key("p"), "Koper\0 evil", Algorithm::Ed25519)
        .await
        .unwrap_err();
    assert_eq!(nul.status(), Some(400));
    let public = client
        .create_key(&key("p"), USER_ID, Algorithm::Ed25519)
        .await
        .unwrap();
    let mut bad = intent(DATA);
    bad.requester = "two\nlines".to_owned();
    let bad = client.sign_detached(&public, DATA, bad, now()).await.unwrap_err();
    assert_eq!((bad.status(), bad.is_retryable()), (Some(400), false));
    // The key that was made, and nothing else.
    assert_eq!(client.health().await.unwrap().log_entries, 1);

    assert!(!format!("{client:?} {:?}", config(folder.path())).contains(TOKEN));
    let url = running.url.clone();
    running.stop().await;
    let gone = Client::new(&url, Secret::new(TOKEN))
        .unwrap()
        .health()
        .await
        .unwrap_err();
    assert!(gone.is_retryable(), "{gone}");
    assert!(!format!("{gone} {gone:?}").contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_what_was_signed_and_shows_tampering() {
    let folder = TempDir::new().unwrap();
    let running = start(config(folder.path())).await;
    let public = running
        .client
        .create_key(&key("p"), USER_ID, Algorithm::Ed25519)
        .await
        .unwrap();
    running
        .client
        .sign_detached(&public, DATA, intent(DATA), now())
        .await
        .unwrap();
    let items = (0..3_u8)
        .map(|n| (Sha256::new_with_prefix([n]), intent(&[n])))
        .collect();
    let batch = running.client.sign_batch(&public, items, now()).await.unwrap();
    for (n, signature) in batch.iter().enumerate() {
        assert!(sequoia::verifies(
            &public.public_key_armored,
            signature,
            &[n as u8]
        ));
    }
    let health = running.client.health().await.unwrap();
    running.stop().await;

    let path = folder.path().join("log/signatures.log");
    let summary = verify_log(&path).unwrap();
    assert_eq!((summary.entries, &summary.head), (5, &health.log_head));
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(
        text.contains("hello-0:1-1.x86_64") && text.contains("\"kind\":\"package\""),
        "{text}"
    );

    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let changed = text.replacen("alice/tools", "mallory/x", 1);
    let removed = [lines[0], lines[2], lines[3]].concat();
    for tampered in [changed, removed] {
        fs_err::write(&path, tampered).unwrap();
        assert!(verify_log(&path).is_err());
        assert!(matches!(
            refusal(config(folder.path())).await,
            keys::Error::Log(_)
        ));
    }
    // Half a line is what a crash leaves: it is dropped, the rest stands.
    fs_err::write(&path, format!("{text}{{\"hash\":\"12")).unwrap();
    start(config(folder.path())).await.stop().await;
    assert_eq!(verify_log(&path).unwrap(), summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_signs_too_fast_is_told_when_to_come_back() {
    let folder = TempDir::new().unwrap();
    let mut config = config(folder.path());
    config.rate_limit = RateLimit {
        burst: 2,
        per_second: 0.01,
    };
    let running = start(config).await;
    let public = running
        .client
        .create_key(&key("p"), USER_ID, Algorithm::Ed25519)
        .await
        .unwrap();
    for _ in 0..2 {
        running
            .client
            .sign_detached(&public, DATA, intent(DATA), now())
            .await
            .unwrap();
    }
    let limited = running
        .client
        .sign_detached(&public, DATA, intent(DATA), now())
        .await
        .unwrap_err();
    assert!(matches!(limited, ClientError::Retryable { .. }), "{limited}");
    let wait = limited.retry_after().unwrap();
    assert!((90..=100).contains(&wait.as_secs()), "{wait:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_in_danger_stops_the_start() {
    let folder = TempDir::new().unwrap();
    let running = start(config(folder.path())).await;
    assert!(matches!(
        refusal(config(folder.path())).await,
        keys::Error::Locked(_)
    ));
    running
        .client
        .create_key(&key("p"), USER_ID, Algorithm::Ed25519)
        .await
        .unwrap();
    running.stop().await;

    let master = folder.path().join("master.key");
    let mode = fs_err::metadata(&master).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    fs_err::set_permissions(&master, PermissionsExt::from_mode(0o644)).unwrap();
    let exposed = refusal(config(folder.path())).await;
    assert!(
        matches!(exposed, keys::Error::MasterExposed { mode: 0o644, .. }),
        "{exposed}"
    );
    fs_err::remove_file(&master).unwrap();
    assert!(matches!(
        refusal(config(folder.path())).await,
        keys::Error::MasterMissing(_)
    ));
    let mut open = config(folder.path());
    open.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(refusal(open).await, keys::Error::NotLoopback(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_fills_and_gives_each_key_once() {
    let folder = TempDir::new().unwrap();
    let mut config = config(folder.path());
    config.rsa_pool = 1;
    let running = start(config).await;
    let filled = async {
        while running.client.health().await.unwrap().pooled_rsa_keys == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), filled)
        .await
        .expect("the pool fills");
    let pooled = fs_err::read_dir(folder.path().join("pool"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let public = running
        .client
        .create_key(&key("p"), USER_ID, Algorithm::Rsa4096)
        .await
        .unwrap();
    assert!(
        !pooled.exists(),
        "a key that was handed out is no longer in the pool"
    );
    let signature = running
        .client
        .sign_detached(&public, DATA, intent(DATA), now())
        .await
        .unwrap();
    assert!(sequoia::verifies(&public.public_key_armored, &signature, DATA));
    running.stop().await;
}
