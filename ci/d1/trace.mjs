// Duty: what the lines of a trace mean: steps for D1, and whether an outcome of D1 is the one that the line tells.
// Never: runs anything, or forgives a difference.

/** Every kind of refusal in a trace, with the words by which D1 tells it; the first that matches counts. */
const KINDS = [
  ["trigger", /SQLITE_CONSTRAINT_TRIGGER/],
  // A deferred violation shows when the batch ends: workerd then gives up the object, and newer ones only say that something happened.
  ["constraint", /SQLITE_CONSTRAINT|SQLITE_MISMATCH|Durable Object was reset|internal error; reference/],
  ["authorizer", /not authorized|prohibited|^(D1_ERROR: )?To execute a transaction/],
  ["limit", /too (many|long|big|large|complex|deep)|SQLITE_TOOBIG|nested too|variable number must be between/],
  ["syntax", /./],
];

/** The kind of refusal that an error of D1 is. */
export const kindOf = (message) => KINDS.find(([, words]) => words.test(message))[0];

const NUMBER_OR_TEXT = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** One line, its integer parameters as `{ integer: "…" }`: a JavaScript number is not exact above 2^53, and 5.0 is not told from 5. */
export function parse(text, number) {
  let line;
  let exact;
  try {
    line = JSON.parse(text);
    exact = JSON.parse(text.replaceAll(NUMBER_OR_TEXT, (token) => (/^-?\d+$/.test(token) ? `{"integer":"${token}"}` : token)));
  } catch (error) {
    throw new Error(`line ${number} is no JSON: ${error.message}`);
  }
  const { world, sql, batch = null, outcome, changes = null } = line;
  if (!Number.isInteger(world) || typeof sql !== "string" || !(outcome?.rows || outcome?.refused)) {
    throw new Error(`line ${number} has no world, no sql, or no outcome with rows or refused`);
  }
  if (outcome.refused && !KINDS.some(([kind]) => kind === outcome.refused)) {
    throw new Error(`line ${number}: "${outcome.refused}" is no kind of refusal (${KINDS.map(([kind]) => kind).join(", ")})`);
  }
  return { number, world, sql, given: line.params ?? [], params: exact.params ?? [], batch, outcome, changes };
}

const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[A-Za-z_\u0080-\uffff$][\w\u0080-\uffff$]*|\?\d*/g;

/**
 * A statement as D1 can be asked: its integers written into the SQL, the other parameters numbered anew.
 * D1 binds every JavaScript number as REAL, so a bound 5 would be 5.0 where no column's affinity turns it back, in `json_insert` or
 * `typeof`. A literal has no affinity either, which a CAST would have. More than 100 parameters stay as they are: that is a limit to be seen.
 */
export function statement({ sql, params }) {
  const isInteger = (value) => value !== null && typeof value === "object" && "integer" in value;
  const plain = params.map(function number(value) {
    if (Array.isArray(value)) return value.map(number);
    return isInteger(value) ? Number(value.integer) : value;
  });
  if (params.length === 0 || params.length > 100) return { sql, params: plain };
  const kept = new Map();
  let last = 0;
  const text = sql.replaceAll(TOKEN, (token) => {
    if (!token.startsWith("?")) return token;
    const index = token === "?" ? last + 1 : Number(token.slice(1));
    last = Math.max(last, index);
    const value = params[index - 1];
    if (isInteger(value)) {
      return value.integer.startsWith("-") ? `(${value.integer})` : ` ${value.integer} `;
    }
    if (!kept.has(index)) kept.set(index, kept.size + 1);
    return `?${kept.get(index)}`;
  });
  return { sql: text, params: [...kept.keys()].map((index) => plain[index - 1]) };
}

/**
 * The lines as steps: those of one batch are one step; a statement that returns rows is read as rows, and any other for what it changes.
 * `COMMIT` in a batch is not a statement but its end, where references that are still broken refuse it.
 */
export function steps(lines) {
  const list = [];
  for (const line of lines) {
    if (line.batch === null || list.at(-1)?.number !== line.batch) {
      const reads = line.batch === null && (line.outcome.rows?.length ?? 0) > 0;
      list.push({ number: line.batch, batch: line.batch !== null, reads, lines: [], statements: [] });
    }
    const step = list.at(-1);
    step.lines.push(line);
    if (!step.batch || line.sql !== "COMMIT") step.statements.push(statement(line));
  }
  return list;
}

/** What the trace told and what D1 did, for each line of a step where they differ; D1 does not say which statement of a batch it refused. */
export function differences(step, outcome) {
  const refused = step.lines.find((line) => line.outcome.refused);
  if (outcome.error !== undefined) {
    const kind = kindOf(outcome.error);
    if (refused?.outcome.refused === kind) return [];
    const lines = refused ? [refused] : step.lines;
    return [{ lines, told: refused ? said(refused) : lines.map(said).join("; "), saw: `refused: ${kind} (${outcome.error})` }];
  }
  // A batch is refused whole: what its other statements gave was taken back.
  if (refused) {
    const saw = outcome[step.lines.indexOf(refused)];
    return [{ lines: [refused], told: said(refused), saw: saw ? shown(saw) : "not refused" }];
  }
  const pairs = step.lines.map((line, index) => ({ line, saw: outcome[index] }));
  return pairs.filter(({ line, saw }) => !same(line, saw)).map(({ line, saw }) => ({ lines: [line], told: said(line), saw: shown(saw) }));
}

/** Rows are equal value by value. Of changes only whether there were any: D1 counts those of triggers and of the index as well. */
function same(line, saw) {
  if (line.changes !== null && saw.changes !== undefined && (line.changes === 0) !== (saw.changes === 0)) return false;
  const told = line.outcome.rows;
  const equal = (one, other) => JSON.stringify(one) === JSON.stringify(other) || (isOfTheClock(one) && isOfTheClock(other));
  return (
    told.length === saw.rows.length &&
    told.every((row, at) => row.length === saw.rows[at].length && row.every((value, place) => equal(value, saw.rows[at][place])))
  );
}

const DAY_MS = 86_400_000;

/** Whether a value is a time of today or so, as a default of the schema reads it from the clock: the copy in memory read it at another time. */
function isOfTheClock(value) {
  const isNear = (time) => Math.abs(time - Date.now()) < DAY_MS;
  if (typeof value === "number") return isNear(value) || isNear(value * 1000);
  const text = typeof value === "string" && /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)Z?$/.exec(value);
  return Boolean(text) && isNear(Date.parse(`${text[1]}T${text[2]}Z`));
}

const said = (line) =>
  line.outcome.refused ? `refused: ${line.outcome.refused}` : shown({ rows: line.outcome.rows, changes: line.changes ?? undefined });

const shown = ({ rows, changes }) => {
  const text = JSON.stringify(rows);
  const short = text.length > 300 ? `${text.slice(0, 300)}… (${rows.length} rows)` : text;
  return changes === undefined ? `rows ${short}` : `rows ${short}, changes ${changes}`;
};
