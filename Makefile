# SPDX-License-Identifier: Apache-2.0
# Names for the commands; what they do is in scripts/.
PORT ?= 8443
ARGS ?=
SECONDS ?= 60
KILLS ?= 500
export PORT UPSTREAM UPSTREAM_DB UPSTREAM_SECRET_FILE
MAKEFLAGS += --no-print-directory

build:
	@scripts/install.sh run build
	@scripts/build.sh build

run:
	@scripts/install.sh run build
	@scripts/build.sh build
	@exec scripts/run.sh

test:
	@scripts/test.sh $(ARGS)

check:
	@scripts/install.sh run build test
	@scripts/check.sh $(ARGS)

shape:
	@scripts/shape.sh

bench:
	@scripts/install.sh run build test
	@scripts/build.sh build
	@bench/run.sh $(ARGS)

fuzz:
	@scripts/install.sh run build test
	@scripts/fuzz.sh $(SECONDS)

crash:
	@scripts/install.sh run build test
	@scripts/crash.sh $(KILLS) $(SEED)

attack:
	@scripts/install.sh run build test attack
	@scripts/attack.sh $(ARGS)

tls:
	@scripts/install.sh run build test tls
	@scripts/tls.sh $(ARGS)

format:
	@git ls-files '*.c' '*.h' | grep -v '^nginx/' | xargs clang-format -i

clean:
	rm -rf build build-*

.PHONY: build run test check shape bench fuzz crash attack tls format clean
