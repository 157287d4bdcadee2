"""The action as GitHub runs it: green, red, and everything that can go wrong before. Never needs a network."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

import runner
import surroundings
from surroundings import NAME, PROGRAM, VERSION

JUNIT = "moltproof.junit.xml"


def annotations(done, kind="error"):
    """What GitHub would show beside the change."""
    return [line for line in done.log.splitlines() if line.startswith(f"::{kind} ")]


class Action(unittest.TestCase):
    """Each test is a job."""

    @classmethod
    def setUpClass(cls):
        cls.releases, cls.folder = surroundings.releases()

    def setUp(self):
        self.workflow = runner.Workflow()
        self.workspace = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.workspace)

    def job(self, inputs, **facts):
        environment = {"MOLTPROOF_RELEASES": self.releases, **facts.pop("environment", {})}
        facts = {"workspace": self.workspace, **facts}
        return runner.run(inputs, self.workflow, environment=environment, **facts)

    def judged(self, **inputs):
        return self.job({"target": surroundings.served(self), **inputs})

    def ended(self, done, code):
        self.assertEqual(done.outputs["exit-code"], str(code), done.log)
        self.assertEqual(done.failed_at, "Judge the deployment" if code else None, done.log)
        self.assertLessEqual(len(annotations(done)), 10)
        self.assertLess(len(done.summary.encode()), 1024 * 1024)

    def report(self, done, name="moltproof.json"):
        files = self.workflow.artifacts[done.outputs["artifact"]]
        return json.loads(files[name]) if name.endswith(".json") else files[name]

    def manifest(self, text):
        (self.workspace / "moltproof.toml").write_text(text)
        return "moltproof.toml"

    # ---- green and red ----

    def test_default_inputs_judge_a_deployment_that_keeps_the_contract(self):
        done = self.judged()
        self.ended(done, 0)
        self.assertIn("6 of 127 MUSTs could be judged", done.log)
        self.assertIn("inconclusive", done.summary)
        self.assertEqual(annotations(done), [])
        self.assertEqual(set(self.workflow.artifacts["moltproof-reports-judge"]),
                         {"moltproof.json", JUNIT, "moltproof.md", "moltproof.html"})
        self.assertIn(f"moltproof {VERSION}", done.log)
        self.assertIn("/bin\n", done.path)
        self.assertNotIn("Build moltproof from source", done.ran)

    def test_a_deployment_that_breaks_the_contract_is_red(self):
        done = self.job({"target": surroundings.broken()})
        self.ended(done, 1)
        self.assertTrue(annotations(done))
        self.assertIn("violates the contract", done.summary)
        suites = xml.fromstring(self.report(done, JUNIT))
        self.assertGreater(int(suites.get("failures")), 0)

    def test_more_than_ten_findings_are_ten_annotations_and_the_last_counts_the_others(self):
        text = f"name = 'broken'\napp_domain = 'app.example'\n[variants.production]\naddress = '{surroundings.broken()}'\n[operator]\n" \
            "token = '${OPERATOR}'\n"
        done = self.job({"target": self.manifest(text), "arguments": "--repeat 1"}, environment={"OPERATOR": "x"})
        self.ended(done, 1)
        self.assertEqual(len(annotations(done)), 10, done.log)
        self.assertRegex(annotations(done)[-1], r"::\d+ more criteria")

    def test_a_floor_above_what_was_judged_is_red(self):
        done = self.judged(**{"min-verified": "100"})
        self.ended(done, 4)
        self.assertIn("6 of 127 MUSTs could be judged, and --min-verified demands 100", annotations(done)[0])
        self.assertIn("--min-verified demands 100", done.summary)
        self.ended(self.job({"target": surroundings.served(self), "min-verified": "6"}, job="lower"), 0)

    # ---- arguments ----

    def test_quoted_words_stay_together_and_nothing_is_expanded(self):
        words = """--tags "not @slow and 'x'" \\"a\\ b --id='RES-001' '' $(touch stolen) *\n\n--seed   7 "it's" 'a\\b'"""
        for arguments, expected in [
            (words, ["--tags", "not @slow and 'x'", '"a b', "--id=RES-001", "", "$(touch", "stolen)", "*", "--seed", "7", "it's", "a\\b"]),
            ("", []),
            (" \n ", []),
        ]:
            said = self.workspace / "said"
            program = self.workspace / "told"
            program.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {said}\n")
            program.chmod(0o755)
            with self.subTest(arguments):
                environment = {"MOLTPROOF_RELEASES": self.releases}
                done = self.with_program(program, {"target": "x", "arguments": arguments}, environment)
                self.assertIsNone(done.failed_at, done.log)
                given = said.read_text().split("\0")[:-1]
                self.assertEqual(given[given.index("github") + 1:], expected)
        self.assertFalse((self.workspace / "stolen").exists())

    def with_program(self, program, inputs, environment):
        """A job in which the released program is another one."""
        below = self.folder.parent / "other" / f"v{VERSION}"
        below.mkdir(parents=True, exist_ok=True)
        folder = below / "moltproof"
        shutil.copy(program, folder)
        subprocess.run(["tar", "-czf", below / NAME, "-C", below, "moltproof"], check=True)
        sums = subprocess.run(["sha256sum", below / NAME], check=True, capture_output=True, text=True).stdout
        (below / f"{NAME}.sha256").write_text(sums)
        self.workflow = runner.Workflow()
        return self.job(inputs, environment={**environment, "MOLTPROOF_RELEASES": f"{self.releases}/other"})

    def test_quoted_arguments_reach_the_run(self):
        done = self.judged(arguments='--id RES-010 --tags "not @slow" --strict')
        self.assertNotEqual(done.outputs["exit-code"], "2", done.log)
        self.assertEqual(len(self.report(done)["criteria"]), 1)

    def test_arguments_that_cannot_be_read_leave_an_annotation_a_junit_and_a_summary(self):
        (self.workspace / "moltproof-reports").mkdir()
        (self.workspace / "moltproof-reports" / JUNIT).write_text("<testsuites of='yesterday'/>")
        done = self.judged(arguments="--no-such-option")
        self.ended(done, 2)
        self.assertEqual(len(annotations(done)), 1)
        self.assertIn("judged nothing", done.summary)
        self.assertEqual(xml.fromstring(self.report(done, JUNIT)).get("errors"), "1")

    def test_a_quote_that_is_not_closed_is_told(self):
        done = self.judged(arguments='--tags "not @slow')
        self.ended(done, 2)
        self.assertIn("not closed", annotations(done)[0])
        self.assertIn("not closed", done.summary)

    # ---- nothing to judge ----

    def without_a_verdict(self, done, code, reason):
        self.ended(done, code)
        self.assertEqual(len(annotations(done)), 1, done.log)
        self.assertIn(reason, annotations(done)[0])
        self.assertIn("The run came to no verdict", done.summary)
        suites = xml.fromstring(self.report(done, JUNIT))
        self.assertEqual(suites.get("errors"), "1")
        self.assertEqual(self.report(done)["summary"]["verdict"], "inconclusive")

    def test_a_target_out_of_reach_leaves_an_annotation_a_junit_and_a_summary(self):
        done = self.job({"target": surroundings.unreachable(), "wait": "1s"})
        self.without_a_verdict(done, 3, "does not answer")

    def test_a_wrong_manifest_leaves_an_annotation_a_junit_and_a_summary(self):
        done = self.job({"target": self.manifest("nome = 'x'")})
        self.without_a_verdict(done, 2, "unknown field")

    def test_no_target_is_no_green_job(self):
        done = self.job({})
        self.ended(done, 2)
        self.assertIn("`target` is empty", annotations(done)[0])

    # ---- strangers ----

    def stealing(self):
        """A manifest that writes down a secret when it is executed."""
        return self.manifest(
            f"name = 'x'\napp_domain = 'app.example'\n[launch]\nready_within_seconds = 1\ncommand = ['false']\n"
            f"prepare = [{{ run = ['sh', '-c', 'echo $DEPLOY_SECRET > {self.workspace}/stolen'] }}]\n[variants.production]\n[control]\naccess = true\n")

    def test_what_a_stranger_may_have_written_is_not_executed(self):
        stolen = self.workspace / "stolen"
        inputs = {"target": self.stealing(), "arguments": "--id RES-001 --repeat 1"}
        environment = {"DEPLOY_SECRET": "hunter2"}
        for facts in [
            {"event": "pull_request", "head": "stranger/worker"},
            {"event": "pull_request_target", "head": "stranger/worker"},
            {"event": "workflow_run"},
            {"event": "issue_comment"},
        ]:
            with self.subTest(facts):
                done = self.job(inputs, job=f"{facts['event']}", environment=environment, **facts)
                self.ended(done, 4)
                self.assertFalse(stolen.exists(), "the manifest was executed")
                self.assertEqual(len(annotations(done, "notice")), 1)
                self.assertIn("stranger's code", done.summary)
                self.assertIn("--no-launch", done.log)
        for facts in [{"event": "push"}, {"event": "pull_request", "head": "shop/worker"}]:
            with self.subTest(facts):
                done = self.job(inputs, job=f"own-{facts['event']}", environment=environment, **facts)
                self.assertTrue(stolen.exists(), done.log)
                self.assertEqual(annotations(done, "notice"), [])
                stolen.unlink()
        done = self.job({**inputs, "no-launch": "false"}, job="willing", environment=environment, event="workflow_run")
        self.assertTrue(stolen.exists())
        self.assertIn("no-launch is off", annotations(done, "warning")[0])

    def test_a_stranger_names_no_variable_but_those_that_are_allowed(self):
        inputs = {"target": self.manifest("name = 'x'\n[variants.production]\naddress = '${STAGING_URL}'\n")}
        facts = {"event": "workflow_run", "environment": {"STAGING_URL": surroundings.served(self)}}
        done = self.job(inputs, **facts)
        self.without_a_verdict(done, 2, "--allow-env STAGING_URL")
        done = self.job({**inputs, "allow-env": "OTHER,\n  STAGING_URL"}, job="allowed", **facts)
        self.ended(done, 0)

    # ---- matrix, attempts, installing ----

    def test_cells_of_a_matrix_and_attempts_keep_their_reports_apart_and_merge(self):
        arguments = '--tags "@RES-001 or @ERR-001" --shard {}/2'
        for cell in range(2):
            done = self.job({"target": "reference", "arguments": arguments.format(cell + 1)}, cell=cell, cells=2)
            self.ended(done, 0)
        self.job({"target": "reference", "arguments": arguments.format(2)}, cell=1, cells=2, attempt=2)
        self.job({"target": "reference", "arguments": "--id RES-001"}, job="other")
        names = ["judge-1-of-2", "judge-2-of-2", "judge-2-of-2-attempt-2", "other"]
        self.assertEqual(list(self.workflow.artifacts), [f"moltproof-reports-{name}" for name in names])
        shards = [self.workspace / f"{number}.json" for number in range(2)]
        for shard, name in zip(shards, names):
            shard.write_text(self.workflow.artifacts[f"moltproof-reports-{name}"]["moltproof.json"])
        merged = subprocess.run([PROGRAM, "report", "merge", *shards, "--strict", "--min-verified", "2"], check=False,
                                capture_output=True, text=True)
        self.assertEqual(merged.returncode, 0, merged.stdout + merged.stderr)

    def test_nothing_is_judged_where_only_installing_is_asked_for(self):
        done = self.job({"install-only": "true"})
        self.assertIsNone(done.failed_at, done.log)
        self.assertEqual(done.ran, ["Download moltproof"])

    def test_a_download_with_another_sum_is_refused(self):
        below = self.folder.parent / "tampered" / f"v{VERSION}"
        below.mkdir(parents=True)
        (below / NAME).write_bytes((self.folder / NAME).read_bytes() + b"x")
        for sums, reason in [((self.folder / f"{NAME}.sha256").read_text(), "is not what was released"), (None, "has no checksum")]:
            with self.subTest(reason):
                file = below / f"{NAME}.sha256"
                file.unlink(missing_ok=True)
                if sums:
                    file.write_text(sums)
                done = self.job({"target": surroundings.served(self)}, environment={"MOLTPROOF_RELEASES": f"{self.releases}/tampered"})
                self.assertEqual(done.failed_at, "Download moltproof")
                self.assertEqual(done.ran, ["Download moltproof"])
                self.assertIn(reason, annotations(done)[0])
                self.assertIn(reason, done.summary)

    def test_the_version_is_the_input_then_the_tag_then_the_one_of_the_action(self):
        for facts, inputs, expected in [
            ({"ref": "v9.8.7"}, {}, "9.8.7"),
            ({"ref": "v9.8.7"}, {"version": "1.2.3"}, "1.2.3"),
            ({"ref": "main"}, {"version": "v1.2.3-rc.1"}, "1.2.3-rc.1"),
            ({"ref": "0" * 40}, {}, VERSION),
            ({"ref": ""}, {"version": "../../x"}, None),
        ]:
            with self.subTest(expected):
                done = self.job({"target": surroundings.served(self), **inputs}, path=f"{self.bare()}", **facts)
                if expected == VERSION:
                    self.assertIsNone(done.failed_at, done.log)
                else:
                    self.assertEqual(done.failed_at, "Download moltproof", done.log)
                    self.assertIn(f"v{expected}/moltproof-" if expected else "is no version", annotations(done)[0])
                self.workflow = runner.Workflow()

    def bare(self):
        """A PATH without cargo."""
        folder = self.workspace / "bin"
        folder.mkdir(exist_ok=True)
        for tool in ("bash sh cat cut sed head dirname uname mktemp mkdir rm cp chmod find tar gzip curl sha256sum sort tr xargs env").split():
            place = shutil.which(tool)
            if place and not (folder / tool).exists():
                (folder / tool).symlink_to(place)
        return folder

    def test_without_a_release_it_is_built_once_and_the_cache_keeps_the_build(self):
        folder = self.bare()
        count = self.workspace / "count"
        cargo = folder / "cargo"
        cargo.write_text(f'#!/bin/sh\necho "$*" >> {count}\nfor last; do :; done\nmkdir -p "$last/bin"\ncp {PROGRAM} "$last/bin/moltproof"\n')
        cargo.chmod(0o755)
        facts = {"path": str(folder), "environment": {"MOLTPROOF_RELEASES": f"{self.releases}/nowhere"}}
        for attempt in (1, 2):
            done = self.job({"target": surroundings.served(self)}, attempt=attempt, **facts)
            self.ended(done, 0)
            self.assertIn("built from source", annotations(done, "warning")[0])
        self.assertEqual(len(count.read_text().splitlines()), 1, "it was built again though the cache had it")
        self.assertIn("--locked", count.read_text())
        cargo.unlink()
        done = self.job({"target": surroundings.served(self)}, job="bare", **facts)
        self.assertEqual(done.failed_at, "Download moltproof")
        self.assertIn("no cargo", annotations(done)[0])


if __name__ == "__main__":
    os.chdir(surroundings.ROOT)
    unittest.main()
