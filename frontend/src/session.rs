//! Who is signed in. The access token lives here, in memory, and nowhere else; the refresh token
//! is a cookie that no script can read.

use std::{cell::RefCell, rc::Rc};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{LocalBoxFuture, Shared},
};
use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use shared::{
    access::{Permission, Reach, Role, SitePolicy, Visibility},
    preferences::{InForce, Preferences},
    problem::{Problem, ProblemKind},
    second_factor::SecondStep,
    session::{Credentials, SessionTerms, SignedIn},
    settings::Units,
    user::User,
};

use crate::{
    api::{self, Result},
    connection, language,
};

/// A token is renewed when it has less than this left, so that it does not expire on its way.
const MARGIN_MS: f64 = 30_000.0;
/// So long before the session ends the person is asked whether to stay.
const WARNING_MS: f64 = 180_000.0;

/// Where the person stands with the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// The page has just been loaded: the cookie is being tried.
    Starting,
    /// The cookie could not be tried.
    Unreachable(Problem),
    /// Nobody is signed in.
    SignedOut {
        /// The person chose to leave, so the page they left is not where they want back to.
        on_purpose: bool,
    },
    /// Somebody is.
    SignedIn(User),
}

/// An access token and when it ends, in milliseconds of the browser's clock.
struct Token {
    text: String,
    ends_at_ms: f64,
}

type Renewal = Shared<LocalBoxFuture<'static, Result<()>>>;

/// The one session of the page.
struct Session {
    standing: ArcRwSignal<Standing>,
    /// What holds for the session of whoever is signed in.
    terms: ArcRwSignal<Option<SessionTerms>>,
    /// What whoever is signed in has chosen.
    preferences: ArcRwSignal<Option<Preferences>>,
    /// The session ended on the server while the page was in use: a dialog asks to sign in again.
    expired: ArcRwSignal<bool>,
    token: RefCell<Option<Token>>,
    /// The session is about to end: whether it can be prolonged.
    ending: ArcRwSignal<Option<bool>>,
    /// Warns before the session ends, then says that it has ended.
    timer: RefCell<Option<Timeout>>,
    /// The renewal on its way, shared by all the calls that need it.
    renewal: RefCell<Option<Renewal>>,
    /// Calls that wait for the dialog.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

thread_local! {
    static SESSION: Rc<Session> = Rc::new(Session {
        standing: ArcRwSignal::new(Standing::Starting),
        terms: ArcRwSignal::new(None),
        preferences: ArcRwSignal::new(None),
        expired: ArcRwSignal::new(false),
        ending: ArcRwSignal::new(None),
        timer: RefCell::new(None),
        token: RefCell::new(None),
        renewal: RefCell::new(None),
        waiting: RefCell::new(Vec::new()),
    });
}

fn session() -> Rc<Session> {
    SESSION.with(Rc::clone)
}

/// Where the person stands (reactive).
pub fn standing() -> Standing {
    session().standing.get()
}

/// Who is signed in (reactive).
pub fn user() -> Option<User> {
    match standing() {
        Standing::SignedIn(user) => Some(user),
        _ => None,
    }
}

/// Whether whoever is signed in may do this (reactive). The server decides; this only hides.
pub fn allows(permission: Permission) -> bool {
    user().is_some_and(|user| user.role.allows_at(permission, site()))
}

/// Whether only a patient's care team sees the record (reactive).
pub fn care_teams_only() -> bool {
    site().visibility == Visibility::CareTeam
}

/// Whose records a role reaches here (reactive).
pub fn reach(role: Role) -> Reach {
    role.reach_at(site())
}

/// What the site's settings leave of the policy (reactive).
fn site() -> SitePolicy {
    let nothing = SitePolicy { patients_see_risk: false, visibility: Visibility::default() };
    session().terms.with(|terms| terms.as_ref().map_or(nothing, |terms| terms.site))
}

/// What holds for whoever is signed in. Not reactive: what is on a page, and typed there, keeps the
/// units that it was drawn with.
pub fn in_force() -> InForce {
    session().preferences.get_untracked().map(|chosen| chosen.in_force).unwrap_or_default()
}

/// The units that values are shown in (not reactive).
pub fn units() -> Units {
    in_force().units
}

/// What whoever is signed in has just chosen holds from now on.
pub fn take_in_preferences(chosen: Preferences) {
    let preferences = &session().preferences;
    if preferences.get_untracked() != Some(chosen) {
        preferences.set(Some(chosen));
    }
}

/// Whether nothing but the own account is open until there is a second factor (reactive).
pub fn must_enrol() -> bool {
    session().terms.with(|terms| terms.as_ref().is_some_and(|terms| terms.must_enrol))
}

/// Whether the session is about to end and, if so, whether it can be prolonged (reactive).
pub fn ending() -> Option<bool> {
    session().ending.get()
}

/// Prolongs the session.
pub async fn stay() -> Result<()> {
    renew().await
}

/// The person has read the warning.
pub fn dismiss_warning() {
    session().ending.set(None);
}

/// Whether the session ended while the page was in use (reactive).
pub fn expired() -> bool {
    session().expired.get()
}

/// Whether the session has ended by now (not reactive).
pub fn expired_now() -> bool {
    session().expired.get_untracked()
}

/// Tries the cookie, so that a reload keeps the person signed in.
pub async fn start() {
    let session = session();
    session.standing.set(Standing::Starting);
    match renew().await {
        Ok(()) => {}
        Err(problem) if problem.kind == ProblemKind::NotSignedIn => {
            // Whoever comes here for the first time is greeted in the language of the site.
            let is_strange = !language::is_kept()
                && api::session::site().await.is_ok_and(|site| language::choose(site.language));
            if !is_strange {
                session.standing.set(Standing::SignedOut { on_purpose: false });
            }
        }
        Err(problem) => session.standing.set(Standing::Unreachable(problem)),
    }
}

/// Signs in, at first or over the page after the session ended.
pub async fn sign_in(credentials: &Credentials) -> Result<()> {
    let signed_in = api::session::login(credentials).await?;
    session().take_in(signed_in);
    Ok(())
}

/// Finishes signing in with a code.
pub async fn second_step(step: &SecondStep) -> Result<()> {
    let signed_in = api::session::second_step(step).await?;
    session().take_in(signed_in);
    Ok(())
}

/// Signs out. The session on this page ends even if the server cannot be told.
pub async fn sign_out() {
    let session = session();
    // Nobody is asked to sign in again in order to sign out.
    let token = match session.fresh_token() {
        Some(token) => Some(token),
        None => api::session::refresh().await.ok().map(|signed_in| signed_in.access_token),
    };
    if let Some(token) = token {
        // A server that cannot be reached forgets the session by itself when it has been idle.
        let _ = api::session::logout(&token).await;
    }
    session.token.replace(None);
    session.standing.set(Standing::SignedOut { on_purpose: true });
    session.expired.set(false);
    session.ending.set(None);
    session.timer.replace(None);
    session.waiting.borrow_mut().clear();
    crate::kept::leave_only(None);
}

/// A token that is still good for a call; waits for the dialog if the session has ended.
pub async fn bearer() -> Result<String> {
    let session = session();
    if let Some(token) = session.fresh_token() {
        return Ok(token);
    }
    match renew().await {
        Err(problem) if problem.kind == ProblemKind::NotSignedIn => {
            session.wait_for_dialog().await.ok_or(problem)?;
        }
        settled => settled?,
    }
    session.fresh_token().ok_or_else(|| Problem::new(ProblemKind::NotSignedIn))
}

/// Forgets a token that the server no longer takes, unless it has been renewed meanwhile.
pub fn discard(text: &str) {
    let session = session();
    let mut token = session.token.borrow_mut();
    if token.as_ref().is_some_and(|token| token.text == text) {
        *token = None;
    }
}

/// Renews the access token by the cookie; calls at the same time share one renewal.
async fn renew() -> Result<()> {
    let session = session();
    let running = session.renewal.borrow().clone();
    let renewal = running.unwrap_or_else(|| {
        let renewal = renew_once().boxed_local().shared();
        session.renewal.replace(Some(renewal.clone()));
        renewal
    });
    renewal.await
}

async fn renew_once() -> Result<()> {
    let renewed = connection::persist(false, api::session::refresh).await;
    let session = session();
    session.renewal.replace(None);
    session.take_in(renewed?);
    Ok(())
}

impl Session {
    fn take_in(&self, signed_in: SignedIn) {
        self.token.replace(Some(Token {
            text: signed_in.access_token,
            ends_at_ms: js_sys::Date::now() + f64::from(signed_in.expires_in) * 1000.0,
        }));
        // Another session of an equal user on equal terms changes nothing on the page: what is typed
        // there stays.
        self.watch(&signed_in.session);
        let opens = |terms: &SessionTerms| (terms.must_enrol, terms.site);
        let new = opens(&signed_in.session);
        let is_same = self.terms.with_untracked(|now| now.as_ref().map(opens) == Some(new));
        let terms = Some(signed_in.session);
        if is_same {
            self.terms.update_untracked(|now| *now = terms);
        } else {
            self.terms.set(terms);
        }
        take_in_preferences(signed_in.preferences);
        crate::kept::leave_only(Some(signed_in.user.id));
        // Not in the middle of something: a page that is in use keeps its language.
        let arrives = self.standing.with_untracked(|now| !matches!(now, Standing::SignedIn(_)));
        if arrives && language::choose(signed_in.preferences.in_force.language) {
            return;
        }
        let standing = Standing::SignedIn(signed_in.user);
        if self.standing.with_untracked(|now| *now != standing) {
            self.standing.set(standing);
        }
        if self.expired.get_untracked() {
            self.expired.set(false);
        }
        for waiting in self.waiting.take() {
            // Whoever waited may have left the page.
            let _ = waiting.send(());
        }
    }

    /// Sets the timer for a session that was used just now.
    fn watch(&self, terms: &SessionTerms) {
        if self.ending.get_untracked().is_some() {
            self.ending.set(None);
        }
        let idle_ms = f64::from(terms.idle_minutes) * 60_000.0;
        let whole_ms = terms.expires_at.timestamp_millis() as f64 - js_sys::Date::now();
        let (left_ms, can_stay) = (idle_ms.min(whole_ms), idle_ms < whole_ms);
        let warn = move || {
            let session = session();
            session.ending.set(Some(can_stay));
            session.timer.replace(Some(Timeout::new(WARNING_MS.min(left_ms) as u32, end)));
        };
        let wait_ms = (left_ms - WARNING_MS).max(0.0) as u32;
        self.timer.replace(Some(Timeout::new(wait_ms, warn)));
    }

    /// The token, if it is fresh: whoever takes it uses the session, which is idle from then on.
    fn fresh_token(&self) -> Option<String> {
        let text = self.token.borrow().as_ref().and_then(|token| {
            (js_sys::Date::now() < token.ends_at_ms - MARGIN_MS).then(|| token.text.clone())
        })?;
        if let Some(terms) = self.terms.get_untracked() {
            self.watch(&terms);
        }
        Some(text)
    }

    /// Opens the dialog and waits until the person signed in again; `None` if they left instead.
    async fn wait_for_dialog(&self) -> Option<()> {
        if self.standing.with_untracked(|now| !matches!(now, Standing::SignedIn(_))) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().push(sender);
        if !self.expired.get_untracked() {
            self.expired.set(true);
        }
        receiver.await.ok()
    }
}

/// The session has ended by the clock: asks to sign in again over the page.
fn end() {
    let session = session();
    session.ending.set(None);
    session.token.replace(None);
    if session.standing.with_untracked(|now| matches!(now, Standing::SignedIn(_))) {
        session.expired.set(true);
    }
}
