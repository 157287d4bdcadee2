"""The script of the GitLab file, as a job runs it: green, red, out of reach, tampered with. Never needs a network."""

import os
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

import yaml

import surroundings
from surroundings import NAME, PROGRAM, ROOT, VERSION

JOB = yaml.safe_load((ROOT / "ci/gitlab-ci.yml").read_text())["moltproof"]


class Job(unittest.TestCase):
    """Each test is a job."""

    @classmethod
    def setUpClass(cls):
        cls.releases, cls.folder = surroundings.releases()

    def setUp(self):
        self.place = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.place)

    def run_script(self, path=None, **variables):
        environment = {
            "PATH": path or os.environ["PATH"], "HOME": str(self.place), "CI": "true", "CI_COMMIT_SHA": "abc",
            **{name: str(value) for name, value in JOB["variables"].items()},
            "MOLTPROOF_RELEASES": self.releases, "MOLTPROOF_VERSION": VERSION, "MOLTPROOF_WAIT": "1s", "MOLTPROOF_MIN_VERIFIED": "6",
            **variables,
        }
        return subprocess.run(["sh", "-ec", "\n".join(JOB["script"])], cwd=self.place, env=environment, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)

    def judge(self, address, **variables):
        (self.place / "moltproof.toml").write_text("name = 'staging'\n[variants.production]\naddress = '${STAGING_URL}'\n")
        return self.run_script(STAGING_URL=address, **variables)

    def junit(self):
        place = JOB["artifacts"]["reports"]["junit"]
        self.assertTrue(place.startswith(JOB["artifacts"]["paths"][0]))
        return xml.parse(self.place / place).getroot()

    def test_a_deployment_that_keeps_the_contract_is_green(self):
        done = self.judge(surroundings.served(self))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("6 of 127 MUSTs could be judged", done.stdout)
        self.assertEqual(self.junit().get("failures"), "0")

    def test_a_deployment_that_breaks_the_contract_is_red(self):
        done = self.judge(surroundings.broken())
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertGreater(int(self.junit().get("failures")), 0)

    def test_too_little_judged_is_red(self):
        done = self.judge(surroundings.served(self), MOLTPROOF_MIN_VERIFIED="20")
        self.assertEqual(done.returncode, 4, done.stdout)

    def test_a_target_out_of_reach_and_a_wrong_manifest_leave_a_junit(self):
        self.assertEqual(self.judge(surroundings.unreachable()).returncode, 3)
        self.assertEqual(self.junit().get("errors"), "1")
        (self.place / "moltproof.toml").write_text("nome = 'x'")
        self.assertEqual(self.run_script().returncode, 2)
        self.assertEqual(self.junit().get("errors"), "1")

    def test_nothing_of_the_manifest_is_executed_and_it_names_no_other_variable(self):
        (self.place / "moltproof.toml").write_text(
            f"name = 'x'\n[launch]\ncommand = ['false']\nprepare = [{{ run = ['touch', '{self.place}/stolen'] }}]\n[variants.production]\n")
        self.assertEqual(self.run_script().returncode, 4)
        self.assertFalse((self.place / "stolen").exists())
        (self.place / "moltproof.toml").write_text("name = 'x'\n[variants.production]\naddress = 'http://127.0.0.1:1/${CI_JOB_TOKEN}'\n")
        done = self.run_script(CI_JOB_TOKEN="hunter2")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--allow-env CI_JOB_TOKEN", done.stdout)
        self.assertNotIn("hunter2", done.stdout)

    def test_a_download_with_another_sum_is_refused(self):
        below = self.folder.parent / "tampered" / f"v{VERSION}"
        below.mkdir(parents=True)
        (below / NAME).write_bytes((self.folder / NAME).read_bytes() + b"x")
        shutil.copy(self.folder / f"{NAME}.sha256", below)
        done = self.judge(surroundings.served(self), MOLTPROOF_RELEASES=f"{self.releases}/tampered")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not what was released", done.stdout)
        (below / f"{NAME}.sha256").unlink()
        done = self.judge(surroundings.served(self), MOLTPROOF_RELEASES=f"{self.releases}/tampered")
        self.assertIn("no checksum", done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_without_a_release_it_is_built_once_and_the_cache_keeps_the_build(self):
        tools = self.place / "bin"
        tools.mkdir()
        count = self.place / "count"
        cargo = tools / "cargo"
        cargo.write_text(f'#!/bin/sh\necho "$*" >> {count}\nmkdir -p ".moltproof/{VERSION}/bin"\ncp {PROGRAM} ".moltproof/{VERSION}/bin/moltproof"\n')
        cargo.chmod(0o755)
        path = f"{tools}:{os.environ['PATH']}"
        for _ in range(2):
            done = self.judge(surroundings.served(self), path=path, MOLTPROOF_RELEASES=f"{self.releases}/nowhere")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn("cannot be downloaded", done.stdout)
        self.assertEqual(len(count.read_text().splitlines()), 1)
        self.assertIn(f"--tag v{VERSION}", count.read_text())


if __name__ == "__main__":
    unittest.main()
