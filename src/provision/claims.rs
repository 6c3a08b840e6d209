//! Who may have what only one can have: a MAC address, a line's name on a proxy.
//!
//! The older object keeps it, whatever order objects arrive in: so the answer is the same after a restart.

pub mod identities;

use std::collections::HashMap;
use std::hash::Hash;

use crate::provision::Key;

/// A claimant: when it was created, and who it is.
pub type Claimant = (i64, Key);

/// All claims of one kind, by what is claimed; the oldest of each comes first. Almost always there is just one.
#[derive(Debug)]
pub struct Claims<T>(HashMap<T, Vec<Claimant>>);

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Claims(HashMap::new())
    }
}

impl<T: Eq + Hash> Claims<T> {
    /// Adds a claim; the claimants whose standing may have changed.
    pub fn add(&mut self, claim: T, claimant: Claimant) -> Vec<Key> {
        let claimants = self.0.entry(claim).or_insert_with(|| Vec::with_capacity(1));
        let Err(at) = claimants.binary_search(&claimant) else { return Vec::new() };
        claimants.insert(at, claimant.clone());
        // Only if the new one is the oldest does anybody else lose.
        match claimants.first() {
            Some(first) if *first == claimant => others(claimants, &claimant),
            _ => Vec::new(),
        }
    }

    /// Takes a claim away; the claimants whose standing may have changed.
    pub fn remove(&mut self, claim: &T, claimant: &Claimant) -> Vec<Key> {
        let Some(claimants) = self.0.get_mut(claim) else { return Vec::new() };
        let was_first = claimants.first() == Some(claimant);
        claimants.retain(|other| other != claimant);
        let affected = if was_first { others(claimants, claimant) } else { Vec::new() };
        if claimants.is_empty() {
            self.0.remove(claim);
        }
        affected
    }

    /// Who has it.
    pub fn holder(&self, claim: &T) -> Option<&Key> {
        self.claimants(claim).next()
    }

    /// All who want it, the oldest first.
    pub fn claimants<'a>(&'a self, claim: &T) -> impl Iterator<Item = &'a Key> + use<'a, T> {
        self.0.get(claim).into_iter().flatten().map(|(_, key)| key)
    }
}

fn others(claimants: &[Claimant], but: &Claimant) -> Vec<Key> {
    claimants.iter().filter(|c| *c != but).map(|(_, key)| key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_one_keeps_it_whatever_came_first() {
        let (old, young) = ((1, Key::new("ns", "z")), (2, Key::new("ns", "a")));
        let mut claims = Claims::default();
        assert!(claims.add("mac", young.clone()).is_empty());
        assert_eq!(claims.add("mac", old.clone()), std::slice::from_ref(&young.1));
        assert_eq!(claims.holder(&"mac"), Some(&old.1));
        assert_eq!(claims.remove(&"mac", &old), std::slice::from_ref(&young.1));
        assert_eq!(claims.holder(&"mac"), Some(&young.1));
        assert!(claims.remove(&"mac", &young).is_empty());
        assert_eq!(claims.holder(&"mac"), None);
    }
}
