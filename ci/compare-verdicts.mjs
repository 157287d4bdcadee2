// Duty: holds the verdicts of a report against an expected.tsv (criterion, verdict or several with `|`, reason), line by line.
// Never: changes the expectation.
//
//   node ci/compare-verdicts.mjs REPORT.json EXPECTED.tsv NAME

import { readFileSync } from "node:fs";

const [report, expected, name] = process.argv.slice(2);
const { criteria, warnings } = JSON.parse(readFileSync(report, "utf8"));
const seen = new Map(criteria.map((criterion) => [criterion.id, criterion]));
const lines = readFileSync(expected, "utf8").split("\n").filter((line) => line !== "" && !line.startsWith("#"));
const wrong = [];
for (const line of lines) {
  const [id, verdicts, reason] = line.split("\t");
  const one = seen.get(id);
  seen.delete(id);
  if (!verdicts.split("|").includes(one?.verdict ?? "not selected")) {
    wrong.push(`  ${id}: expected ${verdicts}${reason ? ` (${reason})` : ""}\n    saw ${one?.verdict ?? "nothing"}: ${one?.reason ?? ""}`);
  }
}
for (const id of seen.keys()) wrong.push(`  ${id}: nothing is expected of it in ${expected}`);
for (const warning of warnings) wrong.push(`  warning: ${warning}`);
console.log(`${name}: ${lines.length} verdicts, ${wrong.length === 0 ? "all as expected" : `${wrong.length} not as expected`}`);
for (const text of wrong) console.log(text);
process.exit(wrong.length === 0 ? 0 : 1);
