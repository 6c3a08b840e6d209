//! Which parts of the suite are wanted.

use crate::cases::{CASES, Case};
use crate::clients::{CLIENTS, Client};
use crate::servers::{SERVERS, Server};

pub const PARTS: &[&str] = &["matrix", "times", "sip", "telnet"];

pub struct Wanted {
    pub parts: Vec<&'static str>,
    pub clients: Vec<&'static Client>,
    pub cases: Vec<&'static Case>,
    pub servers: Vec<Server>,
    /// Whether each part that is wanted is wanted whole.
    pub whole: bool,
}

impl Wanted {
    /// Of each kind those that words name, or all of it if none does.
    pub fn of(words: &str) -> Result<Wanted, String> {
        let mut words: Vec<String> = words.split(',').map(fold).filter(|word| !word.is_empty()).collect();
        let mut known = Vec::new();
        let mut pick = |names: &[&'static str]| {
            known.extend(names.iter().map(|name| fold(name)));
            words.iter().any(|word| names.iter().any(|name| fold(name) == *word))
        };
        let parts: Vec<_> = PARTS.iter().copied().filter(|part| pick(&[part])).collect();
        let clients: Vec<_> = CLIENTS.iter().filter(|client| pick(&[client.name])).collect();
        let cases: Vec<_> = CASES.iter().filter(|case| pick(&[case.group, case.name])).collect();
        let servers: Vec<_> = SERVERS.iter().copied().filter(|server| pick(&[server.name()])).collect();
        words.retain(|word| !known.contains(word));
        if let Some(unknown) = words.first() {
            known.dedup();
            return Err(format!("nothing is called {unknown}; there are {}", known.join(", ")));
        }
        let cells_only = !clients.is_empty() || !cases.is_empty() || !servers.is_empty();
        Ok(Wanted {
            parts: match (parts.is_empty(), cells_only) {
                (false, _) => parts,
                (true, true) => vec!["matrix"],
                (true, false) => PARTS.to_vec(),
            },
            clients: if clients.is_empty() { CLIENTS.iter().collect() } else { clients },
            cases: if cases.is_empty() { CASES.iter().collect() } else { cases },
            servers: if servers.is_empty() { SERVERS.to_vec() } else { servers },
            whole: !cells_only,
        })
    }
}

/// A name without what is tiresome to type.
fn fold(name: &str) -> String {
    name.to_lowercase().chars().filter(|c| !" %:,".contains(*c)).collect()
}
