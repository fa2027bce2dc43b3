//! Questions that are alike are asked together, for all who have them at the same moment.
//!
//! While some are under way, those who ask the like gather, and are asked about next, once others had a turn
//! to come if several were asked about before. Nobody is answered from before they asked. Questions that
//! are not alike do not wait for each other.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::anyhow;
use futures::future::BoxFuture;
use tokio::{sync::oneshot, task::yield_now};

use super::TURNS;
use crate::error::{Error, Result};

/// One kind of question. What is alike has the same key.
pub struct Alike<K, Q, A>(Arc<Asked<K, Q, A>>);

struct Asked<K, Q, A> {
    /// Who waits for the next answer; a key is here while a question with it is under way.
    waiting: Mutex<HashMap<K, Vec<Waiter<Q, A>>>>,
    /// How many are asked about at once at most.
    most: usize,
    ask: Ask<Q, A>,
}

type Ask<Q, A> = Box<dyn Fn(Vec<Q>) -> BoxFuture<'static, Result<Vec<A>>> + Send + Sync>;

/// What is asked about next, and who waits for it.
struct Gathered<Q, A> {
    questions: Vec<Q>,
    waiters: Vec<oneshot::Sender<Answer<A>>>,
}

struct Waiter<Q, A> {
    question: Q,
    answer: oneshot::Sender<Answer<A>>,
}

/// Whoever shares a question shares its fault.
type Answer<A> = std::result::Result<A, Arc<Error>>;

// A handle is one whatever it asks.
impl<K, Q, A> Clone for Alike<K, Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, Q, A> fmt::Debug for Alike<K, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alike").finish_non_exhaustive()
    }
}

impl<K, Q, A> Alike<K, Q, A>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    Q: Send + 'static,
    A: Clone + Send + 'static,
{
    /// Questions that are asked like this, so many of them at most; answers come in the order of the
    /// questions. After several, the next give others a turn.
    pub fn new<F>(most: usize, ask: impl Fn(Vec<Q>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<A>>> + Send + 'static,
    {
        let ask = Box::new(move |questions| -> BoxFuture<'static, _> { Box::pin(ask(questions)) });
        Self(Arc::new(Asked { waiting: Mutex::default(), most, ask }))
    }

    /// The answer. Once it is asked for it is to its end, even if all who wait for it are gone.
    pub async fn ask(&self, key: K, question: Q) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        if self.0.wait(&key, Waiter { question, answer }) {
            let asked = Arc::clone(&self.0);
            tokio::spawn(async move { asked.answer(&key).await });
        }
        let lost = |_| Error::Unavailable(anyhow!("nobody answers any more"));
        answered.await.map_err(lost)?.map_err(Error::Shared)
    }
}

impl<K: Clone + Eq + Hash, Q, A> Asked<K, Q, A> {
    /// Whether this waiter is the first, whose question is to be asked.
    fn wait(&self, key: &K, waiter: Waiter<Q, A>) -> bool {
        let mut waiting = self.waiting();
        if let Some(others) = waiting.get_mut(key) {
            others.push(waiter);
            return false;
        }
        waiting.insert(key.clone(), vec![waiter]);
        true
    }

    /// Answers whoever waits by now, again and again until nobody does.
    async fn answer(&self, key: &K) {
        let broken_off = BrokenOff { asked: self, key };
        while let Some(Gathered { questions, waiters }) = self.gathered(key) {
            let together = waiters.len();
            match (self.ask)(questions).await {
                Ok(answers) => {
                    for (waiter, answer) in waiters.into_iter().zip(answers) {
                        // Whoever is gone does not hear of it.
                        drop(waiter.send(Ok(answer)));
                    }
                }
                Err(error) => {
                    let error = Arc::new(error);
                    for waiter in waiters {
                        drop(waiter.send(Err(Arc::clone(&error))));
                    }
                }
            }
            if 1 < together {
                for _ in 0..TURNS {
                    yield_now().await;
                }
            }
        }
        // The key is gone, or is somebody else's by now.
        mem::forget(broken_off);
    }

    /// Those who have waited longest, and what they ask; when nobody does any more, the key is gone.
    fn gathered(&self, key: &K) -> Option<Gathered<Q, A>> {
        let mut waiting = self.waiting();
        let all = waiting.get_mut(key)?;
        // Whoever is gone meanwhile need not be asked for.
        all.retain(|waiter| !waiter.answer.is_closed());
        if all.is_empty() {
            waiting.remove(key);
            return None;
        }
        let many = all.len().min(self.most);
        let (questions, waiters) =
            all.drain(..many).map(|waiter| (waiter.question, waiter.answer)).unzip();
        Some(Gathered { questions, waiters })
    }
}

impl<K, Q, A> Asked<K, Q, A> {
    fn waiting(&self) -> MutexGuard<'_, HashMap<K, Vec<Waiter<Q, A>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of questions that are not answered to their end: nobody waits for them, and the next one
/// begins anew.
struct BrokenOff<'a, K: Eq + Hash, Q, A> {
    asked: &'a Asked<K, Q, A>,
    key: &'a K,
}

impl<K: Eq + Hash, Q, A> Drop for BrokenOff<'_, K, Q, A> {
    fn drop(&mut self) {
        self.asked.waiting().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// How many are asked about at once.
    const MOST: usize = 5;

    /// Questions that wait for leave to be answered, with the sum of themselves and of how many times it
    /// was asked before.
    struct Site {
        alike: Alike<&'static str, usize, usize>,
        leave: Arc<Semaphore>,
        asked: Arc<AtomicUsize>,
    }

    impl Site {
        fn new() -> Self {
            let (leave, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
            let alike = Alike::new(MOST, {
                let (leave, asked) = (Arc::clone(&leave), Arc::clone(&asked));
                move |questions: Vec<usize>| {
                    let (leave, asked) = (Arc::clone(&leave), Arc::clone(&asked));
                    async move {
                        let before = asked.fetch_add(1, Ordering::SeqCst);
                        leave.acquire().await.unwrap().forget();
                        match questions[0] {
                            1 => Err(Error::NotAllowed),
                            2 => panic!("as the test wants it"),
                            _ => Ok(questions.iter().map(|own| own + before).collect()),
                        }
                    }
                }
            });
            Self { alike, leave, asked }
        }

        fn ask(
            &self,
            key: &'static str,
            question: usize,
        ) -> tokio::task::JoinHandle<Result<usize>> {
            let alike = self.alike.clone();
            tokio::spawn(async move { alike.ask(key, question).await })
        }

        async fn settle(&self) -> usize {
            for _ in 0..20 {
                yield_now().await;
            }
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn who_asks_while_a_question_is_under_way_shares_the_next_one() {
        let site = Site::new();
        let first = site.ask("a", 0);
        assert_eq!(site.settle().await, 1);
        let later = [site.ask("a", 0), site.ask("a", 0), site.ask("a", 0)];
        assert_eq!(site.settle().await, 1);
        site.leave.add_permits(1);
        assert_eq!(first.await.unwrap().unwrap(), 0);
        assert_eq!(site.settle().await, 2);
        assert!(later.iter().all(|one| !one.is_finished()));
        site.leave.add_permits(1);
        for one in later {
            assert_eq!(one.await.unwrap().unwrap(), 1);
        }
        // Nobody is left, and nothing is kept of them.
        site.settle().await;
        assert!(site.alike.0.waiting().is_empty());
        site.leave.add_permits(1);
        assert_eq!(site.ask("a", 0).await.unwrap().unwrap(), 2);
    }

    #[tokio::test]
    async fn in_company_the_next_question_gives_others_a_turn() {
        let site = Site::new();
        site.leave.add_permits(100);
        let first = site.ask("a", 0);
        let second = [site.ask("a", 0), site.ask("a", 0)];
        // One is there at once when those two are answered, another a turn later.
        let third = [0, 1].map(|turns| {
            let (alike, asked) = (site.alike.clone(), Arc::clone(&site.asked));
            tokio::spawn(async move {
                while asked.load(Ordering::SeqCst) == 0 {
                    yield_now().await;
                }
                for _ in 0..turns {
                    yield_now().await;
                }
                alike.ask("a", 0).await
            })
        });
        for one in [first].into_iter().chain(second) {
            assert_eq!(one.await.unwrap().unwrap(), 0);
        }
        for one in third {
            assert_eq!(one.await.unwrap().unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_for_who_is_gone() {
        let site = Site::new();
        let first = site.ask("a", 0);
        site.settle().await;
        let gone = site.ask("a", 0);
        site.settle().await;
        gone.abort();
        site.leave.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap(), 0);
        assert_eq!(site.settle().await, 1);
        assert!(site.alike.0.waiting().is_empty());
    }

    #[tokio::test]
    async fn each_of_those_asked_together_has_an_own_answer_and_no_more_are_than_may_be() {
        let site = Site::new();
        let first = site.ask("a", 0);
        site.settle().await;
        let later: Vec<_> = (1..=6).map(|own| site.ask("a", 100 * own)).collect();
        site.settle().await;
        site.leave.add_permits(3);
        assert_eq!(first.await.unwrap().unwrap(), 0);
        let mut answers = Vec::new();
        for one in later {
            answers.push(one.await.unwrap().unwrap());
        }
        assert_eq!(answers, [101, 201, 301, 401, 501, 602]);
    }

    #[tokio::test]
    async fn other_questions_do_not_wait() {
        let site = Site::new();
        let both = [site.ask("a", 0), site.ask("b", 0)];
        assert_eq!(site.settle().await, 2);
        site.leave.add_permits(2);
        for one in both {
            one.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_fault_or_a_panic_is_told_to_those_who_wait_and_to_nobody_else() {
        let site = Site::new();
        for fault in [1, 2] {
            let broken = site.ask("a", fault);
            site.settle().await;
            site.leave.add_permits(1);
            let told = broken.await.unwrap().unwrap_err();
            let cause = match told {
                Error::Shared(error) if fault == 1 => matches!(*error, Error::NotAllowed),
                Error::Unavailable(_) => fault == 2,
                _ => false,
            };
            assert!(cause, "{fault}");
            assert!(site.alike.0.waiting().is_empty());
            site.leave.add_permits(1);
            site.ask("a", 0).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn whoever_goes_away_takes_no_answer_from_others() {
        let site = Site::new();
        let first = site.ask("a", 0);
        site.settle().await;
        let second = site.ask("a", 0);
        site.settle().await;
        first.abort();
        site.leave.add_permits(2);
        assert_eq!(second.await.unwrap().unwrap(), 1);
    }
}
