"""Runs a composite action as GitHub's runner does: its steps, their environment, their files. Never judges what came of it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from expressions import evaluate, filled

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "ci/action"


class Workflow:
    """What the jobs of one workflow run share: the cache, and the names of artifacts."""

    def __init__(self):
        self.cache = {}
        self.artifacts = {}


class Done:
    """What came of a job that called the action."""

    def __init__(self):
        self.log = ""
        self.summary = ""
        self.path = ""
        self.outputs = {}
        self.failed_at = None
        self.ran = []


def run(inputs, workflow=None, **facts):
    """Calls the action in a job of its own. `facts`: workspace, environment, event, repository, head, job, cell, cells, attempt, ref, path."""
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    unknown = set(inputs) - set(action["inputs"])
    assert not unknown, f"the action has no inputs {unknown}"
    given = {name: inputs.get(name, entry.get("default", "")) for name, entry in action["inputs"].items()}
    with tempfile.TemporaryDirectory() as folder:
        return _Job(Path(folder), given, workflow or Workflow(), facts).run(action)


class _Job:
    def __init__(self, folder, inputs, workflow, facts):
        self.folder, self.workflow, self.facts = folder, workflow, facts
        self.workspace = Path(facts.get("workspace") or folder / "workspace")
        self.temp = folder / "temp"
        for place in (self.workspace, self.temp):
            place.mkdir(exist_ok=True)
        head = facts.get("head")
        self.done = Done()
        self.contexts = {
            "inputs": inputs,
            "steps": {},
            "runner": {"os": "Linux", "arch": "X64", "temp": str(self.temp)},
            "strategy": {"job-index": facts.get("cell", 0), "job-total": facts.get("cells", 1)},
            "github": {
                "action_path": str(ACTION),
                "action_ref": facts.get("ref", ""),
                "action_repository": "OWNER/moltproof",
                "event": {"pull_request": {"head": {"repo": {"full_name": head}}}} if head else {},
            },
            "functions": {"always": lambda: True, "success": lambda: self.done.failed_at is None},
        }

    def run(self, action):
        later = []
        for step in action["runs"]["steps"]:
            condition = step.get("if", "success()")
            if "always()" not in condition:
                condition = f"success() && ({condition})"
            if not evaluate(condition, self.contexts):
                continue
            self.done.ran.append(step["name"])
            outputs = self.script(step) if "run" in step else self.uses(step, later)
            if "id" in step:
                self.contexts["steps"][step["id"]] = {"outputs": outputs}
        for after in later:
            after()
        for name, entry in action["outputs"].items():
            self.done.outputs[name] = filled(entry["value"], self.contexts)
        return self.done

    def script(self, step):
        files = {name: self.folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH", "GITHUB_ENV")}
        for file in files.values():
            file.write_text("")
        script = self.folder / "script.sh"
        assert "${{" not in step["run"], "an expression within a script: an input would be a script"
        script.write_text(step["run"])
        environment = {
            "PATH": self.facts.get("path") or os.environ["PATH"],
            "HOME": str(self.folder),
            "GITHUB_ACTIONS": "true",
            "CI": "true",
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_REPOSITORY": "shop/worker",
            "GITHUB_SERVER_URL": "https://github.invalid",
            "GITHUB_EVENT_NAME": self.facts.get("event", "push"),
            "GITHUB_JOB": self.facts.get("job", "judge"),
            "GITHUB_RUN_ATTEMPT": str(self.facts.get("attempt", 1)),
            "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64",
            "RUNNER_TEMP": str(self.temp),
            **{name: str(file) for name, file in files.items()},
            **self.facts.get("environment", {}),
            **{name: filled(value, self.contexts) for name, value in step.get("env", {}).items()},
        }
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=self.workspace, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300,
        )
        self.done.log += ended.stdout
        self.done.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        self.done.path += files["GITHUB_PATH"].read_text()
        if ended.returncode and self.done.failed_at is None:
            self.done.failed_at = step["name"]
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def uses(self, step, later):
        name, version = step["uses"].split("@")
        assert len(version) == 40, f"{name} is not pinned by commit"
        given = {key: filled(value, self.contexts) for key, value in step.get("with", {}).items()}
        if name == "actions/cache":
            return self.cache(given, later)
        assert name == "actions/upload-artifact", f"nobody has told what {name} does"
        assert given["name"] not in self.workflow.artifacts, f"a second artifact {given['name']}: the upload fails"
        place = self.workspace / given["path"]
        files = {file.name: file.read_text() for file in place.iterdir()} if place.is_dir() else {}
        self.workflow.artifacts[given["name"]] = files
        return {}

    def cache(self, given, later):
        place, kept = Path(given["path"]), self.workflow.cache.get(given["key"])
        assert given["key"] and str(place).startswith(str(self.temp))
        if kept:
            shutil.copytree(kept, place, dirs_exist_ok=True)
            return {"cache-hit": "true"}

        def save():
            if self.done.failed_at is None:
                copy = Path(tempfile.mkdtemp())
                shutil.copytree(place, copy, dirs_exist_ok=True)
                self.workflow.cache[given["key"]] = copy

        later.append(save)
        return {"cache-hit": "false"}
