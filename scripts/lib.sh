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

# The comment at the head of the calling script is its help text.
usage()
{
	sed -n '4,/^[^#]/{s/^#$//p;s/^# //p}' "$0"
}

say()
{
	printf '%s\n' "$*" >&2
}

# die STEP WHY NEXT: the one way out for every failure.
die()
{
	say "error: $1 failed: $2"
	[ -z "${3:-}" ] || say "  next: $3"
	exit 1
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
	SRC=$BUILD/src/$NAME
	TREE=$BUILD/linux-$NAME
	# shellcheck source=/dev/null
	. "$TOP/bases/$BASE/base.env"
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

# Take the lock of the build directory, so that two runs do not meet in it.
lock_build()
{
	mkdir -p "$BUILD"
	exec 9>"$BUILD/.lock-$NAME"
	flock -n 9 && return
	say "waiting for another run that works in $TREE"
	flock 9
}

# watched LABEL LOG CMD...: run CMD with its output in LOG, and show how many
# lines it has written and for how long. Lines are files when CMD is make.
watched()
{
	local label=$1 log=$2 start=$SECONDS pid rc=0 every=1

	shift 2
	[ -t 2 ] || every=30
	"$@" >"$log" 2>&1 9>&- &
	pid=$!
	# shellcheck disable=SC2064
	trap "kill $pid 2>/dev/null; exit 130" INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		(((SECONDS - start) >= every)) || continue
		[ -t 2 ] || every=$((SECONDS - start + 30))
		progress_line "$label" "$log" "$start"
	done
	wait "$pid" || rc=$?
	trap - INT TERM
	progress_line "$label" "$log" "$start"
	[ ! -t 2 ] || say
	return "$rc"
}

progress_line()
{
	local end='\n'

	[ ! -t 2 ] || end='\r'
	printf "%s: %d lines of output, %d s$end" "$1" \
		"$(wc -l <"$2")" $((SECONDS - $3)) >&2
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
