#!/usr/bin/env python3
"""Caches that travel, side by side with docker's BuildKit: the cost of writing one, and what an empty machine gains.

    ../shared/bench/setup-peers.sh                      # WORK: a base image, packages, docker in a chroot
    echo '{"features":{"containerd-snapshotter":true}}' > $WORK/sid/etc/docker/daemon.json   # else it writes no caches
    ../shared/bench/peerctl.sh start registry mirror docker28
    python3 benches/caches.py target/release/wharf $WORK [ROUNDS]

The project is `churn-model`. The builders alternate within each round, each with a registry on fresh data beside the
one that has the base image. Wall time is that of the client; processor time and the peak of resident memory are the
client's, and with a daemon the daemon's process tree and its own peak are added. Medians of ROUNDS (3)."""

import os, shutil, statistics, subprocess, sys, tempfile, time, urllib.request

WHARF, PEERS = os.path.abspath(sys.argv[1]), sys.argv[2]
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
BASE, FRESH = "127.0.0.1:5000", "127.0.0.1:5011"
WORK = tempfile.mkdtemp(prefix="wharf-caches-", dir=PEERS)
CASES = ["one line edited, rebuilt and pushed", "cache written, mode=max",
         "empty machine, nothing changed, pushed", "empty machine, one line edited, pushed"]


class Registry:
    """One on fresh data."""
    def __enter__(self):
        self.data = tempfile.mkdtemp(dir=WORK)
        with open(f"{self.data}/config.yml", "w") as out:
            out.write(f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {self.data}/d}}\n"
                      f"http: {{addr: '{FRESH}'}}\n")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(["docker-registry", "serve", f"{self.data}/config.yml"], **quiet)
        while True:
            try:
                return urllib.request.urlopen(f"http://{FRESH}/v2/").close()
            except OSError:
                time.sleep(0.02)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.data)


def tree(pid):
    """The processor seconds of a process tree, with those of its children that ended."""
    below, total, todo = {}, 0, [pid]
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        below.setdefault(int(fields[1]), []).append((int(name), sum(map(int, fields[11:15]))))
        if int(name) == pid:
            total += sum(map(int, fields[11:15]))
    while todo:
        for child, ticks in below.get(todo.pop(), []):
            total += ticks
            todo.append(child)
    return total / os.sysconf("SC_CLK_TCK")


class Wharf:
    name = "wharf"

    def __init__(self):
        self.data = f"{WORK}/data"

    def build(self, options):
        return run([WHARF, "--data-dir", self.data, "build", "--progress", "quiet", "--network", "host", *options, "."],
                   f"{WORK}/wharf")

    def empty(self):
        shutil.rmtree(self.data, ignore_errors=True)


class Docker:
    name = "docker 28"

    def __init__(self):
        self.pid = int(open(f"{PEERS}/run/docker28.pid").read())
        self.docker = ["chroot", f"{PEERS}/sid", "env", "-C", f"{WORK}/docker 28", "docker", "-H",
                       f"unix://{PEERS}/run/docker28.sock"]

    def build(self, options):
        command = [*self.docker, "buildx", "build", "-q", "--provenance=false", "--network", "host", *options, "."]
        return run(command, "/", self.pid)

    def empty(self):
        for what in [["buildx", "prune", "-af"], ["system", "prune", "-af"]]:
            subprocess.run([*self.docker, *what], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(command, cwd, daemon=None):
    if daemon:
        with open(f"/proc/{daemon}/clear_refs", "w") as out:
            out.write("5")
    before, begin = tree(daemon) if daemon else 0, time.monotonic()
    child = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - begin
    if status:
        sys.exit(f"{command}: {said.decode()[-2000:]}")
    memory, cpu = usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime
    if daemon:
        cpu += tree(daemon) - before
        memory += next(int(line.split()[1]) for line in open(f"/proc/{daemon}/status") if line.startswith("VmHWM")) / 1024
    return wall, cpu, memory


def edit(builder, text):
    with open(f"{WORK}/{builder.name}/src/api.py", "a") as out:
        out.write(f"# {text} {builder.name} {time.time()}\n")


def main():
    builders, figures = [Wharf(), Docker()], {}
    for builder in builders:
        shutil.copytree(f"{PEERS}/ctx/churn-model", f"{WORK}/{builder.name}")
        path = f"{WORK}/{builder.name}/Dockerfile"
        text = open(path).read().replace("FROM python:", f"FROM {BASE}/library/python:")
        open(path, "w").write(text)
        builder.build(["-t", f"{FRESH}/none:1"])  # primes the mirror; what it costs is in another table
    image, cache = f"{FRESH}/churn:1", f"type=registry,ref={FRESH}/churn:cache"
    for turn in range(ROUNDS):
        for builder in builders:
            note = lambda case, taken: figures.setdefault((case, builder.name), []).append(taken)
            with Registry():
                builder.build(["-t", image, "--push"])
                edit(builder, f"first {turn}")
                note(CASES[0], builder.build(["-t", image, "--push"]))
                note(CASES[1], builder.build(["-t", image, "--cache-to", f"{cache},mode=max"]))
                builder.empty()
                note(CASES[2], builder.build(["-t", image, "--cache-from", cache, "--push"]))
                builder.empty()
                edit(builder, f"second {turn}")
                note(CASES[3], builder.build(["-t", image, "--cache-from", cache, "--push"]))
                builder.build(["-t", image, "--cache-from", cache])
    load = os.getloadavg()[0]
    print(f"| median of {ROUNDS}, load {load:.1f} | " + " | ".join(b.name for b in builders) + " | ratio |")
    print("|---" * (len(builders) + 2) + "|")
    for case in CASES:
        middle = [[statistics.median(column) for column in zip(*figures[case, b.name])] for b in builders]
        cells = [f"{wall:.2f} s, {cpu:.2f} s cpu, {memory:.0f} MiB" for wall, cpu, memory in middle]
        print(f"| {case} | " + " | ".join(cells) + f" | {middle[-1][0] / middle[0][0]:.1f} |")


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
