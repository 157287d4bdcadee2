#!/usr/bin/env bash
# Judges a deployment and keeps the reports. Runs anywhere: a terminal, GitHub, GitLab, any other CI.
#
#   MOLTPROOF_TARGET   address or manifest of what is judged; ci/staging.toml is an example manifest
#   MOLTPROOF_REPORTS  folder for the reports; moltproof-reports by default
#   MOLTPROOF_WAIT     how long the deployment may take to answer; 60s by default
#   MOLTPROOF          the program; `moltproof` on the PATH by default
#
# Further arguments go to `moltproof run`. The exit code is its own: 0 no violation, 1 violation, 2 the command line or the manifest is
# wrong, 3 target unreachable or fault of the harness, 4 nothing or too little could be verified, 5 stale entry in the baseline,
# 130 interrupted, 143 terminated.
set -euo pipefail

if [ -z "${MOLTPROOF_TARGET:-}" ]; then
  echo "set MOLTPROOF_TARGET to the address of the deployment, such as https://staging.example, or to a manifest" >&2
  exit 2
fi
# The JSON report is kept as a file: `moltproof replay FILE ID` takes that as well.
export MOLTPROOF_TARGET MOLTPROOF_WAIT="${MOLTPROOF_WAIT:-60s}" MOLTPROOF_STORE="${MOLTPROOF_STORE:-none}"
program="${MOLTPROOF:-moltproof}"
reports="${MOLTPROOF_REPORTS:-moltproof-reports}"
# They are for this script, and no options of the program.
export -n MOLTPROOF MOLTPROOF_REPORTS
mkdir -p "$reports"

# What an earlier run has left here would be taken for this one's.
rm -f "$reports"/moltproof.json "$reports"/moltproof.junit.xml "$reports"/moltproof.md "$reports"/moltproof.html
kinds=(--report "json=$reports/moltproof.json" --report "junit=$reports/moltproof.junit.xml" --report "markdown=$reports/moltproof.md"
  --report "html=$reports/moltproof.html")
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  kinds+=(--report github)
fi

# In the background, so that a signal to this script reaches the program at once: it keeps what it has found by then.
child="" early=""
pass_on() {
  signalled=1
  if [ -n "$child" ]; then kill "-$1" "$child" 2> /dev/null || true; else early=$1; fi
}
trap 'pass_on TERM' TERM
trap 'pass_on INT' INT
"$program" run "${kinds[@]}" "$@" &
child=$!
[ -z "$early" ] || pass_on "$early"
signalled=1
while [ -n "$signalled" ]; do
  signalled="" code=0
  wait "$child" || code=$?
done

# A command line that cannot be read leaves no report: then this is what a test view shows.
if [ "$code" -ne 0 ] && [ ! -s "$reports/moltproof.junit.xml" ]; then
  why="moltproof run ended with exit code $code and wrote no report: its output says why"
  printf '%s\n' '<?xml version="1.0" encoding="UTF-8"?>' \
    '<testsuites name="moltproof" tests="1" errors="1"><testsuite name="moltproof" tests="1" errors="1">' \
    "<testcase classname=\"moltproof\" name=\"The run comes to a verdict\"><error message=\"$why\">$why</error></testcase>" \
    '</testsuite></testsuites>' > "$reports/moltproof.junit.xml"
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    echo "::error title=moltproof::$why"
    printf '## Moltproof judged nothing\n\n%s\n' "$why" >> "$GITHUB_STEP_SUMMARY"
  fi
fi
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  echo "exit-code=$code" >> "$GITHUB_OUTPUT"
fi
exit "$code"
