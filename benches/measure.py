"""What the benchmarks share: a command's cost, a daemon's share of it, a registry on fresh data, and tables."""

import os, shutil, socket, statistics, subprocess, sys, tempfile, threading, time, urllib.request

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Registry:
    """Debian's docker-registry on fresh data, at HOST or a free port of loopback; its data go with it."""

    def __init__(self, below, host=None):
        if not host:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                host = f"127.0.0.1:{free.getsockname()[1]}"
        self.host, self.data = host, tempfile.mkdtemp(prefix="registry-", dir=below)
        with open(f"{self.data}/config.yml", "w") as out:
            out.write(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n"
                      f"  filesystem: {{rootdirectory: {self.data}/d}}\nhttp: {{addr: '{host}'}}\n")
        self.process = subprocess.Popen(["docker-registry", "serve", f"{self.data}/config.yml"], **QUIET)
        while True:
            try:
                return urllib.request.urlopen(f"http://{host}/v2/").close()
            except OSError:
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.data)


def family(pid):
    """A process and its descendants, with the processor ticks of each and of its children that ended."""
    below, ticks = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        below.setdefault(int(fields[1]), []).append(int(name))
        ticks[int(name)] = sum(map(int, fields[11:15]))
    todo, found = [pid], {}
    while todo:
        one = todo.pop()
        found[one] = ticks.get(one, 0)
        todo += below.get(one, [])
    return found


def high_water(pids):
    """The sum of the peaks of resident memory, MiB."""
    total = 0
    for pid in pids:
        try:
            total += next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            pass
    return total / 1024


class Peak(threading.Thread):
    """The high water of a process alone: `ru_maxrss` is that of the largest of its children, too, which without a
    daemon are the build's own `pip` and `apt-get`. It is asked every two milliseconds at first: some end soon."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.over = pid, 0, threading.Event()
        self.start()

    def run(self):
        begin = time.monotonic()
        while not self.over.is_set():
            self.peak = max(self.peak, high_water([self.pid]))
            self.over.wait(0.002 if time.monotonic() < begin + 0.5 else 0.02)

    def end(self):
        self.over.set()
        self.join()
        return self.peak


def run(command, cwd="/", daemon=None, env=None):
    """Wall seconds of the client; processor seconds and peak MiB of client and daemon together."""
    before = family(daemon) if daemon else {}
    for pid in before:
        try:
            open(f"/proc/{pid}/clear_refs", "w").write("5")
        except OSError:
            pass
    begin = time.monotonic()
    child = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
    peak = None if daemon else Peak(child.pid)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - begin
    if status:
        sys.exit(f"{command}: {said.decode()[-2000:]}")
    memory, cpu = peak.end() if peak else usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime
    if daemon:
        cpu += (sum(family(daemon).values()) - sum(before.values())) / os.sysconf("SC_CLK_TCK")
        memory += high_water(before)
    return wall, cpu, memory


class Table:
    """Figures by row and by tool; a row's ratio is the best of the others over the first tool."""

    def __init__(self, tools):
        self.tools, self.figures = tools, {}

    def note(self, row, tool, cost):
        self.figures.setdefault(row, {}).setdefault(tool, []).append(cost)
        print(f"{row:40} {tool:24} {cost[0]:8.3f} s {cost[1]:7.2f} s cpu {cost[2]:5.0f} MiB  load {os.getloadavg()[0]:.1f}",
              file=sys.stderr, flush=True)

    def show(self):
        print(f"| wall, processor, peak memory | " + " | ".join(self.tools) + " | ratio |")
        print("|---" * (len(self.tools) + 2) + "|")
        for row, by_tool in self.figures.items():
            middle = {tool: [statistics.median(column) for column in zip(*costs)] for tool, costs in by_tool.items()}
            cells = [
                "{:.3g} s, {:.2g} s, {:.0f} MiB".format(*middle[tool]) if tool in middle else "" for tool in self.tools
            ]
            others = [wall for tool, (wall, _, _) in middle.items() if tool != self.tools[0]]
            ratio = f"{min(others) / middle[self.tools[0]][0]:.1f}" if others and self.tools[0] in middle else ""
            print(f"| {row} | " + " | ".join(cells) + f" | {ratio} |")
