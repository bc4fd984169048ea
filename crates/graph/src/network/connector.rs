//! Around the HTTP client's connector: a deadline, and an error that says which hop failed.
//!
//! The client's own errors know neither the proxy's name nor its answer ("unsuccessful tunnel" is all that is left of a
//! 403). So after a failure the way is tried once more by our own code, up to where the failed attempt ended at most, and
//! what that finds out becomes the error. A failure costs one more connection; a success costs nothing.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use entra::{Obstacle, Who};
use reqwest::Proxy;
use tokio::time::timeout;
use tower::{Layer, Service};
use url::Url;

use super::proxy::Protocol;
use super::trust::tls_obstacle;
use super::{Network, NetworkError};

type BoxError = Box<dyn Error + Send + Sync>;

/// For finding out what went wrong: whoever answers at all answers within this.
const LOOK_WITHIN: Duration = Duration::from_secs(10);

thread_local! {
    /// Where the connection that is being begun goes to. The client does not tell its layers, but it asks the proxy rule in
    /// the course of the very call that begins the connection, so on the same thread.
    static TARGET: Cell<Option<Url>> = const { Cell::new(None) };
}

/// The rule by which the client chooses the proxy. `https` alone goes through it, by way of a tunnel.
pub(super) fn proxy_rule(network: &Network) -> Result<Proxy, NetworkError> {
    let network = Arc::new(network.clone());
    // Here, while an error can still be told: in the rule, one would mean 'no proxy'.
    let url = network.proxy_server()?.map(|proxy| proxy.canonical_url()).transpose()?;
    Ok(Proxy::custom(move |target: &Url| {
        TARGET.set(Some(target.clone()));
        let is_straight = target.scheme() != "https" || target.host_str().is_none_or(|host| network.excepts(host));
        url.clone().filter(|_| !is_straight)
    }))
}

#[derive(Clone)]
pub(super) struct Explain(pub(super) Arc<Network>);

#[derive(Clone)]
pub(super) struct Explaining<S> {
    inner: S,
    network: Arc<Network>,
}

impl<S> Layer<S> for Explain {
    type Service = Explaining<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Explaining { inner, network: Arc::clone(&self.0) }
    }
}

impl<S, R> Service<R> for Explaining<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        TARGET.set(None);
        let connecting = self.inner.call(request);
        let target = TARGET.take();
        let network = Arc::clone(&self.network);
        Box::pin(async move {
            let wait = network.connect_timeout;
            let error = match timeout(wait, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            let Some(target) = target else { return Err(error.unwrap_or_else(|| too_late(wait).into())) };
            let obstacle = match error {
                None => network.obstacle_of_silence(&target),
                Some(error) => network.look(&target, error).await,
            };
            Err(obstacle.into())
        })
    }
}

fn too_late(wait: Duration) -> Obstacle {
    let fix = "Check firewall and proxy; it is tried again by itself.";
    Obstacle::new(format!("no answer within {} s", wait.as_secs()), fix, Who::NetworkAdministrator)
}

impl Network {
    /// What kept a connection to `target` from being made, when its end was `error`.
    async fn look(&self, target: &Url, error: BoxError) -> Obstacle {
        let host = target.host_str().unwrap_or_default();
        let by_tls = tls_obstacle(host, &*error);
        let proxy = self.proxy_for(host).ok().flatten().filter(|_| target.scheme() == "https");
        match (by_tls, proxy) {
            // With a proxy that is itself spoken to in TLS, the fault may be its own.
            (Some(obstacle), proxy) if proxy.as_ref().is_none_or(|it| it.protocol != Protocol::Https) => obstacle,
            (by_tls, _) => {
                let again = self.dial_again(target, host).await;
                again.or(by_tls).unwrap_or_else(|| Obstacle::of(&*error))
            }
        }
    }

    async fn dial_again(&self, target: &Url, host: &str) -> Option<Obstacle> {
        let network = if target.scheme() == "https" { self.clone() } else { Self { proxy: None, ..self.clone() } };
        let way = network.way_to(host).ok()?;
        let wait = LOOK_WITHIN.min(self.connect_timeout);
        let error = way.dial(host, target.port_or_known_default()?, wait).await.err()?;
        Some(error.obstacle())
    }

    fn obstacle_of_silence(&self, target: &Url) -> Obstacle {
        let wait = self.connect_timeout;
        let proxy = target.host_str().and_then(|host| self.proxy_for(host).ok().flatten());
        match proxy.filter(|_| target.scheme() == "https") {
            None => super::WayError::TimedOut(wait).obstacle(),
            Some(proxy) => super::WayError::ProxySilent { proxy: proxy.to_string(), after: wait }.obstacle(),
        }
    }
}
