//! News of predictions: one listener per process, handed on to whoever waits.

use std::sync::Arc;

use shared::id::PredictionId;
use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::broadcast;

/// How many pieces of news a slow reader may lag behind before it reads the database anew.
const BACKLOG: usize = 1024;

/// A stream of ids of predictions whose status changed.
#[derive(Clone, Debug)]
pub struct PredictionEvents(Arc<broadcast::Sender<PredictionId>>);

impl PredictionEvents {
    /// Listens on a connection of its own until the process ends; a lost connection is made anew.
    pub async fn listen(db: &PgPool) -> sqlx::Result<Self> {
        let mut listener = PgListener::connect_with(db).await?;
        listener.listen("predictions").await?;
        let (sender, _) = broadcast::channel(BACKLOG);
        let events = Self(Arc::new(sender));
        let sender = Arc::downgrade(&events.0);
        tokio::spawn(async move {
            loop {
                let news = listener.recv().await;
                let Some(sender) = sender.upgrade() else { return };
                match news {
                    Ok(news) => {
                        if let Ok(id) = news.payload().parse() {
                            // Nobody waiting is not an error.
                            drop(sender.send(id));
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "listening for predictions");
                        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                    }
                }
            }
        });
        Ok(events)
    }

    /// News from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<PredictionId> {
        self.0.subscribe()
    }
}
