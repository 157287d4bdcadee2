// Duty: plays a trace of `moltproof db check --trace` on D1 in real workerd, and names the statements with another outcome there.
// Never: judges a schema: it only says whether D1 does what the judge's copy in memory did.
//
//   node ci/d1/replay.mjs TRACE.jsonl MIGRATIONS      exit 0: the same outcomes; 1: another one; 2: nothing could be played

import { readFile } from "node:fs/promises";
import { differences, parse, steps } from "./trace.mjs";
import { applying, migrations, start } from "./workerd.mjs";

/** So many differences are listed; more of them seldom say more. */
const LISTED_MAX = 20;
/** So many databases in one workerd: each is an object of its own, and all of them stay in memory. */
const WORLDS_AT_ONCE = 100;

const [trace, folder] = process.argv.slice(2);
if (!trace || !folder) fail("both are needed: TRACE.jsonl (of `moltproof db check --trace`) and MIGRATIONS (the folder that it was made of)");

const { worlds, files, count } = await read().catch((error) => fail(error.message));
const found = [];
for (let first = 0; first < worlds.length && found.length < LISTED_MAX; first += WORLDS_AT_ONCE) {
  found.push(...(await play(worlds.slice(first, first + WORLDS_AT_ONCE)).catch((error) => fail(error.message))));
}
for (const { lines, told, saw } of found.slice(0, LISTED_MAX)) {
  const [{ number, world, batch }] = lines;
  const numbers = lines.length > 1 ? `${number}-${lines.at(-1).number}` : String(number);
  console.log(`${trace}:${numbers}  world ${world}${batch === null ? "" : `, batch ${batch}`}`);
  for (const { sql, given } of lines) console.log(`  ${sql.replaceAll("\n", "\n  ")}${given.length > 0 ? `\n  with ${JSON.stringify(given)}` : ""}`);
  console.log(`  in the trace: ${told}\n  on D1:        ${saw}\n`);
}
const told = `${counted(count, "statement")} in ${counted(worlds.length, "world")}`;
if (found.length > 0) {
  const more = found.length >= LISTED_MAX ? `at least ${LISTED_MAX}` : String(found.length);
  console.log(`D1 differs from the trace in ${more} of ${told}`);
} else {
  console.log(`D1 gave the outcomes of the trace: ${told}`);
}
process.exitCode = found.length > 0 ? 1 : 0;

async function read() {
  const lines = (await readFile(trace, "utf8")).split("\n").map((text, index) => [text, index + 1]);
  const parsed = lines.filter(([text]) => text.trim() !== "").map(([text, number]) => parse(text, number));
  if (parsed.length === 0) throw new Error(`${trace} holds no statement`);
  const byWorld = new Map();
  for (const line of parsed) byWorld.set(line.world, [...(byWorld.get(line.world) ?? []), line]);
  return { worlds: [...byWorld.values()], files: await migrations(folder), count: parsed.length };
}

/** Plays some worlds, each on a fresh database with the migrations applied; the first differences in each. */
async function play(some) {
  const name = (index) => `WORLD_${index}`;
  const server = await start(Object.fromEntries(some.map((_, index) => [name(index), `world-${index}`])));
  try {
    const all = [];
    for (const [index, lines] of some.entries()) {
      const applied = await server.run(name(index), applying(files));
      const failed = applied.findIndex((outcome) => outcome.error !== undefined);
      if (failed >= 0) throw new Error(`D1 refuses ${files[failed].name}: ${applied[failed].error}`);
      const list = steps(lines);
      const outcomes = await server.run(name(index), list);
      // What comes after the first difference in a world follows from it as often as not.
      const first = list.map((step, at) => differences(step, outcomes[at])).find((some) => some.length > 0);
      all.push(...(first ?? []));
      if (all.length >= LISTED_MAX) break;
    }
    return all;
  } finally {
    await server.stop();
  }
}

function counted(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function fail(message) {
  console.error(`d1-replay: ${message}`);
  process.exit(2);
}
