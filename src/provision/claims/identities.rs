//! Who each phone says it is: its MAC address and its lines, and who keeps what two of them want. A phone whose newest
//! specification is not served goes on claiming the address that it is served under.

use std::collections::HashMap;
use std::sync::Arc;

use crate::phone::Mac;
use crate::provision::Key;
use crate::provision::claims::{Claimant, Claims};
use crate::provision::render::plan::{LineIdentity, PhoneLine};

/// A line's name on its proxy, in a namespace; without a proxy, in a site.
type LineClaim = (Arc<str>, LineIdentity);

/// The identities of all phones.
#[derive(Debug, Default)]
pub struct Identities {
    phones: HashMap<Key, Identity>,
    macs: Claims<(Arc<str>, Mac)>,
    lines: Claims<LineClaim>,
    /// Names of lines on a site, whatever their proxies.
    names: Claims<(Key, Arc<str>)>,
}

/// What one phone claims.
#[derive(Debug)]
struct Identity {
    created: i64,
    site: Key,
    mac: Option<Mac>,
    /// The address that it is served under.
    held: Option<Mac>,
    lines: Vec<PhoneLine>,
}

impl Identity {
    /// The addresses that it claims, each once.
    fn macs(&self, namespace: &Arc<str>) -> Vec<(Arc<str>, Mac)> {
        let held = self.held.filter(|held| self.mac != Some(*held));
        self.mac.into_iter().chain(held).map(|mac| (namespace.clone(), mac)).collect()
    }

    fn line_claim(&self, line: &LineIdentity) -> LineClaim {
        let scope = match line.proxy {
            Some(_) => self.site.namespace.clone(),
            // Lines without a SIP server are distinguished by their sites.
            None => self.site.to_string().into(),
        };
        (scope, line.clone())
    }

    fn line_claims(&self) -> Vec<LineClaim> {
        // Only a typed line is refused to others.
        self.lines.iter().filter(|line| !line.is_extra).map(|line| self.line_claim(&line.identity)).collect()
    }

    /// Its site and the names of its lines, each once.
    fn names(&self) -> Vec<(Key, Arc<str>)> {
        let mut names: Vec<_> = self.lines.iter().map(|line| (self.site.clone(), line.identity.name.clone())).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Something that two phones, or two lines of one phone, want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict<'a> {
    /// An older phone has the MAC address.
    Mac {
        /// The address.
        mac: Mac,
        /// The older phone.
        holder: &'a Key,
        /// Whether that one only goes on being served under it, and says another address, or none.
        is_last_good: bool,
        /// Why that one keeps it.
        why: Precedence,
    },
    /// An older phone has a line of this name on the same proxy.
    Line {
        /// The place of the line among the phone's.
        index: usize,
        /// The line.
        line: &'a LineIdentity,
        /// The older phone.
        holder: &'a Key,
        /// Why that one keeps it.
        why: Precedence,
    },
    /// A line of the same name is on another proxy, or one of the two is no line of the list: confusing, and no error.
    Name {
        /// The place of the line among the phone's.
        index: usize,
        /// The line.
        line: &'a PhoneLine,
        /// The other line.
        other: OtherLine<'a>,
        /// Whether that one is on another proxy for certain.
        is_elsewhere: bool,
    },
}

/// Why one of two phones keeps what both want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// It is older.
    Older,
    /// Both are of one age, as in manifests, and its name comes first.
    Name,
}

/// A line that has the same name on another proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherLine<'a> {
    /// An earlier line of the same phone.
    Own(usize),
    /// A line of an older phone of the site.
    Of(&'a Key),
}

impl Identities {
    /// Replaces what a phone claims: the address that it says and the one that it is served under, and its lines. The phones whose
    /// standing may have changed.
    pub fn claim(
        &mut self,
        phone: &Key,
        created: i64,
        site: &Key,
        (mac, held): (Option<Mac>, Option<Mac>),
        lines: Vec<PhoneLine>,
    ) -> Vec<Key> {
        let same = |old: &Identity| old.site == *site && old.mac == mac && old.held == held && old.lines == lines;
        if self.phones.get(phone).is_some_and(same) {
            return Vec::new();
        }
        let new = Identity { created, site: site.clone(), mac, held, lines };
        self.replace(phone, Some(new))
    }

    /// Forgets a phone. The phones whose standing may have changed.
    pub fn release(&mut self, phone: &Key) -> Vec<Key> {
        self.replace(phone, None)
    }

    fn replace(&mut self, phone: &Key, new: Option<Identity>) -> Vec<Key> {
        let old = self.phones.remove(phone);
        let created = old.as_ref().or(new.as_ref()).map_or(0, |identity| identity.created);
        let claimant: Claimant = (created, phone.clone());
        let macs = |identity: &Option<Identity>| {
            identity.as_ref().map(|identity| identity.macs(&phone.namespace)).unwrap_or_default()
        };
        let mut affected = swap(&mut self.macs, &claimant, macs(&old), macs(&new));
        let lines = |identity: &Option<Identity>| identity.as_ref().map(Identity::line_claims).unwrap_or_default();
        affected.extend(swap(&mut self.lines, &claimant, lines(&old), lines(&new)));
        let names = |identity: &Option<Identity>| identity.as_ref().map(Identity::names).unwrap_or_default();
        affected.extend(swap(&mut self.names, &claimant, names(&old), names(&new)));
        if let Some(new) = new {
            self.phones.insert(phone.clone(), Identity { created, ..new });
        }
        affected
    }

    /// The phone that keeps a MAC address in a namespace.
    pub fn holder(&self, namespace: &Arc<str>, mac: Mac) -> Option<&Key> {
        self.macs.holder(&(namespace.clone(), mac))
    }

    /// All phones that claim a MAC address in a namespace, the oldest first.
    pub fn claimants<'a>(&'a self, namespace: &Arc<str>, mac: Mac) -> impl Iterator<Item = &'a Key> + use<'a> {
        self.macs.claimants(&(namespace.clone(), mac))
    }

    /// A phone's lines, in the order of its list.
    pub fn lines(&self, phone: &Key) -> &[PhoneLine] {
        let lines = self.phones.get(phone).map(|identity| identity.lines.as_slice()).unwrap_or_default();
        &lines[..lines.partition_point(|line| !line.is_extra)]
    }

    fn precedence(&self, holder: &Key, identity: &Identity) -> Precedence {
        match self.phones.get(holder) {
            Some(holder) if holder.created == identity.created => Precedence::Name,
            _ => Precedence::Older,
        }
    }

    /// What a phone wants that an older one has.
    pub fn conflicts(&self, phone: &Key) -> Vec<Conflict<'_>> {
        let Some(identity) = self.phones.get(phone) else { return Vec::new() };
        let mut conflicts = Vec::new();
        if let Some(mac) = identity.mac
            && let Some(holder) = self.holder(&phone.namespace, mac).filter(|holder| *holder != phone)
        {
            let is_last_good = self.phones.get(holder).is_some_and(|other| other.mac != Some(mac));
            conflicts.push(Conflict::Mac { mac, holder, is_last_good, why: self.precedence(holder, identity) });
        }
        for (index, own) in identity.lines.iter().enumerate() {
            let line = &own.identity;
            let older =
                self.lines.holder(&identity.line_claim(line)).filter(|holder| *holder != phone && !own.is_extra);
            if let Some(holder) = older {
                conflicts.push(Conflict::Line { index, line, holder, why: self.precedence(holder, identity) });
            } else if let Some((other, is_elsewhere)) = self.same_name(phone, identity, index) {
                conflicts.push(Conflict::Name { index, line: own, other, is_elsewhere });
            }
        }
        conflicts
    }

    /// Another line of the same name, and whether it is on another proxy for certain.
    fn same_name<'a>(&'a self, phone: &Key, identity: &Identity, index: usize) -> Option<(OtherLine<'a>, bool)> {
        let PhoneLine { identity: line, is_extra, .. } = &identity.lines[index];
        let twin = |one: &PhoneLine| one.identity.name == line.name && one.identity.proxy != line.proxy;
        // What the phone's own extra parameters repeat is said where those are taken over.
        if let Some(before) = identity.lines[..index].iter().position(twin).filter(|_| !is_extra) {
            return Some((OtherLine::Own(before), true));
        }
        let holder =
            self.names.holder(&(identity.site.clone(), line.name.clone())).filter(|holder| *holder != phone)?;
        let is_listed = self.lines(holder).iter().any(|one| one.identity.name == line.name);
        Some((OtherLine::Of(holder), is_listed && !is_extra))
    }
}

/// Replaces the claims of one claimant; those whose standing may have changed.
fn swap<T: Eq + std::hash::Hash>(claims: &mut Claims<T>, claimant: &Claimant, old: Vec<T>, new: Vec<T>) -> Vec<Key> {
    let mut affected = Vec::new();
    for gone in old.iter().filter(|old| !new.contains(old)) {
        affected.extend(claims.remove(gone, claimant));
    }
    for added in new.into_iter().filter(|new| !old.contains(new)) {
        affected.extend(claims.add(added, claimant.clone()));
    }
    affected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(name: &str) -> Key {
        Key::new("ns", name)
    }

    fn line(name: &str, proxy: Option<&str>) -> PhoneLine {
        let proxy = proxy.map(|host| Arc::new((host.to_owned(), "5060".to_owned())));
        PhoneLine { key: 1, identity: LineIdentity { name: name.into(), proxy }, is_extra: false }
    }

    fn mac(n: u8) -> Mac {
        format!("000A8A1234{n:02X}").parse().unwrap()
    }

    #[test]
    fn the_older_phone_keeps_its_mac_and_the_younger_gets_it_when_that_one_goes() {
        let mut all = Identities::default();
        all.claim(&key("young"), 2, &key("hq"), (Some(mac(1)), None), Vec::new());
        assert_eq!(all.claim(&key("old"), 1, &key("hq"), (Some(mac(1)), None), Vec::new()), [key("young")]);
        assert_eq!(
            all.conflicts(&key("young")),
            [Conflict::Mac { mac: mac(1), holder: &key("old"), is_last_good: false, why: Precedence::Older }]
        );
        assert_eq!(all.conflicts(&key("old")), []);
        assert_eq!(all.release(&key("old")), [key("young")]);
        assert_eq!(all.conflicts(&key("young")), []);
    }

    #[test]
    fn a_phone_that_goes_on_being_served_under_an_address_keeps_it_from_younger_ones_and_not_from_older_ones() {
        let mut all = Identities::default();
        all.claim(&key("b"), 2, &key("hq"), (None, Some(mac(1))), Vec::new());
        all.claim(&key("c"), 3, &key("hq"), (Some(mac(1)), None), Vec::new());
        assert_eq!(
            all.conflicts(&key("c")),
            [Conflict::Mac { mac: mac(1), holder: &key("b"), is_last_good: true, why: Precedence::Older }]
        );
        all.claim(&key("a"), 1, &key("hq"), (Some(mac(1)), None), Vec::new());
        assert_eq!(all.holder(&"ns".into(), mac(1)), Some(&key("a")));
        assert_eq!(all.claim(&key("b"), 2, &key("hq"), (None, None), Vec::new()), []);
        assert_eq!(all.claimants(&"ns".into(), mac(1)).collect::<Vec<_>>(), [&key("a"), &key("c")]);
    }

    #[test]
    fn a_name_on_one_proxy_is_a_conflict_and_on_two_a_remark() {
        let mut all = Identities::default();
        all.claim(&key("a"), 1, &key("hq"), (None, None), vec![line("1", Some("x"))]);
        all.claim(&key("b"), 2, &key("hq"), (None, None), vec![line("1", Some("x")), line("1", Some("y"))]);
        let conflicts = all.conflicts(&key("b"));
        assert!(matches!(conflicts[0], Conflict::Line { index: 0, holder, .. } if *holder == key("a")));
        assert!(matches!(conflicts[1], Conflict::Name { index: 1, other: OtherLine::Own(0), .. }));
    }

    proptest! {
        /// Whatever order phones come, change and go in, who has what is the same as if only those that are left had come.
        #[test]
        fn the_answer_does_not_depend_on_the_order(steps in proptest::collection::vec((0usize..5, proptest::option::of((0u8..3, 0u8..3, any::<bool>(), proptest::option::of(0u8..3)))), 0..40)) {
            let names = ["a", "b", "c", "d", "e"];
            let mut all = Identities::default();
            let mut left: std::collections::BTreeMap<usize, (u8, u8, bool, Option<u8>)> = Default::default();
            let claim = |all: &mut Identities, phone: usize, (m, l, proxied, held): (u8, u8, bool, Option<u8>)| {
                let lines = vec![line(&l.to_string(), proxied.then_some("x"))];
                all.claim(&key(names[phone]), phone as i64, &key("hq"), (Some(mac(m)), held.map(mac)), lines)
            };
            for (phone, wish) in steps {
                match wish {
                    Some(wish) => {
                        claim(&mut all, phone, wish);
                        left.insert(phone, wish);
                    }
                    None => {
                        all.release(&key(names[phone]));
                        left.remove(&phone);
                    }
                }
            }
            let mut fresh = Identities::default();
            for (phone, wish) in &left {
                claim(&mut fresh, *phone, *wish);
            }
            for name in names {
                prop_assert_eq!(all.conflicts(&key(name)), fresh.conflicts(&key(name)));
            }
        }
    }
}
