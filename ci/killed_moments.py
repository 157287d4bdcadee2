"""What a kill at any moment leaves of moltproof, seen from outside: processes, folders, reports, the store, the exit code.

Never kills a process that it has not started, or whose parent was none of those.
"""

import argparse
import collections
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_MEMORY = Path("/dev/shm")
MARK = ".owner"
# A supervisor gives what it ends up to 15 s for an orderly end, and a busy machine needs more.
END_SECONDS_MAX = 40
# Nothing that is killed runs longer than this after an orderly signal.
LEAVE_SECONDS_MAX = 90
PR_SET_CHILD_SUBREAPER = 36
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
# What ended by itself before the signal came, or was through with a finding.
BY_ITSELF = {0, 1, 3, 4}


class Left(Exception):
    """Something is there that must not be."""


class Kind:
    """What is killed: its words, the report it writes, and the longest moment in seconds at which it is."""

    def __init__(self, name: str, words: list[str], report: str, seconds: float) -> None:
        self.name, self.words, self.report, self.seconds = name, words, report, seconds


KINDS = [
    Kind("run on the reference", ["run", "-q", "--target", "reference"], "run.json", 14),
    Kind("run on workerd", ["run", "-q", "--target", str(ROOT / "fixtures/worker/target.toml")], "run.json", 20),
    Kind("teeth", ["teeth"], "teeth.json", 14),
    Kind("db check", ["db", "check", str(ROOT / "migrations/patterns")], "db.json", 1),
]


def adopt_orphans() -> None:
    """Whatever outlives its parent below this process becomes its child."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot adopt orphans")


def children() -> dict[int, str]:
    """The living processes that are children of this one."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z":
                found[int(child)] = line.strip()
    return found


def reap() -> None:
    """Takes leave of adopted processes that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def orphans_gone() -> None:
    """Waits until nothing is left that a killed program has started."""
    until = time.monotonic() + END_SECONDS_MAX
    while True:
        reap()
        left = children()
        if not left:
            return
        if time.monotonic() > until:
            for process in left:
                os.kill(process, signal.SIGKILL)
            raise Left(f"{END_SECONDS_MAX} s later still there: {left}")
        time.sleep(0.05)


def folders(place: Path) -> set[Path]:
    """The marked temporary folders in a place."""
    return {path for path in place.glob("moltproof-*") if (path / MARK).exists()}


class Moment:
    """One kill, in folders of its own."""

    def __init__(self, program: Path, kind: Kind, by: signal.Signals, seconds: float, in_memory: bool) -> None:
        self.program, self.kind, self.by, self.seconds = program, kind, by, seconds
        self.work = Path(tempfile.mkdtemp(prefix="killed-"))
        self.temporary = self.work / "temporary"
        self.temporary.mkdir()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MOLTPROOF")}
        self.environment["MOLTPROOF_STORE"] = str(self.work / "store")
        if in_memory:
            self.environment.pop("TMPDIR", None)
        else:
            self.environment["TMPDIR"] = str(self.temporary)
        self.usual = IN_MEMORY if in_memory else self.temporary

    def do(self, words: list[str], **more) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.program, *words], cwd=self.work, env=self.environment, capture_output=True, text=True, timeout=120, **more
        )

    def kill(self) -> tuple[int, int, int]:
        """Kills it; returns its exit code, the processes that it had then, and the folders that it left."""
        before = folders(self.usual)
        words = list(self.kind.words)
        report = self.work / self.kind.report
        words += ["--format", "json"] if self.kind.name == "db check" else ["--report", f"json={report}"]
        with open(self.work / "said", "w") as said, open(self.work / "printed", "w") as printed:
            running = subprocess.Popen(
                [self.program, *words], cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, stdout=printed, stderr=said
            )
            try:
                running.wait(self.seconds)
            except subprocess.TimeoutExpired:
                pass
            started = below(running.pid)
            if running.returncode is None:
                running.send_signal(self.by)
            try:
                code = running.wait(LEAVE_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
                raise Left(f"it goes on {LEAVE_SECONDS_MAX} s after {self.by.name}") from None
        orphans_gone()
        return code, started, len(folders(self.usual) - before)

    def look(self, code: int) -> None:
        """Looks at what is left."""
        allowed = BY_ITSELF | {-self.by, 128 + self.by}
        if code not in allowed:
            raise Left(f"exit code {code} after {self.by.name}: {(self.work / 'said').read_text()[-2000:]}")
        if "panicked" in (said := (self.work / "said").read_text()):
            raise Left(f"it panicked: {said[-2000:]}")
        report = self.work / self.kind.report
        if report.exists():
            try:
                json.loads(report.read_text())
            except ValueError as error:
                raise Left(f"half a report: {error}") from None
        elif self.kind.name.startswith("run") and code in {130, 143}:
            # One that had not begun to judge says so.
            if "before anything was judged" not in said:
                raise Left(f"no report after {self.by.name}: {said[-2000:]}")
        history = self.do(["history", "--format", "json"])
        if history.returncode not in {0, 2} or (history.returncode == 2 and "no run" not in history.stderr):
            raise Left(f"the store cannot be read: {history.returncode} {history.stderr}")
        if history.returncode == 0:
            json.loads(history.stdout)

    def next_start(self) -> None:
        """Starts it once more, which has to remove what is left and nothing of a run that lives."""
        self.do(["db", "explain", "MIG-02"])
        if left := folders(self.temporary):
            raise Left(f"the next start has left {left}")
        other = [path for path in self.temporary.iterdir() if not path.name.startswith(("node-compile-cache", "v8-compile-cache"))]
        if other:
            raise Left(f"left beside the temporary folder: {other}")

    def end(self) -> None:
        shutil.rmtree(self.work)


def below(process: int) -> int:
    """How many processes this one has started, and theirs."""
    found = 0
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += 1 + below(int(child))
        except OSError:
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--moments", type=int, default=50, help="kills in all, dealt out over what is killed")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(1 << 32)
    drawn = random.Random(seed)
    adopt_orphans()
    counted = collections.Counter()
    print(f"seed {seed}", flush=True)
    for number in range(given.moments):
        kind = KINDS[number % len(KINDS)]
        by = SIGNALS[(number // len(KINDS)) % len(SIGNALS)]
        # Half of the moments lie early, where things are made.
        seconds = kind.seconds * drawn.random() ** 2
        moment = Moment(given.program.resolve(), kind, by, seconds, in_memory=False)
        told = f"{kind.name}, {by.name} after {seconds:.2f} s"
        try:
            code, started, left = moment.kill()
            moment.look(code)
            moment.next_start()
        except Left as what:
            print(f"{number + 1}: {told}: {what}\nseed {seed}; kept: {moment.work}", file=sys.stderr)
            return 1
        moment.end()
        is_cut = code not in BY_ITSELF or not kind.name.startswith("db")
        counted["amidst"] += is_cut
        counted["processes"] += started
        counted["folders"] += left
        print(f"{number + 1}: {told}: exit {code}, {started} processes then, {left} folders left to the next start", flush=True)
    print(
        f"{given.moments} kills, {counted['amidst']} of them amidst: {counted['processes']} processes were running then and none is left; "
        f"{counted['folders']} folders were left, and none after the next start; no half report, every store readable"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
