// What the audit log costs: reads of one patient after another with entries written and without, in
// turn, in one run. "Without" is no setting of the product: a trigger of this database, which is
// thrown away, drops the entries.
// As many reads at once as keep the machine busy: throughput is what it can take, and with few at
// once the wait for the disk counts as if it were work.
//   NEPHROCAST_URL=http://127.0.0.1:8080 NEPHROCAST_MIGRATE_DATABASE_URL=postgres://… node bench/audit.mjs [rounds [lanes]]

import { execFileSync } from "node:child_process";

const base = process.env.NEPHROCAST_URL;
const database = process.env.NEPHROCAST_MIGRATE_DATABASE_URL;
if (!base || !database) throw new Error("NEPHROCAST_URL or NEPHROCAST_MIGRATE_DATABASE_URL is not set: run scripts/bench-audit");
const rounds = Number(process.argv[2] ?? 12);
const api = `${base}/api/v1`;
const headers = { "content-type": "application/json" };
const LANES = Number(process.argv[3] ?? 32);
const SECONDS = 3;

function sql(statement) {
  execFileSync("psql", ["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", database, "--command", statement]);
}

async function call(method, path, body) {
  const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Reads per second, for some seconds. */
async function reads(ids) {
  const begun = performance.now();
  let done = 0;
  const lane = async () => {
    while (performance.now() - begun < SECONDS * 1000) {
      await call("GET", `/patients/${ids[done % ids.length]}`);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return (done * 1000) / (performance.now() - begun);
}

const credentials = { email: "clinician@example.org", password: "nephrocast-demo" };
headers.authorization = `Bearer ${(await call("POST", "/auth/login", credentials)).access_token}`;
const ids = (await call("GET", "/patients?limit=100")).items.map((item) => item.id);

sql(`create function drop_entry() returns trigger language plpgsql as 'begin return null; end';
  create trigger drop_entries before insert on audit_events for each row execute function drop_entry();
  alter table audit_events disable trigger drop_entries`);
await reads(ids);

const ratios = [];
const rates = { on: [], off: [] };
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
for (let round = 0; round < rounds; round += 1) {
  // Each order as often as the other: what drifts meanwhile evens out.
  const order = round % 2 === 0 ? ["on", "off"] : ["off", "on"];
  const rate = {};
  for (const audit of order) {
    sql(`alter table audit_events ${audit === "on" ? "disable" : "enable"} trigger drop_entries`);
    rate[audit] = await reads(ids);
    rates[audit].push(rate[audit]);
  }
  ratios.push(rate.on / rate.off);
}
const cost = 100 * (1 - median(ratios));
console.log(`reads of a patient, ${LANES} at once: ${median(rates.on).toFixed(0)}/s audited, ${median(rates.off).toFixed(0)}/s not`);
console.log(`audit costs ${cost.toFixed(1)} % (median of ${rounds} pairs; from ${(100 * (1 - Math.max(...ratios))).toFixed(1)} to ${(100 * (1 - Math.min(...ratios))).toFixed(1)} %)`);
if (10 <= cost) throw new Error("that is 10 % or more");
