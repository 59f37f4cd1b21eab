#!/bin/sh
# install.sh DIRECTORY    Puts Docker engines there, out of Debian's packages, and starts none.
#
#   DIRECTORY/bookworm    20.10, its BuildKit stores images the engine's old way
#   DIRECTORY/trixie      26.1, its BuildKit stores images in containerd
#   DIRECTORY/ssh         an SSH server, for an engine on another machine
#
# The packages are unpacked, not installed: no service comes up, and a docker that is there already stays as it
# is. Both engines take bookworm's runc, because trixie's wants a newer C library. apt's own lists are left alone too.
set -eu
umask 022
mkdir -p "$1"
cd "$1"
at=$(pwd)
exec 9>lock
flock 9
recipe=1 # one more with each change below
[ "$(cat recipe 2>/dev/null)" = "$recipe" ] && exit 0

mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$')
rm -rf apt bookworm trixie ssh recipe
mkdir -p apt/lists/partial apt/cache/archives/partial apt/parts
for suite in bookworm trixie; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >apt/sources.list
apt() {
  apt-get -qq -o Dir::Etc::SourceList="$at/apt/sources.list" -o Dir::Etc::SourceParts="$at/apt/parts" \
    -o Dir::State::Lists="$at/apt/lists" -o Dir::Cache="$at/apt/cache" -o APT::Sandbox::User=root \
    -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::Check-Valid-Until=false \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false "$@" >&2
}
apt update
unpack() { # DIRECTORY PACKAGE...
  into=$1
  shift
  mkdir "apt/$into" "$into"
  (cd "apt/$into" && apt download "$@" && for file in *.deb; do dpkg-deb -x "$file" "$at/$into"; done)
  # What no test starts is a hundred megabytes.
  (cd "$into/usr" && rm -rf share bin/ctr bin/containerd-stress bin/dnet sbin/ovrouter)
}
unpack bookworm docker.io/bookworm containerd/bookworm runc/bookworm libdevmapper1.02.1/bookworm
unpack trixie docker.io/trixie containerd/trixie runc/bookworm
unpack ssh openssh-server/bookworm libwrap0/bookworm
rm -rf apt
echo "$recipe" >recipe
