//! Dial plans: typed rules where a manifest can say them, otherwise the file as it is.

use serde_json::{Map, Value};

use super::carry::{Files, keep, note_flaws};
use super::named::{Names, note_missing, take};
use super::tree::{Note, Tree, Weight};
use crate::phone::dialplan::{self, Rule, check_attribute};
use crate::phone::file_name::dial_plan;
use crate::phone::parameter::check_host;
use crate::provision::advice;

/// The most rules that a manifest can hold.
const MAX_RULES: usize = 200;

/// Takes the plan that `dial_template` names, of the site or of a phone. `by` is the file that does.
pub fn take_dial_plan(tree: &mut Tree, files: &mut Files, names: &mut Names, template: &str, by: &str, of_site: bool) {
    let requested = dial_plan(template);
    let (Some(name), Some(bytes)) = (names.serve(tree, &requested), take(tree, &requested)) else {
        let by = if by.is_empty() { "dial_template".to_owned() } else { format!("dial_template in {by}") };
        return note_missing(tree, &requested, &by, advice::DIAL_PLAN_MISSING);
    };
    let file = super::named::find(tree, &requested).unwrap_or_else(|| requested.clone());
    if name != requested {
        let because = Names::why(tree, &requested, &name);
        // Nothing changes for phones that find it without a path.
        let weight = if file == name { Weight::Minor } else { Weight::Matters };
        let why = format!("is served as {name}, because {because}, and dial_template names it so");
        tree.notes.push(Note::file(&file, why).weighing(weight));
    }
    if by.is_empty() {
        let why = "no dial_template names it: it is taken for the site's dial plan, which phones load only if they remember that";
        tree.notes.push(Note::file(&file, why));
    }
    note_flaws(tree, &file, &name, &bytes);
    match typed(&bytes) {
        Ok(plan) if of_site => {
            files.spec.insert("dialPlan".to_owned(), plan);
        }
        Ok(_) => {
            let why = "a phone's own dial plan is served as it is, from a ConfigMap";
            tree.notes.push(Note::file(&file, why));
            keep(tree, files, &name, bytes);
        }
        Err(reason) => {
            let why = format!("no dialPlan can say it; it is served as it is, from a ConfigMap, because {reason}");
            tree.notes.push(Note::file(&file, why));
            keep(tree, files, &name, bytes);
        }
    }
}

/// A plan as a manifest has it, or why it cannot. What is called when the handset is lifted stands first there.
fn typed(file: &[u8]) -> Result<Value, String> {
    let most = dialplan::MAX_SIZE;
    if file.len() > most {
        return Err(format!("it has {} bytes, and phones read at most {most}", file.len()));
    }
    let dialplan::Reading { rules, lines, .. } = dialplan::read(file);
    if rules.is_empty() {
        return Err("it has no rule that phones know".to_owned());
    }
    if rules.len() > MAX_RULES {
        return Err(format!("it has {} rules, and a dialPlan at most {MAX_RULES}", rules.len()));
    }
    let (mut off_hook, mut templates) = (None, Vec::new());
    for (i, (rule, line)) in rules.iter().zip(lines).enumerate() {
        let said = |why: String| format!("rule {} (line {line}) {why}", i + 1);
        match rule.pattern.is_empty() {
            true if i == 0 => off_hook = Some(typed_off_hook(rule).map_err(said)?),
            _ => templates.push(typed_rule(rule).map_err(said)?),
        }
    }
    let size = dialplan::write(rules.iter().map(Rule::template)).len();
    if size > most {
        return Err(format!(
            "its rules make a file of {size} bytes as they would be written, and phones read at most {most}"
        ));
    }
    let mut plan = Map::new();
    plan.extend(off_hook.map(|off_hook| ("offHook".to_owned(), off_hook)));
    if !templates.is_empty() {
        plan.insert("templates".to_owned(), templates.into());
    }
    Ok(plan.into())
}

/// What is called when the handset is lifted as a manifest has it; or what a manifest cannot express.
fn typed_off_hook(rule: &Rule) -> Result<Value, String> {
    let number = rule.rewrite.clone().filter(|number| !number.is_empty());
    let number = number.ok_or("has an empty MATCH and no Rewrite, which calls nobody")?;
    if rule.timeout.is_none() {
        return Err("has an empty MATCH and no Timeout, which leaves it to the phone".to_owned());
    }
    if !rule.tones.is_empty() {
        return Err("has an empty MATCH and a Tone".to_owned());
    }
    check_line(rule)?;
    let mut value = typed_attributes(rule)?;
    value.remove("rewrite");
    value.insert("number".to_owned(), number.into());
    Ok(value.into())
}

/// A rule as a manifest has it; or what a manifest cannot express.
fn typed_rule(rule: &Rule) -> Result<Value, String> {
    check_line(rule)?;
    if rule.pattern.is_empty() {
        return Err("has an empty MATCH, and is not the first".to_owned());
    }
    check("MATCH", &rule.pattern)?;
    let mut value = Map::from_iter([("match".to_owned(), rule.pattern.clone().into())]);
    value.extend(typed_attributes(rule)?);
    Ok(value.into())
}

fn check_line(rule: &Rule) -> Result<(), String> {
    rule.line.as_ref().map_or(Ok(()), |line| Err(format!("is for line {line:?}")))
}

fn check(name: &str, value: &str) -> Result<(), String> {
    check_attribute(value).map_err(|why| format!("has a {name} that {why}"))
}

/// What a rule does beside its MATCH, as a manifest has it.
fn typed_attributes(rule: &Rule) -> Result<Map<String, Value>, String> {
    let mut value = Map::new();
    if let Some(timeout) = rule.timeout {
        if timeout > 3600 {
            return Err(format!("waits {timeout} s, and 3600 are the most"));
        }
        value.insert("timeout".to_owned(), timeout.into());
    }
    if let Some(user) = rule.user.as_deref().filter(|user| !user.is_empty()) {
        let known = ["Phone", "IP"].into_iter().find(|known| known.eq_ignore_ascii_case(user));
        let known = known.ok_or_else(|| format!("has the User {user:?}, neither Phone nor IP"))?;
        value.insert("user".to_owned(), known.into());
    }
    if let Some(rewrite) = &rule.rewrite {
        check("Rewrite", rewrite)?;
        value.insert("rewrite".to_owned(), rewrite.clone().into());
    }
    if let Some(route) = rule.route.as_deref().filter(|route| !route.is_empty()) {
        check_host(route).map_err(|why| format!("has a Route that {why}"))?;
        check("Route", route)?;
        value.insert("route".to_owned(), route.into());
    }
    if !rule.tones.is_empty() {
        let fine = |tone: &String| tone.len() <= 63 && tone.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if rule.tones.len() > 3 {
            return Err(format!("has {} tones, and 3 are the most", rule.tones.len()));
        }
        if let Some(tone) = rule.tones.iter().find(|tone| !fine(tone)) {
            return Err(format!("has the Tone {tone:?}"));
        }
        value.insert("tones".to_owned(), rule.tones.clone().into());
    }
    Ok(value)
}
