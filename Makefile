# Everything a newcomer needs: `make demo` to see it work, `make test` to know that it does. `make help` lists the rest.

CARGO ?= cargo
# How long `make fuzz` stays with each target.
FUZZ_SECONDS ?= 60
# Further arguments for pytest, such as `make test PYTEST="-k swaks"`.
PYTEST ?=

.DEFAULT_GOAL := help
.PHONY: help assets build demo test test-all test-rust test-foreign test-live needs lint fmt bench profile fuzz

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Build all and watch mail go from SMTP, HTTP and sendmail through Microsoft Graph (ONCE=1: exit when it arrived)
	target/release/postern demo $(if $(ONCE),--once)

assets: ## Bring what the console's pages use from npm
	@tools/need-assets

build: assets ## Build the program: target/release/postern
	$(CARGO) build --locked --release -p postern

test: test-rust test-foreign ## Run all tests, installing what they need

test-rust: assets ## Run the Rust tests
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --workspace --no-fail-fast && $(CARGO) test --locked --workspace --doc --quiet; \
	else \
		$(CARGO) test --locked --workspace --no-fail-fast; \
	fi

test-foreign: assets needs ## Run foreign mail clients and libraries against the built program
	$(CARGO) build --locked -p postern
	cd tests && ../.tools/venv/bin/python -m pytest -q $(PYTEST)

test-all: ## Run all tests, and let a scanner attack the console for some minutes
	@tools/need-wapiti
	$(MAKE) test

test-live: ## Ask a real tenant what the sandbox says of it (docs/live.md)
	@tools/need-python
	$(CARGO) build --locked -p postern
	@tools/test-live

needs: ## Install what the tests need: Debian, npm and PyPI packages
	@tools/need-debian
	@tools/need-python
	@tools/need-node
	@tools/need-corpus
	@tools/need-postfix
	@tools/need-squid
	@tools/need-smarthosts

lint: assets ## Check formatting and lints, and show the longest functions and files
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@tools/longest

fmt: ## Format the Rust code
	$(CARGO) fmt --all

bench: assets ## Measure against Postfix and Microsoft Graph's stand-in, and print the figures
	@tools/need-debian
	@tools/need-postfix
	$(CARGO) build --locked --release -p postern
	python3 -m bench

profile: build ## Count where the instructions of taking mail go (needs valgrind)
	tools/profile

fuzz: ## Feed every parser random input, FUZZ_SECONDS each (needs a nightly toolchain)
	tools/fuzz $(FUZZ_SECONDS)
