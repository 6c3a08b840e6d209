#!/usr/bin/env bash
# Writes what the chart makes of its default values, for those who use kustomize.
#
#   hack/manifests.sh [FILE]    default: kustomize/operator.yaml; - for standard output
#
# helm must be in PATH; `make manifests` sees to that.
set -euo pipefail
cd "$(dirname "$0")/.."
file=${1:-kustomize/operator.yaml}
made() {
  echo "# Made from the chart's default values by \`make manifests\`."
  helm template dialtone charts/dialtone --namespace dialtone --skip-tests --set crds.install=false |
    sed -e '/^# Source: /d' -e 's/managed-by: Helm/managed-by: kustomize/' | sed -e '/^$/d'
}
if [[ $file == - ]]; then made; else made >"$file"; fi
