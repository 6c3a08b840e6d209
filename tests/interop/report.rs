//! The tables.

use std::collections::BTreeMap;

use crate::matrix::Cell;
use crate::outcome::Outcome;
use crate::peers::Peers;
use crate::resyncs::Resync;
use crate::servers::Server;
use crate::times::{RUNS, Timed};

const DOCUMENT: &str = "docs/interop.md";
const END: &str = "<!-- end -->\n";

/// Puts the tables of a part where the document has them.
pub fn write(part: &str, tables: &str) {
    let begin = format!("<!-- make interop ONLY={part} -->\n");
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{DOCUMENT} has no place for {part}"));
    let (_, after) = rest.split_once(END).expect("each place has an end");
    // All at once: another run may write its part.
    let new = format!("{DOCUMENT}.{part}");
    std::fs::write(&new, format!("{before}{begin}\n{}\n\n{END}{after}", tables.trim())).unwrap();
    std::fs::rename(new, DOCUMENT).unwrap();
}

/// What ran, and in which version.
pub fn versions(peers: &Peers) -> String {
    let all: Vec<String> = peers.versions().map(|(name, version)| format!("{name} {version}")).collect();
    format!("dialtone {}; {}.", env!("CARGO_PKG_VERSION"), all.join(", "))
}

/// The times of a file, the shortest of each line in bold.
pub fn times(all: &[Timed]) -> String {
    let mut servers: Vec<Server> = Vec::new();
    for timed in all {
        if !servers.contains(&timed.server) {
            servers.push(timed.server);
        }
    }
    let names: Vec<&str> = servers.iter().map(|server| server.name()).collect();
    let mut text = format!("| lost | client | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for row in all.chunks(servers.len().max(1)) {
        let shortest = row.iter().filter_map(Timed::median).min_by(f32::total_cmp);
        let cell = |timed: &Timed| {
            let (ended, median) = (timed.seconds.len() as u64, timed.median());
            let bold = if median == shortest { "**" } else { "" };
            match (median, ended) {
                (Some(median), RUNS) => {
                    format!("{bold}{median:.1}{bold} ({:.1}–{:.1})", timed.seconds[0], timed.seconds[RUNS as usize - 1])
                }
                (Some(median), _) => format!("{bold}{median:.1}{bold}, {} of {RUNS} gave up", RUNS - ended),
                (None, _) => format!("{} of {RUNS} gave up", RUNS - ended),
            }
        };
        let cells: Vec<String> = row.iter().map(cell).collect();
        text += &format!("| {} | {} | {} |\n", row[0].case.name, row[0].client.name, cells.join(" | "));
    }
    text + "\n"
}

/// What came of NOTIFY and telnet.
pub fn resyncs(all: &[(&Resync, Outcome)]) -> String {
    let mut text = "| peer | what it does | outcome |\n|---|---|---|\n".to_owned();
    for (resync, outcome) in all {
        let outcome = match outcome {
            Outcome::Ok(after) => format!("ok, {:.1} s", after.as_secs_f32()),
            Outcome::Refused(_) => "ok: dialtone says so".to_owned(),
            Outcome::Failed(why) => format!("**failed**: {}", why.replace('|', "\\|")),
            other => format!("{other:?}"),
        };
        text += &format!("| {} | {} | {outcome} |\n", resync.peer, resync.does);
    }
    text + "\n"
}

/// One table for each server, and below them everything that is no file and no refusal in words.
pub fn matrix(cells: &[Cell]) -> String {
    let mut text = String::new();
    let mut servers: Vec<Server> = cells.iter().map(|cell| cell.server).collect();
    servers.dedup();
    for server in servers {
        let of: Vec<&Cell> = cells.iter().filter(|cell| cell.server == server).collect();
        let mut clients: Vec<&str> = Vec::new();
        for cell in &of {
            if !clients.contains(&cell.client.name) {
                clients.push(cell.client.name);
            }
        }
        text +=
            &format!("### {}\n\n| | {} |\n|---|{}\n", server.name(), clients.join(" | "), "---|".repeat(clients.len()));
        for row in of.chunks(clients.len()) {
            let cells: Vec<String> = row.iter().map(|cell| cell.outcome.cell()).collect();
            text += &format!("| {} | {} |\n", row[0].case.name, cells.join(" | "));
        }
        text.push('\n');
        for cell in of {
            if let Outcome::Failed(why) | Outcome::GaveUp(_, why) = &cell.outcome {
                text += &format!("- {}, {}: {}\n", cell.client.name, cell.case.name, why.replace('|', "\\|"));
            }
        }
        text.push('\n');
    }
    text + &cannot(cells)
}

/// What could not be tried, once for each client and reason.
fn cannot(cells: &[Cell]) -> String {
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for cell in cells {
        if let Outcome::Cannot(why) = &cell.outcome {
            let is_servers = why.starts_with(cell.server.name()) || cell.server.cannot().is_some();
            let who = if is_servers { cell.server.name() } else { cell.client.name };
            let cases = reasons.entry((who, why)).or_default();
            if !cases.contains(&cell.case.name) {
                cases.push(cell.case.name);
            }
        }
    }
    let named = |cases: Vec<&str>| if cases.len() > 8 { format!("{} cases", cases.len()) } else { cases.join("; ") };
    let lines = reasons.into_iter().map(|((who, why), cases)| format!("- {who}: {why} ({})\n", named(cases)));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("### Not tried\n\n{lines}") }
}
