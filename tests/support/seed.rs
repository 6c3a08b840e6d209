//! Where the random numbers of a run begin.

/// DIALTONE_SEED, which a failure names; otherwise another one each time.
pub fn seed() -> u64 {
    let seed = std::env::var("DIALTONE_SEED").ok().and_then(|seed| seed.parse().ok());
    seed.unwrap_or_else(|| rand::random::<u32>().into())
}
