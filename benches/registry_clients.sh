#!/bin/bash
# Every registry client that is installed, against `wharf registry serve`: pull, push, copy, tag, list, attach, delete.
#
#   benches/registry_clients.sh target/debug/wharf [CHROOT]
#
# With CHROOT the clients of that root directory are used, such as the one that ../shared/bench/setup-peers.sh makes, in
# a mount namespace of their own. DOCKER_SOCKETS names the sockets of engines to ask. Prints a line for each client and
# ends with 1 if one of them failed.
set -uo pipefail
wharf=$(realpath "$1") chroot=${2:-}
work=$(mktemp -d) inside=/tmp/$(basename "$work")-clients
shared=$chroot$inside
mkdir -p "$shared"
trap 'kill $server 2>/dev/null; rm -rf "$work" "$shared"' EXIT

"$wharf" registry serve --data "$work/registry" --addr 127.0.0.1:0 >"$work/serving" &
server=$!
until grep -qs :// "$work/serving"; do sleep 0.1; done
host=$(sed 's/.*:\/\///' "$work/serving")

export WHARF_DATA_DIR=$work/data
printf 'FROM scratch\nCOPY busybox /bin/busybox\n' >"$work/Dockerfile"
cp "$(command -v busybox)" "$work/busybox"
"$wharf" build -q -t "$host/org/app:v1" "$work" >/dev/null && "$wharf" push "$host/org/app:v1" >/dev/null || exit 1
digest=$("$wharf" inspect --remote --format '{{.Digest}}' "$host/org/app:v1")

failed=0
client() { # NAME SCRIPT: runs the script where the clients are, if NAME is among them
  [ -x "$chroot/usr/bin/$1" ] || { echo "$1: not installed"; return; }
  printf 'set -e; export HOME=%s; cd %s; host=%s; digest=%s\n%s\n' "$inside" "$inside" "$host" "$digest" "$2" >"$shared/$1.sh"
  local run="sh $inside/$1.sh"
  [ -z "$chroot" ] || run="unshare -m sh -c 'mount -t proc proc $chroot/proc; mount -t tmpfs none $chroot/run; chroot $chroot $run'"
  if eval "$run" >"$work/$1.log" 2>&1; then
    echo "$1: works"
  else
    failed=1
    echo "$1: FAILED"; tail -5 "$work/$1.log"
  fi
}

client crane '
  [ "$(crane digest $host/org/app:v1)" = $digest ]
  crane copy $host/org/app:v1 $host/crane/copy:v1
  crane pull $host/org/app:v1 c.tar; crane push c.tar $host/crane/pushed:v1
  crane tag $host/crane/pushed:v1 v2; [ "$(crane ls $host/crane/pushed | wc -l)" = 2 ]
  crane validate --remote $host/crane/pushed:v1; crane catalog $host | grep -q crane/copy
  crane delete $host/crane/pushed@$(crane digest $host/crane/pushed:v1)'
client oras '
  echo hello >note.txt
  oras push --plain-http --artifact-type application/x.note $host/oras/note:v1 note.txt:text/plain
  oras attach --plain-http --artifact-type application/x.sig $host/org/app:v1 note.txt:text/plain
  oras discover --plain-http $host/org/app:v1 | grep -q application/x.sig
  oras pull --plain-http -o out $host/oras/note:v1; [ "$(cat out/note.txt)" = hello ]
  oras cp --from-plain-http --to-plain-http -r $host/org/app:v1 $host/oras/copy:v1
  oras discover --plain-http $host/oras/copy:v1 | grep -q application/x.sig
  oras repo ls --plain-http $host; oras repo tags --plain-http $host/org/app
  oras manifest delete --plain-http -f $host/oras/note:v1'
client skopeo '
  skopeo --insecure-policy copy --src-tls-verify=false --dest-tls-verify=false docker://$host/org/app:v1 docker://$host/skopeo/app:v1
  [ "$(skopeo inspect --tls-verify=false --format "{{.Digest}}" docker://$host/skopeo/app:v1)" = $digest ]
  skopeo list-tags --tls-verify=false docker://$host/skopeo/app; skopeo delete --tls-verify=false docker://$host/skopeo/app:v1'
client buildah '
  b="buildah --storage-driver vfs --root $HOME/root --runroot $HOME/run"
  $b pull --tls-verify=false $host/org/app:v1; $b tag $host/org/app:v1 $host/buildah/app:v1
  $b push --tls-verify=false $host/buildah/app:v1; c=$($b from --tls-verify=false $host/buildah/app:v1)
  $b config --label x=y $c; $b commit --tls-verify=false $c docker://$host/buildah/app:v2'

for socket in ${DOCKER_SOCKETS:-}; do
  api() { curl -fsS --unix-socket "$socket" "$@"; }
  version=$(api http://docker/version | sed 's/.*"Version":"\([0-9][^"]*\)".*/\1/')
  name=$host/engine/app
  {
    api -X POST "http://docker/images/create?fromImage=$host/org/app&tag=v1" &&
      api -X POST "http://docker/images/$host/org/app:v1/tag?repo=$name&tag=v1" &&
      api -X POST -H "X-Registry-Auth: e30=" "http://docker/images/$name/push?tag=v1"
  } >"$work/docker.log" 2>&1
  api -X DELETE "http://docker/images/$host/org/app:v1" >/dev/null 2>&1
  api -X DELETE "http://docker/images/$name:v1" >/dev/null 2>&1
  if "$wharf" inspect --remote "$name:v1" >/dev/null 2>&1; then
    echo "docker $version: works"
  else
    failed=1
    echo "docker $version: FAILED"; tail -5 "$work/docker.log"
  fi
  "$wharf" rm --remote "$name:v1" >/dev/null 2>&1
done
exit $failed
