# SPDX-License-Identifier: GPL-2.0
# vmguest: graceful control of guest operating systems. See "make help".

KERNEL ?= 6.1
STORM ?= --tasks 100000
FUZZ_SECONDS ?= 60
export PREFIX ?= /usr
export prefix := $(PREFIX)

VM := selftests/vm
QUIET := $(if $(V),,-s)
USERSPACE := libvmguest libvmguest-monitor vmguestctl agent examples

.PHONY: all packages module userspace agent-static demo check check-all check-guest \
	check-install check-valgrind storm fuzz bench vm-selftest lint netlink install uninstall clean help

all: packages module userspace agent-static

packages:
	@$(VM)/install-packages build

# With KDIR against that kernel's headers, in place, as distributions do it;
# else for the flavour KERNEL, out of the cache, as build/$(KERNEL)/vmguest.ko.
ifdef KDIR
module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
else
module: packages
	@$(VM)/build-module $(KERNEL)
	@echo "built build/$(KERNEL)/vmguest.ko"
endif

userspace: packages
	@set -e; for d in $(USERSPACE); do $(MAKE) $(QUIET) -C userspace/$$d; done
	@echo "built build/user"

agent-static: packages
	@$(MAKE) $(QUIET) -C userspace/agent LOGIND=0 STATIC=1

demo:
	@selftests/demo/demo

check:
	@selftests/check $(KERNEL)

check-all:
	@selftests/check 6.1 6.12 debug

check-install:
	@$(VM)/install-packages build vm install
	@selftests/install/test --vm $(KERNEL)

check-guest:
	@selftests/nested/check $(if $(KILL_AGENT),--kill-agent)

check-valgrind:
	@selftests/agent/valgrind

storm:
	@$(VM)/install-packages build vm test
	@$(MAKE) $(QUIET) -C selftests/guestsim
	@$(VM)/run --kernel $(KERNEL) --timeout 3600 -- \
		selftests/guestsim/run-suite --storm "$(STORM)" storm

fuzz:
	@$(VM)/install-packages build test
	@$(MAKE) $(QUIET) -C selftests/fuzz fuzz FUZZ_SECONDS=$(FUZZ_SECONDS)

bench:
	@selftests/bench/bench --kernel $(KERNEL) $(if $(ICOUNT),--icount) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(addprefix --only ,$(ONLY))

vm-selftest:
	@$(VM)/install-packages build vm
	@$(VM)/selftest.sh --kernel $(KERNEL)

lint:
	@selftests/lint/lint

netlink:
	@selftests/netlink/regen

install: userspace
	@packaging/install install

uninstall:
	@packaging/install uninstall

clean:
	rm -rf build

help:
	@echo 'make                 module for KERNEL (default 6.1), library, vmguestctl, agent, example'
	@echo 'make demo            a real guest is logged off and shut down, in QEMU'
	@echo 'make check           all tests, in QEMU [KERNEL=6.1|6.12|debug] [SUITES="kmod ..."]'
	@echo 'make check-all       the same on every kernel'
	@echo 'make check-install   make install and DKMS inside the VM: minutes'
	@echo 'make check-guest     a nested Debian with systemd, restarted and shut down: slow [KILL_AGENT=1]'
	@echo 'make check-valgrind  the agent under valgrind: minutes'
	@echo 'make storm           100 000 tasks, 64 guests that die at random [STORM="--tasks N --seed S"]'
	@echo 'make fuzz            look for bytes that break the frame decoder [FUZZ_SECONDS=60]'
	@echo 'make bench           measure, beside raw sockets and qemu-ga [ICOUNT=1] [ONLY="reply ..."]'
	@echo 'make lint            what reading finds: sparse, checkpatch, kernel-doc, ...'
	@echo 'make netlink         generate header and page from the netlink spec anew'
	@echo 'make vm-selftest     test the VM runner itself'
	@echo 'make install         [DESTDIR=] [PREFIX=/usr] tools, agent, units, module source for DKMS'
	@echo 'make uninstall       remove exactly that'
	@echo 'make module KDIR=... the module alone, against that kernel build tree'
	@echo 'make clean           remove build/; V=1 shows the commands'
	@echo
	@echo 'As root, missing Debian packages are announced and installed. Kernels are'
	@echo 'fetched into $${XDG_CACHE_HOME:-~/.cache}/vmguest and never installed.'
