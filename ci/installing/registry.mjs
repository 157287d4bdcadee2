// A registry of npm packages on this machine, which holds the tarballs of a folder as the public one would after a release. Never asks another one.
// Usage: node registry.mjs FOLDER TARGETS; prints its address, and serves until it is ended.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const [folder, targets] = process.argv.slice(2);

const packages = new Map();
for (const file of readdirSync(folder).filter((name) => name.endsWith(".tgz"))) {
  const tarball = readFileSync(join(folder, file));
  const manifest = JSON.parse(execFileSync("tar", ["-xzOf", join(folder, file), "package/package.json"]));
  packages.set(manifest.name, { manifest, tarball, file });
}
const { version } = packages.get("moltproof").manifest;

// The packages of other platforms were built elsewhere: the registry tells of them, and whoever fetches one has taken the wrong one.
for (const line of readFileSync(targets, "utf8").split("\n").filter((text) => text && !text.startsWith("#"))) {
  const [, os, cpu] = line.split("\t");
  const name = `@moltproof/${os}-${cpu}`;
  if (!packages.has(name)) packages.set(name, { manifest: { name, version, os: [os], cpu: [cpu] }, file: `${os}-${cpu}.tgz` });
}

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname).slice(1);
  const answer = (status, type, body) => {
    response.writeHead(status, { "content-type": type });
    response.end(body);
  };
  for (const { tarball, file } of packages.values()) {
    if (path === `tarballs/${file}` && tarball) return answer(200, "application/octet-stream", tarball);
  }
  const found = packages.get(path);
  if (!found) return answer(404, "application/json", JSON.stringify({ error: `no package ${path}` }));
  const integrity = `sha512-${createHash("sha512").update(found.tarball ?? "").digest("base64")}`;
  const dist = { integrity, tarball: `http://${request.headers.host}/tarballs/${found.file}` };
  const { name } = found.manifest;
  const document = { name, "dist-tags": { latest: version }, versions: { [version]: { ...found.manifest, dist } } };
  answer(200, "application/json", JSON.stringify(document));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
