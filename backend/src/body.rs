//! Requests' bodies: how long one is waited for, and what becomes of one that nobody reads.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody},
    extract::Request,
};
use futures::{Stream, StreamExt};
use tokio::{runtime::Handle, time::timeout};
use tower_http::timeout::TimeoutBody;

/// The longest pause between two pieces of a body.
const PAUSE: Duration = Duration::from_secs(5);
/// The most that is read of a body that nobody wants: more than NGINX lets through.
const UNWANTED: usize = 32 * 1024 * 1024;
/// The longest that is spent on it.
const UNWANTED_FOR: Duration = Duration::from_secs(10);

/// Gives up on a body that does not come on, and reads a refused one to its end.
pub async fn guard(request: Request) -> Request {
    request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        let impatient = Body::new(TimeoutBody::new(PAUSE, body));
        Body::from_stream(ReadToEnd(Some(impatient.into_data_stream())))
    })
}

/// A body that is read on when its handler drops it. A caller may be refused before the body has
/// come; were the connection closed under a body still on its way, the sender could lose the answer
/// and tell of a broken connection instead.
struct ReadToEnd(Option<BodyDataStream>);

impl Stream for ReadToEnd {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let piece = Pin::new(body).poll_next(context);
        if matches!(piece, Poll::Ready(None | Some(Err(_)))) {
            self.0 = None;
        }
        piece
    }
}

impl Drop for ReadToEnd {
    fn drop(&mut self) {
        // Without a runtime the server is ending, and the connection with it.
        if let (Some(body), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(timeout(UNWANTED_FOR, read_on(body)));
        }
    }
}

async fn read_on(mut body: BodyDataStream) {
    let mut read = 0;
    while let Some(Ok(piece)) = body.next().await {
        read += piece.len();
        if UNWANTED < read {
            return;
        }
    }
}
