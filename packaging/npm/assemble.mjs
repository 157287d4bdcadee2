// Makes the npm packages of the programs in DIST/bin: `moltproof` and one for each platform, as folders and as tarballs in DIST/npm.
// Never publishes. Usage: node assemble.mjs VERSION DIST
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [version, dist] = process.argv.slice(2);
const absolute = resolve(dist);
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const repository = /^repository = "(.*)"$/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))[1];

const targets = readFileSync(join(root, "packaging", "targets"), "utf8")
  .split("\n")
  .filter((line) => line && !line.startsWith("#"))
  .map((line) => line.split("\t"))
  .map(([target, os, cpu]) => ({ target, os, cpu, name: `@moltproof/${os}-${cpu}` }));

const shared = {
  version,
  description: "Contract tests and conformance verdicts for multi-tenant Moltworker backends.",
  license: "MIT OR Apache-2.0",
  repository: { type: "git", url: `git+${repository}.git` },
  homepage: `${repository}#readme`,
  bugs: { url: `${repository}/issues` },
};

function write(folder, manifest, files) {
  mkdirSync(join(folder, "bin"), { recursive: true });
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const [from, to, mode] of files) {
    copyFileSync(from, join(folder, to));
    chmodSync(join(folder, to), mode);
  }
  for (const license of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(join(root, license), join(folder, license));
  execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", join(absolute, "npm")], { cwd: folder, stdio: "ignore" });
}

const folderOf = (name) => join(absolute, "npm", name.replace("@moltproof/", "platform-"));
mkdirSync(join(absolute, "npm"), { recursive: true });

for (const { target, os, cpu, name } of targets) {
  const program = join(absolute, "bin", target, "moltproof");
  if (!existsSync(program)) continue;
  const readme = join(absolute, "npm", "README.md");
  writeFileSync(readme, `# ${name}\n\nThe program of [moltproof](${repository}) for ${os} on ${cpu}. Install the package \`moltproof\`; it brings this one.\n`);
  write(
    folderOf(name),
    {
      name,
      ...shared,
      os: [os],
      cpu: [cpu],
      engines: { node: ">=18" },
      // Yarn would leave the program in an archive, from which nothing can be started.
      preferUnplugged: true,
      files: ["bin", "LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY.md"],
    },
    [
      [join(absolute, "THIRD-PARTY.md"), "THIRD-PARTY.md", 0o644],
      [program, join("bin", "moltproof"), 0o755],
      [readme, "README.md", 0o644],
    ],
  );
}

// It names all platforms, whichever programs are here: the others are built elsewhere.
write(
  folderOf("moltproof"),
  {
    name: "moltproof",
    ...shared,
    keywords: ["cloudflare", "workers", "d1", "contract-testing", "conformance", "multi-tenant", "ci"],
    bin: { moltproof: "bin/moltproof.js" },
    files: ["bin", "LICENSE-APACHE", "LICENSE-MIT"],
    engines: { node: ">=18" },
    optionalDependencies: Object.fromEntries(targets.map(({ name }) => [name, version])),
  },
  [
    [join(here, "moltproof.js"), join("bin", "moltproof.js"), 0o755],
    [join(here, "README.md"), "README.md", 0o644],
  ],
);
