// Duty: sees that a trace is read as it was meant, and that the player notices an outcome that is another one.
// Never: compares with anything but what is written here by hand.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { differences, kindOf, parse, statement, steps } from "./trace.mjs";

const at = (name) => fileURLToPath(new URL(name, import.meta.url));
const line = (of, number = 1) => parse(JSON.stringify({ world: 1, sql: "SELECT 1", params: [], outcome: { rows: [] }, ...of }), number);

test("integers are written into the statement, and the other parameters are numbered anew", () => {
  const text = `{"world":1,"sql":"SELECT '?1', ?2, \\"?1\\", ?1, ?3, ?2 -- ?1\\n","params":[-7,"a",2.0],"outcome":{"rows":[]}}`;
  assert.deepEqual(statement(parse(text, 1)), { sql: "SELECT '?1', ?1, \"?1\", (-7), ?2, ?1 -- ?1\n", params: ["a", 2] });
});

test("a parameter without a number follows the greatest so far", () => {
  const { sql, params } = statement(line({ sql: "SELECT ?, ?3, ?", params: ["a", "b", "c", 4] }));
  assert.deepEqual({ sql, params }, { sql: "SELECT ?1, ?2,  4 ", params: ["a", "c"] });
});

test("an integer that no JavaScript number holds stays exact", () => {
  const text = `{"world":1,"sql":"SELECT ?1","params":[9223372036854775807],"outcome":{"rows":[]}}`;
  assert.equal(statement(parse(text, 1)).sql, "SELECT  9223372036854775807 ");
});

test("digits within a text are no number", () => {
  assert.deepEqual(statement(line({ sql: "SELECT ?1", params: ['5 "6" 7'] })), { sql: "SELECT ?1", params: ['5 "6" 7'] });
});

test("more than 100 parameters are bound as they are, so that D1 can refuse them", () => {
  const params = Array.from({ length: 101 }, () => 1);
  assert.equal(statement(line({ sql: "SELECT ?101", params })).params.length, 101);
});

test("the lines of one batch are one step, and the next batch is another", () => {
  const lines = [line({ batch: 1 }), line({ batch: 1 }), line({ batch: 2 }), line({}), line({})];
  assert.deepEqual(
    steps(lines).map((step) => step.lines.length),
    [2, 1, 1, 1],
  );
});

test("the end of a batch is no statement, and may be what is refused", () => {
  const [step] = steps([line({ batch: 1 }), line({ batch: 1, sql: "COMMIT", outcome: { refused: "constraint" } })]);
  assert.equal(step.statements.length, 1);
  assert.deepEqual(differences(step, { error: "SQLITE_CONSTRAINT_FOREIGNKEY" }), []);
  assert.equal(differences(step, [{ rows: [], changes: 0 }])[0].saw, "not refused");
});

test("a refusal has the kind that D1 tells, whatever words a trigger chose", () => {
  assert.equal(kindOf("D1_ERROR: too many rows: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_TRIGGER)"), "trigger");
  assert.equal(kindOf("D1_ERROR: UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)"), "constraint");
  assert.equal(kindOf("D1_ERROR: not authorized: SQLITE_AUTH"), "authorizer");
  assert.equal(kindOf("D1_ERROR: LIKE or GLOB pattern too complex: SQLITE_ERROR"), "limit");
  assert.equal(kindOf('D1_ERROR: near "x": syntax error at offset 7: SQLITE_ERROR'), "syntax");
});

test("rows, whether something changed, refusals and their kinds are compared", () => {
  const found = (of, outcome) => differences(steps([line(of)])[0], outcome).length;
  assert.equal(found({ outcome: { rows: [[1, "a"]] } }, [{ rows: [[1, "a"]] }]), 0);
  assert.equal(found({ outcome: { rows: [[1, "a"]] } }, [{ rows: [["1", "a"]] }]), 1);
  assert.equal(found({ changes: 1 }, [{ rows: [], changes: 9 }]), 0);
  assert.equal(found({ changes: 0 }, [{ rows: [], changes: 9 }]), 1);
  assert.equal(found({ outcome: { refused: "trigger" } }, { error: "SQLITE_CONSTRAINT_TRIGGER" }), 0);
  assert.equal(found({ outcome: { refused: "syntax" } }, { error: "SQLITE_CONSTRAINT_TRIGGER" }), 1);
  assert.equal(found({ outcome: { refused: "syntax" } }, [{ rows: [] }]), 1);
  assert.equal(found({}, { error: "SQLITE_AUTH" }), 1);
});

test("times that both clocks gave are one, and other times are not", () => {
  const equal = (told, saw) => differences(steps([line({ outcome: { rows: [[told]] } })])[0], [{ rows: [[saw]] }]).length === 0;
  const now = Date.now();
  const text = (time) => new Date(time).toISOString().slice(0, 19).replace("T", " ");
  assert.ok(equal(now, now + 5000) && equal(Math.floor(now / 1000), Math.floor(now / 1000) + 5) && equal(text(now), text(now + 5000)));
  assert.ok(!equal(now, now - 9e8) && !equal(1, 2) && !equal(text(now), text(now - 9e8)) && !equal(now, null));
});

test("a line that is none is named", () => {
  assert.throws(() => parse("{", 7), /line 7 is no JSON/);
  assert.throws(() => parse('{"world":1,"sql":"SELECT 1","outcome":{}}', 8), /line 8 has no/);
  assert.throws(() => parse('{"world":1,"sql":"SELECT 1","outcome":{"refused":"odd"}}', 9), /line 9: "odd" is no kind/);
});

test("on real workerd a trace with one wrong line is told by that line, and without it passes", () => {
  const play = (trace) => spawnSync(process.execPath, [at("replay.mjs"), at(trace), at("../../migrations/patterns")], { encoding: "utf8" });
  const right = play("testdata/right.jsonl");
  assert.equal(right.status, 0, right.stdout + right.stderr);
  assert.match(right.stdout, /D1 gave the outcomes of the trace: 19 statements in 3 worlds/);
  const wrong = play("testdata/wrong.jsonl");
  assert.equal(wrong.status, 1, wrong.stdout + wrong.stderr);
  const told = wrong.stdout.split("\n").map((text) => text.trimEnd());
  assert.match(told[0], /wrong\.jsonl:4 {2}world 2$/);
  assert.deepEqual(told.slice(1, 3), ["  UPDATE users SET id = 'bob'", "  in the trace: rows [], changes 1"]);
  assert.match(told[3], /^ {2}on D1: {8}refused: trigger \(.*a user keeps its id and its tenant/);
  assert.match(wrong.stdout, /D1 differs from the trace in 1 of 5 statements in 2 worlds/);
});

test("of a batch that D1 refuses against the trace every statement is told", () => {
  const [step] = steps([line({ batch: 1 }, 3), line({ batch: 1 }, 4)]);
  const [{ lines, saw }] = differences(step, { error: "SQLITE_AUTH: not authorized" });
  assert.deepEqual([lines.map(({ number }) => number), saw], [[3, 4], "refused: authorizer (SQLITE_AUTH: not authorized)"]);
});

test("a trace that holds nothing is no success", () => {
  const empty = spawnSync(process.execPath, [at("replay.mjs"), "/dev/null", at("../../migrations/patterns")], { encoding: "utf8" });
  assert.equal(empty.status, 2);
  assert.match(empty.stderr, /holds no statement/);
});
