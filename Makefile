# Two commands do everything on a fresh Debian 12 with Rust, Go, Node and Python:
#   make run   the collector on its quick-start pipeline, with generated traffic
#   make test  every test
# Neither writes into the clone: builds go to CARGO_TARGET_DIR, real parts for tests to TRUELINE_TESTBED.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/trueline-target
export TRUELINE_TESTBED ?= $(HOME)/.cache/trueline-testbed
TRUELINE = $(CARGO_TARGET_DIR)/release/trueline

.PHONY: run test build testbed lint bench fuzz

build:
	cargo build --release --locked -p trueline

run: build
	@TRUELINE=$(TRUELINE) bash deploy/quick-start.sh

testbed:
	bash tests/testbed/build.sh

# The fuzz targets are outside the workspace. Nothing of them is linked here, so no library of the fuzzer is built.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	CUSTOM_LIBFUZZER_PATH=/none/libfuzzer.a cargo check --manifest-path tests/fuzz/Cargo.toml --locked

test: testbed lint
	cargo build --locked -p trueline
	cargo test --workspace --locked

# Beside the Go collector, on the same cores, in alternation.
bench: build
	bash tests/testbed/build.sh otelcol
	cargo run --release --locked -p bench

# Every reader of foreign bytes, ten minutes each; TARGETS="hop answers" SECONDS_EACH=60 JOBS=1 for less.
fuzz:
	bash tests/fuzz/run.sh
