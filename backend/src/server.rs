//! A listener's connections, from the first to the last.

use std::{
    error::Error,
    io::{self, ErrorKind},
    net::TcpStream as PlainStream,
    pin::pin,
    time::Duration,
};

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

/// How many connections wait to be accepted at most: as many as the system is asked to keep.
const BACKLOG: usize = 1024;
/// How long a connection that has brought no request may still bring one to a server that leaves.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Answers what comes until `leave` is over, then what has come, and returns once all of it is answered.
/// It speaks HTTP/1.1 only, without upgrades.
///
/// A connection has come as soon as the system has made it: whoever made it may have sent a request, and
/// if the connection of a POST just ended, nobody could say whether it was done. So the connections that
/// nobody has accepted yet are accepted before the listener is closed, where `axum::serve` drops them, and
/// one that never brought a request may still bring one, where `axum::serve` ends it. Only those that are
/// idle between two requests are closed, so nobody should keep any by then (`router::leaving`, and
/// `keepalive_timeout` in NGINX's file). What is left is a connection that is made in the microsecond
/// between the last look and the close.
///
/// # Errors
/// That the listener could not be taken over.
pub async fn serve(
    mut listener: TcpListener,
    service: Router,
    leave: impl Future<Output = ()>,
) -> io::Result<()> {
    let (leaving, left) = watch::channel(false);
    let begin = |stream: TcpStream| {
        let answered = answer(stream, service.clone(), left.clone());
        tokio::spawn(async move {
            if let Err(error) = answered.await {
                tracing::trace!(%error, "a connection ended");
            }
        });
    };
    let mut leave = pin!(leave);
    loop {
        tokio::select! {
            () = &mut leave => break,
            (stream, _) = Listener::accept(&mut listener) => begin(stream),
        }
    }
    // By the system itself: tokio would only look for connections that it has heard of.
    let listener = listener.into_std()?;
    for _ in 0..BACKLOG {
        match listener.accept().and_then(|(stream, _)| taken_over(stream)) {
            Ok(stream) => begin(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => tracing::warn!(%error, "a last connection is lost"),
        }
    }
    drop((listener, left));
    leaving.send_replace(true);
    leaving.closed().await;
    Ok(())
}

fn taken_over(stream: PlainStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Answers all requests of a connection, until it ends or `left` says so.
async fn answer(
    stream: TcpStream,
    service: Router,
    mut left: watch::Receiver<bool>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    // One that is told to end before anything was read would be closed like an idle one.
    let mut first = [0];
    tokio::select! {
        biased;
        come = stream.peek(&mut first) => drop(come?),
        () = async {
            drop(left.wait_for(|left| *left).await);
            sleep(FIRST_REQUEST).await;
        } => return Ok(()),
    }
    let service = TowerToHyperService::new(service);
    let mut connection =
        pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        ended = &mut connection => return Ok(ended?),
        _ = left.wait_for(|left| *left) => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use std::{
        io::{Read, Write},
        net::{Shutdown, SocketAddr},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
        time::timeout,
    };

    const PATIENCE: Duration = Duration::from_secs(20);
    const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi";

    async fn bound() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    fn echo() -> Router {
        Router::new().route("/", post(|body: String| async move { body }))
    }

    /// Nothing of this runs beside the server, and it is told to leave before it has seen any of them.
    #[tokio::test]
    async fn what_has_come_before_the_listener_is_closed_is_answered() {
        let (listener, address) = bound().await;
        let asked: Vec<_> = (0..50)
            .map(|_| {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(POST).unwrap();
                stream
            })
            .collect();
        timeout(PATIENCE, serve(listener, echo(), async {})).await.unwrap().unwrap();
        for mut stream in asked {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hi"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_connection_without_a_request_may_still_send_one_while_an_idle_one_is_closed() {
        let (listener, address) = bound().await;
        let (leave, told) = oneshot::channel();
        let server = tokio::spawn(serve(listener, echo(), async { told.await.unwrap() }));
        let mut fresh = TcpStream::connect(address).await.unwrap();
        // Accepted after the other.
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(POST).await.unwrap();
        let mut answer = [0; 1024];
        let read = timeout(PATIENCE, idle.read(&mut answer)).await.unwrap().unwrap();
        assert!(answer[..read].ends_with(b"hi"));

        leave.send(()).unwrap();
        assert_eq!(timeout(PATIENCE, idle.read(&mut answer)).await.unwrap().unwrap(), 0);
        assert!(!server.is_finished());
        fresh.write_all(POST).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, fresh.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hi"), "{answer}");
        timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_stays_silent_keeps_nobody_for_long() {
        let (listener, address) = bound().await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        timeout(PATIENCE, serve(listener, echo(), async {})).await.unwrap().unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    }

    /// Nobody waits for a request of a caller who is gone.
    #[tokio::test]
    async fn a_connection_that_ended_keeps_nobody() {
        let (listener, address) = bound().await;
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
        timeout(PATIENCE, serve(listener, echo(), async {})).await.unwrap().unwrap();
    }
}
