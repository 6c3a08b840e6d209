//! How the operator finds an API server that a test made.

use std::path::Path;

/// Writes a kubeconfig for what listens there.
pub fn write(file: &Path, url: &str) {
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: x, contexts: [{{name: x, context: {{cluster: x, user: x}}}}], \
         clusters: [{{name: x, cluster: {{server: \"{url}\"}}}}], users: [{{name: x, user: {{token: x}}}}]}}"
    );
    std::fs::write(file, text).unwrap();
}
