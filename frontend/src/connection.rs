//! Whether the server can be reached. What waits for it goes on by itself when it is back: reading
//! again harms nobody, what creates carries a key by which the server knows a repetition, and what
//! changes carries the version that it is based on.

use std::{cell::RefCell, rc::Rc};

use futures::channel::oneshot;
use gloo_timers::future::TimeoutFuture;
use leptos::{ev, prelude::*, task::spawn_local};
use shared::problem::ProblemKind;

use crate::api::{Result, transport};

/// Waits between looks for the server, in milliseconds; the last one stays.
const LOOKS_MS: [u32; 5] = [1000, 2000, 3000, 5000, 8000];
/// How often a server that says it is not ready is asked again: it may stay so.
const PATIENCE: u8 = 8;

/// Something that waits: told `true` when the server is back, `false` when nobody wants it any more.
struct Waiting {
    is_change: bool,
    tell: oneshot::Sender<bool>,
}

struct Line {
    lost: ArcRwSignal<bool>,
    /// How many changes wait to be sent.
    changes: ArcRwSignal<usize>,
    waiting: RefCell<Vec<Waiting>>,
}

thread_local! {
    static LINE: Rc<Line> = Rc::new(Line {
        lost: ArcRwSignal::new(false),
        changes: ArcRwSignal::new(0),
        waiting: RefCell::new(Vec::new()),
    });
}

fn line() -> Rc<Line> {
    LINE.with(Rc::clone)
}

/// Whether the server does not answer (reactive).
pub fn is_lost() -> bool {
    line().lost.get()
}

/// How many changes wait to be sent (reactive).
pub fn waiting_changes() -> usize {
    line().changes.get()
}

/// Does something until the server has answered, or until the person gives it up. Only for what may
/// be repeated.
pub async fn persist<T>(is_change: bool, send: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut patience = PATIENCE;
    loop {
        let answer = send().await;
        let lost = match &answer {
            Err(problem) if problem.kind == ProblemKind::Unreachable => true,
            Err(problem) if problem.kind == ProblemKind::Unavailable && 0 < patience => {
                patience -= 1;
                true
            }
            _ => false,
        };
        if !lost || !back(is_change).await {
            return answer;
        }
    }
}

/// Waits until the server answers again; `false` if the person does not want to wait.
async fn back(is_change: bool) -> bool {
    let (tell, told) = oneshot::channel();
    line().waiting.borrow_mut().push(Waiting { is_change, tell });
    line().count();
    look();
    told.await.unwrap_or(false)
}

/// What waits is not sent any more.
pub fn give_up() {
    line().settle(false);
}

/// Notices that the browser has lost the network before anything is asked for.
pub fn watch() {
    // As long as the page is there.
    let _ = window_event_listener(ev::offline, |_| look());
}

/// Looks for the server until it answers; one look-out is enough.
fn look() {
    if line().lost.get_untracked() {
        return;
    }
    line().lost.set(true);
    spawn_local(async {
        let mut pauses = LOOKS_MS.into_iter();
        let mut pause = LOOKS_MS[0];
        loop {
            pause = pauses.next().unwrap_or(pause);
            TimeoutFuture::new(pause).await;
            if transport::answers().await {
                break;
            }
        }
        line().lost.set(false);
        line().settle(true);
    });
}

impl Line {
    fn settle(&self, is_back: bool) {
        for waiting in self.waiting.take() {
            // Whoever waited may have gone.
            let _ = waiting.tell.send(is_back);
        }
        self.count();
    }

    fn count(&self) {
        let changes = self.waiting.borrow().iter().filter(|waiting| waiting.is_change).count();
        if self.changes.get_untracked() != changes {
            self.changes.set(changes);
        }
    }
}
