// Duty: says whether SARIF logs are valid by the schema of SARIF 2.1.0. Never: forgives a warning.
//
//   node ci/sarif.mjs FOLDER_WITH_NODE_MODULES LOG.sarif…

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [place, ...logs] = process.argv.slice(2);
const require = createRequire(resolve(place, "package.json"));
const Ajv = require("ajv-draft-04").default ?? require("ajv-draft-04");
const formats = require("ajv-formats").default ?? require("ajv-formats");
const schema = JSON.parse(readFileSync(require.resolve("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"), "utf8").replace(/^\uFEFF/, ""));
// One pattern of the schema (of language tags) is none by the rules of Unicode patterns.
const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false });
formats(ajv);
const validate = ajv.compile(schema);
let invalid = 0;
for (const log of logs) {
  if (validate(JSON.parse(readFileSync(log, "utf8")))) continue;
  invalid += 1;
  for (const { instancePath, message } of validate.errors.slice(0, 10)) console.error(`${log}${instancePath}: ${message}`);
}
process.exit(invalid === 0 ? 0 : 1);
