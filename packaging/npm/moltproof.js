#!/usr/bin/env node
// Starts the moltproof program of the package for this platform: arguments, standard streams, exit code and signals are the program's own.
// Never ends with 1 by a fault of its own: 1 says that the target violates the contract.
"use strict";

const FAULT = 3;
const PACKAGES = {
  "linux-x64": "@moltproof/linux-x64",
  "linux-arm64": "@moltproof/linux-arm64",
  "darwin-x64": "@moltproof/darwin-x64",
  "darwin-arm64": "@moltproof/darwin-arm64",
};

function fail(message) {
  require("fs").writeSync(2, `moltproof: ${message}\n`);
  process.exit(FAULT);
}

function program() {
  const path = require("path");
  if (process.env.MOLTPROOF_BINARY) {
    return path.resolve(process.env.MOLTPROOF_BINARY);
  }
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (!name) {
    const known = Object.keys(PACKAGES).join(", ");
    fail(
      process.platform === "win32"
        ? "there is no program for Windows. It runs on Unix only: use the Windows Subsystem for Linux (WSL), and install it there with npm."
        : `there is no program for ${platform}; there is one for ${known}. Build it from source and name it in the variable MOLTPROOF_BINARY.`,
    );
  }
  try {
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), "bin", "moltproof");
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw error;
    fail(
      [
        `the program is in the optional package ${name}, which is not installed.`,
        "  - If optional packages were left out (--omit=optional, --no-optional, or a setting in .npmrc), install again with them:",
        "      npm install --include=optional moltproof",
        "  - If node_modules or the lock file comes from another platform, remove both and install again:",
        "      rm -rf node_modules package-lock.json && npm install",
        "  - Or name a program that is there already in the variable MOLTPROOF_BINARY.",
      ].join("\n"),
    );
  }
}

function check(file) {
  const fs = require("fs");
  try {
    fs.accessSync(file, fs.constants.X_OK);
  } catch (error) {
    // Some tools that unpack or copy packages lose the mark.
    if (error.code !== "EACCES" || process.env.MOLTPROOF_BINARY) {
      fail(`cannot run ${file}: ${error.message}`);
    }
    try {
      fs.chmodSync(file, 0o755);
    } catch (refused) {
      fail(`${file} is not executable, and cannot be made so: ${refused.message}`);
    }
  }
}

// Whether a signal of the terminal reaches every process of this one's group, the program among them.
function sharesTerminal() {
  try {
    const stat = require("fs").readFileSync("/proc/self/stat", "latin1");
    // Behind the name in parentheses: state, parent, group, session, terminal, the terminal's foreground group.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[2] === fields[5];
  } catch {
    const tty = require("tty");
    return [0, 1, 2].some((stream) => tty.isatty(stream));
  }
}

function spawn(file, args) {
  let child;
  const ofTerminal = ["SIGINT", "SIGQUIT", "SIGHUP"];
  const handlers = new Map();
  for (const signal of [...ofTerminal, "SIGTERM", "SIGUSR2"]) {
    const handler = () => {
      // Ctrl-C was the program's too: a second one would tell it to give up at once.
      if (!ofTerminal.includes(signal) || !sharesTerminal()) child.kill(signal);
    };
    handlers.set(signal, handler);
    process.on(signal, handler);
  }
  // Only now: the program may be signalled as soon as it is there, and no handler runs before the next turn.
  child = require("child_process").spawn(file, args, { stdio: "inherit" });
  child.on("error", (error) => fail(`cannot run ${file}: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const [name, handler] of handlers) process.removeListener(name, handler);
    process.kill(process.pid, signal);
    // A signal that does not end this process leaves it the shell's number for such an end.
    setTimeout(() => process.exit(128 + (require("os").constants.signals[signal] || 0)), 1000);
  });
}

try {
  const file = program();
  check(file);
  const args = process.argv.slice(2);
  if (typeof process.execve === "function") {
    // The program takes this process's place: nothing is left between it and whoever sends signals.
    // The warning that this is experimental would be the first line of every run.
    process.removeAllListeners("warning");
    process.execve(file, [file, ...args]);
  } else {
    spawn(file, args);
  }
} catch (error) {
  fail(error.message);
}
