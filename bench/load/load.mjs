// How much the product serves, beside the classic stack (bench/peer) where that is wanted, and how long
// its callers wait at half of that. Run scripts/bench-load, which says what the options are.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

import { coldStart, memory, ours, peer, sleep, sql } from "./sides.mjs";

const database = process.env.NEPHROCAST_MIGRATE_DATABASE_URL;
if (!process.env.NEPHROCAST_LISTEN || !database) throw new Error("run scripts/bench-load");
const option = (name, usual) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : process.argv[at + 1];
};
const people = Number(option("patients", 10_000));
const seconds = Number(option("seconds", 5));
const rounds = Number(option("rounds", 3));
const csv = option("csv");
const only = option("only")?.split(",");
const wanted = (name) => !only || only.includes(name);
const withPeer = process.argv.includes("--peer");
/** Who ask without a pause: enough that both sides have all they can take. */
const CALLERS = 128;
/** Who ask at half of that. */
const THINKERS = 256;
/** Before each measurement: what callers who are gone had asked for is still worked on, and entries are sealed. */
const REST_MS = 2000;
const TOLERANCE = 1e-4;

const load = () => `load ${loadavg()[0].toFixed(1)}`;
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const round = (number) => (number < 999.5 ? number.toPrecision(3) : Math.round(number));

// --- The people.

let begun = performance.now();
// Only what was made to its end counts: a comment on the database says so.
const whole = `${people} people`;
const made = sql(database, "--command", "select shobj_description(oid, 'pg_database') from pg_database where datname = current_database()");
if (made !== whole) {
  // The first thing that people.sql does is to drop this index.
  const touched = "select to_regclass('observations_of_patient') is null or exists (select from patients where mrn like 'B-%')";
  if (sql(database, "--command", touched) === "t") {
    throw new Error(`the kept folder has ${made || "people who were not made to their end"}, not ${whole}: remove it, and begin again`);
  }
  execFileSync("psql", ["--no-psqlrc", "--quiet", database, "--set", `people=${people}`, "--set", "predictable=true", "--file", "bench/people.sql"],
    { stdio: ["ignore", "ignore", "inherit"] });
  sql(database, "--command", `comment on database ${new URL(database).pathname.slice(1)} is '${whole}'`);
}
// Of a million people some thousands are looked at. The predictions of people.sql are made for summaries; theirs become
// whole: copies of a demonstration's, of one with as many values.
const SAMPLE = "select id from patients where mrn like 'B-%' and archived_at is null order by md5(mrn) limit 5000";
sql(database, "--command", `update predictions set inputs = whole.inputs, result = whole.result,
  model_name = whole.model_name, model_version = whole.model_version from (
    select * from predictions where inputs ? 'values'
    order by abs(jsonb_array_length(inputs -> 'values') - 20), id limit 1
  ) whole where predictions.patient_id in (${SAMPLE})`, "--command", "vacuum analyze predictions");
// What was just made is on the disk before anything is measured, and nothing is vacuumed meanwhile: a log that
// grows by a fifth in a minute would be.
const superuser = new URL(database);
superuser.username = "postgres";
const alter = (how) => sql(superuser.href, "--command", `alter system ${how}`, "--command", "select pg_reload_conf()");
sql(superuser.href, "--command", "vacuum analyze audit_events, audit_leaves", "--command", "checkpoint");
alter("set autovacuum = off");
process.on("exit", () => alter("reset autovacuum"));
console.log(`${people} people, ${20 * people} observations made in ${((performance.now() - begun) / 1000).toFixed(0)} s (${load()})`);
const own = await ours(database);
// What the sign-in took is given back.
await sleep(REST_MS);
const atRest = Object.entries(own.parts).map(([name, pid]) => `${name} ${memory([pid]).resident.toFixed(0)} MB`);
const starts = [];
for (let time = 0; time < 5; time += 1) starts.push(await coldStart());
console.log(`before any request: ${atRest.join(", ")}; \`nephrocast serve\` is ready after ${median(starts).toFixed(0)} ms (${load()})`);

begun = performance.now();
const other = withPeer ? await peer(database) : undefined;
if (other) console.log(`the peer filled and started in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
const sides = other ? [own, other] : [own];

// --- What is asked for, the same of both.

const folder = mkdtempSync(join(tmpdir(), "load-"));
const sample = sql(database, "--field-separator", "\t", "--command",
  `select id, mrn, family_name from patients where id in (${SAMPLE}) order by md5(mrn)`).split("\n").map((line) => line.split("\t"));
// Whom the network speaks of: a course that is not too old, and no end point.
const predictable = sql(database, "--command", `select id from patients where mrn like 'B-%' and archived_at is null
  and latest_egfr_at between now() - interval '1 year' and now()
  and id not in (select patient_id from outcomes) order by md5(mrn) limit 20000`).split("\n");
const escaped = encodeURIComponent;
const page = "/api/v1/patients?limit=50&sort=-risk";
const FILTERS = ["", "&risk_category=very_high", "&risk_category=high", "&risk_category=moderate", "&renal_disease=polycystic"];
const born = (n) => `19${30 + (n % 60)}-0${1 + (n % 9)}-1${n % 10}`;
const person = (n, stamp) => JSON.stringify({
  mrn: `L-${stamp}-${n}`, given_name: "Load", family_name: `Fictional${n % 1000}`, birth_date: born(n),
  sex: n % 2 ? "male" : "female", diabetes: n % 3 === 0, hypertension: true, renal_disease: "diabetic",
});
const parts = ["", "/observations?limit=50", "/therapies", "/predictions?limit=1"];
const KINDS = {
  list: { what: "a page of 50 by risk, with and without a filter", lines: FILTERS.map((filter) => ["GET", page + filter]) },
  search: {
    what: "by number, by family name, in turn",
    lines: sample.flatMap(([, mrn, name]) => [["GET", `${page}&q=${escaped(mrn)}`], ["GET", `${page}&q=${escaped(name)}`]]),
  },
  detail: { what: "one patient", lines: sample.map(([id]) => ["GET", `/api/v1/patients/${id}`]) },
  record: {
    what: "one patient with values, therapies and latest prediction (ours: four requests, as the page does)",
    lines: sample.flatMap(([id]) => parts.map((part) => ["GET", `/api/v1/patients/${id}${part}`])),
    ofPeer: sample.map(([id]) => ["GET", `/api/v1/patients/${id}/record`]), each: parts.length,
  },
  create: { what: "a patient", once: true,
    lines: Array.from({ length: 100_000 }, (_, n) => ["POST", "/api/v1/patients", person(n, begun.toFixed(0))]) },
  predict: { what: "asked for singly, until the last result is stored",
    lines: predictable.map((id) => ["POST", `/api/v1/patients/${id}/predictions`, "{}"]) },
};
const READS = ["list", "search", "detail", "record"];
const linesOf = (kind, side) => (side === other && kind.ofPeer) || kind.lines;
const places = new Map();

/** Lets wrk ask one side for one kind of thing: as much as it can, or with pauses in between. */
async function send(side, name, { time = seconds, callers = CALLERS, pause, warming = false } = {}) {
  const [kind, key] = [KINDS[name], `${side.name}-${name}`];
  const file = join(folder, key);
  writeFileSync(file, `${linesOf(kind, side).map(([method, path, body = ""]) => `${method}\t${path}\t${body}`).join("\n")}\n`);
  const from = places.get(key) ?? 0;
  const env = { ...process.env, LOAD_TOKEN: side.token, ...(pause && { LOAD_PAUSE: String(pause) }) };
  const wrk = spawn("wrk", ["-t1", `-c${callers}`, `-d${time}s`, "--timeout", "30s", "-s", "bench/load/requests.lua",
    side.url, "--", file, String(from)], { env, stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  wrk.stdout.on("data", (data) => { said += data; });
  await once(wrk, "close");
  const result = JSON.parse(/^result (.*)$/m.exec(said)[1]);
  places.set(key, from + result.requests + callers);
  if (kind.once && kind.lines.length < places.get(key)) throw new Error(`${name}: there is not enough to send`);
  if (result.broken || (name !== "predict" && result.refused && !warming)) {
    throw new Error(`${key}: ${result.refused} refused, ${result.broken} broken of ${result.requests}`);
  }
  return result;
}

/** How many a second a side answers. */
async function ask(side, name) {
  const { requests, seconds: time } = await send(side, name);
  return requests / time / (side === own ? KINDS[name].each ?? 1 : 1);
}

/** Asks for everything once, for a minute at most: what is looked at often is in memory, a disk is slow, and the first
 * change of a page after a checkpoint costs more than the others. Predictions that are asked for again say the same. */
async function warm(side, name) {
  const { length } = linesOf(KINDS[name], side);
  const since = performance.now();
  for (let asked = 0; asked < length && performance.now() - since < 60_000;) {
    asked += name === "predict" ? (await predict(side)).count : (await send(side, name, { warming: true })).requests;
  }
}

/** Asks for predictions for a while, waits for the last, and says how many that were, in how many seconds. */
async function predict(side) {
  const since = new Date().toISOString();
  await send(side, "predict", { time: Math.min(seconds, 3) });
  while (side.open()) await sleep(250);
  const [count, time] = side.predicted(since).split("|").map(Number);
  return { count, time };
}

/** How many predictions a second a side makes. */
async function predictionRate(side) {
  const { count, time } = await predict(side);
  return count / time;
}

// --- Both by turns.

const from = new Date().toISOString();
const rates = {};
for (const name of Object.keys(KINDS).filter(wanted)) {
  rates[name] = Object.fromEntries(sides.map((side) => [side.name, []]));
  if (READS.includes(name)) for (const side of sides) await warm(side, name);
  if (name === "predict") {
    // The next is a quarter of an hour later.
    sql(superuser.href, "--command", "checkpoint");
    for (const side of sides) {
      await warm(side, name);
      places.delete(`${side.name}-predict`);
    }
  }
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const side of turn % 2 ? sides.toReversed() : sides) {
      await sleep(REST_MS);
      rates[name][side.name].push(await (name === "predict" ? predictionRate(side) : ask(side, name)));
    }
  }
}
if (other && wanted("predict")) {
  // Only what says the same is compared.
  const theirs = other.answers(from);
  const differences = [...own.answers(from)].filter(([id]) => theirs.has(id)).map(([id, risk]) => Math.abs(risk - theirs.get(id)));
  const largest = Math.max(...differences);
  if (!(largest < TOLERANCE)) throw new Error(`${differences.length} risks of both sides differ by up to ${largest}`);
  console.log(`${differences.length} patients' risks are the same on both sides (to ${largest.toExponential(0)})`);
}
console.log(`\n${people} patients, ${CALLERS} callers, ${rounds} rounds of ${seconds} s by turns, ${load()}\n`);
console.log(other ? "| | ours, a second | the peer | ratio |\n| --- | --- | --- | --- |" : "| | a second |\n| --- | --- |");
for (const [name, { ours: mine, peer: theirs }] of Object.entries(rates)) {
  const label = `| ${name}: ${KINDS[name].what} | ${round(median(mine))} |`;
  if (!other) {
    console.log(label);
    continue;
  }
  const ratios = mine.map((rate, turn) => rate / theirs[turn]).toSorted((a, b) => a - b);
  console.log(`${label} ${round(median(theirs))} | **${round(median(ratios))}** (${round(ratios[0])} to ${round(ratios.at(-1))}) |`);
}
const used = sides.map((side) => memory(side.pids()));
const cells = (of) => used.map((one) => `${of(one).toFixed(0)} MB |`).join(" ");
const ratio = (of) => other ? ` 1 / ${round(of(used[1]) / of(used[0]))} |` : "";
console.log(`| memory after that, resident, all processes | ${cells((m) => m.resident)}${ratio((m) => m.resident)}`);
console.log(`| the same, shared pages once | ${cells((m) => m.proportional)}${ratio((m) => m.proportional)}`);
if (other) console.log(`| start to ready | ${median(starts).toFixed(0)} ms | ${median(other.starts).toFixed(0)} ms | 1 / ${round(median(other.starts) / median(starts))} |`);
await other?.stop();

// --- How long callers wait at half of what there is.

console.log(`\nAt half of that, ${seconds} s each:\n\n| | requests a second | median | 99th percentile | |\n| --- | --- | --- | --- | --- |`);
for (const name of ["list", "search", "detail"].filter(wanted)) {
  const pause = (1000 * THINKERS) / (median(rates[name].ours) / 2);
  await sleep(REST_MS);
  const { requests, seconds: time, p50, p99 } = await send(own, name, { callers: THINKERS, pause });
  const rate = requests / time;
  console.log(`| ${name} | ${round(rate)} | ${p50.toFixed(1)} ms | ${p99.toFixed(1)} ms | ${load()} |`);
  if (csv) appendFileSync(csv, `${people},${name},${rate.toFixed(0)},${p50.toFixed(2)},${p99.toFixed(2)},${loadavg()[0].toFixed(1)}\n`);
}

// --- Everybody's prediction at once: batches of at most 50,000, told apart by the record number.

const call = async (method, path, body) => {
  const headers = { authorization: `Bearer ${own.token}`, "content-type": "application/json" };
  const answer = await fetch(`${own.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};
const begins = (from, to) => Array.from({ length: to - from }, (_, n) => `B-${n + from}`);
// As they begin, so that each batch is of some ten thousand.
const numbers = !wanted("bulk") ? [] : people <= 50_000 ? ["B-"] : people < 500_000 ? begins(1, 10) : begins(10, 100);
begun = performance.now();
const batches = [];
for (const q of numbers) batches.push(await call("POST", "/prediction-batches", { filter: { q } }));
const reasons = new Set();
const counts = { succeeded: 0, failed: 0, refused: 0 };
for (const { id } of batches) {
  let batch = await call("GET", `/prediction-batches/${id}`);
  while (batch.status === "queued" || batch.status === "running") {
    await sleep(500);
    batch = await call("GET", `/prediction-batches/${id}`);
  }
  if (batch.status !== "completed") throw new Error(`a batch ended as ${batch.status}: ${batch.error}`);
  for (const what of Object.keys(counts)) counts[what] += batch[what];
  for (const { reason } of batch.reasons) reasons.add(reason);
}
const took = (performance.now() - begun) / 1000;
const said = Object.entries(counts).map(([what, count]) => `${count} ${what}`).join(", ");
if (batches.length) console.log(`\nbulk: ${batches.length} batches, ${said} in ${took.toFixed(1)} s, ${round(counts.succeeded / took)} a second (${load()})`);
if (reasons.size) console.log(`refused because: ${[...reasons].join("; ")}`);
rmSync(folder, { recursive: true });
