# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by scripts/lib.sh: long commands with a progress line.

# watched LABEL LOG CMD...: run CMD with its output in LOG, and show how many
# lines it has written and for how long. Lines are files when CMD is make.
watched()
{
	local label=$1 log=$2 start=$SECONDS pid rc=0 every=1

	shift 2
	[ -t 2 ] || every=30
	"$@" >"$log" 2>&1 8>&- 9>&- &
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
