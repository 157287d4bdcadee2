#!/usr/bin/env bash
# Judges with the inputs of the action, by ci/staging.sh. Decides which events are trusted, and reads the input `arguments` as words.
# Never expands anything in an input: an input is no script.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
summary="${GITHUB_STEP_SUMMARY:-/dev/null}"

complain() {
  echo "::error title=moltproof::$1"
  printf '## Moltproof judged nothing\n\n%s\n' "$1" >> "$summary"
  echo "exit-code=2" >> "$GITHUB_OUTPUT"
  exit 2
}

# The words of a text into the array `words`: apart by blanks, together in quotes; a backslash keeps the next character, but not in '…'.
split() {
  local text="$1" word="" begun="" quote="" letter at
  for ((at = 0; at < ${#text}; at++)); do
    letter="${text:at:1}"
    if [ "$letter" = "$quote" ]; then
      quote=""
    elif [ "$letter" = "\\" ] && [ "$quote" != "'" ]; then
      at=$((at + 1))
      word+="${text:at:1}"
      begun=1
    elif [ -n "$quote" ]; then
      word+="$letter"
    elif [ "$letter" = "'" ] || [ "$letter" = '"' ]; then
      quote="$letter"
      begun=1
    elif [[ "$letter" =~ [[:space:]] ]]; then
      if [ -n "$begun" ]; then words+=("$word"); fi
      word="" begun=""
    else
      word+="$letter"
      begun=1
    fi
  done
  [ -z "$quote" ] || complain "the input \`arguments\` has a quote that is not closed"
  if [ -n "$begun" ]; then words+=("$word"); fi
}

# Events of this repository's own people; any other may bring a stranger's code, or run beside it with secrets.
is_trusted() {
  case "${GITHUB_EVENT_NAME:-}" in
    push | schedule | workflow_dispatch | repository_dispatch | release | create | delete | merge_group) return 0 ;;
    pull_request | pull_request_review | pull_request_review_comment) [ "$HEAD_REPOSITORY" = "$GITHUB_REPOSITORY" ] ;;
    *) return 1 ;;
  esac
}

words=()
split "$ARGUMENTS"

no_launch="${NO_LAUNCH:-}"
allow_env="$(tr -s ' \t\n,' ',' <<< "${ALLOW_ENV:-}")"
allow_env="${allow_env#,}"
allow_env="${allow_env%,}"
if ! is_trusted; then
  what="The event $GITHUB_EVENT_NAME"
  case "$GITHUB_EVENT_NAME" in pull_request*) if [ -n "$HEAD_REPOSITORY" ]; then what+=" from $HEAD_REPOSITORY"; fi ;; esac
  what+=" may bring a stranger's code."
  if [ "${no_launch:-true}" = true ]; then
    what+=" Nothing of the manifest is executed (no-launch), and what would need it is not verified."
  fi
  no_launch="${no_launch:-true}"
  allow_env="${allow_env:-none}"
  if [ "$allow_env" = none ]; then
    what+=" The manifest may name no variable (allow-env); what an address alone shows is judged."
  else
    what+=" The manifest may name these variables only (allow-env): ${allow_env//,/, }."
  fi
  echo "::notice title=moltproof::$what"
  printf '%s\n\n' "$what" >> "$summary"
  if [ "$no_launch" != true ]; then
    echo "::warning title=moltproof::no-launch is off on this event: commands of the manifest see every secret of this job."
  fi
fi
if [ -n "$no_launch" ]; then export MOLTPROOF_NO_LAUNCH="$no_launch"; fi
if [ -n "$allow_env" ]; then export MOLTPROOF_ALLOW_ENV="$allow_env"; fi

artifact="${ARTIFACT:-}"
if [ -z "$artifact" ]; then
  artifact="moltproof-reports-$GITHUB_JOB"
  if [ "${CELLS:-1}" -gt 1 ]; then artifact+="-$((CELL + 1))-of-$CELLS"; fi
  if [ "${GITHUB_RUN_ATTEMPT:-1}" -gt 1 ]; then artifact+="-attempt-$GITHUB_RUN_ATTEMPT"; fi
fi
echo "artifact=$artifact" >> "$GITHUB_OUTPUT"

[ -n "$MOLTPROOF_TARGET" ] || complain "the input \`target\` is empty: give the address of the deployment, or a manifest"
export MOLTPROOF_REPORTS="$REPORTS"
exec "$here/../staging.sh" ${words[@]+"${words[@]}"}
