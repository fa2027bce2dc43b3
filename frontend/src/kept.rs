//! What is typed and not yet saved outlives a reload and a look at another page: it stays in the
//! tab's own storage, which ends with the tab, until it is saved or thrown away. Signing out throws
//! away all of it, and nobody finds what somebody else has typed.

use leptos::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use shared::id::UserId;
use web_sys::Storage;

use crate::session;

/// What the names of all of it begin with.
const PREFIX: &str = "nephrocast.typed.";

/// Where what is typed into one form stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept(String);

impl Kept {
    /// Of one form, for whoever is signed in.
    pub fn of(form: &str) -> Self {
        let user = untrack(session::user).map(|user| user.id.to_string()).unwrap_or_default();
        Self(format!("{PREFIX}{user}.{form}"))
    }

    /// What was typed and is neither saved nor thrown away.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let text = storage()?.get_item(&self.0).ok().flatten()?;
        // What an older program has kept in another form is as good as nothing.
        serde_json::from_str(&text).ok()
    }

    /// Keeps what stands in the form now.
    pub fn write(&self, typed: &impl Serialize) {
        if let (Some(storage), Ok(text)) = (storage(), serde_json::to_string(typed)) {
            // A browser that keeps nothing, or no more, forgets it with the page.
            let _ = storage.set_item(&self.0, &text);
        }
    }

    /// It is saved, or thrown away.
    pub fn forget(&self) {
        if let Some(storage) = storage() {
            // See `write`.
            let _ = storage.remove_item(&self.0);
        }
    }

    /// Keeps the fields of a form that are texts: puts back what was typed before, and follows what
    /// is typed from now on.
    #[must_use]
    pub fn fields(self, fields: &[RwSignal<String>]) -> Self {
        for (field, text) in fields.iter().zip(self.read::<Vec<String>>().unwrap_or_default()) {
            field.set(text);
        }
        let (fields, kept) = (fields.to_vec(), self.clone());
        let texts = move || fields.iter().map(|field| field.get()).collect::<Vec<_>>();
        Effect::watch(texts, move |texts, _, _| kept.write(texts), false);
        self
    }

    /// The way out of a dialog, by which what is typed there is thrown away or saved.
    pub fn closing(self, close: Callback<()>) -> Callback<()> {
        Callback::new(move |()| {
            self.forget();
            close.run(());
        })
    }
}

/// Throws away what others than this person have typed in this tab; with nobody, all of it.
pub fn leave_only(user: Option<UserId>) {
    let Some(storage) = storage() else { return };
    let own = user.map(|user| format!("{PREFIX}{user}."));
    let count = storage.length().unwrap_or_default();
    let names = (0..count).filter_map(|index| storage.key(index).ok().flatten());
    let strange = |name: &String| {
        name.starts_with(PREFIX) && own.as_ref().is_none_or(|own| !name.starts_with(own))
    };
    for name in names.filter(strange).collect::<Vec<_>>() {
        // See `write`.
        let _ = storage.remove_item(&name);
    }
}

fn storage() -> Option<Storage> {
    window().session_storage().ok().flatten()
}
