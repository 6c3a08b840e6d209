//! Names of what is not to be shown.

/// Whether a parameter's name says that its value is secret, whether the table knows it or not.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let inside = ["password", "passwd", "passphrase", "secret", "credential", "token"];
    let whole = ["pw", "pwd", "pass", "pin", "psk", "key", "community"];
    inside.iter().any(|part| name.contains(part)) || name.split(['_', '.', '-']).any(|part| whole.contains(&part))
}
