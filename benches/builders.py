#!/usr/bin/env python3
"""Queue time, cache hits and fairness of a small farm: 2 builders, 20 builds that arrive at once.

    cargo build --release -p wharf && cargo xtask test   # the engines are unpacked by the tests' set-up
    benches/builders.py [--wharf target/release/wharf] [--engines target/wharf-engines] [--builds 20] [--slots 2]

Two Docker engines are started with their own data. Projects differ in their dependencies (a step that takes a second
of CPU and eight megabytes) and their builds in a line of code; one project has most of the builds. Each builder takes
--slots builds at a time, first come, first served, as runners of a CI are bounded. The same load runs three times, on
empty builders each time:

    hash      wharf is given both builders, and each project has its own of them, by rendezvous hash
    spread    builds go round the builders, as a load balancer without memory does it
    loss      as hash, and one builder is killed after a third of the builds: wharf goes to the other one by itself,
              from the middle of a build, too
"""

import argparse, collections, hashlib, json, os, shutil, statistics, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
KIT = os.path.join(ROOT, "crates/testkit/src/engine")


class Engine:
    """An engine in namespaces of its own; it ends when its standard input closes."""

    def __init__(self, programs, home, network):
        self.home = home
        for name in ("data", "exec"):
            os.makedirs(os.path.join(home, name))
        with open(os.path.join(home, "daemon.json"), "w") as file:
            json.dump({"features": {"buildkit": True, "containerd-snapshotter": True}}, file)
        hold = open(os.path.join(KIT, "hold.sh")).read()
        self.socket = os.path.join(home, "docker.sock")
        self.process = subprocess.Popen(
            ["sh", "-c", hold, "hold", programs, home, str(network), "0"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        begin = time.monotonic()
        while subprocess.run(["curl", "-fs", "--unix-socket", self.socket, "http://d/_ping"], capture_output=True).returncode:
            if time.monotonic() - begin > 120:
                sys.exit("an engine does not start: " + open(os.path.join(home, "log")).read())
            time.sleep(0.1)

    def kill(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()


def order(key, builders):
    """As crates/buildkit/src/rendezvous.rs has it: wharf decides by itself, and this is to know whose queue it is."""
    return sorted(builders, key=lambda name: hashlib.sha256(f"{key}\0{name}".encode()).digest(), reverse=True)


def project(directory, name):
    at = os.path.join(directory, name)
    os.makedirs(at)
    shutil.copy("/bin/busybox", at)
    with open(os.path.join(at, "dependencies"), "wb") as file:
        file.write(hashlib.shake_128(name.encode()).digest(8 << 20))
    with open(os.path.join(at, "Dockerfile"), "w") as file:
        file.write("FROM scratch\nCOPY busybox /bin/\n"
                   'RUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
                   "COPY dependencies /\n"
                   "RUN i=0; while [ $i -lt 12 ]; do sha256sum /dependencies >/sum; i=$((i+1)); done; cp /dependencies /installed\n"
                   "COPY code /\nRUN sha256sum /code >/built\n")
    return at


def steps(events):
    """How each COPY and RUN ended: `cached` or `done`."""
    ends = []
    for line in events.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("result") in ("cached", "done") and any(word in event["task"] for word in ("COPY ", "RUN ")):
            ends.append(event["result"])
    return ends


def run(args, how, scratch):
    engines = [Engine(os.path.join(args.engines, "trixie"), os.path.join(scratch, how, f"engine-{n}"), 200 + n) for n in range(2)]
    at = {f"docker://{engine.socket}": engine for engine in engines}
    addresses = list(at)
    # One project has two fifths of the builds, and the others share the rest.
    builds = ["heavy" if n % 5 < 2 else f"light-{n % 3}" for n in range(args.builds)]
    place = {name: project(os.path.join(scratch, how), name) for name in sorted(set(builds))}
    slots = {address: threading.Semaphore(args.slots) for address in addresses}
    rows, lock, gone = [], threading.Lock(), set()
    begin = time.monotonic()

    def build(n, key):
        wanted = order(f"docker.io/library/{key}", addresses) if how != "spread" else addresses[n % 2:] + addresses[:n % 2]
        queue = next(address for address in wanted if address not in gone)
        with slots[queue]:
            started = time.monotonic()
            context = tempfile.mkdtemp(dir=os.path.join(scratch, how))
            subprocess.run(["cp", "-al", place[key] + "/.", context], check=True)
            with open(os.path.join(context, "code"), "w") as file:
                file.write(f"print({n})\n")
            ran = subprocess.run(
                [args.wharf, "--json", "--data-dir", os.path.join(scratch, how, "data"), "build", "--builder",
                 ",".join(addresses) if how != "spread" else wanted[0], "--tag", f"{key}:{n}", context],
                capture_output=True, text=True)
            ended = time.monotonic()
        shutil.rmtree(context)
        if ran.returncode:
            sys.exit(f"a build failed: {ran.stderr}")
        ends, moved = steps(ran.stderr), "trying the next one" in ran.stderr
        with lock:
            rows.append(dict(project=key, builder=wanted[moved], queued=started - begin, took=ended - started,
                             cached=ends.count("cached"), steps=len(ends), moved=moved))
            if how == "loss" and len(rows) == args.builds // 3:
                victim = order("docker.io/library/heavy", addresses)[0]
                gone.add(victim)
                threading.Thread(target=at[victim].kill).start()

    threads = [threading.Thread(target=build, args=it) for it in enumerate(builds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = time.monotonic() - begin
    for engine in engines:
        engine.kill()
    if len(rows) != args.builds:
        sys.exit("builds are missing")
    return rows, total


def summary(how, rows, total):
    queued = sorted(row["queued"] for row in rows)
    per = collections.defaultdict(list)
    for row in rows:
        per[row["project"]].append(row["queued"] + row["took"])
    means = [statistics.mean(times) for times in per.values()]
    # Jain's index: 1 where all projects wait equally long.
    fairness = sum(means) ** 2 / (len(means) * sum(mean * mean for mean in means))
    on = collections.Counter(row["builder"] for row in rows)
    hits = sum(row["cached"] for row in rows) / sum(row["steps"] for row in rows)
    return (f"| {how} | {len(rows)} | {total:.1f} | {statistics.median(queued):.1f} | {queued[int(len(queued) * 0.95) - 1]:.1f} "
            f"| {statistics.median(row['took'] for row in rows):.1f} | {hits:.0%} | {fairness:.2f} "
            f"| {' + '.join(str(on[name]) for name in sorted(on))} | {sum(row['moved'] for row in rows)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wharf", default=os.path.join(ROOT, "target/release/wharf"))
    parser.add_argument("--engines", default=os.path.join(ROOT, "target/wharf-engines"))
    parser.add_argument("--builds", type=int, default=20)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--only", choices=["hash", "spread", "loss"], action="append")
    args = parser.parse_args()
    print("| placement | builds | all, s | queued median, s | queued p95, s | build median, s | steps from cache | fairness | builds per builder | elsewhere |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for how in args.only or ["hash", "spread", "loss"]:
        with tempfile.TemporaryDirectory(prefix="wharf-farm-") as scratch:
            os.mkdir(os.path.join(scratch, how))
            rows, total = run(args, how, scratch)
            print(summary(how, rows, total), flush=True)


if __name__ == "__main__":
    main()
