// People of every sight at the same time, over servers that share a few connections of PostgreSQL: what
// each of them sees must stay their own; then a replica that answers, falls behind, catches up and dies.
// scripts/scale-check starts it.

import { execFile } from "node:child_process";
import { strict as assert } from "node:assert";
import { promisify } from "node:util";

const base = process.env.NEPHROCAST_URL;
if (!base) throw new Error("NEPHROCAST_URL is not set: run scripts/scale-check");
const api = `${base}/api/v1`;
const ROUNDS = 60;

async function signIn(name) {
  const answer = await fetch(`${api}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: base },
    body: JSON.stringify({ email: `${name}@example.org`, password: "nephrocast-demo" }),
  });
  assert.equal(answer.status, 200, `${name} signs in`);
  const { access_token } = await answer.json();
  return async (method, path, body, headers = {}) => {
    const form = body instanceof FormData;
    const answer = await fetch(api + path, {
      method,
      headers: {
        authorization: `Bearer ${access_token}`, ...(form ? {} : { "content-type": "application/json" }), ...headers,
      },
      body: form ? body : body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (400 <= answer.status) throw new Error(`${name} ${method} ${path}: ${answer.status} ${text}`);
    const json = answer.headers.get("content-type")?.includes("json");
    return { status: answer.status, tag: answer.headers.get("etag"), body: json ? JSON.parse(text) : text };
  };
}

const [admin, clinician, patient, researcher] = await Promise.all(
  ["admin", "clinician", "patient", "researcher"].map(signIn));

/** A new record with values. */
async function record(number) {
  const { body } = await clinician("POST", "/patients", {
    mrn: `SCALE-${number}`, given_name: "Scale", family_name: "Fictional", sex: "female",
    birth_date: "1960-05-17", diabetes: true, hypertension: true,
  });
  const at = (visit) => new Date(Date.now() - visit * 120 * 86_400_000).toISOString();
  const observations = [0, 1, 2].map((visit) => (
    { code: "egfr", value: 30 + visit, unit: "mL/min/{1.73_m2}", effective_at: at(visit) }));
  await clinician("POST", `/patients/${body.id}/observations`, { observations });
  return body.id;
}

/** Asks for a prediction and hears by the stream of events when it has ended. */
async function predict(id) {
  const { body } = await clinician("POST", `/patients/${id}/predictions`, {});
  const begun = performance.now();
  const { body: events } = await clinician("GET", `/predictions/${body.id}/events`, undefined, { accept: "text/event-stream" });
  assert.match(events, /succeeded/);
  return performance.now() - begun;
}

/** Everybody whom the site shows a list, page by page. */
async function listed(client) {
  const found = new Set();
  let cursor = "";
  do {
    const { body } = await client("GET", `/patients?limit=100${cursor}`);
    body.items.forEach((item) => found.add(item.id));
    cursor = body.next_cursor && `&cursor=${encodeURIComponent(body.next_cursor)}`;
  } while (cursor);
  return found;
}

const mine = [];
for (let number = 0; number < 8; number += 1) mine.push(await record(number));

// Documents on the way, predictions, and what each may see, all over the same few connections.
const settings = await admin("GET", "/settings");
await admin("PATCH", "/settings", { visibility: "care_team" }, { "if-match": settings.tag });
const [all, cared] = [await listed(admin), await listed(clinician)];
assert.ok(cared.size < all.size, `a clinician sees ${cared.size} of ${all.size}`);
assert.ok(mine.every((id) => cared.has(id)), "whoever made a record is in its care team");
const own = (await patient("GET", "/me/record")).body.id;
assert.ok(own, "a patient sees their own record");
const waits = [];
await Promise.all(Array.from({ length: ROUNDS }, async (_, round) => {
  const one = mine[round % mine.length];
  const letter = new FormData();
  const pdf = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";
  letter.append("file", new Blob([pdf], { type: "application/pdf" }), "letter.pdf");
  await Promise.all([
    predict(one).then((wait) => waits.push(wait)),
    listed(clinician).then((seen) => assert.deepEqual(seen, cared, "a clinician's list")),
    listed(admin).then((seen) => assert.deepEqual(seen, all, "an administrator's list")),
    patient("GET", "/me/record").then(({ body }) => assert.equal(body.id, own, "a patient's own record")),
    researcher("GET", "/summaries/privacy-budgets"),
    clinician("POST", `/patients/${one}/documents`, letter).then(({ status }) => assert.equal(status, 201)),
  ]);
}));
waits.sort((a, b) => a - b);
console.log(
  `${ROUNDS} rounds of six requests at once: everybody saw what is theirs (${cared.size} of ${all.size} records for the ` +
  `clinician); predictions ended after ${waits[ROUNDS >> 1].toFixed(0)} ms (median), ${waits.at(-1).toFixed(0)} ms (worst).`);

// What researchers read, and how everybody stands: from the replica while it keeps up.
const run = promisify(execFile);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const replica = (query) => run("psql", ["--no-psqlrc", "-qtA", process.env.REPLICA, "-c", query]);

/** Reads that a replica may answer, and by whom they were; its lag as the servers see it. */
async function told() {
  const sum = { replica: 0, primary: 0, up: Infinity, lag: 0 };
  for (const port of process.env.METRICS.split(" ")) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const value = (name) => Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1] ?? 0);
    for (const who of ["replica", "primary"]) sum[who] += value(`nephrocast_replica_reads_total{answered_by="${who}"}`);
    sum.up = Math.min(sum.up, value("nephrocast_replica_up"));
    sum.lag = Math.max(sum.lag, value("nephrocast_replica_lag_seconds"));
  }
  return sum;
}

/** Asks so often, after what was found of the replica is forgotten; who answered? */
async function ask() {
  await sleep(5200);
  const before = await told();
  for (let round = 0; round < 5; round += 1) {
    await researcher("GET", "/summaries/cohort?group_by=sex");
    await admin("GET", "/dashboard");
  }
  const after = await told();
  return { ...after, replica: after.replica - before.replica, primary: after.primary - before.primary };
}

const well = await ask();
assert.deepEqual([well.replica, well.primary, well.up], [10, 0, 1], JSON.stringify(well));
await replica("select pg_wal_replay_pause()");
await predict(mine[0]);
const behind = await ask();
assert.deepEqual([behind.replica, behind.primary], [0, 10], JSON.stringify(behind));
assert.ok(2 < behind.lag, `${behind.lag} s behind`);
await replica("select pg_wal_replay_resume()");
const again = await ask();
assert.deepEqual([again.replica, again.primary], [10, 0], JSON.stringify(again));
const [stop, ...rest] = process.env.REPLICA_STOP.split(" ");
await run(stop, rest);
const gone = await ask();
assert.deepEqual([gone.replica, gone.primary, gone.up], [0, 10, 0], JSON.stringify(gone));
console.log(
  `the replica answered ${well.replica} of 10 reads; ${behind.lag.toFixed(1)} s behind, none; after it had caught up, ` +
  `${again.replica}; dead, none: the database itself answered them all.`);
