# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# What every script here needs. Sourced, never run; the caller has set -eu.

VM_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
TOP_DIR=$(cd -- "$VM_DIR/../.." && pwd -P)
CACHE_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/vmguest
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
DEBIAN_MIRROR="deb [signed-by=$KEYRING] ${VMGUEST_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
SECURITY_MIRROR="deb [signed-by=$KEYRING] ${VMGUEST_SECURITY_MIRROR:-http://deb.debian.org/debian-security}"
readonly VM_DIR TOP_DIR CACHE_DIR KEYRING DEBIAN_MIRROR SECURITY_MIRROR

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# die STATUS WORDS...
die() {
	local status=$1

	shift
	say "$@"
	exit "$status"
}

# The head comment of the running script, up to the first line that is none.
usage() {
	sed -n '2,/^[^#]/{/^# SPDX/d;/^#$/{s/#//p;d};s/^# //p}' "$0" |
		sed '1{/^$/d}'
}

# need_value OPTION VALUES-LEFT: an option at the end of the line lacks its value
need_value() {
	[[ $2 -ge 2 ]] || die 2 "$1 needs a value (see --help)"
}

# load_flavour NAME: sets what the file flavours/NAME says, and the defaults:
#   APT_SOURCES     where its packages are, as in sources.list without components
#   IMAGE_META      the metapackage of the kernel
#   HEADERS_META    ... and of the headers, if the module is built for it
#   SOURCE_PACKAGE  the kernel's source, if tests use it
#   SOURCE_EXTRA    what they use of it besides fetch's SOURCE_PARTS
#   BOOT_PARAMETERS what it needs on its command line
#   FETCH           the function that puts it into the cache
#   VERSIONS        a pattern: what the cache may already have of it
load_flavour() {
	FLAVOUR=$1 APT_SOURCES='' IMAGE_META='' HEADERS_META='' SOURCE_PACKAGE=''
	SOURCE_EXTRA=() BOOT_PARAMETERS='' FETCH=fetch_debian VERSIONS='*'
	[[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9.-]*$ && -f $VM_DIR/flavours/$1 ]] ||
		die 2 "no kernel flavour '$1'; there are: $(flavours)"
	# shellcheck source=/dev/null
	. "$VM_DIR/flavours/$1"
}

flavours() {
	(cd -- "$VM_DIR/flavours" && echo *)
}
