# SPDX-License-Identifier: GPL-2.0
# What every user-space folder shares: paths, flags, and how an object is built.
# Objects and programs go to $(O), never into the source folders.

TOP := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)
O ?= $(TOP)/build/user
VERSION := $(shell cat $(TOP)/VERSION)

CC ?= gcc
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wvla -Wundef -Werror -fno-strict-aliasing
override CPPFLAGS += -D_GNU_SOURCE -DVMGUEST_VERSION='"$(VERSION)"' \
	-I$(TOP)/uapi -I$(TOP)/userspace/libvmguest \
	-I$(TOP)/userspace/libvmguest-monitor

# $(call objects,folder of the objects,sources): sources may be of any folder.
objects = $(patsubst $(TOP)/%.c,$(O)/$(1)/%.o,$(abspath $(2)))

# $(eval $(call compile,folder of the objects))
define compile
$(O)/$(1)/%.o: $(TOP)/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) -MMD -MP -c $$< -o $$@
endef
