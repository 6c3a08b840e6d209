//! The tables.

use std::collections::BTreeMap;

use crate::matrix::Cell;
use crate::outcome::Outcome;
use crate::servers::Server;

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
            let who = if cell.server.cannot().is_some() { cell.server.name() } else { cell.client.name };
            let cases = reasons.entry((who, why)).or_default();
            if !cases.contains(&cell.case.name) {
                cases.push(cell.case.name);
            }
        }
    }
    let lines = reasons.into_iter().map(|((who, why), cases)| format!("- {who}: {why} ({})\n", cases.join(", ")));
    lines.collect()
}
