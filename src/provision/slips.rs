//! Names of parameters that no phone knows, and those that their authors meant.

mod table;

use strsim::damerau_levenshtein;

use crate::phone::{find, find_field, parameters};
use table::{KNOWN, OF_LINES, OF_PROXIES, SAME};

/// The longest name for which another one is looked for.
const LONGEST: usize = 64;

/// The parameter that was likely meant by a name that no phone knows.
pub fn meant(name: &str) -> Option<&'static str> {
    // Nobody means one of ours, and time and memory grow with the length.
    if name.len() > LONGEST || !name.is_ascii() || find(name).is_some() {
        return None;
    }
    let words = words(name);
    let known = |name: &str| find(name).map(|parameter| parameter.name.as_str());
    find_field(name)
        .map(|parameter| parameter.name.as_str())
        .or_else(|| known_slip(&words).and_then(known))
        .or_else(|| numbered(&words.concat()))
        // The letter l for the digit 1.
        .or_else(|| numbered(&words.concat().replacen("linel", "line1", 1).replacen("proxyl", "proxy1", 1)))
        .or_else(|| alike(&words.concat()))
        .or_else(|| nearest(&words))
        .or_else(|| slip_of_slip(&words).and_then(known))
}

/// What a slip in common use means, however its words are spelled.
fn known_slip(words: &[String]) -> Option<&'static str> {
    let whole = canonical(words.iter().map(String::as_str));
    KNOWN.iter().find(|(slip, _)| canonical(slip.split('_')) == whole).map(|(_, meant)| *meant)
}

/// What a name means that is a letter away from a slip in common use.
fn slip_of_slip(words: &[String]) -> Option<&'static str> {
    let whole = words.concat();
    let is_near = |slip: &str| {
        let slip = squeeze(slip);
        // Most differ by their length already.
        let may_be = slip.len() >= 8 && slip.len().abs_diff(whole.len()) <= 1 && digits(&slip) == digits(&whole);
        may_be && damerau_levenshtein(&slip, &whole) <= 1
    };
    KNOWN.iter().find(|(slip, _)| slip.contains('_') && is_near(slip)).map(|(_, meant)| *meant)
}

/// The known name that only looks the same: with the letter l for the digit 1, O for 0, or the reverse.
fn alike(squeezed: &str) -> Option<&'static str> {
    let shape = |name: &str| name.replace('1', "l").replace('0', "o");
    let whole = shape(squeezed);
    let names = parameters().iter().map(|parameter| parameter.name.as_str());
    names.into_iter().find(|known| shape(&squeeze(known)) == whole)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The words of a name in lower case, whether they are parted by underscores, dashes, dots or capitals.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_lower = false;
    for c in name.chars() {
        let parts = !c.is_ascii_alphanumeric();
        if parts || (c.is_ascii_uppercase() && before_is_lower) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| !parts) {
            word.push(c.to_ascii_lowercase());
        }
        before_is_lower = c.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What a name means that begins with a line's or a proxy's number.
fn numbered(squeezed: &str) -> Option<&'static str> {
    let (kind, rest) =
        ["lines", "line", "proxy"].into_iter().find_map(|kind| Some((kind, squeezed.strip_prefix(kind)?)))?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u32 = rest[..digits].parse().ok()?;
    let what = &rest[digits..];
    let exact = |name: String| find(&name).map(|parameter| parameter.name.as_str());
    if kind == "proxy" {
        let alias = OF_PROXIES.iter().find(|(slip, _)| *slip == what).map(|(_, meant)| *meant);
        return alias.and_then(|meant| exact(meant.replace('#', &number.to_string())));
    }
    let alias = OF_LINES.iter().find(|(slip, _)| *slip == what).map(|(_, meant)| *meant);
    // `line2_proxy2_address`: a line's own proxy has no name of the line before it.
    let inner = || {
        parameters()
            .iter()
            .map(|parameter| parameter.name.as_str())
            .find(|known| squeeze(known) == what && !what.is_empty())
    };
    alias
        .and_then(|meant| exact(meant.replace('#', &number.to_string())))
        .or_else(|| exact(format!("line{number}_{what}")))
        .or_else(inner)
}

fn squeeze(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The known name that differs in some letters, or in the order of its words.
fn nearest(words: &[String]) -> Option<&'static str> {
    let squeezed = words.concat();
    let own = digits(&squeezed);
    // Another number is another line or server, and no slip.
    let candidates = parameters().iter().map(|parameter| parameter.name.as_str()).filter(|known| digits(known) == own);
    candidates.filter_map(|known| Some((distance(words, &squeezed, known)?, known))).min().map(|(_, known)| known)
}

/// A name as one word, whichever of the words that stand for each other it has.
fn canonical<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| SAME.iter().find(|(one, _)| *one == word).map_or(word, |(_, other)| *other)).collect()
}

/// How far a name is from a known one; nothing if that is no likely slip.
fn distance(words: &[String], squeezed: &str, known: &str) -> Option<usize> {
    let known_squeezed = squeeze(known);
    if known_squeezed == squeezed {
        return Some(0);
    }
    if canonical(known.split('_')) == canonical(words.iter().map(String::as_str)) {
        return Some(1);
    }
    if squeezed.len().abs_diff(known_squeezed.len()) > 3 {
        return None;
    }
    let parts: Vec<&str> = known.split('_').collect();
    let mut in_order: (Vec<&str>, Vec<&str>) = (parts.clone(), words.iter().map(String::as_str).collect());
    in_order.0.sort_unstable();
    in_order.1.sort_unstable();
    if parts.len() > 1 && in_order.0 == in_order.1 {
        return Some(1);
    }
    let whole = damerau_levenshtein(squeezed, &known_squeezed);
    // One letter may stand wrong anywhere in a name that is not short.
    if whole <= 1 && squeezed.len() >= 6 {
        return Some(whole + 1);
    }
    let allowed = |word: &str| if word.len() < 4 { 1 } else { 2.min(word.len() / 3) };
    let near = |(word, part): (&String, &&str)| damerau_levenshtein(word, part) <= allowed(word.as_str().min(part));
    let wrong = words.iter().zip(&parts).filter(|(word, part)| word.as_str() != **part).count();
    let is_slip = parts.len() == words.len() && parts.len() > 1 && words.iter().zip(&parts).all(near);
    // Where no word is right nothing says what was meant.
    (is_slip && wrong < parts.len() && whole <= 3).then_some(whole + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_in_common_use_are_understood() {
        let mut wrong = Vec::new();
        for (slip, right) in [
            ("timer_registry_delta", "timer_register_delta"),
            ("timer_register", "timer_register_expires"),
            ("register_expires", "timer_register_expires"),
            ("nat_recieved_processing", "nat_received_processing"),
            ("natRecievedProcessing", "nat_received_processing"),
            ("line2_proxy2_address", "proxy2_address"),
            ("line1_proxy_address", "proxy1_address"),
            ("phone_promt", "phone_prompt"),
            ("phone_promp", "phone_prompt"),
            ("phone_lable", "phone_label"),
            ("lines1_name", "line1_name"),
            ("line_1_name", "line1_name"),
            ("line01_name", "line1_name"),
            ("line1name", "line1_name"),
            ("line1_auth_name", "line1_authname"),
            ("line1_auth", "line1_authname"),
            ("line1_authnam", "line1_authname"),
            ("line1_display_name", "line1_displayname"),
            ("line1-short-name", "line1_shortname"),
            ("line2_secret", "line2_password"),
            ("line2_pasword", "line2_password"),
            ("line3_extension", "line3_name"),
            ("line1_label", "line1_shortname"),
            ("proxy_address", "proxy1_address"),
            ("proxy1_adress", "proxy1_address"),
            ("proxy1_addr", "proxy1_address"),
            ("proxy1", "proxy1_address"),
            ("proxy1Address", "proxy1_address"),
            ("proxy_regster", "proxy_register"),
            ("register_proxy", "proxy_register"),
            ("prefered_codec", "preferred_codec"),
            ("preffered_codec", "preferred_codec"),
            ("preferredCodec", "preferred_codec"),
            ("dtmf_out_of_band", "dtmf_outofband"),
            ("dtmf_outband", "dtmf_outofband"),
            ("dtmf_avt_paylaod", "dtmf_avt_payload"),
            ("vad_enable", "enable_vad"),
            ("enable_nat", "nat_enable"),
            ("time-zone", "time_zone"),
            ("timezone", "time_zone"),
            ("ntp_server", "sntp_server"),
            ("sntp_sever", "sntp_server"),
            ("dst_auto_adjsut", "dst_auto_adjust"),
            ("dst_start_day_of_weak", "dst_start_day_of_week"),
            ("logo_uri", "logo_url"),
            ("message_uri", "messages_uri"),
            ("service_url", "services_url"),
            ("directories_url", "directory_url"),
            ("caller_id_blocking", "callerid_blocking"),
            ("anonymous_call_blocking", "anonymous_call_block"),
            ("call_wating", "call_waiting"),
            ("cnf_join_enabled", "cnf_join_enable"),
            ("semi_attended_xfer", "semi_attended_transfer"),
            ("transfer_on_hangup", "transfer_onhook_enabled"),
            ("telnet_levle", "telnet_level"),
            ("image_verison", "image_version"),
            ("tftp_cfg_directory", "tftp_cfg_dir"),
            ("outbound_prox", "outbound_proxy"),
            ("backup_proxy", "proxy_backup"),
            ("start_media_prot", "start_media_port"),
            ("speed_line_1", "speed_line1"),
            ("http_proxy_address", "http_proxy_addr"),
            ("call_manager1_address", "call_manager1_addr"),
            ("dyn_tftp_adress", "dyn_tftp_addr"),
            ("nat_addr", "nat_address"),
            ("nat_enabled", "nat_enable"),
            ("linel_name", "line1_name"),
            ("proxyl_address", "proxy1_address"),
            ("timer_register_expiration", "timer_register_expires"),
            ("proxy_adress", "proxy1_address"),
            ("proxy_adres", "proxy1_address"),
            ("proxy_addr", "proxy1_address"),
            ("proxyAdress", "proxy1_address"),
            ("logo_ur1", "logo_url"),
            ("l0go_url", "logo_url"),
            ("1ogo_url", "logo_url"),
            ("pr0xy1_address", "proxy1_address"),
            ("te1net_level", "telnet_level"),
            ("voip_port", "voip_control_port"),
            ("voipPort", "voip_control_port"),
            ("authname", "line1_authname"),
            ("auth-name", "line1_authname"),
            ("password", "line1_password"),
            ("Password", "line1_password"),
            ("line_password", "line1_password"),
            ("displayname", "line1_displayname"),
            ("stopMediaPort", "end_media_port"),
            ("outbound_proxy_adress", "outbound_proxy"),
            ("emergency_proxy_adress", "proxy_emergency"),
            ("voicemail_numer", "messages_uri"),
            ("ntp_servr", "sntp_server"),
        ] {
            if meant(slip) != Some(right) {
                wrong.push((slip, meant(slip)));
            }
        }
        assert_eq!(wrong, []);
        for (slip, right) in KNOWN {
            assert!(find(right).is_some() && find(slip).is_none(), "{slip}: {right}");
        }
        for (_, right) in OF_LINES.iter().chain(OF_PROXIES) {
            assert!(find(&right.replace('#', "1")).is_some(), "{right}");
        }
    }

    #[test]
    fn good_names_of_others_and_other_numbers_mean_none_of_ours() {
        let mut wrong = Vec::new();
        for name in [
            "ldap_server_of_the_other_maker",
            "garp_enable",
            "dscp_for_audio",
            "dscpForAudio",
            "xml_card_dir",
            "user_parameters",
            "cdp_enable",
            "lldp_enable",
            "vlan_id",
            "web_access",
            "line7_name",
            "line7_frobnicate",
            "line1_privacy",
            "line0_name",
            "proxy7_address",
            "proxy9",
            "timer_t3",
            "dyn_dns_addr_3",
            "dns_server",
            "http_port",
            "x",
            "x_1",
            "my_own_parameter",
            "idle_url",
            "information_url",
            "authentication_url",
            "rdda_ptft_nyd",
            "unheard_of",
            "call_pickup",
            "blf_enable",
            "mwi_lamp",
            "srtp_enable",
            "tls_port",
            "line1_transport",
            "line1_codec",
            "speed_line9",
            "ring_list",
            "ringer_volume",
            "line7_password",
            "proxy7_adress",
            "dns_servers",
            "port",
            "pbx_vendor",
            "secretary",
            "passwords",
            "extensions",
            "labels",
            "tzdata",
            "imager",
            "timer_keepalive",
            "a",
            "",
            "____",
        ] {
            if let Some(meant) = meant(name) {
                wrong.push((name, meant));
            }
        }
        assert_eq!(wrong, []);
        assert_eq!(meant(&"l".repeat(5_000_000)), None);
        for parameter in parameters() {
            assert_eq!(meant(&parameter.name), None, "{}", parameter.name);
            assert!(
                parameter.field == parameter.name || meant(&parameter.field) == Some(&parameter.name),
                "{}",
                parameter.field
            );
        }
    }
}
