"""docker engines of the chroot that `../shared/bench/setup-peers.sh` makes, started for a benchmark."""

import os, subprocess, sys, time
from measure import QUIET, run

PEERCTL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../shared/bench/peerctl.sh")


def inside(peers, directory):
    """How a command runs in the chroot that has the others."""
    return ["chroot", f"{peers}/sid", "env", "-i", "-C", directory, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
            "BUILDAH_RUNTIME=runc"]


class Docker:
    """An engine of its own in the chroot, with one of docker's two image stores."""

    def __init__(self, peers, name, store):
        self.name, self.peers = name, peers
        self.root, socket = f"{peers}/engine-{store}", f"{peers}/run/{store}.sock"
        config = f"{peers}/run/{store}.json"
        with open(config, "w") as out:
            out.write('{"features":{"containerd-snapshotter":%s}}' % ("true" if store == "containerd" else "false"))
        subprocess.run(["bash", PEERCTL, "mount"], check=True, env={**os.environ, "WORK": peers})
        self.process = subprocess.Popen(
            [*inside(peers, "/"), "dockerd", "--config-file", config, "--data-root", self.root,
             "--exec-root", f"/run/bench-{store}", "--pidfile", f"/run/bench-{store}.pid", "-H", f"unix://{socket}",
             "--iptables=false", "--ip6tables=false", "--bridge=none",
             "--storage-driver", "overlayfs" if store == "containerd" else "overlay2"],
            stdin=subprocess.DEVNULL, stdout=open(f"{peers}/run/{store}.log", "w"), stderr=subprocess.STDOUT,
            start_new_session=True)
        self.client = ["docker", "-H", f"unix://{socket}"]
        while True:
            time.sleep(0.5)
            if self.process.poll() is not None:  # another one may answer at the socket
                sys.exit(f"{name} ended: see {peers}/run/{store}.log")
            if subprocess.run([*inside(peers, "/"), *self.client, "version"], **QUIET).returncode == 0:
                return

    def build(self, context, *flags):
        build = ["buildx", "build", "-q", "--provenance=false", "--network", "host", *flags, "."]
        return run([*inside(self.peers, context), *self.client, *build], daemon=self.process.pid)

    def push(self, image):
        return run([*inside(self.peers, "/"), *self.client, "push", "-q", image], daemon=self.process.pid)

    def pull(self, image):
        return run([*inside(self.peers, "/"), *self.client, "pull", "-q", image], daemon=self.process.pid)

    def start(self, image):
        start = ["run", "--rm", "-q", "--network", "host", image, "true"]
        return run([*inside(self.peers, "/"), *self.client, *start], daemon=self.process.pid)

    def empty(self):
        for what in [["buildx", "prune", "-af"], ["system", "prune", "-af"]]:
            subprocess.run([*inside(self.peers, "/"), *self.client, *what], check=True, **QUIET)

    def end(self):
        self.process.terminate()
        self.process.wait()
        subprocess.run(["rm", "-rf", "--one-file-system", self.root], check=False)
