#!/usr/bin/env python3
"""Transfers side by side: wharf, skopeo and what else of crane and oras is installed, against docker-registry.

    cargo build --release -p wharf && python3 benches/registries.py target/release/wharf [MIB] [ROUNDS]

One layer of MIB (1024) megabytes that does not compress. The tools alternate within each round, each against a
registry of its own on fresh data, so that what else the machine does befalls all alike. The figures are the best wall
time of ROUNDS (3) and the peak of resident memory; on a machine that is not idle only ratios mean anything."""

import gzip, hashlib, json, os, shutil, socket, subprocess, sys, tempfile, time

WHARF = os.path.abspath(sys.argv[1])
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
WORK = tempfile.mkdtemp(prefix="wharf-bench-", dir=os.environ.get("BENCH_DIR"))


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


class Registry:
    def __init__(self, name):
        self.data = f"{WORK}/{name}"
        os.makedirs(self.data)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        config = (f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {self.data}/d}}\n"
                  f"http: {{addr: '{self.host}'}}\n")
        with open(f"{self.data}/config.yml", "w") as out:
            out.write(config)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(["docker-registry", "serve", f"{self.data}/config.yml"], **quiet)
        while True:
            try:
                socket.create_connection(tuple(self.host.split(":"))).close()
                return
            except OSError:
                time.sleep(0.02)

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.data)


def run(command):
    begin = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command}: {said.decode()}")
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def tools(layout):
    """Each tool: the commands for a push from the layout, a copy, and a pull to a layout."""
    data = f"{WORK}/data"
    wharf = [WHARF, "--progress", "quiet", "--data-dir", data, "copy"]
    all_tools = {"wharf": (lambda to: [*wharf, f"oci:{layout}:v1", to], lambda a, b: [*wharf, a, b],
                           lambda a, out: [*wharf, a, f"oci:{out}"])}
    if shutil.which("skopeo"):
        skopeo = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
        all_tools["skopeo"] = (lambda to: [*skopeo, f"oci:{layout}:v1", f"docker://{to}"],
                               lambda a, b: [*skopeo, f"docker://{a}", f"docker://{b}"],
                               lambda a, out: [*skopeo, f"docker://{a}", f"oci:{out}:v1"])
    if shutil.which("crane"):
        all_tools["crane"] = (lambda to: ["crane", "push", layout, to], lambda a, b: ["crane", "copy", a, b],
                              lambda a, out: ["crane", "pull", "--format=oci", a, out])
    if shutil.which("oras"):
        oras = ["oras", "cp", "--no-tty", "--from-plain-http", "--to-plain-http"]
        all_tools["oras"] = (lambda to: ["oras", "cp", "--no-tty", "--from-oci-layout", "--to-plain-http",
                                         f"{layout}:v1", to], lambda a, b: [*oras, a, b],
                             lambda a, out: ["oras", "cp", "--no-tty", "--from-plain-http", "--to-oci-layout", a,
                                             f"{out}:v1"])
    return all_tools


def main():
    layout = f"{WORK}/layout"
    make_layout(layout)
    best = {}

    def note(case, tool, figures):
        wall, memory = best.get((case, tool), (1e9, 0))
        best[case, tool] = (min(wall, figures[0]), max(memory, figures[1]))

    known = tools(layout)
    for turn in range(ROUNDS):
        for tool, (push, copy, pull) in known.items():
            one, two, out = Registry(f"{tool}-a"), Registry(f"{tool}-b"), f"{WORK}/{tool}-out"
            note("push, first", tool, run(push(f"{one.host}/org/model:v1")))
            note("push, nothing new", tool, run(push(f"{one.host}/org/model:v1")))
            note("registry to registry", tool, run(copy(f"{one.host}/org/model:v1", f"{two.host}/org/model:v1")))
            note("pull to a layout", tool, run(pull(f"{one.host}/org/model:v1", out)))
            shutil.rmtree(out)
            one.end(), two.end()
    print(f"| {MIB} MiB, best of {ROUNDS} | " + " | ".join(known) + " |")
    print("|---" * (len(known) + 1) + "|")
    for case in ["push, first", "push, nothing new", "registry to registry", "pull to a layout"]:
        cells = [f"{best[case, tool][0]:.3f} s, {best[case, tool][1]:.0f} MiB" for tool in known]
        print(f"| {case} | " + " | ".join(cells) + " |")


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
