// What researchers wait for: a publication over many people, questions to it, and exports of its rows.
//   NEPHROCAST_URL=… NEPHROCAST_MIGRATE_DATABASE_URL=… node bench/summaries.mjs [people, by default 1,000,000]

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";

const base = process.env.NEPHROCAST_URL;
const database = process.env.NEPHROCAST_MIGRATE_DATABASE_URL;
if (!base || !database) throw new Error("run scripts/bench-summaries");
const people = Number(process.argv[2] ?? 1_000_000);
const QUESTIONS = 1000;

const seconds = (from) => (performance.now() - from) / 1000;
function run(what, command, ...args) {
  const begun = performance.now();
  execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  console.log(`${what}: ${seconds(begun).toFixed(1)} s`);
}

run(`making ${people} people with ${20 * people} observations`, "psql", "--no-psqlrc", "--quiet", database,
  "--set", `people=${people}`, "--file", "bench/summaries.sql");
run("publication", "target/debug/nephrocast", "publish");

const credentials = { email: "researcher@example.org", password: "nephrocast-demo" };
const signedIn = await fetch(`${base}/api/v1/auth/login`, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(credentials),
});
const headers = { authorization: `Bearer ${(await signedIn.json()).access_token}` };

const fields = ["sex", "age_band", "stage", "albuminuria", "cause", "diabetes", "risk_category", "year"];
const times = [];
let groups = 0;
for (let asked = 0; asked < QUESTIONS; asked += 1) {
  // Every combination of up to three, in turn.
  const chosen = new Set([asked % 8, Math.floor(asked / 8) % 8, Math.floor(asked / 64) % 8].map((n) => fields[n]));
  const begun = performance.now();
  const answer = await fetch(`${base}/api/v1/summaries/cohort?group_by=${[...chosen].join(",")}`, { headers });
  groups += (await answer.json()).groups.length;
  times.push(performance.now() - begun);
  if (!answer.ok) throw new Error(`${answer.status}`);
}
times.sort((a, b) => a - b);
const at = (share) => `${times[Math.floor(QUESTIONS * share)].toFixed(0)} ms`;
console.log(`${QUESTIONS} questions, ${groups} groups: median ${at(0.5)}, 95th percentile ${at(0.95)}, longest ${at(0.999)}`);

/** The memory of the API server, MB. */
function memory() {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (!line.includes("nephrocast\0serve") || !readFileSync(`/proc/${pid}/environ`, "utf8").includes(process.env.NEPHROCAST_LISTEN)) continue;
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
    } catch {
      // It has ended meanwhile, or is somebody else's.
    }
  }
  return NaN;
}

for (const format of ["csv", "ndjson", "parquet"]) {
  const before = memory();
  let most = before;
  const begun = performance.now();
  const answer = await fetch(`${base}/api/v1/summaries/export?format=${format}`, { headers });
  let bytes = 0;
  let pieces = 0;
  for await (const piece of answer.body) {
    bytes += piece.length;
    pieces += 1;
    if (pieces % 200 === 0) most = Math.max(most, memory());
  }
  const took = seconds(begun);
  const { rows } = await (await fetch(`${base}/api/v1/summaries/export-report`, { headers })).json();
  console.log(`${format}: ${rows} rows, ${(bytes / 1e6).toFixed(0)} MB in ${took.toFixed(1)} s, ${(rows / took).toFixed(0)} rows/s; ` +
    `the server's memory ${before.toFixed(0)} MB before, at most ${most.toFixed(0)} MB`);
}
