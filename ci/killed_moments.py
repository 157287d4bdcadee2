"""What a kill at any moment leaves of moltproof, seen from outside: processes, folders, reports, the store, the exit code.

Never kills a process that it has not started, or whose parent was none of those.
"""

import argparse
import collections
import ctypes
import fcntl
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
# As a shell tells that a signal ended a program, and as the manual has it for a run that was ended in order.
BY_SIGNAL = 128
# Before so much processor time nothing has begun: signals do what they do to any program. A debug build takes its time to begin.
BEGUN_CPU_SECONDS = 2.0
# A process that has just begun may not have locked its folder yet.
LOCK_SECONDS_MAX = 5
# A file system in memory that is too small, so that nobody takes it. The shell becomes the program: it keeps its number.
WITHOUT_MEMORY = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64k none /dev/shm && exec "$@"', "sh"]


class Left(Exception):
    """Something is there that must not be."""


class Kind:
    """What is killed: its words, the report it writes, the longest moment in seconds at which it is, and what it says of signals."""

    def __init__(self, name: str, words: list[str], report: str, seconds: float, undisturbed: int | None, in_order: bool) -> None:
        self.name, self.words, self.report, self.seconds = name, words, report, seconds
        # Its exit code when nobody ends it, if it can be through by then.
        self.undisturbed = undisturbed
        # Whether SIGTERM and SIGINT end it in order, which leaves no folder and, of a run, a report.
        self.in_order = in_order

    def is_run(self) -> bool:
        return self.words[0] == "run"


KINDS = [
    Kind("run on the reference", ["run", "-q", "--target", "reference"], "run.json", 14, 0, True),
    Kind("run on workerd", ["run", "-q", "--target", str(ROOT / "fixtures/worker/target.toml")], "run.json", 20, 0, True),
    # It takes minutes.
    Kind("teeth", ["teeth"], "teeth.json", 14, None, True),
    Kind("db check", ["db", "check", str(ROOT / "migrations/patterns")], "db.json", 1, 0, False),
]


class Place:
    """Where temporary files go: how it is named, the folder, words before the program, and whether `TMPDIR` names it."""

    def __init__(self, name: str, folder: Path | None, words: list[str]) -> None:
        self.name, self.folder, self.words = name, folder, words


NAMED = Place("TMPDIR", None, [])


def places() -> list[Place]:
    """A folder of the moment's own, and those that are taken where nobody names one, as far as this machine has them."""
    usual = Place("no TMPDIR and no /dev/shm", Path("/tmp"), WITHOUT_MEMORY)
    can_do_without = subprocess.run([*WITHOUT_MEMORY, "true"], capture_output=True).returncode == 0
    memory = Place("/dev/shm", IN_MEMORY, [])
    has_memory = os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free >= 2 << 30
    for place, is_there in (memory, has_memory), (usual, can_do_without):
        if not is_there:
            print(f"not tried, since this machine lacks it: {place.name}", flush=True)
    return [NAMED] + [memory] * has_memory + [NAMED] + [usual] * can_do_without


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


def dead_folders(place: Path) -> set[Path]:
    """The marked temporary folders in a place whose owner is dead: nobody holds the lock. Others may be living runs of this machine."""
    dead = set()
    for folder in place.glob("moltproof-*"):
        try:
            with open(folder / MARK) as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                dead.add(folder)
        except OSError:
            continue
    return dead


class Moment:
    """One kill, in folders of its own."""

    def __init__(self, program: Path, kind: Kind, by: signal.Signals, seconds: float, place: Place) -> None:
        self.program, self.kind, self.by, self.seconds = [*place.words, program], kind, by, seconds
        self.work = Path(tempfile.mkdtemp(prefix="killed-"))
        self.temporary = self.work / "temporary"
        self.temporary.mkdir()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MOLTPROOF")}
        self.environment["MOLTPROOF_STORE"] = str(self.work / "store")
        if place.folder is None:
            self.environment["TMPDIR"] = str(self.temporary)
        else:
            self.environment.pop("TMPDIR", None)
        self.usual = place.folder or self.temporary
        # What was known of the program when the signal came, if it was still there: its processor time in seconds.
        self.amidst: float | None = None

    def do(self, words: list[str], **more) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*self.program, *words], cwd=self.work, env=self.environment, capture_output=True, text=True, timeout=120, **more
        )

    def kill(self) -> tuple[int, int, int]:
        """Kills it; returns its exit code as a shell tells it, the processes that it had then, and the folders that it left."""
        before = dead_folders(self.usual)
        words = list(self.kind.words)
        report = self.work / self.kind.report
        words += ["--format", "json"] if self.kind.name == "db check" else ["--report", f"json={report}"]
        with open(self.work / "said", "w") as said, open(self.work / "printed", "w") as printed:
            running = subprocess.Popen(
                [*self.program, *words], cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, stdout=printed, stderr=said
            )
            try:
                running.wait(self.seconds)
            except subprocess.TimeoutExpired:
                pass
            started = below(running.pid)
            if running.poll() is None:
                self.amidst = cpu_seconds(running.pid)
                running.send_signal(self.by)
            try:
                code = running.wait(LEAVE_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
                raise Left(f"it goes on {LEAVE_SECONDS_MAX} s after {self.by.name}") from None
        orphans_gone()
        self.was_default = code < 0
        left = dead_folders(self.usual) - before
        return (BY_SIGNAL - code if code < 0 else code), started, len(left)

    def look(self, code: int) -> None:
        """Looks at what is left."""
        said = (self.work / "said").read_text()
        if "panicked" in said:
            raise Left(f"it panicked: {said[-2000:]}")
        expected = self.expected()
        if code not in expected:
            raise Left(f"exit code {code} after {self.by.name}, and not one of {sorted(expected)}: {said[-2000:]}")
        is_orderly = self.kind.in_order and self.by != signal.SIGKILL
        if code == BY_SIGNAL + self.by and is_orderly and self.was_default and self.amidst > BEGUN_CPU_SECONDS:
            raise Left(f"{self.by.name} after {self.amidst:.1f} s of processor time ended it as it ends a program that does not care")
        self.look_at_report(code, said)
        self.look_at_store()

    def expected(self) -> set[int]:
        """The exit codes that the manual has for this: the signal's, or its own where it was through."""
        through = set() if self.kind.undisturbed is None else {self.kind.undisturbed}
        # Where it was there still, it may have been through when the signal came to it.
        return through if self.amidst is None else through | {BY_SIGNAL + self.by}

    def look_at_report(self, code: int, said: str) -> None:
        """A report is whole or not there; that of a run says whether it is complete, by the exit code."""
        file = self.work / self.kind.report
        if not file.exists():
            is_due = self.kind.is_run() and (code == self.kind.undisturbed or not self.was_default)
            # One that had not begun to judge says so.
            if is_due and "before anything was judged" not in said:
                raise Left(f"no report, exit code {code} after {self.by.name}: {said[-2000:]}")
            return
        try:
            report = json.loads(file.read_text())
        except ValueError as error:
            raise Left(f"half a report: {error}") from None
        if not self.kind.is_run():
            return
        verdict, interrupted = report["summary"]["verdict"], report.get("interrupted")
        if code == self.kind.undisturbed and (interrupted or verdict != "conforms"):
            raise Left(f"exit code {code} and a report that says {verdict}, interrupted {interrupted}")
        if not self.was_default and code != self.kind.undisturbed and (interrupted != self.by.name or verdict == "conforms"):
            raise Left(f"exit code {code} after {self.by.name} and a report that says {verdict}, interrupted {interrupted}")

    def look_at_store(self) -> None:
        """The store can be read, or there is none."""
        history = self.do(["history", "--format", "json"])
        if history.returncode not in {0, 2} or (history.returncode == 2 and "no run" not in history.stderr):
            raise Left(f"the store cannot be read: {history.returncode} {history.stderr}")
        if history.returncode == 0:
            json.loads(history.stdout)

    def next_start(self) -> None:
        """Starts it once more, which has to remove what is left and nothing of a run that lives."""
        self.do(["db", "explain", "MIG-02"])
        until = time.monotonic() + LOCK_SECONDS_MAX
        while left := dead_folders(self.usual):
            if time.monotonic() > until:
                raise Left(f"the next start has left {left}")
            time.sleep(0.05)
        other = [path for path in self.temporary.iterdir() if not path.name.startswith(("node-compile-cache", "v8-compile-cache"))]
        if other:
            raise Left(f"left in the temporary folder: {other}")

    def end(self) -> None:
        shutil.rmtree(self.work)


def cpu_seconds(process: int) -> float:
    """The processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    where = places()
    for number in range(given.moments):
        kind = KINDS[number % len(KINDS)]
        by = SIGNALS[(number // len(KINDS)) % len(SIGNALS)]
        # Half of the moments lie early, where things are made.
        seconds = kind.seconds * drawn.random() ** 2
        # Each kind meets each place and each signal.
        place = where[(number // len(KINDS) + number) % len(where)]
        moment = Moment(given.program.resolve(), kind, by, seconds, place)
        told = f"{kind.name}, {by.name} after {seconds:.2f} s, {place.name}"
        try:
            code, started, left = moment.kill()
            moment.look(code)
            moment.next_start()
        except Left as what:
            print(f"{number + 1}: {told}: {what}\nseed {seed}; kept: {moment.work}", file=sys.stderr)
            return 1
        moment.end()
        counted["amidst"] += code == BY_SIGNAL + by
        counted[place.name] += 1
        counted["processes"] += started
        counted["folders"] += left
        print(f"{number + 1}: {told}: exit {code}, {started} processes then, {left} folders left to the next start", flush=True)
    print(
        f"{given.moments} kills, {counted['amidst']} of them amidst: {counted['processes']} processes were running then and none is left; "
        f"{counted['folders']} folders were left, and none after the next start; no half report, every store readable, "
        "every exit code as the manual has it; temporary files in "
        + ", ".join(f"{place.name} {counted[place.name]} times" for place in dict.fromkeys(where))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
