#!/usr/bin/env bash
# `make demo`: a cluster, the operator, a site with phones, and phones that boot. On a throwaway node of its own, or on a cluster of
# yours: make demo CONTEXT=my-context IMAGE=registry.example.com/dialtone:tag
set -euo pipefail
cd "$(dirname "$0")/.."
began=$SECONDS
say() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
dialtone=$target/debug/dialtone
dialtone=${dialtone#"$PWD/"}
context=${CONTEXT:-} image=${IMAGE:-}
if [[ -n $context ]]; then
  [[ -n $image ]] || die "with CONTEXT, say IMAGE=…: an image of this project that the cluster can pull (hack/image.sh makes one)"
  command -v kubectl >/dev/null || die "kubectl is needed"
  say "1/5 Building dialtone (about 3 minutes on two cores the first time)"
  cargo build --locked
  kubectl=(kubectl "--context=$context")
else
  ((EUID == 0)) || die "a node of its own needs root, for a kubelet; or name a cluster of yours: make demo CONTEXT=… IMAGE=…"
  say "1/5 Building dialtone, and beside it Kubernetes' own programs (about 6 minutes on two cores the first time)"
  hack/node/packages.sh
  # Each of the two waits now and then for one of its parts, and the other goes on.
  hack/node/build.sh --without-helm >"$target/demo-programs" &
  programs=$!
  cargo build --locked || { kill "$programs" 2>/dev/null || true; exit 1; }
  wait "$programs"
  bin=$(cat "$target/demo-programs")
  export PATH=$bin:$PATH
  say "2/5 Starting a throwaway node"
  # The program that was just built, with the libraries of this machine: good enough for a node on this machine.
  strip -o "$target/demo-dialtone" "$target/debug/dialtone"
  image=docker.io/library/dialtone:demo-$(sha256sum "$target/demo-dialtone" | cut -c1-12)
  hack/node/image.sh "$target/demo-dialtone" "$image" "$target/demo.tar"
  KUBECONFIG=$(hack/node/up.sh --name demo)
  export KUBECONFIG
  hack/node/load.sh --name demo "$target/demo.tar"
  kubectl=(kubectl)
fi

say "3/5 Installing the operator: kubectl apply -k, with this image"
rm -rf "$target/demo"
mkdir -p "$target/demo"
# The image stands in two places: the operator gives the same one to the TFTP pods.
cat >"$target/demo/kustomization.yaml" <<EOF
resources: [$(realpath --relative-to="$target/demo" kustomize)]
images: [{name: dialtone, newName: ${image%:*}, newTag: ${image##*:}}]
replacements:
  - source: {kind: Deployment, name: dialtone, fieldPath: "spec.template.spec.containers.[name=operator].image"}
    targets:
      - select: {kind: Deployment, name: dialtone}
        fieldPaths: ["spec.template.spec.containers.[name=operator].env.[name=DIALTONE_IMAGE].value"]
EOF
"${kubectl[@]}" kustomize "$target/demo" --load-restrictor=LoadRestrictionsNone | "${kubectl[@]}" apply --server-side -f - >/dev/null
"${kubectl[@]}" rollout status deployment/dialtone --namespace dialtone --timeout=3m
"${kubectl[@]}" get pods --namespace dialtone

say "4/5 kubectl apply -f examples/"
"${kubectl[@]}" create namespace phones --dry-run=client -o yaml | "${kubectl[@]}" apply -f - >/dev/null
"${kubectl[@]}" label namespace phones --overwrite pod-security.kubernetes.io/enforce=restricted >/dev/null
"${kubectl[@]}" apply --namespace phones -f examples/
"${kubectl[@]}" wait --namespace phones --for=condition=Ready --timeout=3m sipphones --all
# A site whose Service waits for a load balancer serves, and is not Ready.
"${kubectl[@]}" wait --namespace phones --for=condition=Served --timeout=3m phonesites --all

say "5/5 Booting the phones of the site \"branch\", over UDP"
address=
for _ in $(seq 50); do
  address=$("${kubectl[@]}" get phonesite branch --namespace phones -o jsonpath='{.status.address}')
  [[ -n $address ]] && break
  sleep 0.2
done
[[ -n $address ]] || die "the site has no address yet: kubectl describe phonesite branch -n phones"
boot() { "$dialtone" phone --server "$address" --mac "$1" --model "$2"; }
boot 000A8A007101 7960
boot 000A8A007102 7940 >/dev/null
boot 000A8A007103 7940 >/dev/null
# The boot of the seed's phone is left to you, so that there is a phone that is not in sync.
for _ in $(seq 50); do
  synced=$("${kubectl[@]}" get phonesite branch --namespace phones -o jsonpath='{.status.phones.inSync}')
  [[ $synced == 3 ]] && break
  sleep 0.2
done

say "Ready after $((SECONDS - began)) s. What somebody who looks after phones sees:"
"${kubectl[@]}" get phonesites,sipphones --namespace phones -o wide
pending=$("${kubectl[@]}" get phonesites --namespace phones \
  -o jsonpath='{range .items[*]}{.metadata.name}{"="}{.status.conditions[?(@.type=="Ready")].reason}{"\n"}{end}' | sed -n 's/=AddressPending$//p' | paste -sd' ')
[[ -z $pending ]] || printf '\n%s: its Service waits for a load balancer, which this cluster does not have.\n' "$pending"
echo
echo "What to try next:"
if [[ -z $context ]]; then
  echo "  export KUBECONFIG=$KUBECONFIG PATH=$bin:\$PATH"
fi
cat <<EOF
  kubectl describe sipphone front-desk -n phones
  kubectl patch sipphone lobby -n phones --type=merge -p '{"spec":{"label":"Foyer"}}'
  kubectl get sipphones -n phones -w                      # in another terminal, then:
  $dialtone phone --server $address --mac 000A8A007103 --model 7940
  kubectl explain phonesite.spec.settings
EOF
[[ -n $context ]] || echo "  make node-down NODE=demo                                # when you have seen enough"
