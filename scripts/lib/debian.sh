# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Packages from the Debian mirror that the machine's apt uses, without root and
# without a change to the machine: apt checks their signatures as always.

# private_apt DIR HINT: sets apt_dir and apt_options, for an apt that keeps its
# state there. Ends the script with 3, and HINT, where there is no apt.
private_apt()
{
	command -v apt-get >/dev/null || die "downloading a package" \
		"this is no Debian system" "$2" 3
	apt_dir=$1
	apt_options=(-o "Dir::State::lists=$apt_dir/lists"
		     -o "Dir::Cache=$apt_dir/cache"
		     -o "APT::Sandbox::User=$(id -un)"
		     -o Acquire::Languages=none -q)
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial" \
		"$apt_dir/deb"
}

# The first error, without the address: the mirror is the machine's business.
apt_says()
{
	echo "apt-get says: $(grep -m 1 '^[EW]:' "$apt_dir/log" |
		sed -E 's#[a-z]+://[^ ]*/([^ /]*)#\1#g')"
}

# download_package PACKAGE HINT: sets deb to the file, in apt_dir/deb. Ends the
# script with 3, and HINT, where it is not to be had.
download_package()
{
	rm -f "$apt_dir"/deb/*.deb
	watched "reading Debian's package list" "$apt_dir/log" \
		apt-get "${apt_options[@]}" -o APT::Update::Error-Mode=any update ||
		die "reading the package list" "$(apt_says)" \
		"see $apt_dir/log; or $2" 3
	(cd "$apt_dir/deb" && watched "downloading $1" ../log \
		apt-get "${apt_options[@]}" download "$1") ||
		die "downloading $1" "$(apt_says)" "see $apt_dir/log; or $2" 3
	deb=$(echo "$apt_dir"/deb/*.deb)
}
