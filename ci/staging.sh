#!/usr/bin/env bash
# Judges a deployed Worker and keeps the reports. Runs anywhere: a terminal, GitHub, GitLab, any other CI.
#
#   MOLTPROOF_TARGET   address or manifest of what is judged; ci/staging.toml is an example manifest
#   MOLTPROOF_REPORTS  folder for the reports; moltproof-reports by default
#   MOLTPROOF_WAIT     how long the deployment may take to answer; 60s by default
#   MOLTPROOF          the program; `moltproof` on the PATH by default
#
# Further arguments go to `moltproof run`. The exit code is its own: 0 conforms, 1 violation, 2 usage, 3 unreachable or fault,
# 4 not everything could be verified.
set -euo pipefail

if [ -z "${MOLTPROOF_TARGET:-}" ]; then
  echo "set MOLTPROOF_TARGET to the address of the deployment, such as https://staging.example, or to a manifest" >&2
  exit 2
fi
export MOLTPROOF_TARGET MOLTPROOF_WAIT="${MOLTPROOF_WAIT:-60s}"
program="${MOLTPROOF:-moltproof}"
reports="${MOLTPROOF_REPORTS:-moltproof-reports}"
mkdir -p "$reports"

kinds=(--report "json=$reports/moltproof.json" --report "junit=$reports/moltproof.junit.xml" --report "markdown=$reports/moltproof.md"
  --report "html=$reports/moltproof.html")
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  kinds+=(--report github)
fi
exec "$program" run "${kinds[@]}" "$@"
