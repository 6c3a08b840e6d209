# What people and CI call. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

NODE ?= main

.PHONY: help
help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.PHONY: try
try: ## the main job without a cluster, as an ordinary user: a site, phones that boot from it, a change that one takes by itself
	@hack/try.sh

.PHONY: demo
demo: ## a throwaway cluster with a site and phones that boot; CONTEXT=… IMAGE=… for a cluster of yours
	@hack/demo.sh

.PHONY: test
test: lint unit conformance cluster ## everything that CI checks

.PHONY: lint
lint: supply ## formatting, clippy, docs, shellcheck; layers, dependencies and what is public; make supply
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	hack/lint-shell.sh
	cargo clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
	cargo test --locked --quiet --test suite -- layers:: tidy::

.PHONY: supply
supply: ## licences, bans, sources and known faults of all dependencies
	hack/supply.sh deny

.PHONY: reproducible
reproducible: ## builds the image twice, in two folders: they have one digest; some ten minutes
	hack/supply.sh reproducible

.PHONY: fuzz
fuzz: ## searches inputs that break a parser; TIME=seconds or RUNS=n for each, ONLY=cnf,yaml for some, KEEP=1 to keep what is new
	hack/fuzz.sh $(if $(TIME),--time $(TIME)) $(if $(RUNS),--runs $(RUNS)) $(if $(ONLY),--only '$(ONLY)') $(if $(KEEP),--keep)

.PHONY: unit
unit: ## tests that need no cluster
	@hack/promtool.sh >/dev/null
	cargo test --locked

.PHONY: conformance
conformance: ## kstatus, Argo CD's script, kubeconform, helm lint and the schema of SARIF over what dialtone writes
	@hack/conformance.sh

.PHONY: cluster
cluster: ## tests against a real API server and, as root on Linux, a real node; ONLY=edit,api for steps on a node that stays
	@hack/test-cluster.sh $(if $(ONLY),--only '$(ONLY)' --name $(NODE))

.PHONY: soak
soak: ## every fault test whole, and histories without end, for MINUTES=20 at least; prints its seeds
	hack/soak.sh $(or $(MINUTES),20)

.PHONY: bench
bench: ## how fast and small it is, beside the alternatives; ONLY=core,storm,operator,wire for parts
	hack/bench.sh $(if $(ONLY),--only $(ONLY))

.PHONY: interop
interop: ## tries dialtone with TFTP, SIP and telnet programs that others wrote, writes docs/interop.md; ONLY=curl,lossy for some
	@hack/interop.sh $(if $(ONLY),--only '$(ONLY)')

.PHONY: crds
crds: ## write the CustomResourceDefinitions anew
	cargo run --locked --quiet -- crds >crds/dialtone.dev.yaml
	cp crds/dialtone.dev.yaml charts/dialtone/files/

.PHONY: manifests
manifests: ## write what kustomize/ takes from the chart anew
	@PATH=$$(hack/node/build.sh --control-plane):$$PATH hack/manifests.sh

.PHONY: docs
docs: ## write the reference anew
	DIALTONE_WRITE_DOCS=1 cargo test --locked --quiet --test suite -- reference:: chart:: json_schemas:: the_reference_names_every_metric

.PHONY: image
image: ## a static image in target/dialtone.tar, dialtone:dev
	hack/image.sh

.PHONY: release
release: ## all files of a release that can be made here; REPOSITORY=registry.example.com/dialtone
	@PATH=$$(hack/node/build.sh):$$PATH hack/release.sh

.PHONY: node
node: ## a throwaway real node, which make cluster ONLY=… uses; prints its KUBECONFIG
	@hack/node/up.sh --name $(NODE)

.PHONY: node-down
node-down: ## takes the node down and leaves nothing behind
	@hack/node/down.sh --name $(NODE)
