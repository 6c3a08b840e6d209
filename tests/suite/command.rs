//! The command line as people use it: pipes, folders, flags, and the names under which the program is found.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn dialtone(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dialtone")).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The program under the name by which kubectl finds it, without a cluster.
fn plugin(folder: &Path, args: &[&str]) -> Output {
    let name = folder.join("kubectl-dialtone");
    let _ = symlink(env!("CARGO_BIN_EXE_dialtone"), &name);
    let mut command = Command::new(name);
    command.args(args).env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST").env("HOME", folder);
    command.output().unwrap()
}

const SITE: &str = "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: {settings: {proxy1Address: 10.0.0.1}}\n";

fn phones(count: usize) -> String {
    let one = |n: usize| {
        format!(
            "---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: p{n}}}\nspec: {{siteRef: {{name: hq}}, mac: 000A8A{n:06X}, model: \"7960\", lines: [{{name: \"{n}\"}}]}}\n"
        )
    };
    (0..count).map(one).collect()
}

#[test]
fn a_reader_that_goes_early_ends_no_command_with_a_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new, out) = (folder.path().join("old.yaml"), folder.path().join("new.yaml"), folder.path().join("out"));
    std::fs::write(&old, SITE).unwrap();
    std::fs::write(&new, format!("{SITE}{}", phones(500))).unwrap();
    let few = folder.path().join("few.yaml");
    std::fs::write(&few, format!("{SITE}{}", phones(8))).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (old, new, out, few) = (text(&old), text(&new), text(&out), text(&few));
    let dialled: Vec<String> = (0..700).flat_map(|n| ["--dial".to_owned(), n.to_string()]).collect();
    let dialled: Vec<&str> = dialled.iter().map(String::as_str).collect();
    for (args, code) in [
        (vec!["crds"], 0),
        (vec!["--help"], 0),
        (vec!["diff", "--help"], 0),
        (vec!["completion", "bash"], 0),
        (vec!["version", "--client"], 0),
        (vec!["diff", &old, &new, "--all"], 1),
        (vec!["diff", &old, &new, "-o", "json"], 1),
        ([&["render", "-f", &few, "-o", &out][..], &dialled].concat(), 0),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
            .args(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        // The buffer goes with the pipe: what follows the first line is read by nobody.
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let what = args.iter().take(4).copied().collect::<Vec<_>>().join(" ");
        assert!(!line.is_empty() && !said.contains("panicked") && !said.contains("Broken pipe"), "{what}: {said}");
        assert_eq!(output.status.code(), Some(code), "{what}: {said}");
    }
    // Nobody read what became of the numbers, and the files are there nevertheless.
    assert!(Path::new(&out).join("default/hq/SIP000A8A000007.cnf").exists());
}

#[test]
fn a_folder_is_read_as_kubectl_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("branch")).unwrap();
    std::fs::write(folder.path().join("hq.yaml"), SITE).unwrap();
    std::fs::write(folder.path().join("branch/site.yaml"), SITE.replace("name: hq", "name: branch")).unwrap();
    std::fs::write(folder.path().join("branch/notes.txt"), "none").unwrap();
    let out = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().to_str().unwrap(), out.path().to_str().unwrap());
    let output = dialtone(&["render", "-f", from, "-o", to]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("1 files with manifests in folders below it were not read; -R reads them"),
        "{}",
        said(&output)
    );
    assert!(out.path().join("default/hq").exists() && !out.path().join("default/branch").exists());
    let output = dialtone(&["render", "-R", "-f", from, "-o", to]);
    assert!(output.status.success() && !said(&output).contains("note:"), "{}", said(&output));
    assert!(out.path().join("default/branch/SIPDefault.cnf").exists());
    // Both sides of a comparison alike.
    let (flat, deep) = (dialtone(&["diff", from, from]), dialtone(&["diff", "-R", from, from]));
    assert!(said(&flat).contains("-R reads them") && !said(&deep).contains("-R reads them"));
}

#[test]
fn flags_that_would_do_nothing_are_refused() {
    let phone = ["phone", "--server", "127.0.0.1", "--mac", "000A8A123456"];
    for (args, says) in [
        (vec!["--for", "3"], "--stay"),
        (vec!["--count", "0"], "0 is not in 1.."),
        (vec!["--again", "3"], "--upgrade"),
        (vec!["--idle", "3"], "--stay"),
        (vec!["--sip-port", "5061"], "--stay"),
        (vec!["--telnet-port", "2323"], "--stay"),
        (vec!["--sip-answers", "lost"], "--stay"),
        (vec!["--tries", "3"], "--fail-at"),
        (vec!["--seed", "3"], "--lose"),
        (vec!["--poll", "3"], "--wait"),
        (vec!["--only", "1", "--loop"], "counted from 0"),
    ] {
        let output = dialtone(&[&phone[..], &args].concat());
        assert!(!output.status.success() && said(&output).contains(says), "{args:?}: {}", said(&output));
    }
    let output = dialtone(&["diff", "a", "b", "--context", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--context says which cluster is meant: it needs --cluster"), "{}", said(&output));
    for args in [
        vec!["status", "--watch", "-o", "json"],
        vec!["logs", "--follow", "--previous"],
        vec!["status", "-A", "-n", "x"],
    ] {
        let output = dialtone(&args);
        assert!(
            output.status.code() == Some(2) && said(&output).contains("cannot be used with"),
            "{args:?}: {}",
            said(&output)
        );
    }
}

#[test]
fn a_wrong_value_is_said_in_words_of_who_typed_it() {
    let phone = ["phone", "--server", "127.0.0.1", "--mac", "000A8A123456"];
    for (flag, value, says) in [
        ("--count", "many", "write a whole number"),
        ("--lose", "some", "write a whole number"),
        ("--reboot", "soon", "write a number, such as 2 or 0.5"),
        ("--bind", "here", "write an IP address, such as 10.1.2.3"),
        ("--sip-port", "99999", "99999 is not in 0..=65535"),
    ] {
        let output = dialtone(&[&phone[..], &[flag, value]].concat());
        assert!(output.status.code() == Some(2) && said(&output).contains(says), "{flag} {value}: {}", said(&output));
    }
    let output = dialtone(&["phone", "--server", "127.0.0.1", "--mac", "x"]);
    assert!(said(&output).contains("write twelve hexadecimal digits"), "{}", said(&output));
    let output = dialtone(&["operator", "--image", "a", "--http", "69"]);
    assert!(said(&output).contains("write an IP address and a port, such as 127.0.0.1:8080"), "{}", said(&output));
}

#[test]
fn what_a_diff_says_to_programs_has_a_version_and_a_summary_and_text_can_name_all() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.yaml"), folder.path().join("new.yaml"));
    std::fs::write(&old, format!("{SITE}{}", phones(20))).unwrap();
    std::fs::write(&new, format!("{SITE}{}", phones(20)).replace("10.0.0.1", "10.0.0.2")).unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let output = dialtone(&["diff", old, new, "-o", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["version"], 1);
    let summary =
        serde_json::json!({"changed": 20, "added": 0, "removed": 0, "restart": 20, "upgrade": 0, "reload": 0});
    assert_eq!(report["summary"], summary);
    assert_eq!(report["changes"].as_array().unwrap().len(), 20);
    let some = said(&dialtone(&["diff", old, new]));
    assert!(some.contains("and 12 more (--all names them)") && !some.contains("default/p9"), "{some}");
    let all = said(&dialtone(&["diff", old, new, "--all"]));
    assert!(all.contains("default/p9") && !all.contains(" more"), "{all}");
}

#[test]
fn the_name_of_the_program_decides_what_phone_means() {
    let folder = tempfile::tempdir().unwrap();
    let own = said(&dialtone(&["--help"]));
    for command in
        ["operator", "phone", "status", "story", "check", "logs", "resync", "dhcp", "version", "completion", "man"]
    {
        assert!(own.contains(&format!("\n  {command} ")), "{command}: {own}");
    }
    let plugin_help = said(&plugin(folder.path(), &["--help"]));
    for command in
        ["phone", "status", "story", "check", "logs", "resync", "diff", "dhcp", "version", "completion", "man"]
    {
        assert!(plugin_help.contains(&format!("\n  {command} ")), "{command}: {plugin_help}");
    }
    assert!(!plugin_help.contains("\n  operator ") && !plugin_help.contains("__complete"), "{plugin_help}");
    assert!(said(&dialtone(&["phone", "--help"])).contains("Boot like a real phone"));
    let help = said(&plugin(folder.path(), &["phone", "--help"]));
    assert!(help.contains("kubectl dialtone phone") && help.contains("Tell the story of one phone"), "{help}");
    // Flags of the place stand before the command, too, as people write them for kubectl.
    let missing = said(&plugin(folder.path(), &["-n", "phones", "status"]));
    assert!(missing.contains("there is no kubeconfig"), "{missing}");
}

#[test]
fn without_a_cluster_each_command_says_what_is_missing_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("hq.yaml");
    std::fs::write(&manifest, SITE).unwrap();
    let commands: [&[&str]; 8] = [
        &["status"],
        &["phone", "reception"],
        &["check"],
        &["logs"],
        &["resync", "reception"],
        &["dhcp"],
        &["version"],
        &["diff", "-f", manifest.to_str().unwrap()],
    ];
    for command in commands {
        let output = plugin(folder.path(), command);
        let text = said(&output);
        assert!(
            !output.status.success()
                && text.contains("error: there is no kubeconfig")
                && text.contains("--kubeconfig FILE"),
            "{command:?}: {text}"
        );
        assert_eq!(text.matches("error:").count(), 1, "{command:?}: {text}");
    }
    // Nothing listens there, and nothing answers there: both are said within seconds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (server, says) in [
        ("https://127.0.0.1:1".to_owned(), "cannot be reached"),
        (format!("http://{}", silent.local_addr().unwrap()), "no answer within"),
    ] {
        let config = folder.path().join("config");
        std::fs::write(&config, format!("apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\nclusters: [{{name: a, cluster: {{server: \"{server}\"}}}}]\nusers: [{{name: a, user: {{}}}}]\n")).unwrap();
        let began = Instant::now();
        let text = said(&plugin(folder.path(), &["status", "--kubeconfig", config.to_str().unwrap()]));
        assert!(text.contains(says) && text.contains("kubectl cluster-info"), "{text}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let other =
            said(&plugin(folder.path(), &["status", "--kubeconfig", config.to_str().unwrap(), "--context", "b"]));
        assert!(other.contains("there is no context \"b\": there are a"), "{other}");
    }
}

#[test]
fn an_address_that_is_known_needs_no_cluster_and_a_pipe_gets_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let output = plugin(folder.path(), &["dhcp", "--address", "tftp.example.com", "-s", "dnsmasq"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("dhcp-option=66,\"tftp.example.com\"") && !text.contains('\u{1b}'), "{text}");
    let output = plugin(folder.path(), &["man", folder.path().join("man").to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(folder.path().join("man/kubectl-dialtone-status.1").exists());
    let words = said(&plugin(folder.path(), &["__complete", "sta"]));
    assert_eq!(words, "status\n:4\n");
}
