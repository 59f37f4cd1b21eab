#!/usr/bin/env python3
"""Transfers side by side in one run: wharf, skopeo, crane, oras and docker, against docker-registry.

    export WORK=/var/tmp/peers; ../shared/bench/setup-peers.sh       # the example image's parts, and the others in a chroot
    ../shared/bench/peerctl.sh start registry mirror
    python3 benches/registries.py target/release/wharf $WORK [--mib 2048] [--rounds 3] [layer] [image]

`layer` is an image of one layer that does not compress, of so many MiB; `image` is the example `churn-model`. The tools
alternate within each round, each with registries of its own on fresh data. `run` is what a clean machine needs until a
container of the image has run `true`: pull, unpack, start. Memory is that of client and daemon together. The table shows
medians; its ratio is the best other wall time over wharf's."""

import argparse, gzip, hashlib, json, os, shutil, tempfile
from engines import Docker, inside
from measure import Registry, Table, run

options = argparse.ArgumentParser()
options.add_argument("wharf", type=os.path.abspath)
options.add_argument("work")
options.add_argument("--mib", type=int, default=2048)
options.add_argument("--rounds", type=int, default=3)
options.add_argument("sections", nargs="*")
options = options.parse_intermixed_args()
MIB, PEERS = options.mib, options.work
WORK = tempfile.mkdtemp(prefix="wharf-transfers-", dir=PEERS)


def put(layout, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{layout}/blobs/sha256/{digest}", "wb") as out:
        out.write(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def make_layout(path):
    os.makedirs(f"{path}/blobs/sha256")
    temporary, diff = f"{path}/layer", hashlib.sha256()
    with gzip.GzipFile(temporary, "wb", compresslevel=0, mtime=0) as out:
        for _ in range(MIB):
            block = os.urandom(1 << 20)
            diff.update(block)
            out.write(block)
    with open(temporary, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = os.path.getsize(temporary)
    os.rename(temporary, f"{path}/blobs/sha256/{digest}")
    oci = "application/vnd.oci.image"
    layer = {"mediaType": f"{oci}.layer.v1.tar+gzip", "digest": f"sha256:{digest}", "size": size}
    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff.hexdigest()}"]}}
    config = {"mediaType": f"{oci}.config.v1+json", **put(path, json.dumps(config).encode())}
    manifest = {"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json", "config": config, "layers": [layer]}
    manifest = {"mediaType": f"{oci}.manifest.v1+json", **put(path, json.dumps(manifest).encode())}
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    for name, document in [("index.json", {"schemaVersion": 2, "manifests": [manifest]}),
                           ("oci-layout", {"imageLayoutVersion": "1.0.0"})]:
        with open(f"{path}/{name}", "w") as out:
            json.dump(document, out)


def example(path):
    """The image of `churn-model`, as a layout: built once, by docker, from what lies on this machine."""
    source = "127.0.0.1:5000/bench/churn-model:src"
    context = f"{WORK}/churn-model"
    shutil.copytree(f"{PEERS}/ctx/churn-model", context)
    text = open(f"{context}/Dockerfile").read().replace("FROM python", "FROM 127.0.0.1:5000/library/python")
    os.remove(f"{context}/Dockerfile")
    with open(f"{context}/Dockerfile", "w") as out:
        out.write(text)
    docker = Docker(PEERS, "docker", "containerd")
    try:
        docker.build(context, "-t", source)
        docker.push(source)
    finally:
        docker.end()
    run([*inside(PEERS, "/"), "skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{source}", f"oci:{path}:v1"])


class Wharf:
    name = "wharf"

    def __init__(self, layout):
        self.data, self.layout = f"{WORK}/data", layout
        self.wharf = [options.wharf, "--progress", "quiet", "--data-dir", self.data]

    def push(self, to):
        return run([*self.wharf, "copy", f"oci:{self.layout}:v1", to])

    def copy(self, one, two):
        return run([*self.wharf, "copy", one, two])

    def pull(self, image, out):
        return run([*self.wharf, "copy", image, f"oci:{out}:v1"])

    def start(self, image):
        shutil.rmtree(self.data, ignore_errors=True)
        return run([*self.wharf, "run", "--rm", "--network", "host", image, "true"])


class Skopeo:
    name = "skopeo"

    def __init__(self, layout):
        self.layout = layout
        self.skopeo = [*inside(PEERS, "/"), "skopeo", "--insecure-policy", "copy", "-q"]

    def push(self, to):
        return run([*self.skopeo, "--dest-tls-verify=false", f"oci:{self.layout}:v1", f"docker://{to}"])

    def copy(self, one, two):
        both = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        return run([*self.skopeo, *both, f"docker://{one}", f"docker://{two}"])

    def pull(self, image, out):
        return run([*self.skopeo, "--src-tls-verify=false", f"docker://{image}", f"oci:{out}:v1"])


class Crane:
    name = "crane"

    def __init__(self, layout):
        self.layout, self.crane = layout, [*inside(PEERS, "/"), "crane", "--insecure"]

    def push(self, to):
        return run([*self.crane, "push", self.layout, to])

    def copy(self, one, two):
        return run([*self.crane, "copy", one, two])

    def pull(self, image, out):
        return run([*self.crane, "pull", "--format=oci", image, out])


class Oras:
    name = "oras"

    def __init__(self, layout):
        self.layout, self.oras = layout, [*inside(PEERS, "/"), "oras", "cp", "--no-tty"]

    def push(self, to):
        return run([*self.oras, "--from-oci-layout", "--to-plain-http", f"{self.layout}:v1", to])

    def copy(self, one, two):
        return run([*self.oras, "--from-plain-http", "--to-plain-http", one, two])

    def pull(self, image, out):
        return run([*self.oras, "--from-plain-http", "--to-oci-layout", image, f"{out}:v1"])


def transfers(table, what, tool):
    note = lambda row, cost: table.note(f"{what}: {row}", tool.name, cost)
    with Registry(WORK) as one, Registry(WORK) as two:
        image, out = f"{one.host}/org/model:v1", f"{WORK}/out"
        note("push, first", tool.push(image))
        for _ in range(5):
            note("push, nothing new", tool.push(image))
        note("registry to registry", tool.copy(image, f"{two.host}/org/model:v1"))
        os.makedirs(out)
        note("pull to a layout", tool.pull(image, f"{out}/layout"))
        shutil.rmtree(out)


def clean_machines(table, what, layout):
    """A container of the image on a machine that has nothing: wharf, and docker with either of its stores."""
    wharf, engines = Wharf(layout), [Docker(PEERS, "docker, containerd store", "containerd"),
                                     Docker(PEERS, "docker, graph driver", "graph")]
    try:
        with Registry(WORK, "127.0.0.1:5011") as registry:
            image = f"{registry.host}/org/model:v1"
            wharf.push(image)
            for _ in range(options.rounds):
                for tool in [wharf, *engines]:
                    if tool is not wharf:
                        tool.empty()
                        table.note(f"{what}: pull", tool.name, tool.pull(image))
                        tool.empty()
                    table.note(f"{what}: pull, unpack and run", tool.name, tool.start(image))
    finally:
        for engine in engines:
            engine.end()


def main():
    kinds = [Wharf, Skopeo, Crane, Oras]
    table = Table([kind.name for kind in kinds])
    machines = Table(["wharf", "docker, containerd store", "docker, graph driver"])
    try:
        for what in options.sections or ["layer", "image"]:
            layout = f"{WORK}/{what}"
            make_layout(layout) if what == "layer" else example(layout)
            for _ in range(options.rounds):
                for kind in kinds:
                    transfers(table, what, kind(layout))
            if what == "image":
                clean_machines(machines, what, layout)
    finally:
        table.show()
        machines.show()
        shutil.rmtree(WORK, ignore_errors=True)


main()
