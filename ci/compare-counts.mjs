// Duty: holds the number of criteria that a run verified against what `moltproof doctor` says can be verified, give or take two.
// What hangs on another criterion's breach counts as verifiable: a breach is what the run is there to find, and the doctor does not judge.
// Never: asks which ones.
//
//   node ci/compare-counts.mjs REPORT.json DIAGNOSIS.json NAME

import { readFileSync } from "node:fs";

const MARGIN = 2;
const [report, diagnosis, name] = process.argv.slice(2);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const { coverage } = read(diagnosis);
const said = coverage.must.verifiable + coverage.should.verifiable + coverage.may.verifiable;
const VERIFIED = ["passed", "failed", "accepted", "flaky", "known"];
const { criteria } = read(report);
const broken = new Set(criteria.filter((criterion) => criterion.verdict === "failed").map((criterion) => criterion.id));
const hangs = ({ verdict, reason }) => verdict === "not_verified" && broken.has(/^because of ([A-Z]+-\d+)/.exec(reason ?? "")?.[1]);
const seen = criteria.filter((criterion) => VERIFIED.includes(criterion.verdict) || hangs(criterion)).length;
const holds = Math.abs(said - seen) <= MARGIN;
console.log(`${name}: the doctor says that ${said} criteria can be verified, the run verified ${seen}${holds ? "" : ": too far apart"}`);
process.exit(holds ? 0 : 1);
