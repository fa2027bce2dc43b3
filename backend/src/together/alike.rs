//! Questions that are alike are asked once for all who have them at the same moment.
//!
//! While one is under way, those who ask the same gather, and share the next, which waits a moment for
//! company where the one before had several. Nobody is answered from before they asked. Questions that
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
use tokio::{
    sync::oneshot,
    time::{Duration, sleep},
};

use crate::error::{Error, Result};

/// One kind of question. What is alike has the same key.
pub struct Alike<K, Q, A>(Arc<Asked<K, Q, A>>);

struct Asked<K, Q, A> {
    /// Who waits for the next answer; a key is here while a question with it is under way.
    waiting: Mutex<HashMap<K, Vec<Waiter<Q, A>>>>,
    company: Duration,
    ask: Box<dyn Fn(Q) -> BoxFuture<'static, Result<A>> + Send + Sync>,
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
    /// Questions that are asked like this. Where several shared one, the next waits so long for more.
    pub fn new<F>(company: Duration, ask: impl Fn(Q) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<A>> + Send + 'static,
    {
        let ask = Box::new(move |question| -> BoxFuture<'static, _> { Box::pin(ask(question)) });
        Self(Arc::new(Asked { waiting: Mutex::default(), company, ask }))
    }

    /// The answer. It is asked for to its end, even if all who wait for it are gone.
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

impl<K: Clone + Eq + Hash, Q, A: Clone> Asked<K, Q, A> {
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

    /// Answers with one question whoever waits by now, again and again until nobody does.
    async fn answer(&self, key: &K) {
        let broken_off = BrokenOff { asked: self, key };
        while let Some((question, waiters)) = self.gathered(key) {
            let together = waiters.len();
            let answer = (self.ask)(question).await.map_err(Arc::new);
            for waiter in waiters {
                // Whoever is gone does not hear of it.
                drop(waiter.send(answer.clone()));
            }
            if 1 < together && !self.company.is_zero() {
                sleep(self.company).await;
            }
        }
        // The key is gone, or is somebody else's by now.
        mem::forget(broken_off);
    }

    /// Those who wait, and what they ask; nobody any more, and the key is gone.
    fn gathered(&self, key: &K) -> Option<(Q, Vec<oneshot::Sender<Answer<A>>>)> {
        let mut waiting = self.waiting();
        let gathered = mem::take(waiting.get_mut(key)?);
        let (questions, waiters): (Vec<_>, Vec<_>) =
            gathered.into_iter().map(|waiter| (waiter.question, waiter.answer)).unzip();
        let question = questions.into_iter().next();
        if question.is_none() {
            waiting.remove(key);
        }
        Some((question?, waiters))
    }
}

impl<K, Q, A> Asked<K, Q, A> {
    fn waiting(&self) -> MutexGuard<'_, HashMap<K, Vec<Waiter<Q, A>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a question that is not answered to its end: nobody waits for it, and the next one
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

    use tokio::{sync::Semaphore, task::yield_now};

    use super::*;

    /// Questions that wait for leave to be answered, by how many times one was asked before.
    struct Site {
        alike: Alike<&'static str, usize, usize>,
        leave: Arc<Semaphore>,
        asked: Arc<AtomicUsize>,
    }

    impl Site {
        fn new(company: Duration) -> Self {
            let (leave, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
            let alike = Alike::new(company, {
                let (leave, asked) = (Arc::clone(&leave), Arc::clone(&asked));
                move |question: usize| {
                    let (leave, asked) = (Arc::clone(&leave), Arc::clone(&asked));
                    async move {
                        let before = asked.fetch_add(1, Ordering::SeqCst);
                        leave.acquire().await.unwrap().forget();
                        match question {
                            0 => Ok(before),
                            1 => Err(Error::NotAllowed),
                            _ => panic!("as the test wants it"),
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
        let site = Site::new(Duration::ZERO);
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
    async fn in_company_the_next_question_waits_for_more() {
        let site = Site::new(Duration::from_millis(500));
        site.leave.add_permits(3);
        let first = site.ask("a", 0);
        let second = [site.ask("a", 0), site.ask("a", 0)];
        assert_eq!(first.await.unwrap().unwrap(), 0);
        for one in second {
            // The first three came at once, and may have shared the first question.
            assert!(one.await.unwrap().unwrap() <= 1);
        }
        let before = site.settle().await;
        let third = [site.ask("a", 0), site.ask("a", 0), site.ask("a", 0)];
        assert_eq!(site.settle().await, before, "there is company: it waits");
        for one in third {
            assert_eq!(one.await.unwrap().unwrap(), before);
        }
    }

    #[tokio::test]
    async fn other_questions_do_not_wait() {
        let site = Site::new(Duration::ZERO);
        let both = [site.ask("a", 0), site.ask("b", 0)];
        assert_eq!(site.settle().await, 2);
        site.leave.add_permits(2);
        for one in both {
            one.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_fault_or_a_panic_is_told_to_those_who_wait_and_to_nobody_else() {
        let site = Site::new(Duration::ZERO);
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
        let site = Site::new(Duration::ZERO);
        let first = site.ask("a", 0);
        site.settle().await;
        let second = site.ask("a", 0);
        site.settle().await;
        first.abort();
        site.leave.add_permits(2);
        assert_eq!(second.await.unwrap().unwrap(), 1);
    }
}
