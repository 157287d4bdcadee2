// What junit2json and test-results-parser read from the JUnit report of fixtures/reports/every-outcome.json.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const place = resolve(process.argv[2]);
const path = `${place}/report.xml`;
const must = (what, seen, wanted) => {
  if (JSON.stringify(seen) === JSON.stringify(wanted)) return;
  console.error(`junit-parsers: ${what}: read ${JSON.stringify(seen)}, wanted ${JSON.stringify(wanted)}`);
  process.exit(1);
};
const reason = 'expected status 403 with <code> "ACCESS_DENIED" & no body, saw status 200 ]]> ';

const { parse } = await import(pathToFileURL(`${place}/node_modules/junit2json/dist/esm/index.js`));
const read = await parse(readFileSync(path, "utf8"));
const cases = read.testsuite.flatMap((suite) => suite.testcase);
const named = (id) => cases.find((one) => one.name.startsWith(id));
must("junit2json: counts", [read.tests, read.failures, read.errors, cases.length], [11, 3, 1, 11]);
must("junit2json: the reason", named("ACC-002").failure[0].message, reason);
must("junit2json: the text", named("ACC-002").failure[0].inner.includes("moltproof run --target staging.toml --id ACC-002 --seed 7"), true);
must("junit2json: not verified is no pass", named("ACC-006").skipped?.[0]?.message ?? named("ACC-006").skipped?.message, "needs d1: add [observe.d1] to the manifest");

const { parse: results } = createRequire(`${place}/package.json`)("test-results-parser");
const total = results({ type: "junit", files: [path] });
// Its total leaves out what was skipped.
must("test-results-parser: counts", [total.total, total.passed, total.failed + total.errors, total.skipped], [6, 2, 4, 5]);
const failed = total.suites.flatMap((suite) => suite.cases).find((one) => one.name.startsWith("ACC-002"));
must("test-results-parser: a failure", [failed.status, failed.failure.trim()], ["FAIL", reason.trim()]);
console.log("junit2json, test-results-parser: read as meant");
