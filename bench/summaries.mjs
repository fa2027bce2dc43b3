// What researchers wait for: a publication over many people, questions to it, and exports of its rows.
//   NEPHROCAST_URL=… NEPHROCAST_MIGRATE_DATABASE_URL=… node bench/summaries.mjs [people, by default 1,000,000]

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";

const base = process.env.NEPHROCAST_URL;
const database = process.env.NEPHROCAST_MIGRATE_DATABASE_URL;
if (!base || !database) throw new Error("run scripts/bench-summaries");
const people = Number(process.argv[2] ?? 1_000_000);
const QUESTIONS = 1000;

/** The memory of a process, MB. */
function resident(pid) {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
  } catch {
    return NaN;
  }
}

const seconds = (from) => (performance.now() - from) / 1000;
function run(what, command, ...args) {
  const begun = performance.now();
  execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  console.log(`${what}: ${seconds(begun).toFixed(1)} s`);
}

/** Publishes, and watches the memory that it takes. */
async function publish() {
  const begun = performance.now();
  const publisher = spawn("target/debug/nephrocast", ["publish"], { stdio: ["ignore", "ignore", "inherit"] });
  let most = 0;
  const watch = setInterval(() => { most = Math.max(most, resident(publisher.pid) || 0); }, 1000);
  const [code] = await once(publisher, "exit");
  clearInterval(watch);
  if (code !== 0) throw new Error(`publishing ended with ${code}`);
  console.log(`publication: ${seconds(begun).toFixed(1)} s, at most ${most.toFixed(0)} MB`);
}

run(`making ${people} people with ${20 * people} observations`, "psql", "--no-psqlrc", "--quiet", database,
  "--set", `people=${people}`, "--file", "bench/people.sql");
await publish();

const credentials = { email: "researcher@example.org", password: "nephrocast-demo" };
const signedIn = await fetch(`${base}/api/v1/auth/login`, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(credentials),
});
const headers = { authorization: `Bearer ${(await signedIn.json()).access_token}` };

const fields = ["sex", "age_band", "stage", "albuminuria", "cause", "diabetes", "risk_category", "year"];
const ofTrend = fields.slice(0, 6);

/** Asks one question after another, and says how long the answers took. */
async function time(what, count, ask) {
  const times = [];
  let groups = 0;
  for (let asked = 0; asked < count; asked += 1) {
    const [path, options] = ask(asked);
    const begun = performance.now();
    const answer = await fetch(`${base}/api/v1/summaries/${path}`, { headers, ...options });
    const body = await answer.json();
    times.push(performance.now() - begun);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${JSON.stringify(body)}`);
    groups += (body.groups ?? body.histograms ?? body.voices ?? body.counts).length;
  }
  times.sort((a, b) => a - b);
  const at = (share) => `${times[Math.floor(count * share)].toFixed(0)} ms`;
  console.log(`${count} × ${what}, ${groups} groups: median ${at(0.5)}, 95th percentile ${at(0.95)}, longest ${at(0.999)}`);
}

/** Every combination of up to three of some fields, in turn. */
function chosen(asked, among, most = 3) {
  const places = [0, 1, 2].slice(0, most).map((place) => Math.floor(asked / among.length ** place) % among.length);
  return [...new Set(places.map((place) => among[place]))].join(",");
}

await time("cohort", QUESTIONS, (asked) => [`cohort?group_by=${chosen(asked, fields)}`]);
await time("trends", 200, (asked) => [`trends?group_by=${chosen(asked, ofTrend, 2)}`]);
await time("risk-distribution", 200, (asked) => [`risk-distribution?group_by=${chosen(asked, ofTrend, 2)}`]);
await time("model-performance", 100, () => ["model-performance"]);
await time("private-counts", 60, (asked) => {
  // Another price for each: the same question would be answered from the ledger.
  const question = { group_by: chosen(7 * asked, fields).split(","), epsilon: 0.02 + asked / 1000 };
  const body = JSON.stringify(question);
  return ["private-counts", { method: "POST", body, headers: { ...headers, "content-type": "application/json" } }];
});

/** Whether a process is the API server of this run. */
function serves(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("nephrocast\0serve") &&
      readFileSync(`/proc/${pid}/environ`, "utf8").includes(process.env.NEPHROCAST_LISTEN);
  } catch {
    // It has ended meanwhile, or is somebody else's.
    return false;
  }
}

const server = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).find(serves);
const { rows } = await (await fetch(`${base}/api/v1/summaries/export-report`, { headers })).json();

for (const format of ["csv", "ndjson", "parquet"]) {
  const memory = [resident(server)];
  const begun = performance.now();
  const answer = await fetch(`${base}/api/v1/summaries/export?format=${format}`, { headers });
  let bytes = 0;
  let pieces = 0;
  let lines = 0;
  for await (const piece of answer.body) {
    bytes += piece.length;
    for (const byte of piece) lines += byte === 10;
    pieces += 1;
    if (pieces % 50 === 0) memory.push(resident(server));
  }
  const took = seconds(begun);
  memory.push(resident(server));
  // The head of a CSV is a line, too; the report rounds down to 5.
  if (format !== "parquet" && Math.floor((lines - (format === "csv")) / 5) * 5 !== rows) throw new Error(`${lines} lines, ${rows} rows`);
  console.log(`${format}: ${rows} rows, ${(bytes / 1e6).toFixed(0)} MB in ${took.toFixed(1)} s, ${(rows / took).toFixed(0)} rows/s; ` +
    `the server's memory ${memory[0].toFixed(0)} MB before, ${memory[memory.length >> 1].toFixed(0)} MB half-way, ` +
    `${memory.at(-1).toFixed(0)} MB after, at most ${Math.max(...memory).toFixed(0)} MB`);
}
