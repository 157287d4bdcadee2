#!/usr/bin/env bash
# Downloads a released moltproof and checks its sum; where there is nothing to download it says so, and that it is built from source.
# A sum that is wrong, or missing, ends the job: what cannot be checked is not run.
#
#   VERSION            which version; the one of this action by default
#   ACTION_REF         as what the action was called: a tag such as v0.1.0 is a version
#   ACTION_REPOSITORY  where the action comes from: its releases are there
#   MOLTPROOF_RELEASES another address of the releases, such as a mirror; below it stand v0.1.0/moltproof-TARGET-v0.1.0.tgz and its .sha256
#
# Outputs of the step: folder (holds bin/moltproof), build (true where it has yet to be built), key (names that build in a cache).
set -euo pipefail
source_root="$(cd "$(dirname "$0")/../.." && pwd)"

fail() {
  echo "::error title=moltproof::$1"
  printf '## Moltproof could not be installed\n\n%s\n' "$1" >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
  exit 1
}

own_version() {
  sed -n 's/^version = "\(.*\)"$/\1/p' "$source_root/Cargo.toml" | head -n 1
}

is_version() { [[ "$1" =~ ^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.-]+)?$ ]]; }

if command -v sha256sum > /dev/null; then sums=(sha256sum); else sums=(shasum -a 256); fi
sum_of() { "${sums[@]}" "$1" | cut -d ' ' -f 1; }

# Everything that a build depends on: a change of any of it is another build.
sources_digest() {
  (cd "$source_root" && find Cargo.lock Cargo.toml clippy.toml features fixtures harness migrations reference -type f \
    ! -path '*/node_modules/*' ! -path '*/target/*' | LC_ALL=C sort | tr '\n' '\0' | xargs -0 "${sums[@]}") > "$work/sources"
  sum_of "$work/sources"
}

build_instead() {
  command -v cargo > /dev/null || fail "$1, and there is no cargo here to build it from source"
  [ "$version" = "$(own_version)" ] || fail "$1, and these sources are of version $(own_version): call the action as that version, or leave \`version\` out"
  echo "::warning title=moltproof::$1. It is built from source instead, which takes minutes; the build is kept for the next run."
  {
    echo "build=true"
    echo "key=moltproof-$RUNNER_OS-$RUNNER_ARCH-$version-$(sources_digest)"
  } >> "$GITHUB_OUTPUT"
  exit 0
}

version="${VERSION:-}"
version="${version#v}"
if [ -z "$version" ] && is_version "${ACTION_REF#v}"; then version="${ACTION_REF#v}"; fi
[ -n "$version" ] || version="$(own_version)"
is_version "$version" || fail "\`$version\` is no version; write one such as 0.1.0"

folder="$RUNNER_TEMP/moltproof-$version"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder/bin"
echo "folder=$folder" >> "$GITHUB_OUTPUT"
# For later steps of the job, such as `moltproof report merge`.
echo "$folder/bin" >> "$GITHUB_PATH"

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) target=x86_64-unknown-linux-musl ;;
  Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-musl ;;
  Darwin-x86_64) target=x86_64-apple-darwin ;;
  Darwin-arm64) target=aarch64-apple-darwin ;;
  Linux-* | Darwin-*) build_instead "There is no release for $(uname -s) on $(uname -m)" ;;
  *) fail "moltproof runs on Linux and macOS only: choose such a runner" ;;
esac

releases="${MOLTPROOF_RELEASES:-${GITHUB_SERVER_URL:-https://github.com}/${ACTION_REPOSITORY:-$GITHUB_REPOSITORY}/releases/download}"
name="moltproof-$target-v$version.tgz"
address="${releases%/}/v$version/$name"
download() { curl --fail --silent --show-error --location --retry 3 --connect-timeout 10 --max-time 120 --output "$2" "$1"; }

if ! download "$address" "$work/$name"; then build_instead "$address cannot be downloaded"; fi
download "$address.sha256" "$work/$name.sha256" || fail "$address has no checksum beside it: what cannot be checked is not run"
expected="$(cut -d ' ' -f 1 "$work/$name.sha256" | head -n 1)"
seen="$(sum_of "$work/$name")"
[ "$seen" = "$expected" ] || fail "$address is not what was released: its SHA-256 is $seen, and $expected was expected"

mkdir "$work/files"
tar -xzf "$work/$name" -C "$work/files"
program="$(find "$work/files" -type f -name moltproof | head -n 1)"
[ -n "$program" ] || fail "$address holds no program moltproof"
cp "$program" "$folder/bin/moltproof"
chmod 755 "$folder/bin/moltproof"
told="$("$folder/bin/moltproof" --version)" || fail "$address does not run here"
echo "${told%%$'\n'*}, downloaded from $address, SHA-256 $seen"
