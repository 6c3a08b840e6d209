#!/usr/bin/env bash
# Holds what dialtone writes against tools that others wrote: objects in every state against kstatus and Argo CD's script; the examples,
# the chart's output and kustomize/ against JSON schemas; the chart against helm's lint; findings against the schema of SARIF.
#
#   hack/conformance.sh
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=hack/node/lib.sh
. hack/node/lib.sh
command -v go >/dev/null || die "go is needed, for the tools that hack/conformance/go.mod pins"
out=$PWD/target/conformance
mkdir -p "$out"

(cd hack/conformance && go build -o "$out/" . github.com/yannh/kubeconform/cmd/kubeconform)
helm=$(hack/node/build.sh --helm)/helm

say "health: kstatus, and Argo CD's script"
DIALTONE_WRITE_STATES=$out/states.json cargo test --locked --quiet --test suite fleet::health >/dev/null
"$out/conformance" states "$out/states.json" gitops/argocd/health.lua

say "schemas: kubeconform over the examples, the chart and kustomize/"
kubernetes=$(cd hack/node && go mod download -json k8s.io/kubernetes | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
"$out/conformance" schemas "$kubernetes/api/openapi-spec/swagger.json" "$out/builtin"
# Kinds of others that the examples use, whose schemas are not at hand.
others=Kustomization,HelmRelease,OCIRepository,GitRepository,Application,ExternalSecret,SecretStore
check() { # check WHAT FILE…: files, or - for standard input
  local what=$1
  shift
  printf '%s: ' "$what"
  "$out/kubeconform" -strict -summary -skip "$others" -schema-location "$out/builtin/{{.ResourceKind}}{{.KindSuffix}}.json" \
    -schema-location "schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json" "$@"
}
mapfile -t manifests < <(find examples gitops kustomize -name '*.yaml' -not -name kustomization.yaml \
  -not -path '*/templates/*' -not -name Chart.yaml -not -name values.yaml -not -name '.*')
check "examples" "${manifests[@]}"
"$helm" template phones gitops/phones-from-csv --namespace phones >"$out/phones.yaml"
check "phones from CSV" "$out/phones.yaml"
for values in '' crds.install=true admissionPolicy.enabled=true 'watchNamespaces={a,b}' podDisruptionBudget.enabled=true; do
  "$helm" template dialtone charts/dialtone --namespace dialtone ${values:+--set "$values"} >"$out/chart.yaml"
  check "chart ${values:-by default}" "$out/chart.yaml"
done
# The schemas find what is wrong.
if sed 's/mac:/mack:/' examples/phones.yaml | check "a mistake" - >/dev/null; then die "kubeconform finds no mistake"; fi

say "helm lint --strict"
"$helm" lint --strict --quiet charts/dialtone gitops/phones-from-csv

say "SARIF"
rm -rf "$out/sarif" && mkdir "$out/sarif"
DIALTONE_WRITE_SARIF=$out/sarif cargo test --locked --quiet --test suite findings::what >/dev/null
module=$(cd hack/conformance && go list -m -f '{{.Dir}}' github.com/owenrumney/go-sarif/v3)
"$out/conformance" sarif "$module/pkg/report/v210/sarif/schema.go" "$out"/sarif/*.sarif
