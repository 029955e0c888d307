# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# Sourced by scripts/assemble: what goes into one commit. They work on git's
# index alone (GIT_INDEX_FILE), and use NAME, BASE, TREE, tmp, tip and number.

# apply_edits PATCH: exact, or with less context where the base allows it.
apply_edits()
{
	[ -s "$1" ] || return 0
	! tree_git apply --cached "$1" 2>"$tmp/apply" || return 0
	if [ "$BASE_EXACT" != yes ] &&
	   tree_git apply --cached -C2 "$1" 2>>"$tmp/apply"; then
		say "note: ${1#"$TOP"/} applied to $BASE with -C2 only"
		return 0
	fi
	cat "$tmp/apply" >&2
	die "assembling $NAME" "${1#"$TOP"/} does not apply" \
		"correct it, or add bases/$BASE/overrides/$number.patch"
}

# with_ours PATCH COMMAND...: run it for what the patch changes in new files.
with_ours()
{
	local patch=$1 paths=()

	shift
	[ ! -f "$patch" ] || mapfile -t paths < <(sed -n 's|^+++ b/||p' "$patch" |
		LC_ALL=C sort | LC_ALL=C comm -12 - "$tmp/listed")
	[ "${#paths[@]}" = 0 ] || "$@" "${paths[@]/#/--include=}" "$patch"
}

# apply_ours PATCH: the hunks to new files, which are the same on each base.
apply_ours()
{
	with_ours "$1" tree_git apply --cached
}

# take_off PATCH: undo these.
take_off()
{
	with_ours "$1" tree_git apply --cached -R || die "assembling $NAME" \
		"what ${1#"$TOP"/} adds to new files is not in them like that" \
		"correct it, or undo that, change the commit in $TREE, and scripts/refresh"
}

# What each commit begins its new files with, in $tmp/new/NAME: they are what the
# repository has, but for the hunks that later commits bring.
find_new_files()
{
	local name path i
	local -x GIT_INDEX_FILE=$tmp/last

	mkdir "$tmp/new"
	cat "$TOP"/series/*/files | LC_ALL=C sort >"$tmp/listed"
	while read -r path; do
		[ -f "$TOP/$path" ] || die "assembling $NAME" \
			"a series/*/files lists $path, which is no file here" \
			"add the file, or take it out of the list"
		if [ -x "$TOP/$path" ]; then echo 100755; else echo 100644; fi
	done <"$tmp/listed" >"$tmp/modes"
	sed "s|^|$TOP/|" "$tmp/listed" |
		tree_git hash-object -w --no-filters --stdin-paths >"$tmp/blobs"
	paste -d' ' "$tmp/modes" "$tmp/blobs" | paste - "$tmp/listed" |
		tree_git update-index --add --index-info

	for ((i = $# ; i > 0; i--)); do
		name=${!i}
		take_off "$TOP/series/$name/edits.patch"
		[ -f "$TOP/series/$name/files" ] || continue
		xargs -rd '\n' git -C "$TREE" --literal-pathspecs ls-files -s -- \
			<"$TOP/series/$name/files" >"$tmp/new/$name"
	done
}

# add_files LIST: whole new files, as "git ls-files -s" lists them.
add_files()
{
	local path

	path=$(cut -f 2 "$1" | xargs -rd '\n' git -C "$TREE" --literal-pathspecs ls-files --)
	[ -z "$path" ] || die "assembling $NAME" \
		"series/${1##*/}/files lists what exists already: $path" \
		"a file is new in one commit only; changes to it go to edits.patch"
	tree_git update-index --add --index-info <"$1"
}

add_maintainers()
{
	[ -f "$TOP/MAINTAINERS" ] || return 0
	tree_git show :MAINTAINERS >"$tmp/kernel"
	"$TOP/scripts/maintainers" "$TOP/MAINTAINERS" "$tmp/kernel" >"$tmp/merged"
	tree_git update-index --cacheinfo \
		"100644,$(tree_git hash-object -w --no-filters "$tmp/merged"),MAINTAINERS"
}

# commit SERIES-NAME: the index as a commit on top of $tip, message on stdin.
commit()
{
	tip=$(git interpret-trailers --trailer "Series: $1" |
		tree_git commit-tree -p "$tip" "$(tree_git write-tree)")
}
