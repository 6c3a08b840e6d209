//! Who gets an ERROR 5: what it sent belongs to no transfer.
//!
//! A client whose transfer is gone, because its pod was replaced or its address was translated anew, waits half a minute otherwise.
//! But sources can be forged, so each gets few answers, and so do all together. And a client that has all of its file may have sent
//! an acknowledgement twice: an error that meets its next request would be taken for the answer to that one.
//!
//! Both tables are of one size and never grow: of two that share an entry, one may get a wrong answer or none, which costs a wait.

use std::hash::{BuildHasher as _, Hash};
use std::net::SocketAddr;

use hashbrown::DefaultHashBuilder;

use super::session::Millis;
use super::shares::Origin;

/// How many answers a source gets in a second.
const PER_SECOND: u16 = 32;
/// How many sources are distinguished; times [`PER_SECOND`] that is the most answers of all.
const SOURCES: usize = 256;
/// How many clients whose transfer has ended are remembered.
const ENDED: usize = 4_096;
/// For how many seconds.
const REMEMBERED: u32 = 10;

#[derive(Clone, Copy, Default)]
struct Allowance {
    second: u32,
    used: u16,
}

#[derive(Clone, Copy, Default)]
struct Ended {
    client: u32,
    /// The second in which it ended; 0 for none.
    second: u32,
}

/// What is remembered of sources and clients.
pub struct Strays {
    sources: Vec<Allowance>,
    ended: Vec<Ended>,
    /// Seeded anew in each process, because clients choose what is hashed.
    hasher: DefaultHashBuilder,
}

/// A second, counted from 1.
fn second(now: Millis) -> u32 {
    (now / 1_000) as u32 + 1
}

impl Strays {
    /// Nobody was answered.
    pub fn new() -> Strays {
        Strays {
            sources: vec![Allowance::default(); SOURCES],
            ended: vec![Ended::default(); ENDED],
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// A place in a table, and a number that few others have.
    fn place(&self, of: impl Hash, places: usize) -> (usize, u32) {
        let hash = self.hasher.hash_one(of);
        (hash as usize % places, (hash >> 32) as u32)
    }

    /// A client ended its transfer, and knows it.
    pub fn note_end(&mut self, client: SocketAddr, now: Millis) {
        let (place, client) = self.place(client, ENDED);
        self.ended[place] = Ended { client, second: second(now) };
    }

    /// Whether a client gets an answer to what belongs to no transfer.
    pub fn may_answer(&mut self, client: SocketAddr, now: Millis) -> bool {
        let (place, number) = self.place(client, ENDED);
        let Ended { client: known, second: at } = self.ended[place];
        let second = second(now);
        if at > 0 && known == number && second - at <= REMEMBERED {
            return false;
        }
        let (place, _) = self.place(Origin::of(client), SOURCES);
        let allowance = &mut self.sources[place];
        if allowance.second != second {
            *allowance = Allowance { second, used: 0 };
        }
        allowance.used += 1;
        // Counted no further: it would overflow.
        allowance.used = allowance.used.min(PER_SECOND + 1);
        allowance.used <= PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(host: u8, port: u16) -> SocketAddr {
        ([10, 0, 0, host], port).into()
    }

    #[test]
    fn a_source_gets_so_many_answers_in_a_second_whatever_its_port_and_all_together_get_so_many_too() {
        let mut strays = Strays::new();
        let mut answered = |hosts: u8, now| {
            let all = (0..hosts).flat_map(|host| (0..200).map(move |port| client(host, port)));
            all.filter(|client| strays.may_answer(*client, now)).count()
        };
        assert_eq!(answered(1, 0), usize::from(PER_SECOND));
        assert_eq!(answered(1, 999), 0);
        assert_eq!(answered(1, 1_000), usize::from(PER_SECOND));
        let all = answered(200, 5_000);
        assert!((1_000..=SOURCES * usize::from(PER_SECOND)).contains(&all), "{all}");
    }

    #[test]
    fn a_client_that_has_just_ended_its_transfer_is_left_alone_for_a_while() {
        let mut strays = Strays::new();
        strays.note_end(client(1, 5), 500);
        assert!(!strays.may_answer(client(1, 5), 10_000));
        assert!(strays.may_answer(client(1, 6), 10_000));
        assert!(strays.may_answer(client(1, 5), 12_000));
    }
}
