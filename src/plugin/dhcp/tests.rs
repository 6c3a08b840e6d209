use super::*;
use crate::plugin::testing::golden;

#[test]
fn every_server_has_its_lines_for_an_address_and_for_a_name() {
    let all = Server::value_variants();
    golden("dhcp-address.txt", &text("hq", &target("10.20.0.5").unwrap(), all, Some(80)), None);
    golden("dhcp-name.txt", &text("hq", &target("tftp.example.com").unwrap(), all, Some(80)), None);
}

#[test]
fn what_dhcp_cannot_say_is_refused_with_what_to_do() {
    for (address, says) in [
        ("10.0.0.1:30069", "phones ask port 69 only"),
        ("2001:db8::1", "IPv4 only"),
        ("[2001:db8::1]:69", "port 69"),
        ("tftp\"; rm -rf /", "neither an IPv4 address nor a name"),
        ("a..b", "neither"),
        ("", "neither"),
        ("tftp.example.com\n", "neither"),
    ] {
        let why = target(address).unwrap_err();
        assert!(why.contains(says), "{address:?}: {why}");
    }
}

#[test]
fn a_name_sets_option_66_alone() {
    for server in Server::value_variants() {
        let lines = lines(*server, &target("tftp.example.com").unwrap());
        assert!(lines.contains("tftp.example.com") && !lines.contains("150"), "{server:?}: {lines}");
        assert!(super::lines(*server, &target("10.1.2.3").unwrap()).contains("150"), "{server:?}");
    }
    assert!(lines(Server::Routeros, &target("10.1.2.3").unwrap()).contains("0x0a010203"));
}

#[test]
fn the_check_of_a_cluster_says_the_same_in_few_words() {
    assert_eq!(hint("10.20.0.5"), (' ', "options 66 and 150 have to say 10.20.0.5".to_owned()));
    assert_eq!(hint("tftp.example.com").0, DOUBTFUL);
    assert_eq!(hint("10.0.0.1:30069").0, BAD);
}
