// Duty: holds the number of criteria that a run verified against what `moltproof doctor` says can be verified, give or take three: two are the aim, and one style is three apart.
// Never: asks which ones.
//
//   node ci/compare-counts.mjs REPORT.json DIAGNOSIS.json NAME

import { readFileSync } from "node:fs";

const MARGIN = 3;
const [report, diagnosis, name] = process.argv.slice(2);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const { coverage } = read(diagnosis);
const said = coverage.must.verifiable + coverage.should.verifiable + coverage.may.verifiable;
const VERIFIED = ["passed", "failed", "accepted", "flaky", "known"];
const seen = read(report).criteria.filter((criterion) => VERIFIED.includes(criterion.verdict)).length;
const holds = Math.abs(said - seen) <= MARGIN;
console.log(`${name}: the doctor says that ${said} criteria can be verified, the run verified ${seen}${holds ? "" : ": too far apart"}`);
process.exit(holds ? 0 : 1);
