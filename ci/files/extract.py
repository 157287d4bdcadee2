"""Writes every script within workflows, actions and a GitLab file to a file of its own, for shellcheck. Never runs one."""

import re
import sys
from pathlib import Path

import yaml

# What `${{ … }}` becomes is no shell: a word stands for it.
EXPRESSION = re.compile(r"\$\{\{.*?\}\}")


def scripts(document):
    """Each script, with the shell that runs it."""
    steps = [step for job in document.get("jobs", {}).values() for step in job.get("steps", [])]
    steps += document.get("runs", {}).get("steps", [])
    for step in steps:
        if "run" in step:
            yield step.get("shell", "bash"), step["run"]
    for job in document.values():
        if isinstance(job, dict) and isinstance(job.get("script"), list):
            yield "sh", "\n".join(job["script"])


def main(folder, *files):
    """Writes them into the folder."""
    for file in files:
        document = yaml.safe_load(Path(file).read_text())
        for number, (shell, text) in enumerate(scripts(document)):
            name = f"{file.replace('/', '-')}-{number}.sh"
            text = EXPRESSION.sub("expression", text)
            (Path(folder) / name).write_text(f"#!/usr/bin/env {shell}\n{text}\n")


main(*sys.argv[1:])
