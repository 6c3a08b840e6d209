//! How often an object with files may be written while changes keep coming, by the time that they do.

use std::time::Duration;

/// How long changes are gathered before the second write, and by how much longer before each that follows it; how long at most.
/// The operator's own figures are in `src/operator/debounce.rs`.
const MOMENT: Duration = Duration::from_millis(150);
const LONGER: u32 = 4;
const LONGEST: Duration = Duration::from_secs(20);

/// The first change is written at once. Every further write gathers what came since the one before, and needs a change after it:
/// so many fit in when changes come without a pause of a second, however fast the machine is.
pub fn most_writes(changing: Duration) -> u32 {
    let (mut writes, mut last, mut moment) = (1, Duration::ZERO, MOMENT);
    while last < changing {
        writes += 1;
        last += moment;
        moment = (moment * LONGER).min(LONGEST);
    }
    writes
}
