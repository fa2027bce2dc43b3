//! News of predictions: one listener per process, handed on to whoever waits.

use std::{sync::Arc, time::Duration};

use shared::id::PredictionId;
use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

/// How many pieces of news a slow reader may lag behind before it reads the database anew.
const BACKLOG: usize = 1024;

/// A stream of ids of predictions whose status changed.
#[derive(Clone, Debug)]
pub struct PredictionEvents(Arc<Channels>);

#[derive(Debug)]
struct Channels {
    changes: broadcast::Sender<Change>,
    closing: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Of(PredictionId),
    /// The connection was lost for a moment, and news with it.
    Missed,
}

impl PredictionEvents {
    /// Listens on a connection of its own until the process ends; a lost connection is made anew.
    pub async fn listen(db: &PgPool) -> sqlx::Result<Self> {
        let mut listener = PgListener::connect_with(db).await?;
        listener.listen("predictions").await?;
        let (changes, _) = broadcast::channel(BACKLOG);
        let channels = Arc::new(Channels { changes, closing: watch::Sender::new(false) });
        let weak = Arc::downgrade(&channels);
        tokio::spawn(async move {
            loop {
                let change = hear(&mut listener).await;
                let Some(channels) = weak.upgrade() else { return };
                if let Some(change) = change {
                    // Nobody waiting is not an error.
                    drop(channels.changes.send(change));
                }
            }
        });
        Ok(Self(channels))
    }

    /// News from now on.
    pub fn subscribe(&self) -> News {
        News { changes: self.0.changes.subscribe(), closing: self.0.closing.subscribe() }
    }

    /// Tells whoever waits that this process is about to end.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }
}

async fn hear(listener: &mut PgListener) -> Option<Change> {
    match listener.try_recv().await {
        Ok(Some(news)) => news.payload().parse().ok().map(Change::Of),
        Ok(None) => Some(Change::Missed),
        Err(error) => {
            tracing::warn!(%error, "listening for predictions");
            tokio::time::sleep(Duration::from_millis(500)).await;
            Some(Change::Missed)
        }
    }
}

/// News as one reader hears it.
#[derive(Debug)]
pub struct News {
    changes: broadcast::Receiver<Change>,
    closing: watch::Receiver<bool>,
}

impl News {
    /// Waits so long; `false` when the process is about to end.
    pub async fn pause(&mut self, time: Duration) -> bool {
        tokio::select! {
            _ = self.closing.wait_for(|closing| *closing) => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Waits until the prediction may have changed; `false` when the process is about to end.
    pub async fn of(&mut self, id: PredictionId) -> bool {
        loop {
            let change = tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => return false,
                change = self.changes.recv() => change,
            };
            match change {
                Ok(Change::Of(changed)) if changed != id => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return true,
                Err(RecvError::Closed) => return false,
            }
        }
    }
}
