// Asks for many predictions at once, as a hospital system would, and waits until the last has ended.
//   NEPHROCAST_URL=http://127.0.0.1:8080 node bench/predictions.mjs [how many]

const base = process.env.NEPHROCAST_URL;
const wanted = process.argv[2] ?? "1000";
if (!base) throw new Error("NEPHROCAST_URL is not set: run scripts/bench");
const total = Number(wanted);
const api = `${base}/api/v1`;
const headers = { "content-type": "application/json" };

async function call(method, path, body) {
  const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Calls `work` with 0 to count − 1, so many at a time. */
async function inTurn(count, width, work) {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const seconds = (from) => (performance.now() - from) / 1000;

const credentials = { email: "clinician@example.org", password: "nephrocast-demo" };
headers.authorization = `Bearer ${(await call("POST", "/auth/login", credentials)).access_token}`;
const { items } = await call("GET", "/patients?limit=100");
if (items.length === 0) throw new Error("there are no patients");

// One, on an idle machine: from the request to the result.
const alone = [];
for (let round = 0; round < 20; round += 1) {
  const begun = performance.now();
  const path = `/patients/${items[round % items.length].id}/predictions`;
  let prediction = await call("POST", path, {});
  while (prediction.status === "queued" || prediction.status === "running") {
    await new Promise((resolve) => setTimeout(resolve, 5));
    prediction = await call("GET", `/predictions/${prediction.id}`);
  }
  if (prediction.status !== "succeeded") throw new Error(`one ended as ${prediction.status}`);
  alone.push(performance.now() - begun);
}
alone.sort((a, b) => a - b);
console.log(`alone: median ${percentile(alone, 0.5).toFixed(0)} ms, worst ${alone.at(-1).toFixed(0)} ms`);

// Many at once, each for a patient of its own: a second request for the same patient would only
// answer the open one.
const patients = [];
const mrn = `BENCH-${Date.now()}`;
await inTurn(total, 16, async (index) => {
  const patient = await call("POST", "/patients", {
    mrn: `${mrn}-${index}`, given_name: "Bench", family_name: "Fictional", sex: "female",
    birth_date: "1960-05-17", diabetes: index % 2 === 0, hypertension: true,
  });
  const values = [];
  for (let visit = 0; visit < 8; visit += 1) {
    const effective_at = new Date(Date.now() - visit * 120 * 86_400_000).toISOString();
    values.push({ code: "egfr", value: 22 + (index % 30) + visit, unit: "mL/min/{1.73_m2}", effective_at });
    values.push({ code: "uacr", value: 300 + index, unit: "mg/g", effective_at });
  }
  await call("POST", `/patients/${patient.id}/observations`, { observations: values });
  patients[index] = patient.id;
});
const begun = performance.now();
const open = await Promise.all(
  Array.from({ length: total }, (_, index) =>
    call("POST", `/patients/${patients[index]}/predictions`, {}),
  ),
);
console.log(`${total} requested in ${seconds(begun).toFixed(1)} s`);
const ended = new Map();
let waiting = open.map((prediction) => prediction.id);
while (waiting.length > 0) {
  const still = [];
  for (const id of waiting) {
    const { status } = await call("GET", `/predictions/${id}`);
    if (status === "queued" || status === "running") still.push(id);
    else ended.set(status, (ended.get(status) ?? 0) + 1);
  }
  waiting = still;
}
const counts = [...ended].map(([status, count]) => `${count} ${status}`).join(", ");
const distinct = new Set(open.map((prediction) => prediction.id)).size;
if (distinct !== total) throw new Error(`${distinct} predictions instead of ${total}`);
console.log(`${total} ended in ${seconds(begun).toFixed(1)} s: ${counts}`);
if ((ended.get("succeeded") ?? 0) !== total) process.exitCode = 1;
