//! What all programs share: one input is run, and may not take more memory than its target says.

use dialtone::fuzz::{Target, target_named};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The target of a name.
pub fn named(name: &str) -> &'static Target {
    target_named(name).expect("src/fuzz.rs has a target of this name")
}

/// Runs one input.
pub fn run(target: &Target, input: &[u8]) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    (target.run)(input);
    let most = MEMORY.peak_usage().saturating_sub(before);
    assert!(most <= target.most_mib << 20, "{}: {most} bytes at a time for an input of {}", target.name, input.len());
}

/// A program for the target of a name.
#[macro_export]
macro_rules! program {
    ($name:literal) => {
        static TARGET: std::sync::LazyLock<&dialtone::fuzz::Target> = std::sync::LazyLock::new(|| $crate::named($name));

        libfuzzer_sys::fuzz_target!(|input: &[u8]| $crate::run(*TARGET, input));
    };
}
