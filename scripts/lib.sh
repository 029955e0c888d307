# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the scripts: messages, the choice of the base kernel, and the
# names of the directories that belong to it. Sets TOP and BUILD at once, and
# BASE, SRC and TREE after choose_base.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build
DEFAULT_BASE=6.12
# Kernel directories that new files may live in; everything else at the top of
# the repository is its own.
export OVERLAY_DIRS="arch block Documentation drivers fs include init kernel lib mm samples tools virt"

# shellcheck source=scripts/lib/watched.sh
. "$TOP/scripts/lib/watched.sh"

# The comment at the head of the calling script is its help text.
usage()
{
	sed -n '4,/^[^#]/{s/^#$//p;s/^# //p}' "$0"
}

say()
{
	printf '%s\n' "$*" >&2
}

# die STEP WHY NEXT [STATUS]: the one way out for every failure.
die()
{
	say "error: $1 failed: $2"
	[ -z "${3:-}" ] || say "  next: $3"
	exit "${4:-1}"
}

bases()
{
	local env

	for env in "$TOP"/bases/*/base.env; do
		basename "$(dirname "$env")"
	done | sort -V | paste -sd' '
}

# choose_base [BASE]: argument, environment, or what KSRC's version says.
choose_base()
{
	BASE=${1:-${BASE:-}}
	[ -n "$BASE" ] || BASE=$(base_of_ksrc)
	if [[ $BASE == */* || ! -f $TOP/bases/$BASE/base.env ]]; then
		die "choosing the base" "there is no base '$BASE'" \
			"give one of: $(bases)   (for example BASE=$DEFAULT_BASE)"
	fi
	NAME=$BASE
	if [ -n "${KSRC:-}" ]; then
		check_kernel_tree "$KSRC"
		KSRC=$(realpath "$KSRC")
		NAME=$BASE-ksrc-$(printf %s "$KSRC" | cksum | cut -d' ' -f1)
	fi
	export BASE
	# shellcheck disable=SC2034
	SRC=$BUILD/src/$NAME
	TREE=$BUILD/linux-$NAME
	# shellcheck source=/dev/null
	. "$TOP/bases/$BASE/base.env"
}

# choose_arch FLAVOUR: what make calls the architecture that it is built for, the
# prefix of the compiler, and the image.
# shellcheck disable=SC2034
choose_arch()
{
	if [[ +$1+ == *+arm64+* ]]; then
		KARCH=arm64 CROSS=aarch64-linux-gnu- IMAGE=arch/arm64/boot/Image
	else
		KARCH=x86_64 CROSS='' IMAGE=arch/x86/boot/bzImage
	fi
}

# A tree of the user's takes the shims and overrides of the base it is, or of
# the default base where it is none.
base_of_ksrc()
{
	local version=

	[ -z "${KSRC:-}" ] || version=$(makefile_version "$KSRC/Makefile")
	if [ -n "$version" ] && [ -f "$TOP/bases/$version/base.env" ]; then
		echo "$version"
	else
		echo "$DEFAULT_BASE"
	fi
}

# makefile_version FILE: "6.12" from a kernel Makefile, else nothing.
makefile_version()
{
	awk '$1 == "VERSION" && $2 == "=" { v = $3 }
	     $1 == "PATCHLEVEL" && $2 == "=" { p = $3 }
	     NR > 20 { exit }
	     END { if (v != "" && p != "") print v "." p }' "$1" 2>/dev/null ||
		true
}

check_kernel_tree()
{
	local want

	[ -d "$1" ] || die "checking KSRC" "$1 is not a directory" \
		"KSRC=/path/to/linux make kernel"
	[ -n "$(makefile_version "$1/Makefile")" ] || die "checking KSRC" \
		"$1/Makefile is not a kernel's: no VERSION and PATCHLEVEL" \
		"give the top directory of a kernel source tree as KSRC"
	for want in Kconfig MAINTAINERS mm/page_alloc.c \
		    mm/page_reporting.c drivers/virtio/virtio_balloon.c; do
		[ -f "$1/$want" ] || die "checking KSRC" \
			"$1 is no complete kernel source tree: $want is missing" \
			"give the top directory of a kernel source tree as KSRC"
	done
}

# need_space DIR MIB WHAT
need_space()
{
	local have

	mkdir -p "$1"
	have=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$have" -ge "$2" ] || die "$3" \
		"$2 MiB of disk space needed in $1, $have MiB are free" \
		"free some space, or make build/ a link to a larger disk"
}

tree_git()
{
	git -C "$TREE" "$@"
}

# One number for all that assemble reads, file modes included.
fingerprint_of_series()
(
	cd "$TOP" || exit
	list=$({ compgen -G 'series/*/*'; compgen -G "bases/$BASE/*/*"
		 cat series/*/files; ls MAINTAINERS scripts/assemble; } 2>/dev/null |
		LC_ALL=C sort -u)
	{ xargs -rd '\n' stat -c '%A %n' -- <<<"$list"
	  xargs -rd '\n' cat -- <<<"$list"; } 2>/dev/null | sha256sum
)

# The same content must give the same commits and patches.
fixed_identity()
{
	export GIT_AUTHOR_NAME="Free page hinting" GIT_AUTHOR_EMAIL=page-hinting@localhost
	export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
	export GIT_AUTHOR_DATE="1735689600 +0000" GIT_COMMITTER_DATE="1735689600 +0000"
}

# Whoever changes the tree has it alone; those who build from it share it.
lock_tree()
{
	mkdir -p "$BUILD"
	exec 9>"$BUILD/.lock-$NAME"
	wait_for 9 "$TREE" "$@"
}

# lock_out DIR: one build in one directory at a time.
lock_out()
{
	exec 8>"$BUILD/.lock-$(basename "$1")"
	wait_for 8 "$1"
}

wait_for()
{
	local fd=$1 what=$2

	shift 2
	flock -n "$@" "$fd" && return
	say "waiting for another run that works in $what"
	flock "$@" "$fd"
}

# Text without its empty lines at the end.
strip_empty_tail()
{
	sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
}

# A commit message without the trailer by which assemble and refresh know it.
strip_series()
{
	sed '/^Series: /d' | strip_empty_tail
}
