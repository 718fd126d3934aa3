//! OTLP over HTTP, as JSON: `POST /v1/traces` and `POST /v1/logs`.
//!
//! At most 4 MiB a request and so many connections. What is malformed is answered with 400, said once in the log,
//! and counted.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::otlp::{self, Heard};
use super::{BATCH, Ear, Known};
use crate::event::Nanos;
use crate::kernel::clock;

/// Most bytes of a request.
const BODY: usize = 4 << 20;
/// Most connections at once.
const CONNECTIONS: usize = 64;

type Parse = fn(&[u8], Nanos, &Known) -> Result<Heard, String>;

#[derive(Clone)]
struct Server {
    ear: Ear,
    malformed: Arc<AtomicU64>,
}

/// Binds, if there is an address; what fails is said.
pub(super) async fn open(address: Option<SocketAddr>) -> Option<TcpListener> {
    let address = address?;
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%address, %error, "tool calls are not heard by OTLP; name another `otlp` address");
            return None;
        }
    };
    match listener.local_addr() {
        Ok(address) => tracing::info!(%address, "tool calls are heard by OTLP"),
        Err(error) => tracing::debug!(%error, "the address of OTLP is unknown"),
    }
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "OTLP is heard from other machines, too; nobody is asked who he is");
    }
    Some(listener)
}

/// Serves what was bound, until it is dropped.
pub(super) async fn serve(listener: Option<TcpListener>, ear: Ear) {
    let Some(listener) = listener else { return };
    let server = Server { ear, malformed: Arc::default() };
    let router = Router::new()
        .route("/v1/traces", post(|state, headers, body| take(state, headers, body, otlp::traces)))
        .route("/v1/logs", post(|state, headers, body| take(state, headers, body, otlp::logs)))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(server);
    let limited = Limited { listener, room: Arc::new(Semaphore::new(CONNECTIONS)) };
    if let Err(error) = axum::serve(limited, router).await {
        tracing::error!(%error, "tool calls are no longer heard by OTLP");
    }
}

async fn take(State(server): State<Server>, headers: HeaderMap, body: Bytes, parse: Parse) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !header(header::CONTENT_TYPE).contains("json") {
        let said = "only OTLP as JSON is heard: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, said).into_response();
    }
    if !matches!(header(header::CONTENT_ENCODING), "" | "identity") {
        let said = "nothing compressed is heard: set OTEL_EXPORTER_OTLP_COMPRESSION=none";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, said).into_response();
    }
    let Heard { calls, unusable } = match parse(&body, clock::now(), &server.ear.agents) {
        Ok(heard) => heard,
        Err(error) => {
            server.malformed();
            return (StatusCode::BAD_REQUEST, format!("this is no OTLP as JSON: {error}")).into_response();
        }
    };
    if unusable > 0 {
        server.malformed();
    }
    for (number, call) in calls.into_iter().enumerate() {
        if number % BATCH == BATCH - 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.ear.call(call);
    }
    let rejected = match unusable {
        0 => serde_json::json!({}),
        count => serde_json::json!({
            "rejectedSpans": count.to_string(),
            "errorMessage": "tool calls without a name or a time",
        }),
    };
    axum::Json(serde_json::json!({ "partialSuccess": rejected })).into_response()
}

impl Server {
    fn malformed(&self) {
        let before = self.malformed.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            tracing::warn!("OTLP that is malformed was refused; later ones are counted");
        } else {
            tracing::debug!(count = before + 1, "OTLP that is malformed was refused");
        }
    }
}

/// A listener that takes so many connections at once; others wait in its backlog.
struct Limited {
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Listener for Limited {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        loop {
            let Ok(permit) = self.room.clone().acquire_owned().await else { continue };
            let (stream, from) = Listener::accept(&mut self.listener).await;
            return (Held { stream, _permit: permit }, from);
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that gives its room back at its end.
struct Held {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
