# Gnatter. `make help` lists what there is to make.
.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
SAN ?=
WERROR ?=

ifneq ($(SAN),)
BUILD := $(BUILD)/$(if $(filter thread,$(SAN)),tsan,san)
SAN_FLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
CFLAGS ?= -O1 -g
else
HARDEN := -D_FORTIFY_SOURCE=2
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wswitch-enum -Wvla \
        $(if $(WERROR),-Werror)
CFLAGS ?= -O2 -g
PROTOCOL_INCLUDE := -Iclients/protocol
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(HARDEN) $(SAN_FLAGS) -fstack-protector-strong -fvisibility=hidden -fPIC -pthread \
             -I. $(PROTOCOL_INCLUDE) -I$(BUILD)/gen -isystem /usr/include/postgresql -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) $(SAN_FLAGS) -Wl,-z,relro,-z,now -pthread

# ---- what is made of what ----
PROTOCOL_SRC := $(wildcard clients/protocol/*.c)
PLUGIN_SRC   := $(wildcard broker-plugin/*.c)
CORE_SRC     := $(wildcard sync-service/core/*.c)
SERVICE_SRC  := $(wildcard sync-service/*.c sync-service/*/*.c)
CTL_SRC      := $(wildcard clients/gnatterctl/*.c)
ACCELERATOR_SRC := $(wildcard broker-accelerator/*.c)
LOAD_SRC     := $(wildcard tests/load/*.c)
SIM_SRC      := $(wildcard tests/sim/*.c)
UNIT_SRC     := $(wildcard tests/unit/*_test.c)
FUZZ_SRC     := $(wildcard tests/fuzz/*_fuzz.c)
SCHEMA_SQL   := $(wildcard schema/*.sql schema/migrations/*.sql schema/functions/*.sql)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

PROTOCOL_LIB := $(BUILD)/lib/libprotocol.a
PLUGIN  := $(if $(PLUGIN_SRC),$(BUILD)/lib/gnatter_plugin.so)
SERVICE := $(if $(filter sync-service/main.c,$(SERVICE_SRC)),$(BUILD)/bin/gnatter-syncd)
ACCELERATOR := $(if $(ACCELERATOR_SRC),$(BUILD)/lib/gnatter_accelerator.so)
CTL     := $(if $(CTL_SRC),$(BUILD)/bin/gnatterctl)
LOAD    := $(if $(LOAD_SRC),$(BUILD)/bin/gnatter-load)
SIM     := $(if $(SIM_SRC),$(BUILD)/tests/sim)
UNIT    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
FUZZ    := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))

.PHONY: all
all: dependencies $(PLUGIN) $(ACCELERATOR) $(SERVICE) $(CTL)

# ---- dependencies: a missing one is named with its Debian package ----
.PHONY: dependencies install-packages
dependencies: $(BUILD)/dependencies.ok
$(BUILD)/dependencies.ok: tools/dependencies.sh packages.txt
	@mkdir -p $(@D)
	@sh tools/dependencies.sh check
	@touch $@
install-packages:
	@sh tools/dependencies.sh install

# ---- objects ----
# OpenSSL's headers want the system's <limits.h>, which clients/protocol would hide.
$(BUILD)/obj/sync-service/push/%.o $(BUILD)/obj/clients/gnatterctl/certificate.o: PROTOCOL_INCLUDE :=
$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(PROTOCOL_LIB): $(call obj,$(PROTOCOL_SRC))
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/lib/gnatter_plugin.so: $(call obj,$(PLUGIN_SRC)) $(PROTOCOL_LIB)
	$(CC) $(ALL_LDFLAGS) -shared -o $@ $^ -lsodium -lcjson

$(BUILD)/lib/gnatter_accelerator.so: $(call obj,$(ACCELERATOR_SRC))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -shared -o $@ $^

$(BUILD)/bin/gnatter-syncd: $(call obj,$(SERVICE_SRC)) $(PROTOCOL_LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lpaho-mqtt3as -lpq -lsodium -lcjson -lcurl -lcrypto -lmicrohttpd

$(BUILD)/bin/gnatterctl: $(call obj,$(CTL_SRC)) $(BUILD)/obj/schema.o $(PROTOCOL_LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lpq -lsodium -lcjson -lssl -lcrypto

$(BUILD)/bin/gnatter-load: $(call obj,$(LOAD_SRC)) $(PROTOCOL_LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lsodium -lcjson -lm

$(BUILD)/bin/first-conversation: $(call obj,tools/first-conversation.c)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lmosquitto

# The schema travels inside gnatterctl: one file to install, and always the version it was built with.
$(BUILD)/gen/schema.c: tools/embed-schema.sh $(SCHEMA_SQL)
	@mkdir -p $(@D)
	@sh tools/embed-schema.sh $(SCHEMA_SQL) >$@
$(BUILD)/obj/schema.o: $(BUILD)/gen/schema.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Iclients/gnatterctl -c -o $@ $<

# ---- a private node in ./run ----
# UP: further options of gnatterctl up, such as UP="--mqtt-port 0 --ws-port 0"
UP ?=
.PHONY: run stop
run:
	@sh tools/dependencies.sh run
	@$(MAKE) --no-print-directory -s all $(BUILD)/bin/first-conversation
	@$(BUILD)/bin/gnatterctl --dir run up $(UP) || { \
	    echo 'options of up are given to make as UP: make run UP="--mqtt-port 0 --ws-port 0"' >&2; exit 1; }
	@BIN=$(BUILD)/bin sh tools/first-conversation.sh run
stop:
	@[ ! -e run/mosquitto.conf ] || { $(MAKE) --no-print-directory -s $(BUILD)/bin/gnatterctl && $(BUILD)/bin/gnatterctl --dir run down; }

# ---- install ----
INSTALL_TO := $(DESTDIR)$(PREFIX)
.PHONY: install
install: all
	install -d $(INSTALL_TO)/bin $(INSTALL_TO)/sbin $(INSTALL_TO)/lib/gnatter $(INSTALL_TO)/share/man/man1 \
	    $(INSTALL_TO)/share/man/man8 $(INSTALL_TO)/share/bash-completion/completions $(INSTALL_TO)/share/zsh/site-functions
	install -m 755 $(CTL) $(INSTALL_TO)/bin/
	install -m 755 $(SERVICE) $(INSTALL_TO)/sbin/
	install -m 644 $(PLUGIN) $(ACCELERATOR) $(INSTALL_TO)/lib/gnatter/
	install -m 644 docs/man/gnatterctl.1 $(INSTALL_TO)/share/man/man1/
	install -m 644 docs/man/gnatter-syncd.8 $(INSTALL_TO)/share/man/man8/
	install -m 644 clients/gnatterctl/completion/gnatterctl.bash $(INSTALL_TO)/share/bash-completion/completions/gnatterctl
	install -m 644 clients/gnatterctl/completion/_gnatterctl $(INSTALL_TO)/share/zsh/site-functions/

# Only what install has put there: folders that others use stay, and so do nodes.
.PHONY: uninstall
uninstall:
	rm -f $(INSTALL_TO)/bin/gnatterctl $(INSTALL_TO)/sbin/gnatter-syncd $(INSTALL_TO)/lib/gnatter/gnatter_plugin.so \
	    $(INSTALL_TO)/lib/gnatter/gnatter_accelerator.so $(INSTALL_TO)/share/man/man1/gnatterctl.1 \
	    $(INSTALL_TO)/share/man/man8/gnatter-syncd.8 $(INSTALL_TO)/share/bash-completion/completions/gnatterctl \
	    $(INSTALL_TO)/share/zsh/site-functions/_gnatterctl
	[ ! -d $(INSTALL_TO)/lib/gnatter ] || rmdir $(INSTALL_TO)/lib/gnatter

# ---- tests ----
.SECONDEXPANSION:
# A unit test names the further sources it needs in a line "link: a.c b.c".
$(BUILD)/tests/%_test: $(BUILD)/obj/tests/unit/%_test.o $(call obj,$(CORE_SRC)) $(PROTOCOL_LIB) $$(call extra,$$*)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(PROTOCOL_LIB) -lcmocka -lsodium -lcjson -lpq -lcrypto -lm
extra = $(call obj,$(shell sed -n 's|^.*link: *\([^*]*\).*|\1|p' tests/unit/$(1)_test.c))
$(BUILD)/tests/sim: $(call obj,$(SIM_SRC)) $(call obj,$(CORE_SRC)) $(PROTOCOL_LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lsodium -lcjson -lm

# A machine in trouble for the fault tests, preloaded; plain also beside sanitizers.
MACHINE := build/tests/machine.so
$(MACHINE): tests/fault/machine.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CFLAGS) $(WARN) -fPIC -fvisibility=hidden -shared -o $@ $< -ldl

# Fuzzers are clang's libFuzzer with the sanitizers, built from the sources themselves.
$(BUILD)/fuzz/%_fuzz: tests/fuzz/%_fuzz.c $(PROTOCOL_SRC) $(wildcard clients/protocol/*.h)
	@mkdir -p $(@D)
	clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. -Iclients/protocol \
	    -o $@ $< $(PROTOCOL_SRC) $$(sed -n 's|^.*link: *\([^*]*\).*|\1|p' $<) -lsodium -lcjson

# What has threads, under the thread sanitizer: in each test run these; `make threads` the service with push besides.
THREADED := $(patsubst %,build/tsan/tests/%_test,clerk database mailbox primary pusher worker worker_keys)

.PHONY: test-programs test threads clean help
test-programs: all $(LOAD) $(SIM) $(UNIT) $(MACHINE)
test: install-packages
	$(MAKE) --no-print-directory -j2 test-programs fuzz-programs
	$(MAKE) --no-print-directory -j2 SAN=address,undefined WERROR= test-programs
	$(MAKE) --no-print-directory -j2 SAN=thread WERROR= $(THREADED)
	/usr/bin/python3 tests/run.py
threads: install-packages
	$(MAKE) --no-print-directory -j2 all
	$(MAKE) --no-print-directory -j2 SAN=thread WERROR= build/tsan/bin/gnatter-syncd build/tsan/bin/gnatterctl $(THREADED)
	/usr/bin/python3 tests/run.py threads push-threads
.PHONY: fuzz-programs fuzz
fuzz-programs: $(FUZZ)
# Each fuzzer for FUZZ_SECONDS from the seeds in the tree; what it finds stays in build/fuzz.
FUZZ_SECONDS ?= 60
fuzz: fuzz-programs
	@for fuzzer in $(FUZZ:$(BUILD)/fuzz/%_fuzz=%); do \
	    mkdir -p $(BUILD)/fuzz/corpus/$$fuzzer tests/fuzz/corpus/$$fuzzer; printf '%s: ' "$$fuzzer"; \
	    $(BUILD)/fuzz/$${fuzzer}_fuzz -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 \
	        -artifact_prefix=$(BUILD)/fuzz/$$fuzzer- $(BUILD)/fuzz/corpus/$$fuzzer tests/fuzz/corpus/$$fuzzer \
	        >$(BUILD)/fuzz/$$fuzzer.log 2>&1 || { tail -n 60 $(BUILD)/fuzz/$$fuzzer.log; exit 1; }; \
	    sed -n 's/^stat::number_of_executed_units: */inputs /p' $(BUILD)/fuzz/$$fuzzer.log; \
	done

# Longer than a test run should be: fresh seeds and repeated kills for DURATION, a million schedules at least.
DURATION ?= 10m
.PHONY: soak
soak: install-packages
	@$(MAKE) --no-print-directory -s test-programs
	@/usr/bin/python3 tests/soak.py --duration $(DURATION) $(if $(SEED),--seed $(SEED))

# ---- reading the code for mistakes ----
C_FILES := tests/fault/machine.c $(PROTOCOL_SRC) $(PLUGIN_SRC) $(ACCELERATOR_SRC) $(SERVICE_SRC) $(CTL_SRC) $(LOAD_SRC) $(SIM_SRC) $(UNIT_SRC) $(FUZZ_SRC)
SH_FILES := $(wildcard tools/*.sh tests/*.sh tests/*/*.sh .ci/run)
.PHONY: lint
lint: install-packages dependencies
	sh tools/dependencies.sh install clang-format clang-tidy cppcheck shellcheck
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
	    -D'HASH_ITER(hh,head,el,tmp)=while((el=tmp=(head)))' \
	    -D'DL_FOREACH2(head,el,next)=while((el=(head)))' -D'DL_FOREACH_SAFE2(head,el,tmp,next)=while((el=tmp=(head)))' \
	    -D'LL_FOREACH2(head,el,next)=while((el=(head)))' -D'LL_FOREACH(head,el)=while((el=(head)))' \
	    --suppress=missingIncludeSystem -j2 -I. -Iclients/protocol $(C_FILES)
	printf '%s\n' $(C_FILES) | xargs -P2 -I{} sh -c 'protocol=; case {} in sync-service/push/* | */certificate.c) ;; *) protocol=-Iclients/protocol ;; esac; \
	    clang-tidy --quiet --warnings-as-errors="*" {} -- -std=gnu11 -I. $$protocol -Iclients/gnatterctl -isystem /usr/include/postgresql'
	shellcheck $(SH_FILES)

# ---- measuring: ratios to a stock broker, side by side on this machine; BENCH_ROUNDS, BENCH_SECONDS, BENCH_FULL=1 ----
.PHONY: bench bench-report
bench: all $(LOAD)
	/usr/bin/python3 -B tests/load/bench.py
bench-report:
	/usr/bin/python3 -B tests/load/bench_report.py

clean:
	rm -rf $(BUILD)

help:
	@echo 'make                 build into build/'
	@echo 'make run | stop      a private node in ./run, with a first conversation'
	@echo 'make test            install what is missing, build, run every test'
	@echo 'make bench           ratios against the raw broker; bench-report: plots and docs/performance.md'
	@echo 'make threads         what has threads, the service with push too, under the thread sanitizer'
	@echo 'make soak            faults and simulation, DURATION=1h'
	@echo 'make fuzz            each fuzzer for FUZZ_SECONDS'
	@echo 'make lint            clang-format, clang-tidy, cppcheck, shellcheck'
	@echo 'make install         DESTDIR= PREFIX=$(PREFIX); make uninstall takes the same away'
	@echo 'SAN=address,undefined builds beside, in build/san, SAN=thread in build/tsan; WERROR=1 makes warnings errors'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
