//! The signer's HTTP face: JSON in, JSON out, nothing without the token.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use ring::hmac;
use tokio::sync::Semaphore;

use crate::names::{KeyId, PublicKey, Secret};
use crate::server::error::Error;
use crate::server::signer::Signer;
use crate::wire::{
    BatchReply, CreateKey, ErrorReply, ExtendKeys, Health, KeyReply, KeysReply, MAX_BATCH, Numbers,
};
use crate::wire::{RevokeKey, RotateKey, SignBatch, SignItem, SignOne};

/// A full batch of the longest intents is below this, in bytes.
const MAX_BODY: usize = 2 * 1024 * MAX_BATCH;

/// What the handlers share.
pub(crate) struct State {
    signer: Arc<Signer>,
    // One blocking job per core: more would only make every caller wait longer.
    jobs: Semaphore,
    token: Token,
}

/// The expected token under a key of this process: comparing tags takes the same time wherever they differ.
struct Token {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl Token {
    fn new(token: &Secret) -> Result<Self, Error> {
        let random = ring::rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random)
            .map_err(|_| Error::NoRandomness("prepare the token"))?;
        let tag = hmac::sign(&key, token.expose().as_bytes());
        Ok(Self { key, tag })
    }

    fn matches(&self, presented: &str) -> bool {
        hmac::verify(&self.key, presented.as_bytes(), self.tag.as_ref()).is_ok()
    }
}

impl State {
    pub(crate) fn new(signer: Arc<Signer>, token: &Secret) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            signer,
            jobs: Semaphore::new(cores),
            token: Token::new(token)?,
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Signer) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let stopped = |_| Error::Worker("serve a request");
        let _turn = self.jobs.acquire().await.map_err(stopped)?;
        let signer = Arc::clone(&self.signer);
        web::block(move || job(&signer))
            .await
            .map_err(|_| Error::Worker("serve a request"))?
    }
}

pub(crate) fn routes(config: &mut ServiceConfig) {
    let json = web::JsonConfig::default()
        .limit(MAX_BODY)
        .error_handler(|error, _| {
            let body = ErrorReply {
                error: error.to_string(),
            };
            let response = HttpResponse::BadRequest().json(body);
            actix_web::error::InternalError::from_response(error, response).into()
        });
    config
        .app_data(json)
        .route("/v1/keys", web::post().to(create))
        .route("/v1/keys/{key}", web::get().to(public))
        .route("/v1/keys/{key}/all", web::get().to(all))
        .route("/v1/keys/{key}/rotate", web::post().to(rotate))
        .route("/v1/keys/{key}/revoke", web::post().to(revoke))
        .route("/v1/keys/{key}/extend", web::post().to(extend))
        .route("/v1/sign", web::post().to(sign))
        .route("/v1/sign-batch", web::post().to(sign_batch))
        .route("/v1/health", web::get().to(health));
}

/// Refuses every request without the token, whatever its path.
pub(crate) async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let presented = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let state = request.app_data::<Data<State>>();
    if !state.is_some_and(|state| presented.is_some_and(|presented| state.token.matches(presented))) {
        let reply = ErrorReply {
            error: "the token is missing or wrong".to_owned(),
        };
        let response = HttpResponse::Unauthorized().json(reply);
        return Ok(request.into_response(response).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

async fn create(
    state: Data<State>,
    http: HttpRequest,
    request: Json<CreateKey>,
) -> Result<Json<KeyReply>, Error> {
    let (peer, request) = (peer(&http), request.into_inner());
    Ok(reply(
        state.run(move |signer| signer.create(&peer, &request)).await?,
    ))
}

async fn public(state: Data<State>, key: Path<KeyId>) -> Result<Json<KeyReply>, Error> {
    let key = key.into_inner();
    Ok(reply(state.run(move |signer| signer.public(&key)).await?))
}

async fn all(state: Data<State>, key: Path<KeyId>) -> Result<Json<KeysReply>, Error> {
    let key = key.into_inner();
    let keys = state.run(move |signer| signer.all(&key)).await?;
    Ok(Json(KeysReply { keys }))
}

async fn rotate(
    state: Data<State>,
    http: HttpRequest,
    key: Path<KeyId>,
    request: Json<RotateKey>,
) -> Result<Json<KeyReply>, Error> {
    let (peer, key, request) = (peer(&http), key.into_inner(), request.into_inner());
    let rotated = state.run(move |signer| signer.rotate(&peer, &key, &request));
    Ok(reply(rotated.await?))
}

async fn revoke(
    state: Data<State>,
    http: HttpRequest,
    key: Path<KeyId>,
    request: Json<RevokeKey>,
) -> Result<Json<KeyReply>, Error> {
    let (peer, key, request) = (peer(&http), key.into_inner(), request.into_inner());
    let revoked = state.run(move |signer| signer.revoke(&peer, &key, request));
    Ok(reply(revoked.await?))
}

async fn extend(
    state: Data<State>,
    http: HttpRequest,
    key: Path<KeyId>,
    request: Json<ExtendKeys>,
) -> Result<Json<KeysReply>, Error> {
    let (peer, key, request) = (peer(&http), key.into_inner(), request.into_inner());
    let extended = state.run(move |signer| signer.extend(&peer, &key, &request));
    Ok(Json(KeysReply {
        keys: extended.await?,
    }))
}

async fn sign(state: Data<State>, http: HttpRequest, request: Json<SignOne>) -> Result<Json<Numbers>, Error> {
    let SignOne {
        key,
        fingerprint,
        digest_sha256,
        intent,
    } = request.into_inner();
    let peer = peer(&http);
    let items = [SignItem {
        digest_sha256,
        intent,
    }];
    let signed = state.run(move |signer| signer.sign(&peer, (&key, fingerprint), &items));
    let mut signatures = signed.await?;
    signatures.pop().map(Json).ok_or(Error::Worker("sign a digest"))
}

async fn sign_batch(
    state: Data<State>,
    http: HttpRequest,
    request: Json<SignBatch>,
) -> Result<Json<BatchReply>, Error> {
    let SignBatch {
        key,
        fingerprint,
        items,
    } = request.into_inner();
    let peer = peer(&http);
    let signed = state.run(move |signer| signer.sign(&peer, (&key, fingerprint), &items));
    let signatures = signed.await?;
    Ok(Json(BatchReply { signatures }))
}

async fn health(state: Data<State>) -> Result<Json<Health>, Error> {
    Ok(Json(state.run(|signer| Ok(signer.health())).await?))
}

fn peer(http: &HttpRequest) -> String {
    http.peer_addr()
        .map_or_else(String::new, |address| address.to_string())
}

fn reply(public: PublicKey) -> Json<KeyReply> {
    let key_id_hex = public.fingerprint.key_id_hex();
    Json(KeyReply { public, key_id_hex })
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::UnknownKey(_) | Self::UnknownFingerprint(..) => StatusCode::NOT_FOUND,
            Self::Revoked(..) => StatusCode::GONE,
            Self::OtherAlgorithm(_) => StatusCode::CONFLICT,
            Self::Statement(_) | Self::BatchSize(_) => StatusCode::BAD_REQUEST,
            Self::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if let Self::Limited { retry_after_s, .. } = self {
            response.insert_header((header::RETRY_AFTER, retry_after_s.to_string()));
        }
        let error = if status.is_server_error() {
            tracing::error!(error = %self, "a request to the signer failed");
            "the signer failed; its own log says why".to_owned()
        } else {
            self.to_string()
        };
        response.json(ErrorReply { error })
    }
}
