//! The rows of what happens with calls.

use crate::phone::parameter::{Group, Kind, Parameter, Place};
use crate::phone::table::choices::LOCKABLE;
use crate::phone::table::row::{URI, number, row};

pub(super) fn all() -> Vec<Parameter> {
    [lockable(), features()].concat()
}

/// The settings that a phone's user can change unless they are locked.
fn lockable() -> Vec<Parameter> {
    use Group::Calls;
    vec![
        row("call_waiting", Calls, Kind::Choice(LOCKABLE), "1", "Whether a second call may come in on a busy line.")
            .noted()
            .since(3, 0)
            .since_unsure()
            .locked_on_phones_only(),
        row(
            "dnd_control",
            Calls,
            Kind::Choice(LOCKABLE),
            "0",
            "Do Not Disturb. AlwaysOn makes a phone that can only call out.",
        )
        .noted()
        .since(2, 0)
        .locked_on_phones_only(),
        row(
            "callerid_blocking",
            Calls,
            Kind::Choice(LOCKABLE),
            "0",
            "Whether the caller's own name and number are withheld.",
        )
        .since(2, 0)
        .locked_on_phones_only(),
        row(
            "anonymous_call_block",
            Calls,
            Kind::Choice(LOCKABLE),
            "0",
            "Whether calls without a name and number are refused.",
        )
        .since(2, 0)
        .locked_on_phones_only(),
        row(
            "call_hold_ringback",
            Calls,
            Kind::Choice(LOCKABLE),
            "0",
            "Whether a held call rings back when the other call ends.",
        )
        .since(4, 4)
        .locked_on_phones_only(),
    ]
}

/// Forwarding, transfer and conferences.
fn features() -> Vec<Parameter> {
    use Group::Calls;
    vec![
        row("autocomplete", Calls, Kind::Switch, "1", "Whether numbers are completed while dialling.").since_unsure(),
        row("cnf_join_enable", Calls, Kind::Switch, "1", "Whether a conference goes on when its host leaves.")
            .since(3, 0),
        row(
            "semi_attended_transfer",
            Calls,
            Kind::Switch,
            "1",
            "Whether a call can be transferred while the target still rings.",
        )
        .since(3, 1),
        row("transfer_onhook_enabled", Calls, Kind::Switch, "0", "Whether hanging up completes a transfer.")
            .since(8, 0)
            .unconfirmed(),
        row("local_cfwd_enable", Calls, Kind::Switch, "1", "Whether calls can be forwarded at the phone.")
            .since(7, 0)
            .by_cme(),
        row("cfwd_url", Calls, URI, "", "Where all calls are forwarded to.").place(Place::Phone).by_cme(),
        row(
            "auto_answer",
            Calls,
            number(0, 63, ""),
            "0",
            "The lines that answer by themselves, as a bit mask of their keys: 1 for key 1, 2 for key 2, 4 for key 3 and so on.",
        )
        .place(Place::Phone)
        .since(7, 0)
        .by_cme(),
        row("stutter_msg_waiting", Calls, Kind::Switch, "0", "Whether the dial tone stutters while messages wait.")
            .since(6, 0),
        row("call_stats", Calls, Kind::Switch, "0", "Whether BYE carries statistics of the call's voice packets.")
            .since(6, 0),
    ]
}
