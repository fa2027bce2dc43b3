//! What several callers want of the database at the same moment is asked in one go.
//!
//! While one question is under way the next ones gather, and then share a statement, a journey to
//! the database and, where something is written, a wait for the disk. Nobody is answered from
//! before they asked: a question leaves after all who share it have come.

pub mod alike;
pub mod pages;
pub mod requests;

use std::sync::Arc;

use anyhow::anyhow;
use shared::{
    id::{PatientId, SessionId},
    patient::Patient,
    prediction::Prediction,
};
use sqlx::PgPool;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::yield_now,
};

use self::{
    alike::Alike,
    pages::{PageKey, PageWanted, SearchKey, WrittenPage},
    requests::Wish,
};
use crate::{
    clock::Clock,
    db::{
        self,
        audit::Look,
        sessions::LiveSession,
        walls::{Reading, Sight},
    },
    error::{Error, Result},
    jobs::at_once::AtOnce,
    worklist::KeptLines,
};

/// How many share a question at most.
const MOST: usize = 256;
/// How many searches share a statement at most.
const SEARCHES: usize = 32;
/// How many wait at most for the question before; others wait for a place.
const WAITING: usize = 1024;
/// How many questions for predictions are under way side by side: one may compute while another is stored.
const REQUESTING: usize = 3;
/// How many turns a question gives to others, when the one before had several: each of many costs less
/// then, and among those who go on are some who are about to ask. Nobody waits for the clock.
const TURNS: usize = 2;

/// What callers of a process ask together.
#[derive(Clone, Debug)]
pub struct Together {
    /// Puts looks on record.
    ///
    /// A change and its entry are one transaction. A look changes nothing: its entry only has to be
    /// there before the answer leaves. An entry whose answer was sent is as durable as before; when
    /// it cannot be written, there is no answer. A caller who goes away meanwhile is on record all
    /// the same.
    pub looks: Gathered<Look, ()>,
    /// Finds sessions, as they are now.
    pub sessions: Gathered<SessionId, Option<LiveSession>>,
    /// Finds records, for whoever sees all of them.
    pub patients: Gathered<PatientId, Option<Patient>>,
    /// Requests predictions, for whoever sees every record; none for whoever must ask alone.
    pub requests: Gathered<Wish, Option<Prediction>>,
    /// Reads pages of the list, for whoever sees every record: many have the same one before them.
    pub pages: Alike<PageKey, PageWanted, Arc<WrittenPage>>,
    /// The same by searches that differ in their texts; none for one that finds many.
    pub searches: Alike<SearchKey, PageWanted, Option<Arc<WrittenPage>>>,
    /// Lines of the list that are written already.
    pub lines: Arc<KeptLines>,
}

impl Together {
    /// Begins to ask this database, with these lines of the list and what answers predictions at once.
    pub fn start(db: &PgPool, clock: &Clock, lines: KeptLines, at_once: AtOnce) -> Self {
        let looks = Gathered::start(1, {
            let db = db.clone();
            move |looks: Vec<Look>| {
                let db = db.clone();
                async move {
                    db::audit::record_looks(&db, &looks).await?;
                    Ok(vec![(); looks.len()])
                }
            }
        });
        let sessions = Gathered::start(1, {
            let (db, clock) = (db.clone(), clock.clone());
            move |ids: Vec<SessionId>| {
                let (db, now) = (db.clone(), clock.now());
                async move { db::sessions::find_live(&db, &ids, now).await }
            }
        });
        let patients = Gathered::start(1, {
            let db = db.clone();
            move |ids: Vec<PatientId>| {
                let db = db.clone();
                async move { db::patients::find_all(&db, &ids).await }
            }
        });
        let requests = Gathered::start(REQUESTING, {
            let (db, clock) = (db.clone(), clock.clone());
            move |wishes: Vec<Wish>| {
                let (db, clock, at_once) = (db.clone(), clock.clone(), at_once.clone());
                async move { requests::grant(&db, &clock, &at_once, wishes).await }
            }
        });
        let lines = Arc::new(lines);
        let pages = Alike::new(usize::MAX, {
            let (db, clock, lines) = (db.clone(), clock.clone(), Arc::clone(&lines));
            move |wanted: Vec<PageWanted>| {
                let (db, now, lines) = (db.clone(), clock.now(), Arc::clone(&lines));
                async move {
                    let Some(first) = wanted.first() else { return Ok(Vec::new()) };
                    let reading = Reading::begin(&db, Sight::Everything, now).await?;
                    let page = Arc::new(pages::read(reading, first, &lines).await?);
                    Ok(wanted.iter().map(|_| Arc::clone(&page)).collect())
                }
            }
        });
        let searches = Alike::new(SEARCHES, {
            let (db, clock, lines) = (db.clone(), clock.clone(), Arc::clone(&lines));
            move |wanted: Vec<PageWanted>| {
                let (db, now, lines) = (db.clone(), clock.now(), Arc::clone(&lines));
                async move {
                    let reading = Reading::begin(&db, Sight::Everything, now).await?;
                    pages::search(reading, &wanted, &lines).await
                }
            }
        });
        Self { looks, sessions, patients, requests, pages, searches, lines }
    }
}

/// One kind of question, until the last handle is gone.
#[derive(Debug)]
pub struct Gathered<Q, A>(mpsc::Sender<(Q, oneshot::Sender<A>)>);

// A handle is one whatever it asks.
impl<Q, A> Clone for Gathered<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q: Send + 'static, A: Send + 'static> Gathered<Q, A> {
    /// Begins to ask, so many questions side by side; answers come in the order of the questions.
    /// Where several came together, the next question gives others a turn.
    fn start<F>(lanes: usize, ask: impl Fn(Vec<Q>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = sqlx::Result<Vec<A>>> + Send,
    {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (receiver, ask) = (Arc::new(Mutex::new(receiver)), Arc::new(ask));
        for _ in 0..lanes {
            let (receiver, ask) = (Arc::clone(&receiver), Arc::clone(&ask));
            tokio::spawn(async move {
                let mut in_company = false;
                loop {
                    let waiting = gather(&mut *receiver.lock().await, in_company).await;
                    if waiting.is_empty() {
                        break;
                    }
                    in_company = 1 < waiting.len();
                    let (questions, waiters): (Vec<_>, Vec<oneshot::Sender<A>>) =
                        waiting.into_iter().unzip();
                    match ask(questions).await {
                        Ok(answers) => {
                            for (waiter, answer) in waiters.into_iter().zip(answers) {
                                // Whoever is gone does not hear of it.
                                drop(waiter.send(answer));
                            }
                        }
                        // Those who wait hear that nobody will send any more.
                        Err(error) => {
                            tracing::error!(%error, together = waiters.len(), "not answered");
                        }
                    }
                }
            });
        }
        Self(sender)
    }

    /// The answer. Nobody waits here with a connection of the pool in hand: whoever asks needs one.
    pub async fn ask(&self, question: Q) -> Result<A> {
        let lost = || Error::Unavailable(anyhow!("the database did not answer"));
        let (answer, answered) = oneshot::channel();
        self.0.send((question, answer)).await.map_err(|_| lost())?;
        answered.await.map_err(|_| lost())
    }
}

/// Those who share the next question; nobody, when the last handle is gone.
async fn gather<W>(receiver: &mut mpsc::Receiver<W>, in_company: bool) -> Vec<W> {
    let mut waiting = Vec::new();
    receiver.recv_many(&mut waiting, MOST).await;
    let turns = if in_company { TURNS } else { 0 };
    for _ in 0..turns {
        yield_now().await;
        let before = waiting.len();
        while waiting.len() < MOST
            && let Ok(more) = receiver.try_recv()
        {
            waiting.push(more);
        }
        if waiting.len() == before {
            break;
        }
    }
    waiting
}
