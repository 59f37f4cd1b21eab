#!/usr/bin/env python3
"""Builds side by side in one run: wharf, docker 28 with either of its image stores, and buildah.

    export WORK=/var/tmp/peers; ../shared/bench/setup-peers.sh       # bases, packages, and the others in a chroot
    ../shared/bench/peerctl.sh start registry mirror
    python3 benches/builds.py target/release/wharf $WORK [--rounds 3] [--buildah] [WORKLOAD…]

The builders alternate within each round. `cold` is without a build cache, the base image pulled and unpacked and the
packages in a local mirror; `push` goes to a registry on fresh data. Wall time is the client's; processor time and the
peak of memory are those of client and daemon together. The table shows medians; its ratio is the better docker's wall
time over wharf's."""

import argparse, os, shutil, subprocess, sys, tempfile, time
from engines import Docker, inside
from measure import QUIET, Registry, Table, run

options = argparse.ArgumentParser()
options.add_argument("wharf", type=os.path.abspath)
options.add_argument("work")
options.add_argument("--rounds", type=int, default=3)
options.add_argument("--buildah", action="store_true")
options.add_argument("workloads", nargs="*")
options = options.parse_intermixed_args()
PEERS = options.work
BASE, FRESH = "127.0.0.1:5000", "127.0.0.1:5011"
TEMP = tempfile.mkdtemp(prefix="wharf-builds-", dir=PEERS)
EDITED = {"churn-model": "src/api.py", "many-small": "tree/d100/f00100.txt", "big-model": "serve.sh"}


class Wharf:
    name = "wharf"

    def __init__(self):
        self.data = f"{TEMP}/data"
        self.wharf = [options.wharf, "--data-dir", self.data, "--progress", "quiet"]

    def build(self, context, *flags):
        return run([*self.wharf, "build", "--network", "host", *flags, "."], context)

    def push(self, image):
        return run([*self.wharf, "push", image])

    def empty(self):
        shutil.rmtree(self.data, ignore_errors=True)


class Buildah:
    name = "buildah"

    def build(self, context, *flags):
        return run([*inside(PEERS, context), "buildah", "bud", "--layers", "--network", "host", *flags, "."])

    def push(self, image):
        return run([*inside(PEERS, "/"), "buildah", "push", "-q", "--tls-verify=false", image])

    def empty(self):
        for what in [["rm", "-a"], ["rmi", "-a", "-f"]]:
            subprocess.run([*inside(PEERS, "/"), "buildah", *what], **QUIET)


def context(workload, builder):
    """Each builder's own, since they edit it: of links, but for what is edited; bases come from the local registry."""
    place = f"{TEMP}/{builder.name}/{workload}".replace(" ", "-").replace(",", "")
    if not os.path.isdir(place):
        shutil.copytree(f"{PEERS}/ctx/{workload}", place, copy_function=os.link)
        for name in ["Dockerfile", EDITED.get(workload, "Dockerfile")]:
            text = open(f"{place}/{name}").read()
            os.remove(f"{place}/{name}")
            with open(f"{place}/{name}", "w") as out:
                out.write(text.replace("FROM busybox", f"FROM {BASE}/library/busybox")
                          .replace("FROM python", f"FROM {BASE}/library/python"))
    return place


def edit(place, workload):
    path = f"{place}/{EDITED[workload]}"
    with open(path, "a") as out:
        out.write(f"\n# {time.time_ns()}\n")


def cold(builder, workload):
    """Nothing cached but the base image, which is unpacked."""
    builder.empty()
    warm = f"{TEMP}/warm-{workload}"
    os.makedirs(warm, exist_ok=True)
    base = "python:3.9-slim" if workload == "churn-model" else "busybox"
    with open(f"{warm}/Dockerfile", "w") as out:
        out.write(f"FROM {BASE}/library/{base}\nRUN echo warm > /dev/null\n")
    builder.build(warm, "-t", "warm:1")


def measure(table, workload, builder):
    place, image = context(workload, builder), f"{FRESH}/bench/{workload}:1"
    note = lambda what, cost: table.note(f"{workload}: {what}", builder.name, cost)
    cold(builder, workload)
    with Registry(TEMP, FRESH):
        build = builder.build(place, "-t", image)
        note("cold", build)
        if workload in ["churn-model", "big-model"]:
            push = builder.push(image)
            note("first push", push)
            note("cold and first push", [build[0] + push[0], build[1] + push[1], max(build[2], push[2])])
            note("push, nothing new", builder.push(image))
        for _ in range(3):
            note("unchanged", builder.build(place, "-t", image))
        if workload not in EDITED:
            return
        for _ in range(3 if workload == "churn-model" else 1):
            edit(place, workload)
            build = builder.build(place, "-t", image)
            note("one file edited", build)
            if workload == "churn-model":
                push = builder.push(image)
                note("one file edited, push", push)
                note("one file edited, with push", [build[0] + push[0], build[1] + push[1], max(build[2], push[2])])


def caches(table, builder):
    """What a cache at the registry costs to write, and what an empty machine gains by it."""
    place, image, cache = context("churn-model", builder), f"{FRESH}/churn:1", f"type=registry,ref={FRESH}/churn:cache"
    note = lambda what, cost: table.note(f"caches: {what}", builder.name, cost)
    with Registry(TEMP, FRESH):
        builder.build(place, "-t", image, "--push")
        note("written, mode=max", builder.build(place, "-t", image, "--cache-to", f"{cache},mode=max"))
        builder.empty()
        note("empty machine, unchanged, pushed", builder.build(place, "-t", image, "--cache-from", cache, "--push"))
        builder.empty()
        edit(place, "churn-model")
        note("empty machine, one line edited, pushed",
             builder.build(place, "-t", image, "--cache-from", cache, "--push"))


def main():
    builders = [Wharf(), Docker(PEERS, "docker 28, containerd store", "containerd"), Docker(PEERS, "docker 28, graph driver", "graph")]
    if options.buildah:
        builders.append(Buildah())
    table = Table([builder.name for builder in builders])
    try:
        for workload in options.workloads or ["run-chain", "wide", "many-small", "churn-model", "caches", "big-model"]:
            if workload in ["churn-model", "caches"] and not os.listdir(f"{PEERS}/aptcache"):
                builders[0].build(context("churn-model", builders[0]), "-t", "prime:1")  # fills the package mirror
            for turn in range(options.rounds):
                for builder in builders:
                    if workload != "caches":
                        if builder.name != "buildah" or turn == 0:
                            measure(table, workload, builder)
                    elif builder.name in ["wharf", "docker 28, containerd store"]:  # the graph driver writes none
                        caches(table, builder)
    finally:
        table.show()
        for builder in builders:
            if isinstance(builder, Docker):
                builder.end()
        shutil.rmtree(TEMP, ignore_errors=True)


main()
