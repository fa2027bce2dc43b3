// Asks for predictions and edits records through NGINX while servers, workers and PostgreSQL die,
// starts again what died, as a supervisor would, and then counts what was lost or done twice.
// scripts/chaos starts it.
//   node bench/chaos.mjs <folder> "<ports>" [predictions [edits [seed]]]

import { execFile, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";

const [folder, ports, wanted = "10000", edited = "1000", seeded = String(Date.now() % 1e6)] = process.argv.slice(2);
const [port, api1, api2, api3, ...metrics] = ports.split(" ");
const EDITORS = 4;
const [PREDICTIONS, SEED] = [wanted, seeded].map(Number);
/** Each editor does as many as the others. */
const EDITS = Math.ceil(Number(edited) / EDITORS) * EDITORS;
const api = `http://127.0.0.1:${port}/api/v1`;
const owner = process.env.OWNER;
delete process.env.OWNER;
/** The run ends after this long, whatever is left to do. */
const AT_MOST = 8 * 60_000;
const run = promisify(execFile);
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Mulberry32: the same seed, the same blows. */
function random() {
  random.state = (random.state + 0x6d2b79f5) | 0;
  let t = Math.imul(random.state ^ (random.state >>> 15), 1 | random.state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
random.state = SEED;
const pick = (list) => list[Math.floor(random() * list.length)];

// --- What runs, and runs again. ---

let ending = false;
const processes = new Map();
let restarts = 0;

/** A process that is started again half a second after it ends, however it ends. */
function supervise(name, command, args, environment = {}) {
  const log = openSync(`${folder}/run/${name}.log`, "a");
  const start = () => {
    // However this program ends, nothing of it goes on.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", command, ...args], { stdio: ["ignore", log, log], env: { ...process.env, ...environment } });
    processes.set(name, child);
    child.on("exit", async () => {
      if (ending) return;
      restarts += 1;
      await sleep(500);
      if (!ending) start();
    });
  };
  start();
}

async function end() {
  ending = true;
  const open = [...processes.values()].filter((child) => child.exitCode === null && child.signalCode === null);
  const ended = open.map((child) => new Promise((resolve) => child.on("exit", resolve)));
  open.forEach((child) => child.kill("SIGTERM"));
  await Promise.race([Promise.all(ended), sleep(12_000)]);
  open.forEach((child) => child.kill("SIGKILL"));
}
process.on("SIGTERM", async () => {
  await end();
  process.exit(143);
});

const program = "target/debug/nephrocast";
const SERVERS = ["server-1", "server-2", "server-3"];
const WORKERS = ["worker-1", "worker-2", "worker-3"];
[api1, api2, api3].forEach((one, index) =>
  supervise(SERVERS[index], program, ["serve"], {
    NEPHROCAST_LISTEN: `127.0.0.1:${one}`, NEPHROCAST_METRICS_LISTEN: `127.0.0.1:${metrics[index]}`,
  }));
WORKERS.forEach((name, index) =>
  supervise(name, program, ["worker"], { NEPHROCAST_METRICS_LISTEN: `127.0.0.1:${metrics[index + 3]}` }));
supervise("nginx", "nginx", ["-e", "stderr", "-p", `${folder}/run`, "-c", `${folder}/run/nginx.conf`]);

// --- What strikes. ---

const postgres = (...args) => run("scripts/postgres", [args[0], `${folder}/postgres`, ...args.slice(1)]);
const postmaster = () => Number(readFileSync(`${folder}/postgres/data/postmaster.pid`, "utf8").split("\n")[0]);

/** Of one that was killed, the last children may still be on their way out; a slow disk makes a stop long. */
async function insistOnPostgres(command) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await postgres(command);
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(500);
    }
  }
}

const children = async (pid) => {
  const listed = await run("pgrep", ["--parent", String(pid)]).catch(() => ({ stdout: "" }));
  return listed.stdout.split("\n").filter(Boolean).map(Number);
};

/** To a process that may have ended meanwhile. */
function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}

let longestStop = 0;

function tellToStop(name) {
  const [child, told] = [processes.get(name), performance.now()];
  child.once("exit", () => {
    longestStop = Math.max(longestStop, performance.now() - told);
  });
  child.kill("SIGTERM");
}

const BLOWS = {
  "server killed": () => processes.get(pick(SERVERS)).kill("SIGKILL"),
  "worker killed": () => processes.get(pick(WORKERS)).kill("SIGKILL"),
  "server told to stop": () => tellToStop(pick(SERVERS)),
  "worker told to stop": () => tellToStop(pick(WORKERS)),
  "two servers and two workers killed": () =>
    ["server-1", "server-2", "worker-1", "worker-2"].forEach((name) => processes.get(name).kill("SIGKILL")),
  "NGINX reloaded": () => processes.get("nginx").kill("SIGHUP"),
  "NGINX killed": async () => {
    const master = processes.get("nginx");
    // Its workers would keep the port.
    const children = readFileSync(`/proc/${master.pid}/task/${master.pid}/children`, "utf8");
    master.kill("SIGKILL");
    for (const child of children.split(" ").filter(Boolean)) process.kill(Number(child), "SIGKILL");
  },
  "PostgreSQL stopped and started": async () => {
    await insistOnPostgres("stop");
    await sleep(1000 + 2000 * random());
    await insistOnPostgres("start");
  },
  "PostgreSQL killed": async () => {
    process.kill(postmaster(), "SIGKILL");
    await sleep(500);
    await insistOnPostgres("start");
  },
  "a connection's process of PostgreSQL killed": async () => {
    const one = "select pid from pg_stat_activity where application_name = 'nephrocast' order by random() limit 1";
    const pid = Number(await sql(one));
    // PostgreSQL then ends every connection and recovers.
    if (pid) process.kill(pid, "SIGKILL");
  },
  "every connection of PostgreSQL taken": async () => {
    // More than are left; those who come too late wait or are refused.
    const sleepers = Array.from({ length: 90 }, () => sql("select pg_sleep(3)").catch(() => null));
    await Promise.all(sleepers);
  },
  "PostgreSQL stopped in its tracks": async () => {
    // As on a disk that hangs: nobody is refused, and nobody is answered.
    const pids = [postmaster(), ...(await children(postmaster()))];
    for (const pid of pids) signal(pid, "SIGSTOP");
    await sleep(3000);
    for (const pid of pids) signal(pid, "SIGCONT");
  },
};
const struck = {};
/** The longest that nobody could look at anything after each kind of blow, in milliseconds. */
const dark = {};
let latest = "the start";
let quiet = false;

async function strike() {
  let round = [];
  await sleep(3000);
  while (!quiet) {
    if (round.length === 0) {
      round = Object.keys(BLOWS).map((name) => [random(), name]).sort().map(([, name]) => name);
    }
    const name = round.pop();
    latest = name;
    await BLOWS[name]();
    struck[name] = (struck[name] ?? 0) + 1;
    await sleep(1500 + 2500 * random());
  }
}

// --- What is asked for, until it is acknowledged. ---

let token = "";
const unavailable = { times: 0 };

/** One try: the status and the body; 0 when no answer came. */
async function attempt(method, path, body, headers = {}) {
  try {
    const answer = await fetch(api + path, {
      method,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(45_000),
    });
    return { status: answer.status, body: answer.status === 204 ? null : await answer.json() };
  } catch {
    return { status: 0, body: null };
  }
}

const uncertain = (status) => status === 0 || status === 429 || 500 <= status;

/** Tries until there is an answer that says something. */
async function insist(method, path, body, headers) {
  for (;;) {
    const answer = await attempt(method, path, body, headers);
    if (!uncertain(answer.status)) return answer;
    unavailable.times += 1;
    await sleep(100 + 200 * Math.random());
  }
}

async function sql(query) {
  const { stdout } = await run("psql", ["--no-psqlrc", "-qtA", owner, "-c", query], { maxBuffer: 1 << 28 });
  return stdout.trim();
}

async function inTurn(count, width, work) {
  let next = 0;
  const lane = async () => {
    while (next < count && !late()) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function ready() {
  for (;;) {
    const answer = await attempt("GET", "/openapi.json").catch(() => null);
    if (answer?.status === 200) return;
    await sleep(100);
  }
}

await ready();
const credentials = { email: "clinician@example.org", password: "nephrocast-demo" };
const signed = await fetch(`${api}/auth/login`, {
  method: "POST",
  headers: { "content-type": "application/json", origin: `http://127.0.0.1:${port}` },
  body: JSON.stringify(credentials),
});
token = (await signed.json()).access_token;

// The patients come straight into the database: they are not what is tested.
await sql(`
  insert into patients (id, mrn, given_name, family_name, birth_date, sex, diabetes, hypertension, created_at, updated_at)
  select gen_random_uuid(), 'CHAOS-' || n, 'Chaos', 'Fictional', date '1950-01-01' + n % 9000, 'female',
    n % 2 = 0, true, now(), now()
  from generate_series(1, ${PREDICTIONS}) as n;
  insert into observations (id, patient_id, code, value, unit, value_as_given, unit_as_given, effective_at, method,
    recorded_at, recorded_by)
  select gen_random_uuid(), id, 'egfr', value, 'mL/min/{1.73_m2}', value, 'mL/min/{1.73_m2}',
    now() - interval '30 days', 'reported', now(), (select id from users where email = 'clinician@example.org')
  from (select id, 20 + abs(hashtext(mrn)) % 40 as value from patients where mrn like 'CHAOS-%') as new;
  analyze patients, observations;`);
const patients = (await sql("select id from patients where mrn like 'CHAOS-%' order by mrn")).split("\n");
if (patients.length !== PREDICTIONS) throw new Error(`${patients.length} patients instead of ${PREDICTIONS}`);

const begun = performance.now();
const seconds = (from = begun) => (performance.now() - from) / 1000;
const late = () => AT_MOST < performance.now() - begun;

/** Predictions that were acknowledged: the id, by patient. */
const acknowledged = new Map();
const refused = [];

const predict = (index) => insistOnPrediction(patients[index]);
async function insistOnPrediction(patient) {
  const key = { "idempotency-key": randomUUID() };
  const { status, body } = await insist("POST", `/patients/${patient}/predictions`, {}, key);
  if (status === 202) acknowledged.set(patient, body.id);
  else refused.push(`prediction ${status} ${body?.title}`);
}

/** Edits that were acknowledged: the last name and how many, by patient; values by id. */
const names = new Map();
const values = new Map();
let editsDone = 0;

/** Each lane has patients of its own, so that nobody else changes their versions. */
async function edit(lane) {
  const own = patients.filter((_, index) => index % 25 === lane).slice(0, 20);
  const version = new Map(own.map((patient) => [patient, 1]));
  for (let count = 0; count < EDITS / EDITORS && !late(); count += 1) {
    const patient = own[count % own.length];
    if (count % 2) {
      await measure(patient, count);
    } else {
      await rename(patient, `Edit ${lane}-${count}`, version);
    }
    editsDone += 1;
    await sleep(50);
  }
}

async function measure(patient, count) {
  const observation = {
    code: "uacr", value: 100 + count, unit: "mg/g", effective_at: new Date(Date.now() - 60_000).toISOString(),
  };
  const key = { "idempotency-key": randomUUID() };
  const path = `/patients/${patient}/observations`;
  const { status, body } = await insist("POST", path, { observations: [observation] }, key);
  if (status === 201) body.items.forEach((item) => values.set(item.id, patient));
  else refused.push(`value ${status} ${JSON.stringify(body)}`);
}

/** The version says whether a change whose answer was lost has happened. */
async function rename(patient, name, version) {
  for (;;) {
    const match = { "if-match": `"${version.get(patient)}"` };
    const { status, body } = await attempt("PATCH", `/patients/${patient}`, { given_name: name }, match);
    let now = status === 200 ? body : null;
    if (!now && (uncertain(status) || status === 412)) {
      if (status !== 412) unavailable.times += 1;
      const found = (await insist("GET", `/patients/${patient}`)).body;
      if (found.given_name === name) now = found;
      else if (status === 412) {
        refused.push(`edit 412 at version ${version.get(patient)}, now ${found.version}`);
        return;
      }
    }
    if (now) {
      names.set(patient, { name, edits: (names.get(patient)?.edits ?? 0) + 1 });
      version.set(patient, now.version);
      return;
    }
    if (!uncertain(status)) {
      refused.push(`edit ${status} ${JSON.stringify(body)}`);
      return;
    }
    await sleep(200);
  }
}

const looks = { answered: 0, failed: 0 };
async function look() {
  let last = performance.now();
  while (!quiet) {
    const { status } = await attempt("GET", `/patients/${patients[Math.floor(Math.random() * patients.length)]}`);
    if (status === 200) {
      looks.answered += 1;
      dark[latest] = Math.max(dark[latest] ?? 0, performance.now() - last);
      last = performance.now();
    } else {
      looks.failed += 1;
    }
    await sleep(50);
  }
}

const done = Promise.all([
  inTurn(PREDICTIONS, 16, predict),
  ...Array.from({ length: EDITORS }, (_, lane) => edit(lane)),
]);
const [strikes, looking] = [strike(), look()];
// A quick run must not end before each blow has fallen once.
while (Object.keys(struck).length < Object.keys(BLOWS).length && !late()) await sleep(200);
await done;
quiet = true;
await Promise.all([strikes, looking]);
const after = performance.now();
console.log(`${acknowledged.size} predictions and ${editsDone} edits acknowledged in ${seconds().toFixed(0)} s (seed ${SEED}).`);
console.log(`What fell: ${Object.entries(struck).map(([name, times]) => `${name} ${times}`).join(", ")}.`);
console.log(`${restarts} processes ended and were started again; ${unavailable.times} requests had to be asked again; the longest stop took ${(longestStop / 1000).toFixed(1)} s.`);
const longest = Object.entries(dark).map(([name, time]) => `${name} ${(time / 1000).toFixed(1)} s`).join(", ");
console.log(`Looks: ${looks.answered} answered, ${looks.failed} not. The longest without one, after: ${longest}.`);

// --- What is left to be done is done by itself. ---

const open = "select count(*) from predictions where status in ('queued', 'running')";
const unsealed = "select count(*) from audit_events where not exists (select from audit_leaves where event_id = audit_events.id)";
while (Number(await sql(`select (${open}) + (${unsealed})`)) && performance.now() - after < 180_000) await sleep(500);
console.log(`Everything open was done and sealed ${seconds(after).toFixed(1)} s after the last blow.`);

// --- What was lost, what was done twice. ---

const ours = "(select id from patients where mrn like 'CHAOS-%')";
const lines = async (query) => (await sql(query)).split("\n").filter(Boolean).map((line) => line.split("|"));
const faults = [];
const expect = (what, found) => {
  console.log(`${String(found).padStart(6)}  ${what}`);
  if (found) faults.push(`${found} ${what}`);
};

const stored = new Map((await lines(`select id, status from predictions where patient_id in ${ours}`)));
const ids = [...acknowledged.values()];
expect("predictions that were acknowledged and are lost", ids.filter((id) => !stored.has(id)).length);
expect("predictions that are not final", [...stored.values()].filter((status) => /queued|running/.test(status)).length);
expect("predictions that failed", [...stored.values()].filter((status) => status === "failed").length);
const told = new Set(ids);
expect("predictions that nobody was told of", [...stored.keys()].filter((id) => !told.has(id)).length);
expect("predictions that were finished more or less than once", Number(await sql(`
  select count(*) from (
    select predictions.id from predictions
    left join audit_events on object_id = predictions.id and action = 'prediction.finish'
    where predictions.patient_id in ${ours}
    group by predictions.id having count(audit_events.id) <> 1) as wrong`)));
const people = new Map((await lines(`
  select patients.id, given_name, version, (
    select count(*) from audit_events
    where audit_events.patient_id = patients.id and action = 'patient.update'
  ) from patients where given_name like 'Edit %'`)).map(([id, ...rest]) => [id, rest]));
expect("records whose acknowledged edit is lost", [...names].filter(([id, { name }]) => people.get(id)?.[0] !== name).length);
expect("records with more or fewer edits than were acknowledged",
  [...names].filter(([id, { edits }]) => Number(people.get(id)?.[1]) !== edits + 1 || Number(people.get(id)?.[2]) !== edits).length);
const measured = new Set((await lines(`select id from observations where code = 'uacr' and patient_id in ${ours}`)).map(([id]) => id));
expect("values that were acknowledged and are lost", [...values.keys()].filter((id) => !measured.has(id)).length);
expect("values that were stored twice, or that nobody was told of", [...measured].filter((id) => !values.has(id)).length);
expect("requests that were refused", refused.length);
refused.slice(0, 5).forEach((one) => console.log(`        ${one}`));
expect("predictions and edits that were not asked for in time", PREDICTIONS - acknowledged.size + EDITS - editsDone);

expect("stops that took ten seconds or more", Number(10_000 <= longestStop));
const { stdout: verdict } = await run(program, ["audit", "verify"]).catch((error) => ({ stdout: error.stderr }));
console.log(verdict.trim());
if (!verdict.includes("is whole")) faults.push("the audit log is not whole");
for (const one of [api1, api2, api3]) {
  const answer = await fetch(`http://127.0.0.1:${one}/readyz`).catch(() => null);
  if (answer?.status !== 204) faults.push("a server is not back");
}
for (const one of metrics) {
  const text = await fetch(`http://127.0.0.1:${one}/metrics`).then((answer) => answer.text()).catch(() => "");
  if (!text.includes("nephrocast_database_up 1")) faults.push("a process is not back");
}
await end();
if (faults.length) {
  console.error(`Chaos found: ${faults.join("; ")}.`);
  process.exit(1);
}
console.log("Nothing was lost, nothing was done twice, and everything is back by itself.");
