# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a guest's initramfs has of its kernel. Sourced; VM is the folder of fetch.

# guest_modules MODULE...: their files, in the order in which they are loaded
guest_modules() {
	modprobe -d "$("$VM/fetch" --print root cloud)" \
		-S "$("$VM/fetch" --print release cloud)" -a --show-depends "$@" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# copy_modules TREE MODULE...: into TREE/modules, and their order
copy_modules() {
	local tree=$1 module

	shift
	mkdir "$tree/modules"
	guest_modules "$@" | while read -r module; do
		cp -- "$module" "$tree/modules/"
		echo "${module##*/}" >>"$tree/modules/order"
	done
	[[ -s $tree/modules/order ]]
}

# write_initramfs TREE FILE
write_initramfs() {
	(cd -- "$1" && find . | cpio -o -H newc -R 0:0 --quiet) >"$2"
}
