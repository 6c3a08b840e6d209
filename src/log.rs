//! How much is logged, and in which form.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// The client of the API server logs each request that fails, as often as it is tried again; whoever sent it says so once.
const QUIET: &str = "kube_client::client=off";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter that RUST_LOG asks for. A word that is no level would be taken for the name of a module, and everything else be silent.
fn directives(wish: &str) -> Result<String, String> {
    let wish = if wish.trim().is_empty() { "info" } else { wish };
    // What spans are filtered by may hold commas.
    if !wish.contains('[') {
        let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        for directive in wish.split(',').map(str::trim) {
            let (target, level) = directive.split_once('=').unwrap_or(("", directive));
            if !is_level(level) || (target.is_empty() && directive.contains('=')) {
                let levels = LEVELS.join(", ");
                return Err(format!(
                    "RUST_LOG={wish}: {directive:?} is no level: write one of {levels}, or a filter such as info,dialtone=debug"
                ));
            }
        }
    }
    Ok(if wish.contains("kube_client") { wish.to_owned() } else { format!("{wish},{QUIET}") })
}

/// Logs to stderr, as much as RUST_LOG says.
pub fn to_stderr(format: LogFormat) -> Result<(), String> {
    let directives = directives(&std::env::var("RUST_LOG").unwrap_or_default())?;
    let filter = EnvFilter::try_new(&directives).map_err(|error| format!("RUST_LOG={directives}: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(dialtone::base::terminal::paints_stderr()).with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_taken_and_other_words_refused() {
        for (wish, filter) in [
            ("", "info,kube_client::client=off"),
            ("DEBUG", "DEBUG,kube_client::client=off"),
            ("info,dialtone=debug", "info,dialtone=debug,kube_client::client=off"),
            ("info,kube_client=debug", "info,kube_client=debug"),
            ("info,[reconcile{site=a}]=debug", "info,[reconcile{site=a}]=debug,kube_client::client=off"),
        ] {
            assert_eq!(directives(wish).as_deref(), Ok(filter));
            assert!(EnvFilter::try_new(filter).is_ok(), "{filter}");
        }
        for bad in ["verbose", "info,verbose", "dialtone", "=info", "dialtone=loud", "info,"] {
            let said = directives(bad).unwrap_err();
            assert!(said.contains("write one of off, error, warn, info, debug, trace"), "{said}");
        }
    }
}
