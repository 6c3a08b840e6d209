//! What can go wrong with a phone while it takes an image.

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfortune {
    /// It gives up at this byte of each file of an image.
    FailAt(usize),
    /// It is switched off at this byte, for ever.
    VanishAt(usize),
    /// It never gets past the loader's part, as a phone was seen to do: it gives up, restarts, and begins again.
    Loop,
}

/// What happens to one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The phone gives up at this byte.
    GiveUp(usize),
    /// The phone is gone at this byte.
    Vanish(usize),
}

impl Misfortune {
    /// What happens to a file of an image.
    pub fn strikes(self, file: &str) -> Option<Mishap> {
        let image = [".bin", ".sbn", ".sb2"].iter().any(|suffix| file.ends_with(suffix));
        match self {
            _ if !image => None,
            Misfortune::FailAt(byte) => Some(Mishap::GiveUp(byte)),
            Misfortune::VanishAt(byte) => Some(Mishap::Vanish(byte)),
            Misfortune::Loop if file.ends_with(".sb2") => None,
            Misfortune::Loop => Some(Mishap::GiveUp(0)),
        }
    }
}
