//! How a row of the table is written: [`row`] and what is added to it where it differs from most.

use crate::phone::image::Release;
use crate::phone::parameter::{Group, Kind, Parameter, Place, Source, Unset};

pub(super) const URI: Kind = Kind::Text { max: 127 };

pub(super) const fn number(min: i64, max: i64, unit: &'static str) -> Kind {
    Kind::Number { min, max, unit }
}

pub(super) const PORT: Kind = number(1, 65535, "");

/// A row that every firmware knows and that both objects may set; `default` is what resets it.
pub(super) fn row(name: &str, group: Group, kind: Kind, default: &'static str, about: &str) -> Parameter {
    Parameter::new(name, group, kind, Unset::Write(default), about)
}

impl Parameter {
    pub(super) fn since(mut self, major: u16, minor: u16) -> Self {
        self.since = Release::new(major, minor);
        self
    }

    pub(super) fn place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Nothing is known that resets it.
    pub(super) fn never_reset(mut self) -> Self {
        self.unset = Unset::Leave;
        self
    }

    pub(super) fn noted(mut self) -> Self {
        self.source = Source::Note;
        self
    }

    pub(super) fn by_cme(mut self) -> Self {
        self.source = Source::Cme;
        self.since_unsure()
    }

    pub(super) fn unconfirmed(mut self) -> Self {
        self.source = Source::Use;
        self.since_unsure()
    }

    /// No source says in which firmware it came; what `since` says is the best guess.
    pub(super) fn since_unsure(mut self) -> Self {
        self.since_sure = false;
        self
    }

    pub(super) fn locked_on_phones_only(mut self) -> Self {
        self.phone_only_values = &["AlwaysOff", "AlwaysOn"];
        self
    }
}
