use clap::Subcommand as _;

use super::*;

fn root() -> clap::Command {
    let root = clap::Command::new("kubectl-dialtone");
    ClusterArgs::augment(crate::plugin::Command::augment_subcommands(crate::plugin::OnlyPlugin::augment_subcommands(
        root,
    )))
}

trait Augment {
    fn augment(command: clap::Command) -> clap::Command;
}

impl Augment for ClusterArgs {
    fn augment(command: clap::Command) -> clap::Command {
        <ClusterArgs as clap::Args>::augment_args(command)
    }
}

fn words(line: &str) -> (Vec<String>, Names) {
    let all: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let (last, before) = all.split_last().unwrap();
    let mut root = root();
    root.build();
    let (mut words, names) = static_words(&root, before, last);
    words.retain(|word| word.starts_with(last.as_str()));
    (words, names)
}

#[test]
fn each_place_offers_what_may_stand_there() {
    let (commands, _) = words("");
    assert!(commands.contains(&"status".to_owned()) && !commands.contains(&"__complete".to_owned()), "{commands:?}");
    assert_eq!(words("sta").0, ["status"]);
    assert_eq!(words("status ").1, Names::Sites);
    assert_eq!((words("phone ").1, words("resync a ").1), (Names::Phones, Names::Phones));
    assert_eq!(words("resync --site ").1, Names::Sites);
    assert_eq!(words("status -o ").0, ["wide", "json", "yaml"]);
    assert_eq!(words("status --wat").0, ["--watch"]);
    assert_eq!(words("-n phones dhcp ").1, Names::Sites);
    assert!(words("dhcp --server ").0.contains(&"kea".to_owned()));
    assert!(words("completion ").0.contains(&"kubectl".to_owned()));
}

#[test]
fn every_shell_gets_a_completion_and_every_command_a_page() {
    for shell in Shell::value_variants() {
        let script = String::from_utf8(script(*shell, root())).unwrap();
        assert!(script.contains("kubectl-dialtone"), "{shell:?}: {script}");
    }
    let mut root = root();
    root.build();
    let mut pages = Vec::new();
    page(&root, None, &mut pages).unwrap();
    let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"kubectl-dialtone.1") && names.contains(&"kubectl-dialtone-status.1"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("__complete") || name.contains("-help")), "{names:?}");
    let text = String::from_utf8(pages.iter().find(|(name, _)| name == "kubectl-dialtone-status.1").unwrap().1.clone())
        .unwrap();
    assert!(text.contains("kubectl dialtone status") && text.contains("Exit status"), "{text}");
}
