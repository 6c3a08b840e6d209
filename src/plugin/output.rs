//! What programs read: JSON and YAML with a version.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

/// The version of what programs read. It grows when a field goes or means something else; new fields may come at any time.
pub(super) const VERSION: u32 = 1;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text with more columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// A result for programs: JSON unless it is to be YAML.
pub(super) fn structured(result: &impl Serialize, format: Option<Format>) -> anyhow::Result<String> {
    let mut value = json!({"version": VERSION});
    if let (Value::Object(all), Value::Object(fields)) = (&mut value, serde_json::to_value(result)?) {
        all.extend(fields);
    }
    Ok(match format {
        Some(Format::Yaml) => serde_saphyr::to_string(&value)?,
        _ => format!("{}\n", serde_json::to_string_pretty(&value)?),
    })
}
