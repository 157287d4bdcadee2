// Prints the licences of all that is compiled into the program, as those licences ask of whoever hands it on. Never lists what only builds or tests it.
// Usage: node notices.mjs TARGET
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [target] = process.argv.slice(2);
const asked = ["metadata", "--locked", "--format-version", "1", "--filter-platform", target];
const { packages, resolve } = JSON.parse(execFileSync("cargo", asked, { maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] }));
const byId = new Map(packages.map((one) => [one.id, one]));
const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));

const reached = new Set();
const waiting = [packages.find((one) => one.name === "moltproof").id];
while (waiting.length > 0) {
  const id = waiting.pop();
  if (reached.has(id)) continue;
  reached.add(id);
  // What runs in the compiler (procedural macros) is not handed on, and neither is what it needs.
  if (byId.get(id).targets.some(({ kind }) => kind.includes("proc-macro"))) continue;
  for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
    if (kinds.some(({ kind }) => kind === null)) waiting.push(pkg);
  }
}

const texts = new Map();
const without = [];
const listed = [...reached].map((id) => byId.get(id)).filter(({ source }) => source !== null);
listed.sort((one, other) => one.name.localeCompare(other.name) || one.version.localeCompare(other.version));
for (const { name, version, license, manifest_path: manifest } of listed) {
  const folder = dirname(manifest);
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|copyright|notice|unlicense)/i.test(file));
  let found = false;
  for (const file of files.sort()) {
    let text;
    try {
      text = readFileSync(join(folder, file), "utf8").replace(/\r\n/g, "\n").trim();
    } catch {
      continue; // a folder of that name
    }
    found = true;
    texts.set(text, [...(texts.get(text) ?? []), `${name} ${version}`]);
  }
  if (!found) without.push(`${name} ${version} (${license})`);
}

const lines = ["# Licences of what moltproof is made of", ""];
lines.push("The Rust standard library (MIT OR Apache-2.0), in the programs for Linux the C library musl (MIT), SQLite (public domain), and these crates:", "");
for (const { name, version, license, repository } of listed) {
  lines.push(`- ${name} ${version}: ${license ?? "see below"}${repository ? `, ${repository}` : ""}`);
}
for (const [text, names] of texts) {
  lines.push("", `## ${[...new Set(names)].join(", ")}`, "", "```text", text, "```");
}
if (without.length > 0) lines.push("", "## Without a file of their own", "", ...without.map((one) => `- ${one}`));
process.stdout.write(`${lines.join("\n")}\n`);
