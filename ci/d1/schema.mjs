// Duty: says whether the database that wrangler migrated has the schema that the same files give through the binding.
// Never: applies anything to wrangler's database.
//
//   node ci/d1/schema.mjs MIGRATIONS STATE DATABASE_ID      STATE is wrangler's --persist-to; exit 0: the same; 1: another; 2: it cannot be told

import { applying, migrations, start } from "./workerd.mjs";

/** What D1, its ledger and SQLite keep for themselves is no part of a schema that files make. */
const OBJECTS = `
SELECT type, name, tbl_name, sql FROM sqlite_schema
WHERE sql IS NOT NULL AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT IN ('d1_migrations', 'sqlite_sequence')
ORDER BY type, name`;

/** So many differences are listed; more of them seldom say more. */
const LISTED_MAX = 20;

const [folder, state, database] = process.argv.slice(2);
if (!folder || !state || !database) fail("all are needed: MIGRATIONS (a folder), STATE (wrangler's --persist-to) and DATABASE_ID");
try {
  const files = await migrations(folder);
  const byBinding = await objects({ DB: "fresh" }, undefined, files);
  const byWrangler = await objects({ DB: database }, state, []);
  const names = [...new Set([...byBinding.keys(), ...byWrangler.keys()])].sort();
  const differ = names.filter((name) => byBinding.get(name) !== byWrangler.get(name));
  for (const name of differ.slice(0, LISTED_MAX)) {
    console.log(`${name}\n  through the binding: ${byBinding.get(name) ?? "not there"}\n  by wrangler:         ${byWrangler.get(name) ?? "not there"}\n`);
  }
  if (names.length === 0) fail(`${folder} makes no table`);
  console.log(differ.length > 0 ? `${differ.length} of ${names.length} objects differ` : `the same ${names.length} objects through the binding and by wrangler`);
  process.exitCode = differ.length > 0 ? 1 : 0;
} catch (error) {
  fail(error.message);
}

/** Every object of a database, with the files applied first: what it is called, and the SQL that made it. */
async function objects(databases, persistTo, files) {
  const server = await start(databases, persistTo);
  try {
    const read = { batch: false, reads: true, statements: [{ sql: OBJECTS, params: [] }] };
    const outcomes = await server.run("DB", [...applying(files), read]);
    const failed = outcomes.findIndex((outcome) => outcome.error !== undefined);
    if (failed >= 0) throw new Error(`D1 refuses ${files[failed]?.name ?? "to show the schema"}: ${outcomes[failed].error}`);
    return new Map(outcomes.at(-1)[0].rows.map(([type, name, table, sql]) => [`${type} ${name} of ${table}`, sql]));
  } finally {
    await server.stop();
  }
}

function fail(message) {
  console.error(`d1 schema: ${message}`);
  process.exit(2);
}
