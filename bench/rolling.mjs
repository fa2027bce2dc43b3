// Works with the product as long as a file is there, and counts what was answered and what failed. What
// was asked for must be in the database in the end, and predictions must have a result. See scripts/rolling.

import { existsSync } from "node:fs";

const base = process.env.NEPHROCAST_URL;
const going = process.argv[2];
if (!base || !going) throw new Error("run scripts/rolling");
const CALLERS = 8;
const PAUSE_MS = 10;
const headers = { "content-type": "application/json" };
const counts = { answered: 0 };
const failures = [];
let longest = 0;

async function call(method, path, body) {
  const begun = performance.now();
  const answer = await fetch(`${base}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.text();
  longest = Math.max(longest, performance.now() - begun);
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${said}`);
  counts.answered += 1;
  return JSON.parse(said);
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const credentials = { email: "clinician@example.org", password: "nephrocast-demo" };
headers.authorization = `Bearer ${(await call("POST", "/auth/login", credentials)).access_token}`;
const { items } = await call("GET", "/patients?limit=100&risk_category=high");
if (!items.length) throw new Error("there are no patients");

const [made, predictions] = [[], new Set()];
const STEPS = [
  () => call("GET", "/patients?limit=20&sort=-risk"),
  (n) => call("GET", `/patients/${items[n % items.length].id}`),
  async (n, caller) => made.push(await call("POST", "/patients", {
    mrn: `ROLL-${caller}-${n}`, given_name: "Rolling", family_name: "Fictional", sex: "male", birth_date: "1960-01-31",
  })),
  async (n, caller) => predictions.add((await call("POST", `/patients/${items[(7 * n + caller) % items.length].id}/predictions`, {})).id),
];
await Promise.all(Array.from({ length: CALLERS }, async (_, caller) => {
  for (let n = 0; existsSync(going); n += 1) {
    await STEPS[n % STEPS.length](n, caller).catch((error) => failures.push(error.message));
    await sleep(PAUSE_MS);
  }
}));

for (const { id, mrn } of made) {
  if ((await call("GET", `/patients/${id}`)).mrn !== mrn) failures.push(`${mrn} is not there`);
}
for (const id of predictions) {
  let prediction = await call("GET", `/predictions/${id}`);
  for (let look = 0; look < 600 && ["queued", "running"].includes(prediction.status); look += 1) {
    await sleep(100);
    prediction = await call("GET", `/predictions/${id}`);
  }
  if (prediction.status !== "succeeded") failures.push(`a prediction is ${prediction.status}`);
}
console.log(`${counts.answered} requests answered, the longest after ${longest.toFixed(0)} ms; ${made.length} patients made, ` +
  `${predictions.size} predictions, ${failures.length} failures`);
for (const failure of failures.slice(0, 5)) console.log(failure);
if (failures.length) process.exitCode = 1;
