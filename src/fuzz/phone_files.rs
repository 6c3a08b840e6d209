//! The files that phones read: parameters, dial plan, ring list, and the small ones in XML.

use std::net::{Ipv4Addr, SocketAddr};

use super::{assert_shown, parts, reader};
use crate::phone::dialplan::{self, Budget, Matcher, Rule, When};
use crate::phone::ringlist::{self, Ring};
use crate::phone::{Model, boot, cnf, syncinfo, text};
use crate::simulator::{Flash, Options, Phone, sip::sync_of};

/// `SIPDefault.cnf` or `SIP<MAC>.cnf`.
pub fn cnf(input: &[u8]) {
    let reading = cnf::read(input);
    let lines = input.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let (entries, problems) = (&reading.entries, &reading.problems);
    assert!(entries.len() <= lines && problems.len() <= lines + 1);
    assert!(entries.is_sorted_by(|one, next| one.line < next.line));
    for entry in entries {
        assert_eq!(cnf::check_name(&entry.name), Ok(()));
        assert_eq!(text::check_verbatim(&entry.value, usize::MAX), Ok(()));
    }
    problems.iter().for_each(|problem| assert_shown(&problem.why));
    // What was read is written so that both readers read the same again, and nothing else.
    let written = cnf::write(entries.iter().map(|entry| (entry.name.as_str(), entry.value.as_str())));
    let again = cnf::read(&written);
    assert_eq!(again.problems, []);
    let pairs = |reading: &cnf::Reading| {
        let pairs = reading.entries.iter().map(|entry| (entry.name.clone(), entry.value.clone()));
        pairs.collect::<Vec<_>>()
    };
    assert_eq!(pairs(&again), pairs(&reading));
    assert_eq!(reader::parameters(&written), reading.effective());
    let mut flash = Flash::default();
    flash.load(input);
    assert_eq!(flash.all(), &reading.effective());
    let _ = cnf::image_named(input);
}

/// Whether keys fit a pattern, tried one token after the other.
fn fits(pattern: &str, keys: &[char]) -> bool {
    let mut chars = pattern.chars();
    // The places between keys that the tokens so far may lead to.
    let mut places = vec![false; keys.len() + 1];
    places[0] = true;
    while let Some(token) = chars.next() {
        let literal = match token {
            ',' => continue,
            '.' | '*' => None,
            '\\' => Some(chars.next().unwrap_or('\\')),
            key => Some(key),
        };
        let mut next = vec![false; keys.len() + 1];
        for (place, key) in keys.iter().enumerate() {
            let is_led_to = places[place] || (token == '*' && next[place]);
            next[place + 1] = is_led_to && literal.map_or(*key != '#', |literal| literal == *key);
        }
        places = next;
    }
    places[keys.len()]
}

/// A dial plan, and keys that are pressed.
pub fn dialplan(input: &[u8]) {
    let mut parts = parts(input);
    let (file, keys) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let dialplan::Reading { rules, lines, problems } = dialplan::read(file);
    assert!(lines.len() == rules.len() && lines.is_sorted());
    assert!(rules.len() + problems.len() <= file.iter().filter(|byte| **byte == b'<').count() + 1);
    problems.iter().for_each(|(_, why)| assert_shown(why));
    let can_be_written = |rule: &&Rule| {
        let texts = [&rule.user, &rule.rewrite, &rule.route].into_iter().flatten().chain(&rule.tones);
        let mut all = texts.chain([&rule.pattern]);
        rule.line.is_none() && all.all(|text| dialplan::check_attribute(text).is_ok())
    };
    let kept: Vec<Rule> = rules.iter().filter(can_be_written).cloned().collect();
    let again = dialplan::read(&dialplan::write(kept.iter().map(Rule::template)));
    assert_eq!((again.rules, again.problems), (kept, vec![]));

    let keys: String = keys.iter().take(80).map(|byte| char::from(b"0123456789*#"[usize::from(byte % 12)])).collect();
    let matcher = Matcher::new(rules.iter().map(Rule::template));
    let Some(call) = matcher.dial(&keys, &mut Budget::new(20_000)) else {
        assert!(rules.len() * keys.len() + keys.len() > 20_000, "the budget has an end only where it is reached");
        return;
    };
    let hash = if call.when == When::Hash { "#" } else { "" };
    assert_eq!(format!("{}{hash}{}", call.dialled, call.left), keys);
    let dialled: Vec<char> = call.dialled.chars().collect();
    match call.rule {
        Some(rule) => assert!(fits(&rules[rule].pattern, &dialled), "{:?} for {dialled:?}", rules[rule]),
        None => {
            // With more tokens than there are bits a pattern fits nothing.
            let short = |rule: &&Rule| rule.pattern.chars().count() <= 127;
            let missed = rules.iter().filter(short).find(|rule| fits(&rule.pattern, &dialled));
            assert!(missed.is_none_or(|_| dialled.is_empty()), "{missed:?} for {dialled:?}");
        }
    }
    for (i, Rule { pattern, .. }) in rules.iter().enumerate().take(4) {
        for sample in matcher.samples(i).take(2) {
            let is_hash_free = !sample.contains('#');
            assert!(!is_hash_free || fits(pattern, &sample.chars().collect::<Vec<_>>()), "{pattern:?}: {sample:?}");
        }
    }
}

/// `RINGLIST.DAT`.
pub fn ringlist(input: &[u8]) {
    let ringlist::Reading { rings, lines, problems } = ringlist::read(input);
    assert!(lines.len() == rings.len() && lines.is_sorted());
    problems.iter().for_each(|(_, why)| assert_shown(why));
    // At the beginning of a file the reader takes a byte-order mark off.
    let has_mark =
        |name: &str| ["\u{ef}\u{bb}\u{bf}", "\u{ff}\u{fe}", "\u{fe}\u{ff}"].iter().any(|mark| name.starts_with(mark));
    let is_plain =
        |text: &str| !has_mark(text) && !text.is_empty() && text.trim() == text && text::check(text, 80).is_ok();
    let kept: Vec<_> = rings.into_iter().filter(|(name, file)| is_plain(name) && is_plain(file)).collect();
    let written = ringlist::write(kept.iter().map(|(name, file)| Ring { name, file }));
    let again = ringlist::read(&written);
    assert_eq!((again.rings, again.problems), (kept, vec![]));
    let _ = ringlist::ring_problem(input, input.len());
}

/// The files in XML that say which image to load, and whether to restart.
pub fn xml(input: &[u8]) {
    let mut parts = parts(input);
    let (file, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mac = "000A8A123456".parse().expect("twelve digits");
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 69));
    for model in Model::ALL {
        let mut phone = Phone::new(Options { model, ..Options::new(server, mac) });
        if let Some(image) = phone.load_information(file) {
            assert!(!image.is_empty() && !image.contains('<'));
        }
        let image = text::from_latin1(name);
        let can_be_written =
            !image.is_empty() && image.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if can_be_written {
            for written in [boot::sep_xml(model, &image), boot::xml_default(&image)] {
                assert_eq!(phone.load_information(&written).as_deref(), Some(image.as_str()));
            }
        }
    }
    let lines = file.iter().filter(|byte| **byte == b'\n').count() + 1;
    let problems = crate::phone::xml::problems(file);
    assert!(problems.iter().all(|(line, _)| *line <= lines) && problems.len() <= 18, "{problems:?}");
    problems.iter().for_each(|(_, why)| assert_shown(why));
    let _ = (crate::phone::xml::texts(file, "loadInformation"), crate::phone::bitmap::problem(file));
    let useless = syncinfo::problems(file);
    assert!(useless.iter().all(|(line, _)| *line <= lines), "{useless:?}");
    if let Some(sync) = sync_of(file, "P0S3-8-12-00") {
        assert!(!sync.contains('"'));
    }
    assert_eq!(sync_of(&syncinfo::write(), &text::from_latin1(name)).as_deref(), Some(syncinfo::MARK));
}
