// Duty: says whether a report file is what its readers expect: by the schema of the form's authors, and as their own parsers read it. Never: forgives a warning.
//
//   node check.mjs ctrf REPORT.ctrf.json WANTED_COUNTS
//   node check.mjs messages REPORT.ndjson PAGE.html WANTED_COUNTS
//   node check.mjs har REPORT.har WANTED_ENTRIES
//
// WANTED_COUNTS is JSON: how many tests end how, such as {"passed":2,"failed":5}; `-` for any.

import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pipeline } from "node:stream/promises";
import { AstBuilder, GherkinClassicTokenMatcher, Parser, compile } from "@cucumber/gherkin";
import { CucumberHtmlStream } from "@cucumber/html-formatter";
import { IdGenerator, getWorstTestStepResult, version } from "@cucumber/messages";
import { validate as isCtrf } from "ctrf";

const require = createRequire(import.meta.url);
const formats = require("ajv-formats").default;
const [form, file, ...rest] = process.argv.slice(2);

const fail = (what) => {
  console.error(`report-forms: ${file}: ${what}`);
  process.exit(1);
};
/** Fails with the first place at which the two differ. */
const must = (what, seen, wanted) => {
  if (JSON.stringify(seen) === JSON.stringify(wanted)) return;
  const nested = [seen, wanted].every((one) => one !== null && typeof one === "object");
  for (const key of nested ? new Set([...Object.keys(seen), ...Object.keys(wanted)]) : []) must(`${what} ${key}`, seen[key], wanted[key]);
  fail(`${what}: read ${JSON.stringify(seen)?.slice(0, 300)}, wanted ${JSON.stringify(wanted)?.slice(0, 300)}`);
};
/** Counts in a fixed order of keys. */
const counted = (words) => {
  const counts = {};
  for (const word of [...words].sort()) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
};
const wanted = (text) => (text === undefined || text === "-" ? undefined : counted(Object.entries(JSON.parse(text)).flatMap(([word, times]) => Array(times).fill(word))));
const validator = (Ajv, schema, options = {}) => {
  const ajv = new Ajv({ strict: false, allErrors: true, ...options });
  formats(ajv);
  return [ajv, ajv.compile(schema)];
};
const held = (validate, value, where = "") => {
  if (!validate(value)) fail(validate.errors.slice(0, 10).map(({ instancePath, message }) => `${where}${instancePath} ${message}`).join("; "));
};

function ctrf([counts]) {
  const report = JSON.parse(readFileSync(file, "utf8"));
  const schema = JSON.parse(readFileSync(require.resolve("ctrf").replace(/[^/]*$/, "ctrf-schema-0.0.json"), "utf8"));
  held(validator(require("ajv").default, schema)[1], report);
  const own = isCtrf(report);
  if (!own.valid) fail(JSON.stringify(own.errors));
  const { summary, tests } = report.results;
  for (const status of ["passed", "failed", "skipped", "pending", "other"]) {
    must(`summary.${status}`, summary[status], tests.filter((test) => test.status === status).length);
  }
  must("summary.tests", summary.tests, tests.length);
  must("names once", new Set(tests.map((test) => test.name)).size, tests.length);
  for (const test of tests) {
    // What passed says so in both words, and nothing else does.
    must(`${test.name}: a pass`, test.status === "passed", test.rawStatus === "passed");
    if (test.status !== "passed" && !test.message) fail(`${test.name} is ${test.status} without a reason`);
  }
  const want = wanted(counts);
  if (want) must("tests", counted(tests.map((test) => test.status)), want);
  console.log(`CTRF: ${tests.length} tests, valid, read as meant`);
}

/** A feature as Cucumber's own parser reads it, without ids and columns. */
const plain = (value) => {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return typeof value === "string" ? value.split("\n").map((line) => line.trim()).join("\n").trim() : value;
  const skipped = new Set(["id", "astNodeId", "astNodeIds", "column", "comments", "delimiter", "mediaType"]);
  const entries = Object.entries(value).filter(([key, own]) => !skipped.has(key) && own !== undefined);
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, own]) => [key, plain(own)]));
};

async function messages([page, counts]) {
  const all = readFileSync(file, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  const [, validate] = validator(require("ajv/dist/2020").default, require("@cucumber/messages/schema"));
  all.forEach((message, at) => held(validate, message, `line ${at + 1} `));
  const of = (kind) => all.filter((message) => message[kind]).map((message) => message[kind]);
  must("the protocol", of("meta")[0].protocolVersion, version);
  must("first and last", [Object.keys(all[0]), Object.keys(all.at(-1))], [["meta"], ["testRunFinished"]]);

  // Cucumber's own parser makes the same document and the same pickles of each source.
  for (const { uri, data } of of("source")) {
    const newId = IdGenerator.incrementing();
    const document = new Parser(new AstBuilder(newId), new GherkinClassicTokenMatcher()).parse(data);
    const ours = of("gherkinDocument").find((own) => own.uri === uri);
    must(`${uri}: the document`, plain(ours.feature), plain(document.feature));
    const pickles = compile({ ...document, uri }, uri, newId);
    const bare = (list) => list.map(({ location, ...own }) => plain(own));
    must(`${uri}: pickles`, bare(of("pickle").filter((own) => own.uri === uri)), bare(pickles));
  }

  // Every reference leads somewhere.
  const ids = (list) => new Set(list.map(({ id }) => id));
  const [pickles, started] = [of("pickle"), ids(of("testCaseStarted"))];
  const known = { pickle: ids(pickles), step: ids(pickles.flatMap(({ steps }) => steps)), hook: ids(of("hook")) };
  for (const { pickleId, testSteps } of of("testCase")) {
    if (!known.pickle.has(pickleId)) fail(`no pickle ${pickleId}`);
    for (const { pickleStepId, hookId } of testSteps) if (!(known.step.has(pickleStepId) || known.hook.has(hookId))) fail(`no step ${pickleStepId ?? hookId}`);
  }
  for (const { testCaseStartedId } of of("attachment")) if (!started.has(testCaseStartedId)) fail(`no test case ${testCaseStartedId}`);

  // How each test case ended, by Cucumber's own rule.
  const finished = of("testStepFinished");
  const ends = [...started].map((id) => getWorstTestStepResult(finished.filter((own) => own.testCaseStartedId === id).map((own) => own.testStepResult)).status);
  must("test cases that ended", of("testCaseFinished").length, ends.length);
  const want = wanted(counts);
  if (want) must("test cases", counted(ends), want);
  if (ends.includes("FAILED")) must("success", of("testRunFinished")[0].success, false);

  await pipeline(createReadStream(file), lines, new CucumberHtmlStream(), createWriteStream(page));
  const html = readFileSync(page, "utf8");
  if (!html.includes("window.CUCUMBER_MESSAGES")) fail("the HTML formatter wrote no messages");
  console.log(`Cucumber Messages: ${all.length} messages, ${ends.length} test cases, valid; rendered as ${page}`);
}

function har([entries]) {
  const { log } = JSON.parse(readFileSync(file, "utf8"));
  const schemas = require("har-schema");
  const Ajv = require("ajv").default;
  const ajv = new Ajv({ strict: false, allErrors: true, schemas: Object.values(schemas).map((schema) => ({ ...schema, $schema: undefined })) });
  formats(ajv);
  held(ajv.getSchema("har.json#") ?? ajv.getSchema("har.json"), { log });
  const pages = new Set(log.pages.map(({ id }) => id));
  must("pages once", pages.size, log.pages.length);
  for (const { pageref, time, timings, request } of log.entries) {
    if (!pages.has(pageref)) fail(`no page ${pageref}`);
    // As the format has it: the time of an entry is the sum of its known parts, the handshake being one of connect's.
    const { ssl, ...parts } = timings;
    const sum = Object.values(parts).filter((part) => part > 0).reduce((one, other) => one + other, 0);
    if (Math.abs(sum - time) > 0.001) fail(`${request.url}: ${time} ms are not the sum ${sum}`);
    if (!URL.canParse(request.url)) fail(`${request.url} is no address`);
  }
  if (entries !== "-") must("entries", log.entries.length, Number(entries));
  console.log(`HAR: ${log.pages.length} pages, ${log.entries.length} entries, valid`);
}

/** Lines of JSON as objects. */
async function* lines(chunks) {
  let rest = "";
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

const forms = { ctrf, messages, har };
await (forms[form] ?? fail(`no form ${form}`))(rest);
