//! A small OpenID provider: says what the test told it to, signed with a real key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use url::Url;

pub(crate) const CLIENT_ID: &str = "postern-console";

pub(crate) struct Provider {
    pub(crate) issuer: Url,
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    keys: Mutex<(EncodingKey, String)>,
    /// What the next id token says beside issuer, audience, times and nonce.
    claims: Mutex<Value>,
    /// Nonce of the last request, which the provider would have kept with the code.
    nonce: Mutex<String>,
    /// What came to the token endpoint.
    requests: Mutex<Vec<HashMap<String, String>>>,
}

fn new_key() -> EncodingKey {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap()
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            keys: Mutex::new((new_key(), "first".to_owned())),
            claims: Mutex::default(),
            nonce: Mutex::default(),
            requests: Mutex::default(),
        });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { issuer: issuer.parse().unwrap(), shared }
    }

    /// What the browser would do: the person signs in, and the provider sends it back with a code.
    pub(crate) fn visit(&self, url: &Url, claims: Value) -> (String, String) {
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!((query["client_id"].as_str(), query["response_type"].as_str()), (CLIENT_ID, "code"));
        self.shared.nonce.lock().unwrap().clone_from(&query["nonce"]);
        *self.shared.claims.lock().unwrap() = claims;
        (query["state"].clone(), query["code_challenge"].clone())
    }

    pub(crate) fn rotate_key(&self) {
        *self.shared.keys.lock().unwrap() = (new_key(), "second".to_owned());
    }

    pub(crate) fn requests(&self) -> Vec<HashMap<String, String>> {
        self.shared.requests.lock().unwrap().clone()
    }
}

async fn metadata(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let issuer = &shared.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }))
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let (key, id) = &*shared.keys.lock().unwrap();
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::RS256).unwrap();
    jwk.common.key_id = Some(id.clone());
    Json(json!({ "keys": [jwk] }))
}

async fn token(State(shared): State<Arc<Shared>>, Form(request): Form<HashMap<String, String>>) -> Json<Value> {
    shared.requests.lock().unwrap().push(request);
    let (key, id) = &*shared.keys.lock().unwrap();
    let mut claims = json!({
        "iss": shared.issuer,
        "aud": CLIENT_ID,
        "sub": "subject-1",
        "iat": crate::at(0).as_second(),
        "exp": crate::at(0).as_second() + 3600,
        "nonce": *shared.nonce.lock().unwrap(),
    });
    for (name, value) in shared.claims.lock().unwrap().as_object().unwrap() {
        claims[name] = value.clone();
    }
    let (algorithm, hmac) = (claims["test_hs256"].is_string(), EncodingKey::from_secret(b"the client secret"));
    let (header, key) =
        if algorithm { (Header::new(Algorithm::HS256), &hmac) } else { (Header::new(Algorithm::RS256), key) };
    let header = Header { kid: (!claims["test_hs256"].is_string()).then(|| id.clone()), ..header };
    let id_token = jsonwebtoken::encode(&header, &claims, key).unwrap();
    Json(json!({ "access_token": "unused", "token_type": "Bearer", "expires_in": 3600, "id_token": id_token }))
}
