//! The rows of what stands beside a phone's keys and in the corner of its display.

use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{Group, Kind, Parameter, Place, UNPROVISIONED};
use crate::phone::table::row::{URI, row};

/// How many speed dials the guide of Unified CME knows; files in use have one more.
const SPEED_DIALS_OF_CME: usize = 5;

pub(super) fn phone() -> Vec<Parameter> {
    use Group::{Lines, SpeedDials};
    let mut rows = vec![
        row("phone_label", Lines, Kind::Text { max: 11 }, "", "The text in the upper right corner of the display.")
            .noted()
            .place(Place::Elsewhere)
            .since(2, 0),
    ];
    for n in 1..=MAX_LINES {
        let dial = |row: Parameter| {
            let row = row.place(Place::Phone).since(7, 0);
            if n <= SPEED_DIALS_OF_CME { row.by_cme() } else { row.unconfirmed() }
        };
        let (line, label) = (
            format!(
                "The number or URI of speed dial {n}. The guide of Unified CME numbers them from 1, whatever keys have lines; files in use were seen to count the keys from the top instead."
            ),
            format!("The label of speed dial {n}."),
        );
        rows.push(dial(row(&format!("speed_line{n}"), SpeedDials, URI, "", &line)));
        rows.push(dial(row(&format!("speed_label{n}"), SpeedDials, Kind::Text { max: 31 }, "", &label)));
    }
    rows
}

pub(super) fn lines() -> Vec<Parameter> {
    use Group::Lines;
    let mut rows = Vec::new();
    for n in 1..=MAX_LINES {
        let line = |what: &str, kind, unset, about: &str| {
            row(&format!("line{n}_{what}"), Lines, kind, unset, about).place(Place::Elsewhere)
        };
        rows.extend([
            line(
                "name",
                Kind::Text { max: 127 },
                "",
                "The user part of the line's SIP address. Only an empty name means that there is no line.",
            )
            .noted(),
            line("shortname", Kind::Text { max: 31 }, "", "The label beside the line's key. Unset: the display name.")
                .since_unsure(),
            line(
                "displayname",
                Kind::Text { max: 31 },
                "",
                "The display name in the From header. Unset: the line's name.",
            )
            .noted()
            .since(2, 0),
            line("authname", Kind::Text { max: 128 }, UNPROVISIONED, "The user name for authentication."),
            line("password", Kind::Secret { max: 31 }, UNPROVISIONED, "The password for authentication."),
            line("contact", Kind::Text { max: 127 }, "", "The URL in the Contact header.").unconfirmed(),
        ]);
    }
    rows
}
