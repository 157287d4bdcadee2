// What the npm package's launcher passes on and what it says: arguments, exit codes, signals, missing programs. Never starts moltproof itself.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const launcher = join(dirname(fileURLToPath(import.meta.url)), "moltproof.js");
const scratch = mkdtempSync(join(tmpdir(), "moltproof-launcher-"));
after(() => rmSync(scratch, { recursive: true }));

/** A program of these lines, as an executable file. */
function program(lines, file = join(scratch, `program-${Math.random().toString(36).slice(2)}`)) {
  writeFileSync(file, `#!/bin/sh\n${lines}\n`);
  chmodSync(file, 0o755);
  return file;
}

function launch(file, args = [], more = {}) {
  return spawnSync(process.execPath, [launcher, ...args], { encoding: "utf8", env: { ...process.env, MOLTPROOF_BINARY: file }, ...more });
}

/** Starts the launcher in a group of its own, as CI systems do, and waits until the program has said that it listens. */
async function listening(lines) {
  const child = spawn(process.execPath, [launcher], {
    detached: true,
    env: { ...process.env, MOLTPROOF_BINARY: program(lines) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal, said })));
  await new Promise((resolve) => {
    child.stdout.on("data", (data) => {
      said += data;
      if (said.includes("ready")) resolve();
    });
  });
  return { child, ended };
}

test("arguments arrive as they were given", () => {
  const args = ["run", "", "two words", "--tags", "not @slow", "ü*$HOME", "--", "-x"];
  const done = launch(program('for argument; do printf "<%s>\\n" "$argument"; done'), args);
  assert.equal(done.stdout, args.map((argument) => `<${argument}>\n`).join(""));
  assert.equal(done.stderr, "");
});

test("exit codes are the program's", () => {
  for (const code of [0, 1, 2, 3, 4, 5, 130]) {
    assert.equal(launch(program(`exit ${code}`)).status, code);
  }
});

test("standard input reaches the program", () => {
  assert.equal(launch(program("cat"), [], { input: "yes\n" }).stdout, "yes\n");
});

test("a signal to the launcher reaches the program, which answers it in its own way", async () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) {
    const name = signal.slice(3);
    const { child, ended } = await listening(`trap 'echo got ${name}; exit 42' ${name}; echo ready; i=0; while [ $i -lt 400 ]; do sleep 0.05; i=$((i+1)); done`);
    child.kill(signal);
    const { code, said } = await ended;
    assert.equal(code, 42, signal);
    assert.match(said, new RegExp(`got ${name}`));
  }
});

test("an end by a signal is an end by that signal for the caller", async () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGKILL"]) {
    const { ended } = await listening(`echo ready; kill -${constants.signals[signal]} $$; sleep 5`);
    assert.deepEqual(await ended.then((end) => [end.code, end.signal]), [null, signal]);
  }
});

test("Ctrl-C in a terminal reaches the program once", () => {
  // A terminal of its own, in which launcher and program are in the foreground; script(1) makes one.
  const file = program("trap 'n=$((n+1))' INT; echo ready; i=0; while [ $i -lt 20 ]; do sleep 0.05; i=$((i+1)); done; echo interrupted $n times");
  const typed = `( sleep 0.7; printf '\\003'; sleep 2 ) | script -qec '${process.execPath} ${launcher}' /dev/null`;
  const done = spawnSync("sh", ["-c", typed], { encoding: "utf8", env: { ...process.env, MOLTPROOF_BINARY: file } });
  assert.match(done.stdout, /interrupted 1 times/);
});

test("a program that is not there is a fault, never a violation", () => {
  const done = launch(join(scratch, "none"));
  assert.equal(done.status, 3);
  assert.match(done.stderr, /^moltproof: cannot run .*none: ENOENT/);
});

/** The launcher in an installed package of its own, beside these others. */
function installed(platforms) {
  const root = mkdtempSync(join(scratch, "project-"));
  const bin = join(root, "node_modules", "moltproof", "bin");
  mkdirSync(bin, { recursive: true });
  copyFileSync(launcher, join(bin, "moltproof.js"));
  for (const [name, mode] of platforms) {
    const folder = join(root, "node_modules", "@moltproof", name);
    mkdirSync(join(folder, "bin"), { recursive: true });
    writeFileSync(join(folder, "package.json"), "{}");
    program("echo started", join(folder, "bin", "moltproof"));
    chmodSync(join(folder, "bin", "moltproof"), mode);
  }
  return join(bin, "moltproof.js");
}

function run(file, before = "") {
  const env = { ...process.env };
  delete env.MOLTPROOF_BINARY;
  const args = before ? ["--require", before, file] : [file];
  return spawnSync(process.execPath, args, { encoding: "utf8", env });
}

test("optional packages that were left out are told with what to do", () => {
  const done = run(installed([]));
  assert.equal(done.status, 3);
  assert.match(done.stderr, /@moltproof\/[a-z0-9-]+, which is not installed/);
  assert.match(done.stderr, /npm install --include=optional moltproof/);
});

test("a program that lost its mark as executable is started all the same", () => {
  const done = run(installed([[`${process.platform}-${process.arch}`, 0o644]]));
  assert.equal(done.stdout, "started\n");
});

test("Windows and other platforms are told what there is", () => {
  const as = (platform, arch) => {
    const file = join(scratch, `as-${platform}.cjs`);
    writeFileSync(
      file,
      `Object.defineProperty(process, "platform", { value: "${platform}" }); Object.defineProperty(process, "arch", { value: "${arch}" });`,
    );
    return run(installed([]), file);
  };
  const windows = as("win32", "x64");
  assert.equal(windows.status, 3);
  assert.match(windows.stderr, /Windows Subsystem for Linux/);
  const other = as("freebsd", "x64");
  assert.equal(other.status, 3);
  assert.match(other.stderr, /no program for freebsd-x64; there is one for linux-x64, linux-arm64, darwin-x64, darwin-arm64/);
});
