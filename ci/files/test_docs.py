"""What docs/ci.md and the example workflow show: that it is what the action takes, and that its lines do what is said. Never needs a network."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import yaml

import runner
import surroundings
from surroundings import PROGRAM, ROOT

PAGE = (ROOT / "docs/ci.md").read_text()
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
EXAMPLE = yaml.safe_load((ROOT / "ci/github-workflow.yml").read_text())


def steps(document):
    """Every step of a workflow, or of a part of one."""
    jobs = document.get("jobs", {"only": document})
    return [step for job in jobs.values() for step in job["steps"]]


class Docs(unittest.TestCase):
    """Each test is a line or a block of the page."""

    def setUp(self):
        self.place = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.place)
        self.environment = {**os.environ, "MOLTPROOF": str(PROGRAM), "MOLTPROOF_STORE": "none"}

    def test_every_input_that_is_shown_is_one_of_the_action(self):
        inputs = yaml.safe_load((runner.ACTION / "action.yml").read_text())["inputs"]
        own = [step for block in [*BLOCKS, EXAMPLE] for step in steps(block) if "/moltproof/" in step.get("uses", "")]
        self.assertGreaterEqual(len(own), 4)
        for step in own:
            self.assertRegex(step["uses"], r"^[A-Za-z0-9-]+/moltproof/ci/action@VERSION$")
            self.assertLessEqual(set(step["with"]), set(inputs))
        told = PAGE[PAGE.index("| input |"):PAGE.index("The outputs are")]
        named = re.findall(r"`([a-z-]+)`", "\n".join(line.split("|")[1] for line in told.strip().splitlines()))
        self.assertEqual(sorted(named), sorted(inputs))

    def test_shards_of_a_matrix_make_one_verdict_as_the_page_has_it(self):
        block = next(block for block in BLOCKS if "verdict" in block.get("jobs", {}))
        judge, verdict = block["jobs"]["judge"], block["jobs"]["verdict"]
        inputs = judge["steps"][0]["with"]
        releases, _ = surroundings.releases()
        workflow = runner.Workflow()
        cells = judge["strategy"]["matrix"]["shard"]
        for cell, shard in enumerate(cells):
            # Fewer side by side: a machine that is busy beside this must not look like a slow reference.
            more = " --tags 'not @slow' --concurrency 8"
            arguments = inputs["arguments"].replace("${{ matrix.shard }}", str(shard)) + more
            done = runner.run({"target": "reference", "arguments": arguments}, workflow, cell=cell, cells=len(cells),
                              environment={"MOLTPROOF_RELEASES": releases})
            self.assertEqual(done.outputs["exit-code"], "0", done.log)
        for name, files in workflow.artifacts.items():
            (self.place / name).mkdir()
            for file, text in files.items():
                (self.place / name / file).write_text(text)
        merge = verdict["steps"][-1]["run"]
        tools = self.place / "bin"
        tools.mkdir()
        (tools / "moltproof").symlink_to(PROGRAM)
        environment = {**self.environment, "PATH": f"{tools}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(self.place / "summary.md")}
        done = subprocess.run(["bash", "-ec", merge], cwd=self.place, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("conforms", (self.place / "summary.md").read_text())
        shutil.rmtree(self.place / list(workflow.artifacts)[1])
        done = subprocess.run(["bash", "-ec", merge], cwd=self.place, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 4, "a shard is missing")

    def test_the_line_for_any_other_ci_judges_and_leaves_four_reports(self):
        line = re.search(r"^MOLTPROOF_TARGET=\S+ ci/staging\.sh.*$", PAGE, re.MULTILINE).group()
        line = line.replace("https://staging.example", surroundings.served(self)).replace("ci/staging.sh", str(ROOT / "ci/staging.sh"))
        done = subprocess.run(["sh", "-c", line], cwd=self.place, env=self.environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(list((self.place / "moltproof-reports").iterdir())), 4)

    def test_a_signal_reaches_the_run_whose_exit_code_is_kept(self):
        program = self.place / "program"
        program.write_text("#!/bin/bash\ntrap 'exit 1' TERM\necho started\nwhile :; do read -t 0.1 <> <(:); done\n")
        program.chmod(0o755)
        environment = {**self.environment, "MOLTPROOF": str(program), "MOLTPROOF_TARGET": "x"}
        script = subprocess.Popen([ROOT / "ci/staging.sh"], cwd=self.place, env=environment, stdout=subprocess.PIPE, text=True)
        self.assertEqual(script.stdout.readline(), "started\n")
        # It sleeps when it waits for the program, and never between: a signal in the moment before bash waits is told when the program ends.
        state = Path(f"/proc/{script.pid}/stat")
        while state.read_text().rsplit(")", 1)[1].split()[0] != "S":
            time.sleep(0.01)
        began = time.monotonic()
        script.send_signal(signal.SIGTERM)
        script.stdout.close()
        self.assertEqual(script.wait(timeout=10), 1)
        self.assertLess(time.monotonic() - began, 5)

    def test_the_example_takes_nothing_from_the_deployed_commit(self):
        checkout, judge = EXAMPLE["jobs"]["judge"]["steps"]
        self.assertEqual(checkout["with"]["ref"], "${{ github.event.repository.default_branch }}")
        self.assertIs(checkout["with"]["persist-credentials"], False)
        self.assertIs(judge["with"]["no-launch"], True)
        self.assertEqual(judge["with"]["allow-env"].split(), list(judge["env"]))


if __name__ == "__main__":
    unittest.main()
