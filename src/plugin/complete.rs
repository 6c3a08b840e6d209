//! What a shell completes, and manual pages: all of it is made from the command line's own definition.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, ValueEnum};

use super::objects::{api, list, name};
use crate::base::output::Output;
use crate::base::terminal::{print, print_own, say};
use crate::connect::ClusterArgs;
use crate::operator::trimmed::{TrimmedPhone, TrimmedSite};

/// How long a shell waits for names from the cluster.
const PATIENCE: Duration = Duration::from_secs(2);

/// Print what makes a shell complete commands, flags and values
///
/// For bash: source <(dialtone completion bash). With kubectl, `kubectl dialtone completion kubectl` prints the program
/// kubectl_complete-dialtone, which kubectl calls if it is in PATH.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
    Kubectl,
}

/// Write manual pages, one for each command, to a folder
#[derive(clap::Args, Clone, Debug)]
pub struct ManArgs {
    /// The folder, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// What kubectl asks for at each press of the key.
#[derive(clap::Args, Clone, Debug)]
pub struct WordArgs {
    /// The words so far; the last one is the one to complete
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// kubectl runs it with the words so far.
const FOR_KUBECTL: &str = "#!/bin/sh\n# kubectl completes `kubectl dialtone` with this; it must be in PATH as kubectl_complete-dialtone.\nexec kubectl-dialtone __complete \"$@\"\n";

/// Prints a completion.
pub(super) fn completion(args: &Args, root: clap::Command) -> anyhow::Result<ExitCode> {
    print_own(&script(args.shell, root))?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell, mut root: clap::Command) -> Vec<u8> {
    use clap_complete::shells;
    let program = root.get_bin_name().unwrap_or_else(|| root.get_name()).replace(' ', "-");
    let mut text = Vec::new();
    let mut make = |shell: &dyn Fn(&mut clap::Command, &str, &mut Vec<u8>)| shell(&mut root, &program, &mut text);
    match shell {
        Shell::Bash => make(&|root, name, text| clap_complete::generate(shells::Bash, root, name, text)),
        Shell::Zsh => make(&|root, name, text| clap_complete::generate(shells::Zsh, root, name, text)),
        Shell::Fish => make(&|root, name, text| clap_complete::generate(shells::Fish, root, name, text)),
        Shell::Powershell => make(&|root, name, text| clap_complete::generate(shells::PowerShell, root, name, text)),
        Shell::Elvish => make(&|root, name, text| clap_complete::generate(shells::Elvish, root, name, text)),
        Shell::Kubectl => text.extend_from_slice(FOR_KUBECTL.as_bytes()),
    }
    text
}

/// Writes manual pages.
pub(super) fn man(args: &ManArgs, root: clap::Command) -> anyhow::Result<ExitCode> {
    let cannot_write = || format!("cannot write to {}", args.folder.display());
    let folder = Output::make(&args.folder).with_context(cannot_write)?;
    let mut pages = Vec::new();
    page(&root, None, &mut pages)?;
    for (file, text) in &pages {
        folder
            .write(std::path::Path::new(file), |out| std::io::Write::write_all(out, text))
            .with_context(cannot_write)?;
    }
    say(format_args!("{}: {} pages", args.folder.display(), pages.len()));
    Ok(ExitCode::SUCCESS)
}

/// The page of a command, and of those below it.
fn page(command: &clap::Command, above: Option<&str>, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let name = match above {
        Some(above) => format!("{above}-{}", command.get_name()),
        None => command.get_name().to_owned(),
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(
        command.clone().display_name(name.clone()).bin_name(name.replace('-', " ")).version(super::install::VERSION),
    )
    .render(&mut text)?;
    pages.push((format!("{name}.1"), text));
    let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    below.into_iter().try_for_each(|below| page(below, Some(&name), pages))
}

/// Names of the cluster, found as the words say.
#[derive(Parser)]
#[command(ignore_errors = true, disable_help_flag = true)]
struct Wanted {
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Which names may stand at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Sites,
    Phones,
    Given,
}

/// Prints what may follow, a line each, and the directive that kubectl reads: 4 is that it completes no files, 0 that it does.
pub(super) async fn words(args: &WordArgs, root: &clap::Command) -> anyhow::Result<ExitCode> {
    let last = args.words.last().map_or("", String::as_str);
    let before = &args.words[..args.words.len().saturating_sub(1)];
    let (mut all, names) = static_words(root, before, last);
    if names != Names::Given {
        let asked = tokio::time::timeout(PATIENCE, from_cluster(before, names)).await;
        all.extend(asked.ok().and_then(Result::ok).unwrap_or_default());
    }
    all.retain(|word| word.starts_with(last));
    let directive = if all.is_empty() && names == Names::Given { 0 } else { 4 };
    print(format_args!("{}:{directive}\n", all.iter().map(|word| format!("{word}\n")).collect::<String>()))?;
    Ok(ExitCode::SUCCESS)
}

/// What the command line itself allows at a place.
fn static_words(root: &clap::Command, before: &[String], last: &str) -> (Vec<String>, Names) {
    let given = before.iter().position(|word| root.find_subcommand(word).is_some());
    let command = given.and_then(|place| root.find_subcommand(&before[place]));
    let at = command.unwrap_or(root);
    let flag = before.last().and_then(|word| word.strip_prefix('-')).map(|word| word.trim_start_matches('-'));
    let takes = |arg: &&clap::Arg| {
        let is_it = flag.is_some_and(|flag| {
            arg.get_long() == Some(flag) || (flag.chars().count() == 1 && arg.get_short() == flag.chars().next())
        });
        is_it && arg.get_action().takes_values()
    };
    if let Some(arg) = at.get_arguments().find(takes) {
        let values = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let names = if arg.get_id() == "site" { Names::Sites } else { Names::Given };
        return (values, names);
    }
    if last.starts_with('-') {
        let flags = at.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| arg.get_long());
        return (flags.map(|flag| format!("--{flag}")).collect(), Names::Given);
    }
    let Some(command) = command else {
        let below = root.get_subcommands().filter(|below| !below.is_hide_set());
        return (below.map(|below| below.get_name().to_owned()).collect(), Names::Given);
    };
    let names = match command.get_name() {
        "status" | "logs" | "dhcp" => Names::Sites,
        "phone" | "story" | "resync" => Names::Phones,
        _ => Names::Given,
    };
    let first = command.get_positionals().next();
    let values = first.map(|arg| arg.get_possible_values()).unwrap_or_default();
    (values.iter().map(|value| value.get_name().to_owned()).collect(), names)
}

async fn from_cluster(before: &[String], names: Names) -> anyhow::Result<Vec<String>> {
    let words = std::iter::once(Wanted::command().get_name().to_owned()).chain(before.iter().cloned());
    let cluster = Wanted::try_parse_from(words)?.cluster.connect().await?;
    Ok(match names {
        Names::Given => Vec::new(),
        Names::Sites => {
            let sites = list::<TrimmedSite>(&cluster, &api(&cluster, false), "PhoneSites").await?;
            sites.iter().map(|site| name(&site.metadata).to_owned()).collect()
        }
        Names::Phones => {
            let phones = list::<TrimmedPhone>(&cluster, &api(&cluster, false), "SipPhones").await?;
            phones.iter().map(|phone| name(&phone.metadata).to_owned()).collect()
        }
    })
}

#[cfg(test)]
mod tests;
