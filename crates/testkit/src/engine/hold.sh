# hold.sh PROGRAMS HOME NETWORK LIMIT    Runs an engine for as long as standard input is open.
#
# The engine is in namespaces of its own, for processes and for mounts: when their first process ends, the kernel
# ends containerd and all containers, and takes the mounts away. So nothing stays behind however a test ends.
programs=$1 home=$2 network=$3 limit=$4
bridge=wharf$network
ip link add "$bridge" type bridge && ip addr add "10.231.$network.1/24" dev "$bridge" && ip link set "$bridge" up
unshare --mount --pid --fork --kill-child --propagation private sh -c '
  programs=$1 home=$2 bridge=$3 limit=$4
  export PATH="$programs/usr/sbin:$programs/usr/bin:$PATH"
  export LD_LIBRARY_PATH=$(echo "$programs"/lib/*-linux-gnu)
  mount -t proc proc /proc
  # The sockets and process ids of an earlier run would be taken for living ones.
  mount -t tmpfs tmpfs "$home/exec"
  [ "$limit" = 0 ] || mount -t tmpfs -o "size=$limit" tmpfs "$home/data"
  (
    dockerd --config-file "$home/daemon.json" --host "unix://$home/docker.sock" --pidfile "$home/exec/pid" \
      --data-root "$home/data" --exec-root "$home/exec" --bridge "$bridge" --iptables=false --ip6tables=false \
      </dev/null >>"$home/log" 2>&1
    echo "dockerd ended with $?" >"$home/ended"
  ) &
  cat >/dev/null
' engine "$programs" "$home" "$bridge" "$limit"
ip link del "$bridge"
