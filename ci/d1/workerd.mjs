// Duty: real workerd with D1 databases in it, driven through the binding of a small Worker, as an application would.
// Never: knows what a trace is, or which outcome is right.

import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

// The versions that `fixtures/worker` pins: what it runs on is what is proven.
const require = createRequire(new URL("../../fixtures/worker/package.json", import.meta.url));
const { Log, LogLevel, Miniflare } = require("miniflare");

/**
 * The Worker: does what it is told on one of its databases, one step after the other, and answers what came of each.
 * A step is a batch, or a statement of its own; the outcome has rows (arrays of values) and changes, or the error's text.
 */
const SCRIPT = `
// A blob is an array of its bytes on its way, as the binding itself gives one back.
const given = (value) => (Array.isArray(value) ? new Uint8Array(value) : value);
export default {
  async fetch(request, env) {
    const { database, steps } = await request.json();
    const db = env[database];
    const bound = ({ sql, params }) => (params.length > 0 ? db.prepare(sql).bind(...params.map(given)) : db.prepare(sql));
    const outcomes = [];
    for (const step of steps) {
      try {
        if (step.batch) {
          const results = await db.batch(step.statements.map(bound));
          outcomes.push(results.map(({ results, meta }) => ({ rows: results.map(Object.values), changes: meta.changes })));
        } else if (step.reads) {
          // Rows as arrays: as objects, two columns of one name would be one.
          outcomes.push([{ rows: await bound(step.statements[0]).raw() }]);
        } else {
          const { results, meta } = await bound(step.statements[0]).all();
          outcomes.push([{ rows: results.map(Object.values), changes: meta.changes }]);
        }
      } catch (error) {
        outcomes.push({ error: String(error?.message ?? error) });
      }
    }
    return Response.json(outcomes);
  },
};
`;

/** Workerd with these databases (binding to id): in memory, or in the folder in which wrangler keeps them (`--persist-to`). */
export async function start(databases, persistTo) {
  const server = new Miniflare({
    modules: true,
    script: SCRIPT,
    compatibilityDate: "2026-04-01",
    d1Databases: databases,
    d1Persist: persistTo === undefined ? false : path.join(path.resolve(persistTo), "v3", "d1"),
    cf: false,
    log: new Log(LogLevel.NONE),
    // What workerd logs of a statement that it refuses is in the outcome.
    handleRuntimeStdio: (stdout, stderr) => {
      stdout.resume();
      stderr.resume();
    },
  });
  await server.ready;
  return {
    /** Takes the steps on one database; the outcomes in the same order. */
    async run(database, steps) {
      const answer = await server.dispatchFetch("http://d1.test/", { method: "POST", body: JSON.stringify({ database, steps }) });
      if (!answer.ok) throw new Error(`the Worker that drives D1 failed: ${await answer.text()}`);
      return answer.json();
    },
    stop: () => server.dispose(),
  };
}

/** The files of a folder in the order in which wrangler applies them: by leading integer, then by name; those without one are last. */
export async function migrations(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql"));
  if (names.length === 0) throw new Error(`${folder} holds no .sql file`);
  const number = (name) => {
    const leading = Number.parseInt(name.split("_")[0], 10);
    return Number.isNaN(leading) ? Infinity : leading;
  };
  names.sort((one, other) => (number(one) === number(other) ? (one < other ? -1 : 1) : number(one) < number(other) ? -1 : 1));
  return Promise.all(names.map(async (name) => ({ name, sql: await readFile(path.join(folder, name), "utf8") })));
}

/** The steps that apply files through the binding: each is one batch, so one transaction. */
export const applying = (files) => files.map(({ sql }) => ({ batch: true, statements: [{ sql, params: [] }] }));
